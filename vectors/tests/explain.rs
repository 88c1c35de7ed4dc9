//! Bugs of clients and proxies, put into requests of many protocols by code of their own: `explain` names the true one first, names none on
//! right requests, and none for what it does not know. `COUNTERSIGN_EXPLAIN` says on how many base requests of each protocol: 2, more in the
//! long run.

#[path = "explain/ground.rs"]
mod ground;
#[path = "explain/inject.rs"]
mod inject;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_protocol::explain::{Explanation, Question};
use countersign_protocol::{Message, Request};

use ground::{Base, Bug, Bugs, Ground, Shape};

/// How many bugs must show, each in how many protocols, and the share of them that is named first, in percent.
const LEAST_BUGS: usize = 20;
const LEAST_DIALECTS: usize = 10;
const LEAST_NAMED: usize = 95;

fn bugs() -> Bugs {
    serde_yaml::from_str(include_str!("../explain/bugs.yaml")).expect("the list of bugs")
}

/// The grounds of each protocol: its base requests in a shape.
struct Field {
    name: String,
    dialect: countersign_protocol::Dialect,
    spec: ground::Spec,
    bases: Vec<Base>,
}

impl Field {
    fn all(bugs: &Bugs) -> Vec<Self> {
        let most = std::env::var("COUNTERSIGN_EXPLAIN").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
        bugs.grounds.iter().map(|spec| Self::new(spec, most)).collect()
    }

    fn new(spec: &ground::Spec, most: usize) -> Self {
        let own = ground::bases(&spec.dialect, most);
        // A home-made protocol has no vectors: it takes the requests of one that has.
        let bases = if own.is_empty() { ground::bases("hmac-sha256", most) } else { own };
        Self { name: spec.dialect.clone(), dialect: ground::dialect(&spec.dialect), spec: spec.clone(), bases }
    }

    fn grounds(&self, shape: Shape) -> Vec<Ground> {
        self.bases.iter().filter_map(|base| Ground::new(&self.dialect, &self.spec, base, shape)).collect()
    }
}

fn explain(ground: &Ground, request: Request) -> Explanation {
    let message = Message::Request(request);
    Question::new(&ground.dialect, &message, ground.options.at)
        .with_credential(&ground.credential)
        .with_inputs(ground.options.inputs.clone())
        .with_policy(ground.policy.clone())
        .explain()
}

/// What became of one bug in one protocol.
#[derive(Default)]
struct Cell {
    tried: usize,
    missed: Vec<String>,
}

fn cell(bug: &Bug, field: &Field) -> Cell {
    let mut cell = Cell::default();
    for ground in field.grounds(inject::shape(&bug.bug)) {
        let Some(request) = inject::inject(&bug.bug, &ground) else { continue };
        let answer = explain(&ground, request);
        if answer.accepted {
            // The bug does not change what is signed here.
            continue;
        }
        cell.tried += 1;
        let is_named = answer.causes.first().is_some_and(|cause| bug.named.iter().any(|id| cause.names(id)));
        if !is_named {
            let first =
                answer.causes.first().map_or("nothing".to_owned(), |c| c.mistakes.iter().map(|m| m.id).collect::<Vec<_>>().join("+"));
            cell.missed.push(format!("{}: {} gives {first} ({:?})", bug.bug, field.name, answer.reason));
        }
    }
    cell
}

#[test]
fn the_true_bug_is_named_first() {
    let bugs = bugs();
    let fields = Field::all(&bugs);
    let mut table = String::new();
    let mut missed = Vec::new();
    let (mut cells, mut named, mut wide) = (0_usize, 0_usize, 0_usize);
    for bug in &bugs.bugs {
        let row: Vec<Cell> = fields.iter().map(|field| cell(bug, field)).collect();
        let marks: String = row
            .iter()
            .map(|cell| {
                if cell.tried == 0 {
                    '.'
                } else if cell.missed.is_empty() {
                    '+'
                } else {
                    'x'
                }
            })
            .collect();
        let shown = row.iter().filter(|cell| cell.tried > 0).count();
        let _ = writeln!(table, "{:32} {marks} {shown:3}  {}", bug.bug, bug.from.join(", "));
        if bug.counted && shown >= LEAST_DIALECTS {
            wide += 1;
        }
        cells += shown;
        named += row.iter().filter(|cell| cell.tried > 0 && cell.missed.is_empty()).count();
        missed.extend(row.into_iter().flat_map(|cell| cell.missed));
        assert!(!bug.says.is_empty());
    }
    let columns: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    println!("columns: {}\n{table}", columns.join(", "));
    println!("{named} of {cells} cells named first; {wide} bugs in {LEAST_DIALECTS} protocols or more");
    missed.iter().for_each(|line| println!("  {line}"));
    assert!(wide >= LEAST_BUGS, "{wide} bugs show in {LEAST_DIALECTS} protocols");
    assert!(named * 100 >= cells * LEAST_NAMED, "{named} of {cells}");
}

#[test]
fn nothing_is_named_on_a_right_request() {
    let bugs = bugs();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for field in Field::all(&bugs) {
        for shape in [Shape::Plain, Shape::Path, Shape::Query, Shape::Json, Shape::Form] {
            for ground in field.grounds(shape) {
                let answer = explain(&ground, ground.placed.clone());
                assert!(answer.accepted, "{} {shape:?}: {:?} {:?}", field.name, answer.reason, answer.detail);
                assert!(answer.causes.is_empty(), "{} {shape:?}: {:?}", field.name, answer.causes);
                *seen.entry(field.name.clone()).or_default() += 1;
            }
        }
        assert!(seen.get(&field.name).is_some_and(|count| *count > 0), "no ground of {}", field.name);
    }
}

/// What nobody could guess, each put into every protocol.
#[test]
fn of_what_it_does_not_know_it_says_so() {
    let bugs = bugs();
    for field in Field::all(&bugs) {
        let Some(ground) = field.grounds(Shape::Json).into_iter().next() else { continue };
        let strings: [Vec<u8>; 3] =
            [[&ground.string[..], b"-salt-71"].concat(), ground.string.iter().rev().copied().collect(), b"something else".to_vec()];
        for string in strings {
            let answer = explain(&ground, ground.with_string(&string));
            assert!(!answer.accepted && answer.causes.is_empty(), "{}: {:?}", field.name, answer.causes);
            assert!(answer.to_text().contains("no simple cause found"), "{}", answer.to_text());
        }
    }
}
