//! The list of headers as a loop, with the dialect's choices written out; and what every list has in common.

use countersign_protocol::Place;
use countersign_protocol::recipe::{Carried, Claim, Filter, HeaderRule, Missing, Order, Repeated};

use super::Lower;
use super::texts::Item;
use crate::code::{Expr, Given, Kind, Stmt, Test, all};

/// The variables of an item.
pub(super) const ITEM: Item = Item { name: "name", value: "value" };

impl Lower<'_> {
    /// Names that are never items of the header list: what the file excepts, and what carries the signature or the list.
    fn never_listed(&self) -> Vec<String> {
        let own = |e: &&Carried| e.place == Place::Header && (e.holds(&Claim::Signature) || e.holds(&Claim::SignedHeaders));
        let own = self.recipe.carry.iter().filter(own).map(|e| e.name.to_ascii_lowercase());
        let mut never = self.recipe.headers.except.clone();
        for name in own {
            if !never.contains(&name) {
                never.push(name);
            }
        }
        never
    }

    /// Which headers are signed: those that the caller names, else those of the dialect that are there.
    pub(super) fn chosen_names(&mut self) {
        let rule = &self.recipe.headers;
        let pseudo: Vec<&String> = rule.pseudo.iter().map(|(name, _)| name).collect();
        let never = self.never_listed();
        self.comment(format!("headers.sign: {}", if rule.sign.is_empty() { "none".to_owned() } else { rule.sign.join(", ") }));
        let chosen =
            Expr::Call("choose_headers", vec![Expr::TheMessage, Expr::texts(&rule.sign), Expr::texts(pseudo), Expr::texts(&never)]);
        self.out.push(Stmt::Let { name: "names".to_owned(), kind: Kind::Texts, value: chosen });
        let given = Stmt::Set { name: "names".to_owned(), value: Expr::Given(Given::Headers) };
        self.out.push(Stmt::If { test: Test::HeadersGiven, then: vec![given], otherwise: Vec::new() });
    }

    /// The names that are listed, but those that are always signed.
    fn further(&self, never: &[String]) -> Expr {
        let always = self.recipe.headers.always.iter().map(|name| name.to_ascii_lowercase());
        let mut without: Vec<String> = always.collect();
        without.extend(never.iter().cloned());
        if without.is_empty() { Expr::var("names") } else { Expr::Call("without_names", vec![Expr::var("names"), Expr::texts(&without)]) }
    }

    /// The text of `{signed_headers}`.
    pub(super) fn signed_headers(&mut self) {
        let rule = &self.recipe.headers;
        let order = if rule.order == Order::AsIs { "as listed" } else { "sorted" };
        self.comment(format!("signed_headers: the names, {order}, joined by {:?}", rule.names));
        let further = self.further(&[]);
        let joined = |list| Expr::Call("join", vec![list, Expr::lit(&rule.names)]);
        let spelling: Vec<Filter> = rule.name_filters.iter().filter(|f| matches!(f, Filter::Lower | Filter::Upper)).cloned().collect();
        let spelled = if spelling.is_empty() {
            further.clone()
        } else {
            self.out.push(Stmt::Let { name: "spelled".to_owned(), kind: Kind::Texts, value: Expr::List(Vec::new()) });
            let item = self.filtered(Expr::var("name"), &spelling);
            let push = Stmt::Push { list: "spelled".to_owned(), item };
            self.out.push(Stmt::Each { item: "name".to_owned(), of: Kind::Texts, list: further.clone(), body: vec![push] });
            Expr::var("spelled")
        };
        let spelled = if rule.order == Order::AsIs { spelled } else { Expr::Call("sorted_texts", vec![spelled]) };
        let value = self.omittable(&Claim::SignedHeaders, "signed_headers", joined(spelled));
        self.set_text("signed_headers", value);
        if !self.recipe.signs_names {
            // Where the list is not itself signed, names that the caller lists stay as they are.
            let value = self.omittable(&Claim::SignedHeaders, "signed_headers", joined(further));
            let set = Stmt::Set { name: "signed_headers".to_owned(), value };
            self.out.push(Stmt::If { test: Test::HeadersGiven, then: vec![set], otherwise: Vec::new() });
        }
    }

    /// `{headers}`.
    pub(super) fn header_list(&mut self) -> Expr {
        const TEXT: &str = "canonical_headers";
        if self.known.get(TEXT) == Some(&Some(self.epoch)) {
            return Expr::var(TEXT);
        }
        let rule = &self.recipe.headers;
        let never = self.never_listed();
        let always = rule.always.iter().filter(|name| !never.contains(&name.to_ascii_lowercase()));
        let always = Expr::texts(always);
        let further = self.further(&never);
        let list = if always == Expr::List(Vec::new()) { further } else { Expr::Call("joined_lists", vec![always, further]) };
        let keys = match rule.order {
            Order::AsIs => Vec::new(),
            Order::Line => Vec::new(),
            Order::NameIgnoreCase => vec![Expr::Call("lower", vec![Expr::var("name")])],
            Order::Name | Order::NameValue => vec![self.filtered(Expr::var("name"), &rule.name_filters)],
        };
        let items = Items::new(rule.order, keys, "header_items");
        let mut body = vec![let_texts("values", Expr::Call("header_values", vec![Expr::TheMessage, Expr::var("name")]))];
        for (name, line) in &rule.pseudo {
            let line = self.text(line, None, false);
            let same = Test::Same(Expr::Call("lower", vec![Expr::var("name")]), Expr::lit(name));
            let push = crate::code::when(line.filled(), vec![items.push(line)]);
            let test = all(vec![Test::NoItems(Expr::var("values")), same]);
            body.push(Stmt::If { test, then: push.into_iter().chain([Stmt::Next]).collect(), otherwise: Vec::new() });
        }
        body.extend(self.header_value(rule));
        let line = self.text(&rule.each, Some(ITEM), false);
        body.push(items.push(line));
        self.comment(header_comment(rule));
        self.out.push(items.declared());
        self.out.push(Stmt::Each { item: "name".to_owned(), of: Kind::Texts, list, body });
        let text = items.joined(&rule.join);
        self.set_text(TEXT, text);
        self.known.insert(TEXT.to_owned(), Some(self.epoch));
        Expr::var(TEXT)
    }

    fn header_value(&self, rule: &HeaderRule) -> Vec<Stmt> {
        let none = || Test::NoItems(Expr::var("values"));
        let mut body = Vec::new();
        match rule.missing {
            Missing::Refuse => {
                let words = Expr::concat(vec![Expr::lit("the signed header "), Expr::var("name"), Expr::lit(" is missing")]);
                body.push(Stmt::If { test: none(), then: vec![Stmt::Fail(words)], otherwise: Vec::new() });
            }
            Missing::Skip => body.push(Stmt::If { test: none(), then: vec![Stmt::Next], otherwise: Vec::new() }),
            Missing::Empty => {}
        }
        let value = match &rule.repeated {
            Repeated::Join(with) => Expr::Call("join", vec![Expr::var("values"), Expr::Lit(with.clone())]),
            Repeated::All | Repeated::First => Expr::Call("first_of", vec![Expr::var("values")]),
        };
        body.push(let_text("value", value));
        if rule.drop_empty {
            body.push(Stmt::If { test: Test::Empty(Expr::var("value")), then: vec![Stmt::Next], otherwise: Vec::new() });
        }
        body
    }
}

