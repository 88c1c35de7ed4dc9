//! The lists of parameters, each as a loop over its sources, with the dialect's choices written out.

use countersign_protocol::Place;
use countersign_protocol::recipe::{Claim, Order, PairDecoding, PairRule, PairSource, Parameter, Repeated, Shape, Slot};

use super::Lower;
use super::lists::{ITEM, Items, let_text, order_word};
use crate::code::{Expr, Kind, Stmt, Test, all};

/// The names of one list of pairs: of itself, and of its items while they are gathered.
#[derive(Clone, Copy)]
pub(super) struct PairNames {
    list: &'static str,
    text: &'static str,
    items: &'static str,
    seen: &'static str,
}

/// What stands before the next item, where that is not always the same.
const GLUE: &str = "glue";

pub(super) const QUERY: PairNames = PairNames { list: "query", text: "canonical_query", items: "query_items", seen: "query_seen" };
pub(super) const FORM: PairNames = PairNames { list: "form", text: "canonical_form", items: "form_items", seen: "form_seen" };
pub(super) const PARAMS: PairNames = PairNames { list: "params", text: "canonical_params", items: "params_items", seen: "params_seen" };

impl Lower<'_> {
    /// `{query}`, `{form}` or `{params}`.
    pub(super) fn pair_list(&mut self, names: PairNames, rule: &PairRule) -> Expr {
        if self.known.get(names.text) == Some(&Some(self.epoch)) {
            return Expr::var(names.text);
        }
        let line = self.text(&rule.each, Some(ITEM), false);
        let keys = match rule.order {
            Order::AsIs => Vec::new(),
            Order::Line => Vec::new(),
            Order::NameIgnoreCase => vec![Expr::Call("lower", vec![Expr::var("name")])],
            Order::Name => vec![self.filtered(Expr::var("name"), &rule.name_filters)],
            Order::NameValue => {
                vec![self.filtered(Expr::var("name"), &rule.name_filters), self.filtered(Expr::var("value"), &rule.value_filters)]
            }
        };
        let mut gathered: Vec<Stmt> = Vec::new();
        let mut items = Items::new(rule.order, keys, names.items);
        let glued = |with: &[u8]| Stmt::Set { name: GLUE.to_owned(), value: Expr::Lit(with.to_vec()) };
        let push = match (&rule.repeated, &rule.between) {
            (Repeated::Join(_), _) => vec![items.push_pair(&line)],
            (_, None) => vec![items.push(line.clone())],
            // Such items stay as sent: each brings what stands before it.
            (_, Some(_)) => vec![items.push(Expr::concat(vec![Expr::var(GLUE), line.clone()])), glued(&rule.join)],
        };
        self.comment(pair_comment(names.list, rule));
        for (index, source) in rule.from.iter().enumerate() {
            if let Some(between) = rule.between.as_ref().filter(|_| index > 0) {
                let some = Test::Not(Box::new(Test::NoItems(Expr::var(names.items))));
                gathered.push(Stmt::If { test: some, then: vec![glued(between)], otherwise: Vec::new() });
            }
            gathered.extend(self.gather(names, rule, *source, &push));
        }
        self.out.push(items.declared());
        if rule.between.is_some() {
            self.set_text(GLUE, Expr::empty());
        }
        if rule.repeated == Repeated::First {
            self.out.push(Stmt::Let { name: names.seen.to_owned(), kind: Kind::Texts, value: Expr::List(Vec::new()) });
        }
        self.out.extend(gathered);
        let text = match &rule.repeated {
            Repeated::Join(with) => {
                let merged = Expr::Call("merged", vec![items.sorted_pairs(), Expr::Lit(with.clone())]);
                self.out.push(Stmt::Let { name: "merged_items".to_owned(), kind: Kind::Texts, value: Expr::List(Vec::new()) });
                let body = vec![
                    let_text("name", Expr::Item(Box::new(Expr::var("pair")), 0)),
                    let_text("value", Expr::Item(Box::new(Expr::var("pair")), 1)),
                    Stmt::Push { list: "merged_items".to_owned(), item: line },
                ];
                self.out.push(Stmt::Each { item: "pair".to_owned(), of: Kind::Rows, list: merged, body });
                Expr::Call("join", vec![Expr::var("merged_items"), Expr::Lit(rule.join.clone())])
            }
            _ => items.joined(if rule.between.is_some() { b"" } else { &rule.join }),
        };
        self.set_text(names.text, text);
        self.known.insert(names.text.to_owned(), Some(self.epoch));
        Expr::var(names.text)
    }

    /// The statements that take the items of one source.
    fn gather(&mut self, names: PairNames, rule: &PairRule, source: PairSource, push: &[Stmt]) -> Vec<Stmt> {
        let helper = match source {
            PairSource::Query => "query_of",
            PairSource::Form => "form_of",
            PairSource::Authorization => return self.gather_parameters(names, rule, push),
        };
        let list = Expr::Call("split_pairs", vec![Expr::Call(helper, vec![Expr::TheMessage])]);
        let decoded = |index| {
            let raw = Expr::Item(Box::new(Expr::var("pair")), index);
            match rule.decode {
                PairDecoding::Percent => Expr::Call("decode", vec![raw]),
                PairDecoding::Form => Expr::Call("decode_form", vec![raw]),
                PairDecoding::None => raw,
            }
        };
        let mut body = vec![let_text("name", decoded(0)), let_text("value", decoded(1))];
        body.extend(self.selection(names, rule, source));
        body.extend_from_slice(push);
        vec![Stmt::Each { item: "pair".to_owned(), of: Kind::Rows, list, body }]
    }

    /// What is passed over.
    fn selection(&self, names: PairNames, rule: &PairRule, source: PairSource) -> Vec<Stmt> {
        let mut tests = Vec::new();
        let name = || Expr::var("name");
        let mut never = self.signature_names(source);
        never.extend(rule.except.iter().cloned());
        if !never.is_empty() {
            tests.push(Test::Holds("contains", vec![Expr::texts(&never), name()]));
        }
        if let Some(only) = &rule.only {
            tests.push(Test::Not(Box::new(Test::Holds("contains", vec![Expr::texts(only), name()]))));
        }
        if rule.drop_empty {
            tests.push(Test::Empty(Expr::var("value")));
        }
        if rule.repeated == Repeated::First {
            tests.push(Test::Holds("contains", vec![Expr::var(names.seen), name()]));
        }
        let mut body = Vec::new();
        if !tests.is_empty() {
            body.push(Stmt::If { test: crate::code::any(tests), then: vec![Stmt::Next], otherwise: Vec::new() });
        }
        if rule.repeated == Repeated::First {
            body.push(Stmt::Push { list: names.seen.to_owned(), item: name() });
        }
        body
    }

    /// The parameters in which the signature rides.
    fn signature_names(&self, source: PairSource) -> Vec<String> {
        let rides = |place: Place| match source {
            PairSource::Query => matches!(place, Place::Query | Place::Params),
            PairSource::Form => matches!(place, Place::Form | Place::Params | Place::Body),
            PairSource::Authorization => false,
        };
        let carriers = self.recipe.carry.iter().filter(|e| e.holds(&Claim::Signature) && rides(e.place));
        carriers.map(|e| e.name.clone()).collect()
    }

    /// The parameters of the header that is a parameter list, as they are about to be written, but for the signature.
    fn gather_parameters(&mut self, names: PairNames, rule: &PairRule, push: &[Stmt]) -> Vec<Stmt> {
        let signs = |p: &&Parameter| p.value.iter().any(|s| matches!(s, Slot::Claim { claim: Claim::Signature, .. }));
        let mut all_of_them = Vec::new();
        for entry in &self.recipe.carry {
            let Shape::Parameters { list, .. } = &entry.shape else { continue };
            for parameter in list.iter().filter(|p| !signs(p)) {
                let never = rule.except.iter().chain(&rule.header_except);
                let taken = !never.into_iter().any(|name| *name == parameter.name)
                    && rule.only.as_ref().is_none_or(|only| only.contains(&parameter.name));
                if taken {
                    all_of_them.push(self.parameter_row(parameter));
                }
            }
        }
        let list = all_of_them.iter().map(|(row, _)| row.clone()).collect();
        let optional: Vec<&str> = all_of_them.iter().filter(|(_, optional)| *optional).map(|(row, _)| name_of(row)).collect();
        let mut body = vec![
            let_text("name", Expr::Item(Box::new(Expr::var("pair")), 0)),
            let_text("value", Expr::Item(Box::new(Expr::var("pair")), 1)),
        ];
        let mut tests = Vec::new();
        if !optional.is_empty() {
            tests
                .push(all(vec![Test::Empty(Expr::var("value")), Test::Holds("contains", vec![Expr::texts(&optional), Expr::var("name")])]));
        }
        if rule.drop_empty {
            tests = vec![Test::Empty(Expr::var("value"))];
        }
        if rule.repeated == Repeated::First {
            tests.push(Test::Holds("contains", vec![Expr::var(names.seen), Expr::var("name")]));
        }
        if !tests.is_empty() {
            body.push(Stmt::If { test: crate::code::any(tests), then: vec![Stmt::Next], otherwise: Vec::new() });
        }
        if rule.repeated == Repeated::First {
            body.push(Stmt::Push { list: names.seen.to_owned(), item: Expr::var("name") });
        }
        body.extend_from_slice(push);
        vec![
            Stmt::Let { name: "parameters".to_owned(), kind: Kind::Rows, value: Expr::Call("rows", list) },
            Stmt::Each { item: "pair".to_owned(), of: Kind::Rows, list: Expr::var("parameters"), body },
        ]
    }

    /// A parameter's name and decoded value, and whether it may be absent.
    fn parameter_row(&mut self, parameter: &Parameter) -> (Expr, bool) {
        // What is percent-encoded when it is written, and decoded here, is the claim's own text.
        let value = match &parameter.value[..] {
            [Slot::Claim { claim, percent: true, .. }] => self.claim(claim),
            slots => {
                let text = self.slots_or_nothing(slots);
                Expr::Call("decode", vec![text])
            }
        };
        (Expr::Row(vec![Expr::lit(&parameter.name), value]), parameter.optional)
    }
}

fn name_of(row: &Expr) -> &str {
    match row {
        Expr::Row(texts) => match texts.first() {
            Some(Expr::Lit(bytes)) => std::str::from_utf8(bytes).unwrap_or_default(),
            _ => "",
        },
        _ => "",
    }
}

fn pair_comment(name: &str, rule: &PairRule) -> String {
    let from: Vec<&str> = rule
        .from
        .iter()
        .map(|source| match source {
            PairSource::Query => "query",
            PairSource::Form => "form",
            PairSource::Authorization => "authorization",
        })
        .collect();
    let between = rule.between.as_ref().map_or_else(String::new, |text| format!(", between: {:?}", String::from_utf8_lossy(text)));
    format!("{name}: from {}, each {:?}, order: {}{between}", from.join(", "), rule.each.to_string(), order_word(rule.order))
}
