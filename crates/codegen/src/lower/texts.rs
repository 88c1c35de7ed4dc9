//! Templates: each value with its filters, brackets, and the named texts that must be there before.

use countersign_protocol::recipe::{Claim, Filter, Piece, Recipe, Text, Value, When};

use super::{Lower, pairs};
use crate::code::{Expr, Stmt, Test, all, any};

/// The variables of one item of a list.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) name: &'static str,
    pub(super) value: &'static str,
}

/// What stands for a secret in a stage.
const MASK: &str = "***";

/// Whether a secret shows in the text.
pub(super) fn is_tainted(recipe: &Recipe, text: &Text) -> bool {
    text.0.iter().any(|piece| match piece {
        Piece::Literal(_) => false,
        Piece::Optional(inner) => is_tainted(recipe, inner),
        Piece::Value { value: Value::Secret | Value::SecretPart(_), .. } => true,
        Piece::Value { value: Value::Named(name), .. } => named(recipe, name).is_some_and(|text| is_tainted(recipe, text)),
        Piece::Value { .. } => false,
    })
}

fn named<'r>(recipe: &'r Recipe, name: &str) -> Option<&'r Text> {
    recipe.texts.iter().find(|(n, _)| n == name).map(|(_, text)| text)
}

/// Whether a text reads what placing can change.
fn is_moving(recipe: &Recipe, text: &Text) -> bool {
    text.0.iter().any(|piece| match piece {
        Piece::Literal(_) => false,
        Piece::Optional(inner) => is_moving(recipe, inner),
        Piece::Value { value, filters } => {
            let filtered = filters.iter().any(|f| matches!(f, Filter::UnlessHeader(_) | Filter::Hmac));
            filtered
                || match value {
                    Value::Method | Value::Scheme | Value::HttpVersion | Value::Status | Value::Secret | Value::SecretPart(_) => false,
                    Value::Claim(claim) => matches!(claim, Claim::BodyDigest | Claim::SignedHeaders),
                    Value::Named(name) => named(recipe, name).is_some_and(|text| is_moving(recipe, text)),
                    _ => true,
                }
        }
    })
}

