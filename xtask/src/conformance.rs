//! `cargo xtask conformance`: every vector at every stage in both directions, and the mutations derived from them.

use std::collections::BTreeMap;

use countersign_protocol::Dialects;
use countersign_vectors::check::{self, Kind, Outcome};
use countersign_vectors::{Case, files, parse};

use crate::run::{self, Count, Counts, counted};
use crate::{Task, full};

/// The vectors, the property tests, and each bench once.
pub(crate) fn all(dialect: Option<&str>) -> Task {
    let mut counts = vectors(dialect)?;
    if dialect.is_none() {
        println!("\nproperty tests");
        counts += counted(full::property_tests(), Count::Nextest)?;
        println!("\nbenches, once");
        counts += run::bench(true)?;
    }
    Ok(counts)
}

/// The vectors of one dialect, or of all; prints each difference, then the matrix.
pub(crate) fn vectors(only: Option<&str>) -> Task {
    let dialects = Dialects::builtin()?;
    let is_meant = |id: &str| only.is_none_or(|only| only == id);
    if only.is_some_and(|id| dialects.get(id).is_none()) {
        return Err(format!("no dialect `{}`", only.unwrap_or_default()).into());
    }
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (stem, text) in files().filter(|(stem, _)| is_meant(stem)) {
        let mut row = Row::default();
        match (dialects.get(stem), parse(stem, text)) {
            (Some(dialect), Ok(cases)) => cases.iter().for_each(|case| row.run(dialect, case)),
            (None, _) => row.fault(&format!("vectors/{stem}.yaml has no dialect")),
            (_, Err(error)) => row.fault(&error.to_string()),
        }
        rows.insert(stem.to_owned(), row);
    }
    for dialect in dialects.iter().filter(|dialect| is_meant(dialect.id())) {
        let row = rows.entry(dialect.id().to_owned()).or_default();
        if row.vectors == 0 {
            row.fault(&format!("{} has no vectors", dialect.id()));
        }
    }
    Ok(matrix(&rows))
}

/// The checks of one dialect.
#[derive(Default)]
struct Row {
    vectors: u64,
    kinds: BTreeMap<Kind, Counts>,
    faults: u64,
}

impl Row {
    fn run(&mut self, dialect: &countersign_protocol::Dialect, case: &Case) {
        self.vectors += 1;
        let outcomes = [check::sign(dialect, case), check::verify(dialect, case), check::mutate(dialect, case)].concat();
        for outcome in outcomes {
            self.take(case, outcome);
        }
    }

    fn take(&mut self, case: &Case, outcome: Outcome) {
        *self.kinds.entry(outcome.kind).or_default() += Counts::of(outcome.result.is_ok());
        if let Err(fault) = outcome.result {
            println!("FAIL {} {} {}: {fault}", case.dialect, case.name, outcome.what);
        }
    }

    fn fault(&mut self, fault: &str) {
        println!("FAIL {fault}");
        self.faults += 1;
    }

    fn total(&self) -> Counts {
        let mut total = Counts { passed: 0, failed: self.faults };
        self.kinds.values().for_each(|counts| total += *counts);
        total
    }

    fn cell(&self, kind: Kind) -> String {
        let counts = self.kinds.get(&kind).copied().unwrap_or_default();
        if counts.failed == 0 { counts.passed.to_string() } else { format!("{} of {}", counts.passed, counts.passed + counts.failed) }
    }
}

fn matrix(rows: &BTreeMap<String, Row>) -> Counts {
    println!("\n{:<24} {:>8} {:>12} {:>12} {:>12} {:>12} {:>8}", "dialect", "vectors", "stages", "sign", "verify", "mutations", "failed");
    let mut total = Counts::default();
    for (id, row) in rows {
        let [stages, sign, verify, mutations] = [Kind::Stage, Kind::Sign, Kind::Verify, Kind::Mutation].map(|kind| row.cell(kind));
        println!("{id:<24} {:>8} {stages:>12} {sign:>12} {verify:>12} {mutations:>12} {:>8}", row.vectors, row.total().failed);
        total += row.total();
    }
    total
}
