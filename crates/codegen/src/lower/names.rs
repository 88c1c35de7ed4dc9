//! Variables: what the dialect's own names become, and which statements nothing needs.

use std::collections::{HashMap, HashSet};

use countersign_protocol::recipe::Recipe;

use crate::code::{Expr, Stmt, Test};
use crate::prelude;

/// Names of the signer's own variables.
const OWN: &str = "message request credential options at signed stages key_id secret time nonce expires algorithm algorithm_word body_digest names \
    spelled signed_headers string_to_sign signature key tag name value values pair parameters merged_items glue sign self failure given sent err fault \
    words ours";

/// Words that some language keeps to itself.
const KEPT: &str = "False None True abstract and any append arguments array as assert async await boolean break byte callable case catch chan char class clone \
    cls complex const continue copy debugger declare def default defer del delete die do double echo elif else elseif empty end enddeclare endfor \
    endforeach endif endswitch endwhile enum error eval except exit exports extends fallthrough false final finally float fn for foreach from \
    func function global go goto hash if implements import in include init instanceof insteadof int interface iota is isset lambda len let list \
    long make map match module namespace native new nil none nonlocal not null object or package panic parent pass print private process \
    protected public raise range record recover readonly require return sealed select short static str strictfp string struct super switch \
    synchronized this throw throws trait transient true try type typeof undefined unset use var void volatile while with xor yield";

/// The variables that stand for the dialect's own names.
pub(super) struct Names {
    declared: HashMap<String, String>,
    taken: HashSet<String>,
}

impl Names {
    pub(super) fn of(recipe: &Recipe) -> Self {
        let lists = ["query", "form", "params", "headers"].iter().flat_map(|list| {
            let list = list.strip_suffix('s').filter(|l| *l == "header").unwrap_or(list);
            [format!("canonical_{list}"), format!("canonical_{list}s"), format!("{list}_items"), format!("{list}_seen")]
        });
        let words = OWN.split_whitespace().chain(KEPT.split_whitespace()).map(flat);
        let taken = words.chain(lists.map(|list| flat(&list))).chain(prelude::helpers().map(|helper| flat(&helper)));
        let mut names = Self { declared: HashMap::new(), taken: taken.collect() };
        let inputs = recipe.inputs.iter().map(|input| &input.name);
        for name in inputs.chain(&recipe.secrets).chain(recipe.texts.iter().map(|(name, _)| name)) {
            let variable = names.free(name);
            names.declared.insert(name.clone(), variable);
        }
        names
    }

    /// The variable of an input, a secret part or a named text.
    pub(super) fn of_declared(&self, name: &str) -> String {
        self.declared.get(name).cloned().unwrap_or_default()
    }

    /// The variable of a named text as a stage shows it.
    pub(super) fn of_shown(&mut self, name: &str) -> String {
        let key = format!("{name} shown");
        if let Some(there) = self.declared.get(&key) {
            return there.clone();
        }
        let variable = self.free(&format!("{name}_shown"));
        self.declared.insert(key, variable.clone());
        variable
    }

    /// A variable that nothing else has, in any spelling of any language. Names are lower-case letters, digits and `_`.
    fn free(&mut self, name: &str) -> String {
        let mut variable = name.trim_matches('_').to_owned();
        if !variable.starts_with(|c: char| c.is_ascii_lowercase()) {
            variable = format!("the_{variable}");
        }
        while variable.contains("__") {
            variable = variable.replace("__", "_");
        }
        while !self.taken.insert(flat(&variable)) {
            variable.push_str("_text");
        }
        variable
    }
}