pub(super) fn let_text(name: &str, value: Expr) -> Stmt {
    Stmt::Let { name: name.to_owned(), kind: Kind::Text, value }
}

fn let_texts(name: &str, value: Expr) -> Stmt {
    Stmt::Let { name: name.to_owned(), kind: Kind::Texts, value }
}

/// The items of a list while they are gathered: lines, or rows of sort keys with the line behind them.
pub(super) struct Items {
    order: Order,
    keys: Vec<Expr>,
    variable: &'static str,
    pairs: bool,
}

impl Items {
    pub(super) const fn new(order: Order, keys: Vec<Expr>, variable: &'static str) -> Self {
        Self { order, keys, variable, pairs: false }
    }

    pub(super) fn push(&self, line: Expr) -> Stmt {
        let item = if self.keys.is_empty() { line } else { Expr::Row(self.keys.iter().cloned().chain([line]).collect()) };
        Stmt::Push { list: self.variable.to_owned(), item }
    }

    /// Sort keys, then name and value: lines are written later.
    pub(super) fn push_pair(&mut self, line: &Expr) -> Stmt {
        self.pairs = true;
        if self.order == Order::Line {
            self.keys = vec![line.clone()];
        }
        let row = self.keys.iter().cloned().chain([Expr::var("name"), Expr::var("value")]);
        Stmt::Push { list: self.variable.to_owned(), item: Expr::Row(row.collect()) }
    }

    pub(super) fn declared(&self) -> Stmt {
        let kind = if self.keys.is_empty() && !self.pairs { Kind::Texts } else { Kind::Rows };
        Stmt::Let { name: self.variable.to_owned(), kind, value: Expr::List(Vec::new()) }
    }

    pub(super) fn joined(&self, with: &[u8]) -> Expr {
        let items = Expr::var(self.variable);
        let lines = match (self.keys.is_empty(), self.order) {
            (true, Order::Line) => Expr::Call("sorted_texts", vec![items]),
            (true, _) => items,
            (false, _) => Expr::Call("sorted_lines", vec![items]),
        };
        Expr::Call("join", vec![lines, Expr::Lit(with.to_vec())])
    }

    pub(super) fn sorted_pairs(&self) -> Expr {
        let items = Expr::var(self.variable);
        if self.keys.is_empty() { items } else { Expr::Call("sorted_pairs", vec![items]) }
    }
}

pub(super) const fn order_word(order: Order) -> &'static str {
    match order {
        Order::Name => "name",
        Order::NameValue => "name-value",
        Order::NameIgnoreCase => "name-ignore-case",
        Order::Line => "line",
        Order::AsIs => "as-is",
    }
}

fn header_comment(rule: &HeaderRule) -> String {
    let mut text = format!("headers: each {:?}, order: {}", rule.each.to_string(), order_word(rule.order));
    if !rule.always.is_empty() {
        text.push_str(&format!(", always: {}", rule.always.join(", ")));
    }
    if !rule.except.is_empty() {
        text.push_str(&format!(", except: {}", rule.except.join(", ")));
    }
    rule.pseudo.iter().for_each(|(name, line)| text.push_str(&format!("\nheaders.pseudo: {name}: {:?}", line.to_string())));
    text
}
