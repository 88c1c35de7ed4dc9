//! The list of headers rendered otherwise: names, values, order, separators, and which headers are in it.

use super::super::place;
use super::super::process::Process;
use super::{Mutation, places, rewrite_source};
use crate::dialect::plan::{Filter, HeaderList, Op, Order, Repeated, Source};
use crate::message::trim;

/// The most headers of which each is tried to be left out, emptied or taken in.
const MOST_EACH: usize = 16;

pub(super) fn mutations(base: &Process) -> Vec<Mutation> {
    let mut all = singles(base);
    if place::signs_headers(base.plan()).is_some() {
        all.extend(names());
        all.extend(values());
        all.extend(order());
        all.extend(each(base));
        all.extend(joints(base));
    }
    all
}

fn change(id: &'static str, cost: u8, key: &str, what: &str, change: impl Fn(&mut HeaderList) -> Option<()> + 'static) -> Mutation {
    Mutation::new(id, cost, format!("headers.{key}"), what, move |process| change(&mut process.plan_mut().headers))
}

/// Sets the filters of one source in every item.
fn set(list: &mut HeaderList, wanted: &Source, new: &[Filter]) -> Option<()> {
    let mut changed = false;
    for op in &mut list.each.ops {
        if let Op::Put { source, filters } = op
            && source == wanted
        {
            changed |= filters != new;
            *filters = new.to_vec();
        }
    }
    changed.then_some(())
}

/// How names may be spelled.
type Spelling = fn(&str) -> String;

fn names() -> Vec<Mutation> {
    let spell = |id, cost, what: &str, filters: Vec<Filter>, spelling: Option<Spelling>| {
        Mutation::new(id, cost, "headers.each", what, move |process| {
            let mut names = process.signed_names();
            if let Some(spelling) = spelling {
                names.iter_mut().for_each(|name| *name = spelling(name));
            }
            process.names = Some(names);
            let list = &mut process.plan_mut().headers;
            if let Some(spelling) = spelling {
                list.always.iter_mut().for_each(|name| *name = spelling(name));
            }
            set(list, &Source::ItemName, &filters);
            list.name_filters.clone_from(&filters);
            Some(())
        })
        .on_axis("header-names")
    };
    let sent = Mutation::new("header-name-case", 1, "headers.each", "the signer spelled the headers' names as they were sent", |process| {
        let sent: Vec<String> = process.message().headers().iter().map(|(name, _)| name.clone()).collect();
        let spelled = |name: &String| sent.iter().find(|s| s.eq_ignore_ascii_case(name)).unwrap_or(name).clone();
        process.names = Some(process.signed_names().iter().map(spelled).collect());
        let list = &mut process.plan_mut().headers;
        list.always = list.always.iter().map(spelled).collect();
        list.name_filters.clear();
        set(list, &Source::ItemName, &[]);
        Some(())
    });
    vec![
        spell("header-name-case", 1, "the signer wrote the headers' names in lower case", vec![Filter::Lower], None),
        spell("header-name-case", 1, "the signer spelled the headers' names as they are listed", Vec::new(), None),
        sent.on_axis("header-names"),
        spell("header-name-case", 1, "the signer capitalised the words of the headers' names", Vec::new(), Some(capitalised)),
        spell("header-name-case", 2, "the signer wrote the headers' names in upper case", vec![Filter::Upper], None),
    ]
}