/// A name without what the languages spell differently.
fn flat(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

/// Takes away what nothing reads, makes a second declaration of a name a new value of it, and blanks that part nothing.
pub(super) fn drop_unused(body: &mut Vec<Stmt>) {
    loop {
        let mut used = HashSet::new();
        body.iter().for_each(|stmt| reads(stmt, &mut used));
        let before = count(body);
        keep(body, &used);
        if count(body) == before {
            break;
        }
    }
    declare_once(body, &mut HashSet::new());
    tidy_comments(body);
}

fn count(body: &[Stmt]) -> usize {
    body.iter()
        .map(|stmt| match stmt {
            Stmt::If { then, otherwise, .. } => 1 + count(then) + count(otherwise),
            Stmt::Each { body, .. } => 1 + count(body),
            _ => 1,
        })
        .sum()
}

fn keep(body: &mut Vec<Stmt>, used: &HashSet<String>) {
    for stmt in body.iter_mut() {
        match stmt {
            Stmt::If { then, otherwise, .. } => {
                keep(then, used);
                keep(otherwise, used);
            }
            // What a loop declares is read in the loop or not at all.
            Stmt::Each { body, .. } => {
                let mut inside = HashSet::new();
                body.iter().for_each(|stmt| reads(stmt, &mut inside));
                let declared = |name: &String| body.iter().any(|stmt| matches!(stmt, Stmt::Let { name: n, .. } if n == name));
                let seen = used.iter().filter(|name| !declared(name) || inside.contains(*name)).cloned().collect();
                keep(body, &seen);
            }
            _ => {}
        }
    }
    body.retain(|stmt| match stmt {
        Stmt::Let { name, .. } | Stmt::Set { name, .. } | Stmt::Push { list: name, .. } => used.contains(name),
        Stmt::If { then, otherwise, .. } => !then.is_empty() || !otherwise.is_empty(),
        Stmt::Each { body, .. } => body.iter().any(|stmt| !matches!(stmt, Stmt::Let { .. } | Stmt::Next | Stmt::If { .. })),
        _ => true,
    });
}

fn declare_once(body: &mut [Stmt], declared: &mut HashSet<String>) {
    for stmt in body {
        match stmt {
            Stmt::Let { name, value, .. } if !declared.insert(name.clone()) => {
                *stmt = Stmt::Set { name: name.clone(), value: value.clone() };
            }
            Stmt::If { then, otherwise, .. } => {
                declare_once(then, &mut declared.clone());
                declare_once(otherwise, &mut declared.clone());
            }
            Stmt::Each { body, .. } => declare_once(body, &mut declared.clone()),
            _ => {}
        }
    }
}

/// A comment behind which nothing follows before the next one speaks of what was dropped.
fn tidy_comments(body: &mut Vec<Stmt>) {
    let mut kept: Vec<Stmt> = Vec::new();
    for stmt in std::mem::take(body) {
        if let Stmt::Comment(_) | Stmt::Blank = &stmt {
            let silent = |last: Option<&Stmt>| matches!(last, Some(Stmt::Comment(_)));
            while matches!(stmt, Stmt::Blank) && silent(kept.last()) {
                kept.pop();
                if matches!(kept.last(), Some(Stmt::Blank)) {
                    kept.pop();
                }
            }
        }
        kept.push(stmt);
    }
    *body = kept;
}

fn reads(stmt: &Stmt, used: &mut HashSet<String>) {
    match stmt {
        Stmt::Let { value, .. } | Stmt::Set { value, .. } | Stmt::Fail(value) | Stmt::Stage { value, .. } => expr(value, used),
        Stmt::Push { item, .. } => expr(item, used),
        Stmt::Do(_, arguments) => arguments.iter().for_each(|a| expr(a, used)),
        Stmt::If { test: t, then, otherwise } => {
            test(t, used);
            then.iter().chain(otherwise).for_each(|s| reads(s, used));
        }
        Stmt::Each { list, body, .. } => {
            expr(list, used);
            body.iter().for_each(|s| reads(s, used));
        }
        Stmt::Comment(_) | Stmt::Blank | Stmt::Next => {}
    }
}

fn expr(value: &Expr, used: &mut HashSet<String>) {
    match value {
        Expr::Var(name) => {
            used.insert(name.clone());
        }
        Expr::Concat(list) | Expr::Call(_, list) | Expr::List(list) | Expr::Row(list) => list.iter().for_each(|e| expr(e, used)),
        Expr::Item(inner, _) => expr(inner, used),
        Expr::FirstOf(a, b) => {
            expr(a, used);
            expr(b, used);
        }
        Expr::Pick(t, a, b) => {
            test(t, used);
            expr(a, used);
            expr(b, used);
        }
        _ => {}
    }
}

fn test(value: &Test, used: &mut HashSet<String>) {
    match value {
        Test::Filled(e) | Test::Empty(e) | Test::NoItems(e) => expr(e, used),
        Test::Same(a, b) => {
            expr(a, used);
            expr(b, used);
        }
        Test::Holds(_, list) => list.iter().for_each(|e| expr(e, used)),
        Test::Not(inner) => test(inner, used),
        Test::All(list) | Test::Any(list) => list.iter().for_each(|t| test(t, used)),
        Test::HeadersGiven | Test::Omits(_) => {}
    }
}
