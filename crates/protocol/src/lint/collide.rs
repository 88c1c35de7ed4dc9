//! Two different messages with one string to sign: values that run together, separators that are decoded, names that are taken once.

use std::collections::HashMap;

use super::aspect::{self, Meaning};
use super::finding::{Draft, FindingId, Severity};
use super::lab::{Lab, Shape};
use super::place::{self, Position};
use super::proof::{Accepted, Shows};
use crate::dialect::Part;
use crate::dialect::compile::CASELESS;
use crate::dialect::plan::{Guard, Op, PairList};
use crate::encoding::percent;
use crate::message::Message;
use crate::policy::Policy;
use crate::sign::SignOptions;

/// The most characters of a query or form that is tried.
const MOST: usize = 3;

/// What is put in the place of two neighbours.
const MARKS: [&str; 10] = ["mka", "mkb", "mkc", "mkd", "mke", "mkf", "mkg", "mkh", "mki", "mkj"];

/// Searches the samples.
pub(super) fn rule(lab: &Lab<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    if !lab.dialect.plan().signs() {
        return drafts;
    }
    for shape in &lab.shapes {
        lists(lab, shape, &mut drafts);
        shifts(lab, shape, &mut drafts);
        labels(lab, shape, &mut drafts);
        repeats(lab, shape, &mut drafts);
        moves(lab, shape, &mut drafts);
        cases(lab, shape, &mut drafts);
        spellings(lab, shape, &mut drafts);
    }
    drafts
}

/// A message and the options with which it is signed.
type Asked = (Message, SignOptions);

/// States a collision of two messages if both are accepted with the signature of the first.
fn collide(lab: &Lab<'_>, one: &Asked, other: &Asked, parts: &[Part], note: &str, drafts: &mut Vec<Draft>) {
    let Some(signed) = lab.sign(&one.0, &one.1) else { return };
    for policy in [lab.policy.clone(), lab.lenient()] {
        let Some(first) = lab.accept(&signed, &policy) else { continue };
        let Some(made) = first.tags.first().and_then(|tag| lab.forge(&other.0, &other.1, tag)) else { continue };
        if let Some(second) = lab.accept(&made, &policy) {
            state(lab, [&signed, &made], [&first, &second], &policy, parts, note, drafts);
            return;
        }
    }
}

/// Of the parts that the two messages mean differently, those that a signature speaks of are the collision.
fn state(
    lab: &Lab<'_>,
    messages: [&Message; 2],
    accepted: [&Accepted; 2],
    policy: &Policy,
    parts: &[Part],
    note: &str,
    drafts: &mut Vec<Draft>,
) {
    let shows = Shows::OneSignature(parts.to_vec());
    let proof = lab.proof(messages[0], messages[1], policy, shows);
    let signed = |part: &Part| accepted.iter().any(|a| a.verified.covers().contains(part) || matches!(part, Part::Header(_) | Part::Host));
    if !parts.iter().any(signed) || proof.check().is_err() {
        return;
    }
    let refused = *policy != lab.policy;
    let severity = if refused { Severity::Info } else { Severity::High };
    let part = parts.first().cloned();
    let note = if refused { format!("{note}; the default policy refuses it as ambiguous_request") } else { note.to_owned() };
    let stated = drafts.iter().position(|draft| draft.id == FindingId::Collision && draft.part == part);
    let draft = Draft { id: FindingId::Collision, severity, part, note, proof };
    match stated {
        Some(at) if drafts[at].severity < severity => drafts[at] = draft,
        Some(_) => {}
        None => drafts.push(draft),
    }
}

/// Puts a text into a message, if it has a place for it.
type Make<'m> = dyn Fn(&[u8]) -> Option<Message> + 'm;