fn capitalised(name: &str) -> String {
    let mut start = true;
    let spell = |c: char| {
        let first = std::mem::replace(&mut start, c == '-');
        if first { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    name.chars().map(spell).collect()
}

fn values() -> Vec<Mutation> {
    let put = |id, cost, what: &str, filters: Vec<Filter>| {
        change(id, cost, "each", what, move |list| set(list, &Source::ItemValue, &filters)).on_axis("header-values")
    };
    vec![
        put("header-value-not-squeezed", 1, "the signer kept runs of blanks inside the headers' values", vec![Filter::Trim]),
        put("header-value-squeezed", 1, "the signer made one blank of runs of blanks inside the headers' values", vec![Filter::Squeeze]),
        put("header-value-lower-case", 1, "the signer wrote the headers' values in lower case", vec![Filter::Trim, Filter::Lower]),
        put("header-value-encoded", 2, "the signer percent-encoded the headers' values", vec![Filter::Trim, Filter::Percent]),
    ]
}

fn order() -> Vec<Mutation> {
    let put = |cost, what: &str, order: Order| {
        change("header-order", cost, "order", what, move |list| (list.order != order).then(|| list.order = order)).on_axis("header-order")
    };
    let listed = |cost, what: &str, arrange: fn(&Process, &mut Vec<String>)| {
        Mutation::new("header-order", cost, "headers.order", what, move |process| {
            let mut names = process.signed_names();
            names.extend(
                process
                    .plan()
                    .headers
                    .always
                    .iter()
                    .filter(|a| !names.iter().any(|n| n.eq_ignore_ascii_case(a)))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            arrange(process, &mut names);
            process.names = Some(names);
            let list = &mut process.plan_mut().headers;
            list.order = Order::AsIs;
            list.always.clear();
            Some(())
        })
        .on_axis("header-order")
    };
    vec![
        put(1, "the signer took the headers in the order in which they are listed", Order::AsIs),
        put(1, "the signer sorted the headers by name", Order::Name),
        put(2, "the signer sorted the headers by name without regard to case", Order::NameIgnoreCase),
        put(2, "the signer sorted the headers as whole lines", Order::Line),
        listed(1, "the signer took the headers in the order in which they were sent", |process, names| {
            let sent: Vec<String> = process.message().headers().iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            names.sort_by_key(|name| sent.iter().position(|s| *s == name.to_ascii_lowercase()));
        }),
        listed(2, "the signer took the headers in reverse order", |_, names| {
            names.sort_by_key(|name| name.to_ascii_lowercase());
            names.reverse();
        }),
        listed(2, "the signer sorted the headers' names by bytes, upper case first", |_, names| names.sort()),
    ]
}

/// What concerns one header alone.
fn each(base: &Process) -> Vec<Mutation> {
    let signed: Vec<String> = base.signed_names().into_iter().chain(base.plan().headers.always.clone()).collect();
    let mut all = Vec::new();
    for name in signed.iter().take(MOST_EACH) {
        let lower = name.to_ascii_lowercase();
        let what = format!("the header {name} was not in the text that was signed, although it is listed");
        all.push(change("header-left-out", 2, "sign", &what, move |list| {
            list.except.push(lower.clone());
            Some(())
        }));
    }
    let unlisted =
        base.message().headers().iter().map(|(name, _)| name).filter(|name| !signed.iter().any(|s| s.eq_ignore_ascii_case(name)));
    for name in unlisted.take(MOST_EACH) {
        let name = name.clone();
        let what = format!("the header {name} was in the text that was signed, although it is not listed");
        all.push(Mutation::new("header-taken-in", 2, "headers.sign", what, move |process| {
            let mut names = process.signed_names();
            names.push(name.clone());
            process.names = Some(names);
            Some(())
        }));
    }
    all
}

/// Headers whose value was another one when it was signed. This concerns single headers of a text as well as the list.
fn singles(base: &Process) -> Vec<Mutation> {
    let mut signed: Vec<(String, String)> = Vec::new();
    for (home, index, op) in places(base, |s| matches!(s, Source::Header(_))) {
        if let Op::Put { source: Source::Header(name), .. } = op {
            signed.push((name, place::rule(base.plan(), home, index)));
        }
    }
    if place::signs_headers(base.plan()).is_some() {
        let names = base.signed_names().into_iter().chain(base.plan().headers.always.clone());
        signed.extend(names.map(|name| (name, "headers.sign".to_owned())));
    }
    let mut all = Vec::new();
    for (name, rule) in signed.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")).take(MOST_EACH) {
        let put = |id, cost, what: String, value: Vec<u8>| {
            let name = name.clone();
            Mutation::new(id, cost, rule.clone(), what, move |process| {
                let now = trim(process.header(&name)?);
                (now != value).then(|| process.set_header(&name, &value))
            })
        };
        if let Some(now) = base.header(name).map(|value| trim(value).to_vec()) {
            all.push(put("header-value-empty", 1, format!("the header {name} had no value when it was signed"), Vec::new()));
            let tabs: Vec<u8> = now.iter().map(|b| if *b == b'\t' { b' ' } else { *b }).collect();
            all.push(put("header-value-tabs", 2, format!("the signer took tabs in the header {name} for blanks"), tabs));
            if name.eq_ignore_ascii_case("content-type") {
                all.extend(content_types(&now).into_iter().map(|(what, value)| put("content-type-otherwise", 1, what, value)));
            }
        }
    }
    all
}

/// What HTTP libraries make of a content type after it was signed.
fn content_types(now: &[u8]) -> Vec<(String, Vec<u8>)> {
    let bare = trim(now.split(|b| *b == b';').next().unwrap_or_default()).to_vec();
    let with = |parameter: &str| {
        (format!("the content type was signed as {}{parameter}", bare.escape_ascii()), [&bare[..], parameter.as_bytes()].concat())
    };
    [with(""), with("; charset=utf-8"), with("; charset=UTF-8"), with(";charset=utf-8"), with(";charset=UTF-8")].into()
}

fn joints(base: &Process) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (joint, shown) in [("", "nothing"), ("\n", "line feeds"), (",", "commas"), ("&", "&"), (";", "semicolons"), ("\r\n", "CR LF")] {
        let what = format!("the signer joined the headers with {shown}");
        let put = change("headers-joined-otherwise", 2, "join", &what, move |list| {
            (list.join != joint.as_bytes()).then(|| list.join = joint.into())
        });
        all.push(put.on_axis("headers-join"));
    }
    for (joint, shown) in [(":", ":"), (": ", ": and a blank"), ("=", "=")] {
        let what = format!("the signer wrote {shown} between a header's name and its value");
        let put = change("header-separator", 1, "each", &what, move |list| {
            let between = list.each.ops.iter_mut().find_map(|op| match op {
                Op::Literal(text) if text.contains(&b':') || text.contains(&b'=') => Some(text),
                _ => None,
            })?;
            (*between != joint.as_bytes()).then(|| *between = joint.into())
        });
        all.push(put.on_axis("header-separator"));
    }
    for (joint, shown) in [(",", "a comma"), (", ", "a comma and a blank"), (";", "a semicolon")] {
        let what = format!("the signer joined the values of one header with {shown}");
        let put = change("header-repeated", 1, "repeated", &what, move |list| {
            list.repeated = Repeated::Join(joint.into());
            Some(())
        });
        all.push(put.on_axis("header-repeated"));
    }
    all.push(
        change("header-repeated", 1, "repeated", "the signer took the first of several headers of one name", |list| {
            list.repeated = Repeated::First;
            Some(())
        })
        .on_axis("header-repeated"),
    );
    for (home, index, op) in places(base, |s| *s == Source::Headers) {
        let rule = place::rule(base.plan(), home, index);
        let like = op.clone();
        all.push(Mutation::new("headers-closed", 1, rule.clone(), "the signer wrote a line feed after the last header", move |process| {
            let joint = process.plan().headers.join.clone();
            rewrite_source(process, home, index, &like, |text| [text, &joint[..]].concat())
        }));
        all.push(Mutation::new("headers-left-out", 2, rule, "the signer left out the headers", move |process| {
            rewrite_source(process, home, index, &op, |_| Vec::new())
        }));
    }
    all
}
