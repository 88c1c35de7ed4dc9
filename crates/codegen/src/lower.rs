//! From a recipe to the small form: the order of signing, written out as straight statements.
//!
//! The order is that of the engine: digest, headers, names of signed headers, everything else that is carried, the string to sign, the key,
//! the signature. A text that reads what placing changes is computed anew after each change (`epoch`); any other text once.

mod carry;
mod lists;
mod names;
mod pairs;
mod texts;

use std::collections::HashMap;

use countersign_protocol::Algorithm;
use countersign_protocol::recipe::{Claim, Encoding, ExpiresForm, Recipe, Shape, Slot, Text};

use crate::code::{Expr, Given, Kind, Signer, Stmt, Test};
use crate::support::{Support, digests, is_of_pair};
use names::Names;

/// Lowers one recipe.
pub(crate) fn lower(recipe: &Recipe, support: &Support) -> Signer {
    let mut lower = Lower {
        recipe,
        support,
        names: Names::of(recipe),
        out: Vec::new(),
        epoch: 0,
        known: HashMap::new(),
        stages: Vec::new(),
        key_at: None,
    };
    lower.given();
    lower.place();
    lower.sign();
    let mut digests: Vec<&'static str> = digests(recipe).iter().map(|d| d.as_str()).collect();
    digests.extend(support.algorithms.iter().filter_map(|a| digest_of(*a)));
    digests.sort_unstable();
    digests.dedup();
    let mut body = lower.out;
    names::drop_unused(&mut body);
    Signer { id: recipe.id.clone(), preface: preface(recipe, support), of_response: recipe.of_response, body, digests }
}

struct Lower<'r> {
    recipe: &'r Recipe,
    support: &'r Support,
    names: Names,
    out: Vec<Stmt>,
    /// How often the message was changed.
    epoch: usize,
    /// The variable of a computed text or list, and the epoch in which it was computed; none where it cannot change.
    known: HashMap<String, Option<usize>>,
    /// The named texts of the string to sign, in their order.
    stages: Vec<String>,
    key_at: Option<usize>,
}

const fn digest_of(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Hmac(digest) | Algorithm::Plain(digest) => Some(digest.as_str()),
        _ => None,
    }
}

fn preface(recipe: &Recipe, support: &Support) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", recipe.id, recipe.title)];
    lines.extend(recipe.source.clone());
    lines.push(String::new());
    lines.push(
        "A signer for this one dialect, written by `countersign codegen` from the dialect's compiled plan. It needs nothing but".to_owned(),
    );
    lines.push("the standard library. Each comment below quotes the rule that the next lines carry out.".to_owned());
    let named = |optional| {
        let names = recipe.inputs.iter().filter(|i| i.optional == optional).map(|i| i.name.clone());
        names.collect::<Vec<_>>().join(", ")
    };
    for (what, names) in [("Inputs that are needed", named(false)), ("Inputs that may be given", named(true))] {
        if !names.is_empty() {
            lines.push(format!("{what}: {names}"));
        }
    }
    if !recipe.secrets.is_empty() {
        lines.push(format!("Further secret parts of the credential: {}", recipe.secrets.join(", ")));
    }
    if !support.algorithms.is_empty() {
        lines.push(format!("Algorithms: {}", support.algorithms.iter().map(|a| a.as_str()).collect::<Vec<_>>().join(", ")));
    }
    lines.extend(support.without.iter().map(|(algorithm, reason)| format!("Not here: {algorithm}. {reason}")));
    lines
}