impl Lower<'_> {
    /// Computes the named texts that a text uses, and remembers them as stages.
    pub(super) fn needed_texts(&mut self, text: &Text) {
        let mut used = Vec::new();
        self.collect(text, &mut used);
        self.stages.clone_from(&used);
        used.iter().for_each(|name| self.named_text(name));
    }

    pub(super) fn needed_texts_unstaged(&mut self, text: &Text) {
        let mut used = Vec::new();
        self.collect(text, &mut used);
        used.iter().for_each(|name| self.named_text(name));
    }

    /// The named texts below a text, each after those that it uses.
    fn collect(&self, text: &Text, used: &mut Vec<String>) {
        for piece in &text.0 {
            match piece {
                Piece::Literal(_) => {}
                Piece::Optional(inner) => self.collect(inner, used),
                Piece::Value { value: Value::Named(name), .. } => {
                    if let Some(inner) = named(self.recipe, name) {
                        self.collect(inner, used);
                    }
                    if !used.contains(name) {
                        used.push(name.clone());
                    }
                }
                Piece::Value { value: Value::Claim(Claim::BodyDigest), .. } => {
                    if let Some(rule) = &self.recipe.body_digest {
                        self.collect(&rule.is, used);
                    }
                }
                Piece::Value { .. } => {}
            }
        }
    }

    fn named_text(&mut self, name: &str) {
        let Some(text) = named(self.recipe, name) else { return };
        let fresh = self.known.get(name).is_some_and(|at| at.is_none_or(|epoch| epoch == self.epoch));
        if fresh {
            return;
        }
        let at = is_moving(self.recipe, text).then_some(self.epoch);
        let value = self.text(text, None, false);
        let variable = self.names.of_declared(name);
        self.comment(format!("{name}:\n{text}"));
        self.set_text(&variable, value);
        if is_tainted(self.recipe, text) {
            let shown = self.text(text, None, true);
            let variable = self.shown(name);
            self.set_text(&variable, shown);
        }
        self.known.insert(name.to_owned(), at);
    }

    /// The variable of a named text as a stage shows it.
    pub(super) fn shown(&mut self, name: &str) -> String {
        match named(self.recipe, name) {
            Some(text) if is_tainted(self.recipe, text) => self.names.of_shown(name),
            _ => self.names.of_declared(name),
        }
    }

    /// A text as one value. `masked`: as a stage shows it.
    pub(super) fn text(&mut self, text: &Text, item: Option<Item>, masked: bool) -> Expr {
        let parts = text.0.iter().map(|piece| match piece {
            Piece::Literal(bytes) => Expr::Lit(bytes.clone()),
            Piece::Value { value, filters } => self.value(value, filters, item, masked),
            Piece::Optional(inner) => self.optional(inner, item, masked),
        });
        let parts = parts.collect();
        Expr::concat(parts)
    }

    /// Left out when no value in it gives a byte, those of inner brackets too.
    fn optional(&mut self, inner: &Text, item: Option<Item>, masked: bool) -> Expr {
        let whole = self.text(inner, item, masked);
        let mut tests = Vec::new();
        self.tests(inner, item, &mut tests);
        match tests.into_iter().collect::<Option<Vec<Test>>>() {
            None => whole,
            Some(tests) if tests.is_empty() => Expr::empty(),
            Some(tests) => Expr::Pick(Box::new(any(tests)), Box::new(whole), Box::new(Expr::empty())),
        }
    }

    fn tests(&mut self, text: &Text, item: Option<Item>, tests: &mut Vec<Option<Test>>) {
        for piece in &text.0 {
            match piece {
                Piece::Literal(_) => {}
                Piece::Optional(inner) => self.tests(inner, item, tests),
                Piece::Value { value, filters } => {
                    let value = self.value(value, filters, item, false);
                    tests.push(value.filled());
                }
            }
        }
    }

    fn value(&mut self, value: &Value, filters: &[Filter], item: Option<Item>, masked: bool) -> Expr {
        if masked {
            match value {
                Value::Secret | Value::SecretPart(_) => return Expr::lit(MASK),
                Value::Named(name) if named(self.recipe, name).is_some_and(|text| is_tainted(self.recipe, text)) => {
                    return if filters.is_empty() { Expr::Var(self.shown(name)) } else { Expr::lit(MASK) };
                }
                _ => {}
            }
        }
        match filters.split_first() {
            Some((Filter::Time(format), rest)) if self.recipe.time.is_some() => {
                let written = self.instant(format, 0);
                self.filtered(written, rest)
            }
            _ => {
                let raw = self.raw(value, item);
                self.filtered(raw, filters)
            }
        }
    }

    pub(super) fn filtered(&mut self, value: Expr, filters: &[Filter]) -> Expr {
        filters.iter().fold(value, |value, filter| self.filter(value, filter))
    }

    fn filter(&mut self, value: Expr, filter: &Filter) -> Expr {
        let call = |name, mut more: Vec<Expr>| {
            more.insert(0, value.clone());
            Expr::Call(name, more)
        };
        match filter {
            Filter::Lower => call("lower", vec![]),
            Filter::Upper => call("upper", vec![]),
            Filter::Trim => call("trim", vec![]),
            Filter::Squeeze => call("squeeze", vec![]),
            Filter::Percent => call("percent", vec![]),
            Filter::PercentPath => call("percent_path", vec![]),
            Filter::Decode => call("decode", vec![]),
            Filter::Normalize => call("normalize_path", vec![]),
            Filter::ClosingSlash => call("closing_slash", vec![]),
            Filter::Digest(digest) => Expr::Call("digest", vec![Expr::Word(digest.as_str()), value]),
            Filter::Hmac => {
                let statements = self.key();
                self.out.extend(statements);
                self.key_at = Some(self.epoch);
                self.mac(Expr::var("key"), value)
            }
            Filter::Hex => call("hex", vec![]),
            Filter::Base64 => call("base64", vec![]),
            Filter::Base64Url => call("base64url", vec![]),
            Filter::FromHex => call("from_hex", vec![]),
            Filter::FromBase64 => call("from_base64", vec![]),
            Filter::Without(prefix) => call("without", vec![Expr::Lit(prefix.clone())]),
            Filter::Drop(text) => {
                Expr::Pick(Box::new(Test::Same(value.clone(), Expr::Lit(text.clone()))), Box::new(Expr::empty()), Box::new(value))
            }
            Filter::UnlessHeader(name) => {
                let there = Test::Holds("has_header", vec![Expr::TheMessage, Expr::lit(name)]);
                Expr::Pick(Box::new(there), Box::new(Expr::empty()), Box::new(value))
            }
            Filter::MediaType => call("media_type", vec![]),
            Filter::First(count) => call("first", vec![Expr::Number(i64::try_from(*count).unwrap_or(i64::MAX))]),
            Filter::Time(_) => value,
        }
    }

    fn raw(&mut self, value: &Value, item: Option<Item>) -> Expr {
        let of_message = |name| Expr::Call(name, vec![Expr::TheMessage]);
        let of_named = |helper, name: &str| Expr::Call(helper, vec![Expr::TheMessage, Expr::lit(name)]);
        match value {
            Value::Method => Expr::Message("method"),
            Value::Scheme => Expr::Message("scheme"),
            Value::HttpVersion => Expr::Message("version"),
            Value::Status => Expr::Message("status"),
            Value::Host => of_named("header", "host"),
            Value::Hostname => of_message("hostname"),
            Value::Port => of_message("port"),
            Value::Authority => of_message("authority"),
            Value::Path => of_message("path_of"),
            Value::Target => Expr::Message("target"),
            Value::Body => Expr::Message("body"),
            Value::BodyWithoutSignature => {
                let carrier = self.recipe.carry.iter().find(|e| e.holds(&Claim::Signature) && super::carry::is_in_body(e.place));
                carrier.map_or(Expr::Message("body"), |entry| of_named("body_without", &entry.name))
            }
            Value::Header(name) => of_named("header", name),
            Value::Query(name) => of_named("query_value", name),
            Value::Form(name) => of_named("form_value", name),
            Value::Headers => self.header_list(),
            Value::QueryList => self.pair_list(pairs::QUERY, &self.recipe.query),
            Value::FormList => self.pair_list(pairs::FORM, &self.recipe.form),
            Value::ParamsList => self.pair_list(pairs::PARAMS, &self.recipe.params),
            Value::Secret => Expr::var("secret"),
            Value::SecretPart(name) | Value::Named(name) => Expr::Var(self.names.of_declared(name)),
            Value::Claim(Claim::BodyDigest) => self.body_digest(),
            Value::Claim(claim) => self.claim(claim),
            Value::Name => item.map_or_else(Expr::empty, |item| Expr::var(item.name)),
            Value::ItemValue => item.map_or_else(Expr::empty, |item| Expr::var(item.value)),
        }
    }

    /// A claim's own text.
    pub(super) fn claim(&mut self, claim: &Claim) -> Expr {
        let carried = self.recipe.carries(claim);
        match claim {
            Claim::KeyId => Expr::var("key_id"),
            Claim::Time if self.recipe.time.is_some() => Expr::var("time"),
            Claim::Nonce => Expr::var("nonce"),
            Claim::Expires if self.recipe.expires.is_some() => Expr::var("expires"),
            Claim::Algorithm if self.recipe.algorithms.iter().any(|(word, _)| word.is_some()) => Expr::var("algorithm_word"),
            Claim::SignedHeaders if carried => Expr::var("signed_headers"),
            Claim::BodyDigest => Expr::var("body_digest"),
            Claim::Signature => Expr::var("signature"),
            Claim::Secret => Expr::var("secret"),
            Claim::SecretPart(name) | Claim::Input(name) => Expr::Var(self.names.of_declared(name)),
            Claim::Time | Claim::Expires | Claim::Algorithm | Claim::SignedHeaders => Expr::empty(),
        }
    }

    /// The digest as sent; where none was sent, the one computed; where none is due, nothing.
    fn body_digest(&mut self) -> Expr {
        let Some(rule) = &self.recipe.body_digest else { return Expr::empty() };
        let sent = Expr::var("body_digest");
        let carried = self.recipe.carries(&Claim::BodyDigest);
        let firm = self.recipe.carry.iter().any(|e| !e.optional && e.holds(&Claim::BodyDigest));
        if carried && (firm || rule.when != When::Always) {
            return sent;
        }
        let is = self.text(&rule.is, None, false);
        let computed = match self.when_test(&rule.when) {
            _ if carried => is,
            None => is,
            Some(test) => Expr::Pick(Box::new(test), Box::new(is), Box::new(Expr::empty())),
        };
        Expr::FirstOf(Box::new(sent), Box::new(computed))
    }

    /// When a signer sends the digest; `None`: always.
    pub(super) fn when_test(&self, when: &When) -> Option<Test> {
        use countersign_protocol::recipe::Condition;
        match when {
            When::Always => None,
            When::Asked => Some(Test::Any(Vec::new())),
            When::All(conditions) => Some(all(conditions
                .iter()
                .map(|condition| match condition {
                    Condition::Body => Test::Filled(Expr::Message("body")),
                    Condition::NotForm => Test::Not(Box::new(Test::Holds("is_form", vec![Expr::TheMessage]))),
                    Condition::Method(method) => Test::Same(Expr::Message("method"), Expr::lit(method)),
                })
                .collect())),
        }
    }

    /// What a variable is set to where a test holds.
    pub(super) fn set_when(test: Option<Test>, name: &str, value: Expr) -> Vec<Stmt> {
        crate::code::when(test, vec![Stmt::Set { name: name.to_owned(), value }])
    }
}