/// Every short query and form over the characters that separate.
fn lists(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    let alphabet = alphabet(lab);
    let is_form = shape.base.view().is_form();
    let texts = texts(&alphabet);
    let query = |text: &[u8]| {
        let Message::Request(request) = &shape.base else { return None };
        let target = if text.is_empty() { b"/v1/items".to_vec() } else { [b"/v1/items?", text].concat() };
        Some(Message::Request(crate::message::Request { target, ..request.clone() }))
    };
    let form = |text: &[u8]| place::put(&shape.base, &Position::Body, text).filter(|_| is_form);
    let all: [(Part, &Make<'_>); 2] = [(Part::Query, &query), (Part::Body, &form)];
    for (part, make) in all {
        let mut seen: HashMap<Vec<u8>, Vec<(Message, Meaning)>> = HashMap::new();
        for message in texts.iter().filter_map(|text| make(text)) {
            let (Some(meaning), Ok(prepared)) =
                (aspect::meaning(&message, &part), lab.dialect.prepare(message.clone(), &lab.credential, &shape.options))
            else {
                continue;
            };
            let same = seen.entry(prepared.string_to_sign().to_vec()).or_default();
            for (other, _) in same.iter().filter(|(_, other)| *other != meaning) {
                let done = |draft: &Draft| {
                    draft.part.as_ref() == Some(&part) && draft.id == FindingId::Collision && draft.severity == Severity::High
                };
                if !drafts.iter().any(done) {
                    let asked = |message: &Message| (message.clone(), shape.options.clone());
                    collide(
                        lab,
                        &asked(other),
                        &asked(&message),
                        std::slice::from_ref(&part),
                        "names, values or items run together",
                        drafts,
                    );
                }
            }
            if same.iter().all(|(_, other)| *other != meaning) && same.len() < 4 {
                same.push((message, meaning));
            }
        }
    }
}

/// `a`, what separates on the wire, and what separates in the lists of the dialect, each raw where it can be and as an escape.
fn alphabet(lab: &Lab<'_>) -> Vec<Vec<u8>> {
    let plan = lab.dialect.plan();
    let mut all: Vec<Vec<u8>> = [&b"a"[..], b"=", b"&", b"%3D", b"%26"].map(<[u8]>::to_vec).to_vec();
    for list in [&plan.query, &plan.form, &plan.params] {
        for byte in separators(list) {
            let mut escaped = Vec::new();
            percent(&[byte], b"", &mut escaped);
            all.push(escaped);
        }
    }
    all.sort();
    all.dedup();
    all.truncate(8);
    all
}

fn separators(list: &PairList) -> Vec<u8> {
    let literals = list.each.ops.iter().filter_map(|op| if let Op::Literal(text) = op { text.first() } else { None });
    literals.chain(list.join.first()).copied().collect()
}

fn texts(alphabet: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut last = all.clone();
    for _ in 0..MOST {
        last = last.iter().flat_map(|text: &Vec<u8>| alphabet.iter().map(move |symbol| [&text[..], symbol].concat())).collect();
        all.extend(last.iter().cloned());
    }
    all
}

/// Two values that stand in one text: what parts them is put into the first, and then into the second.
fn shifts(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    let positions: Vec<(Position, &str)> = place::positions(lab, shape).into_iter().zip(MARKS).collect();
    let mut marked = (shape.base.clone(), shape.options.clone());
    for (position, mark) in &positions {
        // The method of a mark is a token too.
        let Some(next) = place::put_anywhere(&marked.0, &marked.1, position, mark.as_bytes()) else { continue };
        if lab.dialect.prepare(next.0.clone(), &lab.credential, &next.1).is_ok() {
            marked = next;
        }
    }
    let Ok(prepared) = lab.dialect.prepare(marked.0.clone(), &lab.credential, &marked.1) else { return };
    let whole = [("", prepared.string_to_sign())];
    let texts: Vec<Vec<u8>> = whole.into_iter().chain(prepared.stages().iter()).map(|(_, text)| text.to_vec()).collect();
    for text in &texts {
        let find = |mark: &str| text.windows(mark.len()).position(|window| window == mark.as_bytes());
        for (left, left_mark) in &positions {
            for (right, right_mark) in &positions {
                let (Some(start), Some(end)) = (find(left_mark), find(right_mark)) else { continue };
                if let Some(between) = text.get(start + left_mark.len()..end) {
                    shift(lab, &marked, (left, left_mark), (right, right_mark), between, drafts);
                }
            }
        }
    }
}

fn shift(lab: &Lab<'_>, marked: &Asked, left: (&Position, &str), right: (&Position, &str), between: &[u8], drafts: &mut Vec<Draft>) {
    let longer = |text: &str, more: [&[u8]; 2]| [text.as_bytes(), more[0], more[1]].concat();
    let of_left = place::spellings(left.0, &longer(left.1, [between, b"x"]));
    let of_right = place::spellings(right.0, &[b"x", between, right.1.as_bytes()].concat());
    for (on_left, on_right) in of_left.iter().flat_map(|l| of_right.iter().map(move |r| (l, r))) {
        let put = |position: &Position, text: &[u8]| place::put_anywhere(&marked.0, &marked.1, position, text);
        let (Some(one), Some(other)) = (put(left.0, on_left), put(right.0, on_right)) else { continue };
        let text =
            |asked: &Asked| lab.dialect.prepare(asked.0.clone(), &lab.credential, &asked.1).ok().map(|p| p.string_to_sign().to_vec());
        if text(&one).is_none_or(|text_of_one| text(&other) != Some(text_of_one)) {
            continue;
        }
        let note = format!("{} and {} run together", left.0, right.0);
        let mut parts = vec![left.0.part(), right.0.part()];
        parts.dedup();
        collide(lab, &one, &other, &parts, &note, drafts);
    }
}

/// A listed header whose line looks like what follows the list.
fn labels(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    for guard in &lab.dialect.plan().guards {
        let Guard::ListedHeader(name) = guard else { continue };
        let body = |text: &str| place::put(&shape.base, &Position::Body, text.as_bytes());
        let listed = body("w").and_then(|message| super::parts::with_header(&message, name, b"v"));
        let (Some(one), Some(other)) = (listed, body(&format!("v\n{name}:w"))) else { continue };
        let options = SignOptions { also: vec![name.clone()], ..shape.options.clone() };
        let parts = [Part::Body, Part::Header(name.clone())];
        collide(
            lab,
            &(one, options),
            &(other, shape.options.clone()),
            &parts,
            &format!("a header {name} is signed as if it were the next line"),
            drafts,
        );
    }
}

/// A header that is there once more, behind the one that was signed.
fn repeats(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    let names: Vec<String> = shape
        .accepted
        .verified
        .covers()
        .iter()
        .filter_map(|part| if let Part::Header(n) = part { Some(n.clone()) } else { None })
        .collect();
    for name in names {
        let mut made = shape.signed.clone();
        made.headers_mut().push((name.clone(), b"once-more".to_vec()));
        for policy in [lab.policy.clone(), lab.lenient()] {
            if let Some(second) = lab.accept(&made, &policy) {
                let parts = [Part::Header(name)];
                state(
                    lab,
                    [&shape.signed, &made],
                    [&shape.accepted, &second],
                    &policy,
                    &parts,
                    "of a repeated header the first is signed",
                    drafts,
                );
                break;
            }
        }
    }
}

/// A parameter of the form moved to the query.
fn moves(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    if !shape.base.view().is_form() || drafts.iter().any(|draft| draft.id == FindingId::ParametersMovable) {
        return;
    }
    let Some(emptied) = place::put(&shape.base, &Position::Body, b"last=1") else { return };
    let (Some(one), Message::Request(mut request)) = (place::put(&shape.base, &Position::Body, b"item=1&last=1"), emptied) else { return };
    super::parts::add_to_query(&mut request.target, b"item=1");
    let Ok(signed) = lab.shape(one, shape.options.clone()) else { return };
    let made = signed.tag().and_then(|tag| lab.forge(&Message::Request(request), &shape.options, tag));
    let Some(made) = made.filter(|made| lab.accept(made, &lab.policy).is_some()) else { return };
    if aspect::parameters(&signed.signed) == aspect::parameters(&made) {
        let proof = lab.proof(&signed.signed, &made, &lab.policy, Shows::OneSignature(vec![Part::Query, Part::Body]));
        let note = "a field of the form is moved to the query".to_owned();
        drafts.push(Draft { id: FindingId::ParametersMovable, severity: Severity::Low, part: Some(Part::Query), note, proof });
    }
}

/// Values that differ in the case of a letter, or in blanks around them.
fn cases(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    for position in place::positions(lab, shape) {
        let pairs: &[[&[u8]; 2]] = match &position {
            Position::Host => continue,
            Position::Header(name) if CASELESS.iter().any(|own| name.eq_ignore_ascii_case(own)) => continue,
            Position::Method => &[[b"POST", b"post"]],
            Position::Path => &[[b"v1/items", b"v1/ITEMS"]],
            Position::QueryName | Position::QueryValue | Position::FormValue => &[[b"v", b"V"], [b"v", b"%20v"], [b"v", b"v%20"]],
            Position::Body => &[[b"v", b"V"], [b"v", b" v"], [b"v", b"v "]],
            Position::Header(_) | Position::Nonce | Position::Input(_) => &[[b"v", b"V"]],
        };
        for [one, other] in pairs {
            let put = |text: &[u8]| place::put_anywhere(&shape.base, &shape.options, &position, text);
            if let (Some(one), Some(other)) = (put(one), put(other)) {
                let note = format!("{position} in another case or with blanks around it is signed alike");
                collide(lab, &one, &other, &[position.part()], &note, drafts);
            }
        }
    }
}

/// Other spellings of a signed part.
fn spellings(lab: &Lab<'_>, shape: &Shape, drafts: &mut Vec<Draft>) {
    let paths: [(&[u8], &str); 4] = [
        (b"v1/x/../items", "a dot segment"),
        (b"v1//items", "a doubled slash"),
        (b"v1/items/", "a slash at the end"),
        (b"v1%2Fitems", "an escaped slash"),
    ];
    let upper = |name: &str| shape.signed.view().values(name).next().map(<[u8]>::to_ascii_uppercase);
    let headers = shape.accepted.verified.covers().iter().filter_map(|part| match part {
        Part::Header(name) if name != "host" => upper(name).map(|value| (Position::Header(name.clone()), value, "a value in capitals")),
        _ => None,
    });
    let paths = paths.into_iter().map(|(path, note)| (Position::Path, path.to_vec(), note));
    for (position, text, note) in paths.chain(headers) {
        let part = position.part();
        let covered = shape.accepted.verified.covers().contains(&part);
        let stated =
            |draft: &Draft| draft.part.as_ref() == Some(&part) && matches!(draft.id, FindingId::SpellingFree | FindingId::Collision);
        let made = place::put(&shape.signed, &position, &text).filter(|made| covered && *made != shape.signed);
        if let Some(made) = made.filter(|made| !drafts.iter().any(stated) && lab.accept(made, &lab.policy).is_some()) {
            let proof = lab.proof(&shape.signed, &made, &lab.policy, Shows::OneSignatureTwoSpellings(part.clone()));
            drafts.push(Draft { id: FindingId::SpellingFree, severity: Severity::Info, part: Some(part), note: note.to_owned(), proof });
        }
    }
}