impl Lower<'_> {
    fn comment(&mut self, text: impl AsRef<str>) {
        self.out.push(Stmt::Blank);
        self.out.push(Stmt::Comment(text.as_ref().lines().map(str::to_owned).collect()));
    }

    fn set_text(&mut self, name: &str, value: Expr) {
        self.out.push(Stmt::Let { name: name.to_owned(), kind: Kind::Text, value });
    }

    fn refuse(&mut self, test: Test, words: &str) {
        self.out.push(Stmt::If { test, then: vec![Stmt::Fail(Expr::lit(words))], otherwise: Vec::new() });
    }

    /// Whether a carried part may be left out: the entry or the parameter that holds it may be absent, or its place empty.
    fn may_omit(&self, wanted: &Claim) -> bool {
        let in_slots = |slots: &[Slot], only_empty: bool| {
            slots
                .iter()
                .any(|slot| matches!(slot, Slot::Claim { claim, may_be_empty, .. } if claim == wanted && (*may_be_empty || !only_empty)))
        };
        self.recipe.carry.iter().any(|entry| match &entry.shape {
            _ if entry.optional => entry.holds(wanted),
            Shape::Slots(slots) => in_slots(slots, true),
            Shape::Parameters { list, .. } => list.iter().any(|one| in_slots(&one.value, !one.optional)),
        })
    }

    /// The claim's text, or nothing when the caller leaves it out.
    fn omittable(&self, claim: &Claim, word: &'static str, value: Expr) -> Expr {
        if self.may_omit(claim) { Expr::Pick(Box::new(Test::Omits(word)), Box::new(Expr::empty()), Box::new(value)) } else { value }
    }

    /// What the caller gives, and the claims that follow from it alone.
    fn given(&mut self) {
        const OMITTED: [(&str, Claim); 6] = [
            ("time", Claim::Time),
            ("nonce", Claim::Nonce),
            ("expires", Claim::Expires),
            ("algorithm", Claim::Algorithm),
            ("signed_headers", Claim::SignedHeaders),
            ("body_digest", Claim::BodyDigest),
        ];
        let recipe = self.recipe;
        self.out.push(Stmt::Do("check_message", vec![Expr::TheMessage]));
        let words: Vec<&str> = OMITTED.iter().filter(|(_, claim)| self.may_omit(claim)).map(|(word, _)| *word).collect();
        self.out.push(Stmt::Do("check_omitted", vec![Expr::TheOptions, Expr::texts(&words)]));
        self.set_text("key_id", Expr::Given(Given::KeyId));
        if recipe.carries(&Claim::KeyId) {
            self.refuse(Test::Empty(Expr::var("key_id")), "the credential needs a key id");
        }
        self.set_text("secret", Expr::Given(Given::Secret));
        if !self.support.algorithms.iter().any(|a| is_of_pair(*a)) {
            self.refuse(Test::Empty(Expr::var("secret")), "the credential needs a secret");
        }
        for name in &recipe.secrets {
            let variable = self.names.of_declared(name);
            self.set_text(&variable, Expr::Given(Given::Part(name.clone())));
        }
        for input in &recipe.inputs {
            let variable = self.names.of_declared(&input.name);
            self.set_text(&variable, Expr::Given(Given::Input(input.name.clone())));
            if !input.optional {
                self.refuse(Test::Empty(Expr::Var(variable)), &format!("the dialect needs the input {}", input.name));
            }
        }
        self.algorithm();
        if let Some(format) = &recipe.time {
            let value = self.omittable(&Claim::Time, "time", self.instant(format, 0));
            self.set_text("time", value);
        }
        let given = Expr::Given(Given::Nonce);
        let is_carried = recipe.carries(&Claim::Nonce);
        let nonce = if is_carried { Expr::FirstOf(Box::new(given), Box::new(Expr::Call("fresh_nonce", Vec::new()))) } else { given };
        let nonce = self.omittable(&Claim::Nonce, "nonce", nonce);
        self.set_text("nonce", nonce);
        if let Some(value) = self.expires() {
            let value = self.omittable(&Claim::Expires, "expires", value);
            self.set_text("expires", value);
        }
    }

    /// Which algorithm signs, and its word on the wire.
    fn algorithm(&mut self) {
        let names: Vec<&str> = self.support.algorithms.iter().map(|a| a.as_str()).collect();
        if let [only] = names[..]
            && !self.support.algorithms.iter().any(|a| is_of_pair(*a))
        {
            let known = Test::Holds("contains", vec![Expr::texts(["", only]), Expr::Given(Given::Algorithm)]);
            self.refuse(Test::Not(Box::new(known)), "the credential's algorithm does not fit the dialect");
            self.set_text("algorithm", Expr::lit(only));
        } else if !names.is_empty() {
            self.set_text("algorithm", Expr::Call("choose_algorithm", vec![Expr::TheCredential, Expr::texts(&names)]));
        }
        let known = |algorithm: &Algorithm| self.support.algorithms.contains(algorithm);
        let mut words = self.recipe.algorithms.iter().filter(|(_, a)| known(a)).filter_map(|(word, a)| Some((word.as_ref()?, a))).rev();
        let Some((last, _)) = words.next() else { return };
        let word = words.fold(Expr::lit(last), |rest, (word, algorithm)| {
            let same = Test::Same(Expr::var("algorithm"), Expr::lit(algorithm.as_str()));
            Expr::Pick(Box::new(same), Box::new(Expr::lit(word)), Box::new(rest))
        });
        let word = self.omittable(&Claim::Algorithm, "algorithm", word);
        self.set_text("algorithm_word", word);
    }

    fn expires(&self) -> Option<Expr> {
        let rule = self.recipe.expires.as_ref()?;
        let given = Expr::Given(Given::Expires);
        let Some(span) = rule.default else { return Some(given) };
        let default = match &rule.form {
            ExpiresForm::Seconds => Expr::lit(&span.as_secs().to_string()),
            ExpiresForm::Millis => Expr::lit(&span.as_millis().to_string()),
            ExpiresForm::At(format) => written(format, i64::try_from(span.as_millis()).unwrap_or(i64::MAX), 0),
        };
        Some(Expr::FirstOf(Box::new(given), Box::new(default)))
    }

    /// The instant in a format, in the dialect's own offset.
    fn instant(&self, format: &str, later: i64) -> Expr {
        written(format, later, i64::from(self.recipe.zone_seconds) * 1000)
    }

    /// The string to sign, the key, the signature, and where it rides.
    fn sign(&mut self) {
        let Some(text) = &self.recipe.string_to_sign else { return };
        self.needed_texts(text);
        let value = self.text(text, None, false);
        self.comment(format!("string_to_sign:\n{text}"));
        self.set_text("string_to_sign", value);
        let shown = if texts::is_tainted(self.recipe, text) { self.text(text, None, true) } else { Expr::var("string_to_sign") };
        for name in std::mem::take(&mut self.stages) {
            let value = Expr::Var(self.shown(&name));
            self.out.push(Stmt::Stage { name, value });
        }
        self.out.push(Stmt::Stage { name: "string_to_sign".to_owned(), value: shown });
        let tag = self.tag();
        self.comment(format!("signature: {}", encoding_word(self.recipe.signature)));
        self.set_text("signature", Expr::Call(encoding_word(self.recipe.signature), vec![tag]));
        for entry in self.recipe.carry.iter().filter(|e| e.holds(&Claim::Signature)) {
            self.write(entry);
        }
    }

    /// The bytes of the signature: a MAC under the derived key, or a signature by a private key.
    fn tag(&mut self) -> Expr {
        let pairs = self.support.algorithms.iter().any(|a| is_of_pair(*a));
        let shared = self.support.algorithms.iter().any(|a| !is_of_pair(*a));
        let text = Expr::var("string_to_sign");
        let arguments = vec![Expr::var("algorithm"), Expr::Given(Given::PrivateKey), text.clone()];
        let by_pair = Expr::Call("sign_with_private_key", arguments);
        if !shared {
            return by_pair;
        }
        let statements = self.key();
        let by_key = self.mac(Expr::var("key"), text);
        if !pairs {
            self.out.extend(statements);
            return by_key;
        }
        self.set_text("tag", Expr::empty());
        let set = |value| Stmt::Set { name: "tag".to_owned(), value };
        let otherwise = statements.into_iter().chain([set(by_key)]).collect();
        self.out.push(Stmt::If { test: Test::Filled(Expr::Given(Given::PrivateKey)), then: vec![set(by_pair)], otherwise });
        Expr::var("tag")
    }

    /// The statements that make `key`; none where it stands already.
    fn key(&mut self) -> Vec<Stmt> {
        let rule = &self.recipe.key;
        if self.key_at == Some(self.epoch) {
            return Vec::new();
        }
        let mut said = format!("key: {}", rule.from);
        let mut made = vec![Stmt::Let { name: "key".to_owned(), kind: Kind::Text, value: self.inner_text(&rule.from) }];
        let mut set = |value| made.push(Stmt::Set { name: "key".to_owned(), value });
        for step in &rule.chain {
            said.push_str(&format!(", then hmac {step}"));
            let text = self.inner_text(step);
            set(self.mac(Expr::var("key"), text));
        }
        if let Some(encode) = rule.encode {
            said.push_str(&format!(", as {}", encoding_word(encode)));
            set(Expr::Call(encoding_word(encode), vec![Expr::var("key")]));
        }
        let comment = Stmt::Comment(said.lines().map(str::to_owned).collect());
        [Stmt::Blank, comment].into_iter().chain(made).collect()
    }

    fn inner_text(&mut self, text: &Text) -> Expr {
        self.needed_texts_unstaged(text);
        self.text(text, None, false)
    }

    /// A MAC under a shared key by the message's algorithm.
    fn mac(&self, key: Expr, text: Expr) -> Expr {
        let shared: Vec<&Algorithm> = self.support.algorithms.iter().filter(|a| !is_of_pair(**a)).collect();
        match shared[..] {
            [Algorithm::Hmac(digest)] => Expr::Call("hmac", vec![Expr::Word(digest.as_str()), key, text]),
            [Algorithm::Plain(digest)] => Expr::Call("digest", vec![Expr::Word(digest.as_str()), text]),
            _ => Expr::Call("mac", vec![Expr::var("algorithm"), key, text]),
        }
    }
}

/// An instant in a format, so many milliseconds after the time and so far from UTC.
fn written(format: &str, later: i64, offset: i64) -> Expr {
    match format {
        "unix" => Expr::Call("unix", vec![Expr::At(later)]),
        "unix-ms" => Expr::Call("unix_ms", vec![Expr::At(later)]),
        "http-date" => Expr::Call("http_date", vec![Expr::At(later)]),
        pattern => Expr::Call("format_time", vec![Expr::At(later.saturating_add(offset)), Expr::lit(pattern)]),
    }
}

/// The helper and the word of an encoding.
const fn encoding_word(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Hex => "hex",
        Encoding::Base64 => "base64",
        Encoding::Base64Url => "base64url",
    }
}
