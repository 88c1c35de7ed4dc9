//! What is carried: when each entry is written, and what it says.

use countersign_protocol::Place;
use countersign_protocol::recipe::{Carried, Claim, PairDecoding, Parameter, Recipe, Shape, Slot, When};

use super::Lower;
use crate::code::{Expr, Given, Stmt, Test, all, any, when};

/// Whether an entry rides in the body.
pub(super) const fn is_in_body(place: Place) -> bool {
    matches!(place, Place::Form | Place::Json | Place::Body)
}

/// The helper that writes to a place, and the one that tells whether something rides there.
const fn helpers(recipe: &Recipe, place: Place) -> (&'static str, &'static str) {
    match place {
        Place::Query => ("place_query", "has_query"),
        Place::Form => ("place_form", "has_form"),
        Place::Params if matches!(recipe.params.decode, PairDecoding::Form) => ("place_params_as_form", "has_params_as_form"),
        Place::Params => ("place_params", "has_params"),
        Place::Json => ("place_json", "has_json"),
        Place::Body => ("place_body", "has_body"),
        _ => ("place_header", "has_header"),
    }
}

/// What is always carried and would be empty: no verifier takes it.
fn no_value(name: &str) -> String {
    format!("there is no value for {name}, which the dialect always carries")
}

impl Lower<'_> {
    /// Places everything that is carried but the signature.
    pub(super) fn place(&mut self) {
        let recipe = self.recipe;
        self.digest();
        let signs = |e: &&Carried| e.holds(&Claim::Signature);
        let early = |e: &&Carried| e.place == Place::Header && !e.holds(&Claim::SignedHeaders);
        for entry in recipe.carry.iter().filter(|e| early(e) && !signs(e)) {
            self.write(entry);
        }
        self.chosen_names();
        if recipe.carries(&Claim::SignedHeaders) {
            self.signed_headers();
        }
        for entry in recipe.carry.iter().filter(|e| !early(e) && !signs(e)) {
            self.write(entry);
        }
        for entry in recipe.carry.iter().filter(|e| signs(e) && is_in_body(e.place)) {
            self.comment(format!("{entry}\nIts place is signed empty."));
            self.out.push(Stmt::Do(helpers(recipe, entry.place).0, vec![Expr::TheMessage, Expr::lit(&entry.name), Expr::empty()]));
            self.epoch += 1;
        }
    }

    /// The digest is carried where the file says so, where the caller gives one, or where one stands already.
    fn digest(&mut self) {
        let Some(rule) = &self.recipe.body_digest else { return };
        let entry = self.recipe.carry.iter().find(|e| e.holds(&Claim::BodyDigest));
        self.needed_texts_unstaged(&rule.is);
        let is = self.text(&rule.is, None, false);
        self.comment(format!("body_digest: {}", rule.is));
        let given = Expr::Given(Given::BodyDigest);
        let always = entry.is_some_and(|e| rule.when == When::Always && !e.optional);
        if always && !self.may_omit(&Claim::BodyDigest) {
            self.set_text("body_digest", Expr::FirstOf(Box::new(given), Box::new(is)));
            return;
        }
        self.set_text("body_digest", given);
        let Some(entry) = entry else { return };
        let there = Test::Holds(helpers(self.recipe, entry.place).1, vec![Expr::TheMessage, Expr::lit(&entry.name)]);
        let due = match self.when_test(&rule.when) {
            None => {
                if always {
                    None
                } else {
                    Some(there)
                }
            }
            Some(Test::Any(none)) if none.is_empty() => Some(there),
            Some(test) => Some(any(vec![there, test])),
        };
        let mut tests = vec![Test::Empty(Expr::var("body_digest"))];
        if self.may_omit(&Claim::BodyDigest) {
            tests.push(Test::Not(Box::new(Test::Omits("body_digest"))));
        }
        tests.extend(due);
        let set = Self::set_when(Some(all(tests)), "body_digest", is);
        self.out.extend(set);
    }

    /// Writes an entry where it is wanted and its values are there.
    pub(super) fn write(&mut self, entry: &Carried) {
        let (place, present) = helpers(self.recipe, entry.place);
        let (text, mut tests) = match &entry.shape {
            Shape::Slots(slots) => self.slots(slots),
            Shape::Parameters { scheme, list } => (self.parameters(scheme, list), Vec::new()),
        };
        if entry.optional && !self.is_wanted(entry) {
            tests.insert(0, Test::Holds(present, vec![Expr::TheMessage, Expr::lit(&entry.name)]));
        }
        self.comment(entry.to_string());
        let write = Stmt::Do(place, vec![Expr::TheMessage, Expr::lit(&entry.name), text]);
        if !entry.optional && !tests.is_empty() {
            self.refuse(Test::Not(Box::new(all(tests))), &no_value(&entry.name));
            self.out.push(write);
        } else {
            let test = if tests.is_empty() { None } else { Some(all(tests)) };
            self.out.extend(when(test, vec![write]));
        }
        self.epoch += 1;
    }

    /// Whether an optional entry is written although none stands there: its value is not carried elsewhere anyway.
    fn is_wanted(&self, entry: &Carried) -> bool {
        let firm = |claim: &Claim| self.recipe.carry.iter().any(|e| !e.optional && e.holds(claim));
        entry.claims().next().is_none() || !entry.claims().all(firm)
    }

    /// Whether a claim's text is never empty.
    fn is_sure(&self, claim: &Claim) -> bool {
        let kept = !self.may_omit(claim);
        match claim {
            Claim::Signature => true,
            Claim::KeyId => true,
            Claim::Secret => true,
            Claim::Time => kept,
            Claim::Algorithm => kept,
            Claim::Nonce => kept,
            Claim::Expires => kept && self.recipe.expires.as_ref().is_some_and(|e| e.default.is_some()),
            Claim::Input(name) => self.recipe.inputs.iter().any(|i| i.name == *name && !i.optional),
            Claim::SignedHeaders | Claim::BodyDigest | Claim::SecretPart(_) => false,
        }
    }

    /// Slots in turn, and what must be filled so that there is anything.
    fn slots(&mut self, slots: &[Slot]) -> (Expr, Vec<Test>) {
        let mut tests = Vec::new();
        let mut parts = Vec::new();
        let mut only_computed = true;
        for slot in slots {
            match slot {
                Slot::Literal(bytes) => {
                    only_computed &= bytes.is_empty();
                    parts.push(Expr::Lit(bytes.clone()));
                }
                Slot::Claim { claim, percent, may_be_empty } => {
                    only_computed = false;
                    let text = self.claim(claim);
                    if !may_be_empty && !self.is_sure(claim) && !self.is_always_sent(claim) {
                        tests.push(Test::Filled(text.clone()));
                    }
                    parts.push(if *percent { Expr::Call("percent", vec![text]) } else { text });
                }
                Slot::Computed(text) => {
                    self.needed_texts_unstaged(text);
                    parts.push(self.text(text, None, false));
                }
            }
        }
        let text = Expr::concat(parts);
        if only_computed {
            tests.extend(text.filled());
        }
        (text, tests)
    }

    /// Whether a value that has to be there may be missing.
    fn may_lack(&self, slots: &[Slot]) -> bool {
        slots.iter().any(
            |slot| matches!(slot, Slot::Claim { claim, may_be_empty: false, .. } if !self.is_sure(claim) && !self.is_always_sent(claim)),
        )
    }

    /// A body digest that is in every message.
    fn is_always_sent(&self, claim: &Claim) -> bool {
        let digest = || self.recipe.body_digest.as_ref().is_some_and(|rule| rule.when == When::Always);
        *claim == Claim::BodyDigest && digest() && !self.may_omit(claim)
    }

    /// Slots as one text, empty where a claim among them is.
    pub(super) fn slots_or_nothing(&mut self, slots: &[Slot]) -> Expr {
        let (text, tests) = self.slots(slots);
        match &text {
            _ if tests.is_empty() => text,
            Expr::Var(_) => text,
            Expr::Call("percent", inner) if matches!(inner[..], [Expr::Var(_)]) => text,
            _ => Expr::Pick(Box::new(all(tests)), Box::new(text), Box::new(Expr::empty())),
        }
    }

    fn parameters(&mut self, scheme: &str, list: &[Parameter]) -> Expr {
        let begin = if scheme.is_empty() { String::new() } else { format!("{scheme} ") };
        let mut parts = vec![Expr::lit(&begin)];
        // The values that stand before, any of which makes this one not the first; none where one certainly does.
        let mut before_it: Option<Vec<Test>> = Some(Vec::new());
        for parameter in list {
            let value = self.slots_or_nothing(&parameter.value);
            let separator = match &before_it {
                None => Expr::Lit(parameter.before.clone()),
                Some(tests) if tests.is_empty() => Expr::empty(),
                Some(tests) => {
                    Expr::Pick(Box::new(any(tests.clone())), Box::new(Expr::Lit(parameter.before.clone())), Box::new(Expr::empty()))
                }
            };
            let quote = if parameter.quoted { "\"" } else { "" };
            let item = Expr::concat(vec![separator, Expr::lit(&format!("{}={quote}", parameter.name)), value.clone(), Expr::lit(quote)]);
            match value.filled() {
                Some(test) if parameter.optional => {
                    parts.push(Expr::Pick(Box::new(test.clone()), Box::new(item), Box::new(Expr::empty())));
                    before_it = before_it.map(|tests| [tests, vec![test]].concat());
                }
                filled => {
                    if let Some(test) = filled.filter(|_| self.may_lack(&parameter.value)) {
                        self.refuse(Test::Not(Box::new(test)), &no_value(&parameter.name));
                    }
                    parts.push(item);
                    before_it = None;
                }
            }
        }
        Expr::concat(parts)
    }
}
