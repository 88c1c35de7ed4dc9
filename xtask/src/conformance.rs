//! `cargo xtask conformance`: every vector at every stage in both directions, and the mutations derived from them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use countersign_conformance::coverage::{self, Table};
use countersign_protocol::{Dialect, Dialects};
use countersign_vectors::check::{self, Kind, Outcome};
use countersign_vectors::{Case, Sample, answers, files, parse};

use crate::run::{self, Count, Counts, counted};
use crate::{Task, full};

/// What is asked of the task.
#[derive(Args)]
pub(crate) struct Asked {
    /// Only the vectors of this dialect
    #[arg(long, value_name = "D")]
    pub(crate) dialect: Option<String>,
    /// Run the vectors against this implementation: a command that speaks conformance/PROTOCOL.md. Exit status: 0 it
    /// conforms, 1 the implementation differs, 3 the adapter itself is broken
    #[arg(long, value_name = "CMD")]
    pub(crate) adapter: Option<String>,
    /// How much of a reason must agree
    #[arg(long, value_enum, default_value = "class", requires = "adapter")]
    pub(crate) reasons: ReasonsAsked,
    /// What the implementation is known not to hold, with reasons
    #[arg(long, value_name = "FILE", requires = "adapter")]
    pub(crate) skips: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report as JUnit's XML
    #[arg(long, value_name = "FILE", requires = "adapter")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the report as one page
    #[arg(long, value_name = "FILE", requires = "adapter")]
    pub(crate) html: Option<PathBuf>,
    /// Write every line of both directions, one JSON object a line
    #[arg(long, value_name = "FILE", requires = "adapter")]
    pub(crate) transcript: Option<PathBuf>,
    /// Seconds that an answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600), requires = "adapter")]
    pub(crate) timeout: u64,
    /// Tables of dialects by features and by reasons: which vector shows it, or why the dialect's file rules it out
    #[arg(long, conflicts_with = "adapter")]
    pub(crate) coverage: bool,
}

/// How much of a reason must agree.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ReasonsAsked {
    /// The reason must be the vector's
    Exact,
    /// Accepted or rejected must agree; another reason is listed
    Class,
    /// Accepted or rejected must agree
    Ignore,
}

impl Asked {
    /// Whether it is about an implementation in another program.
    pub(crate) const fn is_of_adapter(&self) -> bool {
        self.adapter.is_some()
    }
}

/// Runs what is asked of our own implementation.
pub(crate) fn run(asked: &Asked) -> Task {
    if asked.coverage { coverage(asked) } else { all(asked.dialect.as_deref()) }
}

/// Both tables; a hole is a failure.
fn coverage(asked: &Asked) -> Task {
    let tables = tables(asked.dialect.as_deref())?;
    if asked.json {
        println!("{}", serde_json::json!({ "features": tables[0].json(), "reasons": tables[1].json() }));
        return cells(&tables);
    }
    tables.iter().for_each(|table| println!("{}", table.text()));
    name_holes(&tables);
    cells(&tables)
}

/// Each cell is a vector, or is ruled out by the dialect's file; a hole is named, and fails.
pub(crate) fn covered() -> Task {
    let tables = tables(None)?;
    name_holes(&tables);
    cells(&tables)
}

fn tables(dialect: Option<&str>) -> Task<[Table; 2]> {
    let subjects = countersign_conformance::subjects(&Dialects::builtin()?, dialect)?;
    Ok([coverage::features(&subjects), coverage::reasons(&subjects)])
}

fn name_holes(tables: &[Table]) {
    let holes = tables.iter().flat_map(Table::holes);
    holes.for_each(|(dialect, column)| println!("HOLE {dialect}: no vector shows `{column}`"));
}

fn cells(tables: &[Table]) -> Task {
    let all = tables.iter().flat_map(|table| &table.rows).map(|(_, cells)| cells.len()).sum::<usize>();
    let holes = tables.iter().flat_map(Table::holes).count();
    Ok(Counts { passed: u64::try_from(all - holes)?, failed: u64::try_from(holes)? })
}

/// The vectors, the property tests, and each bench once.
fn all(dialect: Option<&str>) -> Task {
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
    let of_responses = answers()?;
    let is_known = |id: &str| dialects.get(id).is_some() || of_responses.iter().any(|(dialect, _)| dialect.id() == id);
    if only.is_some_and(|id| !is_known(id)) {
        return Err(format!("no dialect `{}`", only.unwrap_or_default()).into());
    }
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (stem, text) in files().filter(|(stem, _)| is_meant(stem)) {
        let mut row = Row::default();
        match (dialects.get(stem), parse(stem, text)) {
            (Some(dialect), Ok(cases)) => cases.iter().for_each(|case| {
                row.run(dialect, case);
                row.take(case, check::mutate(dialect, case));
            }),
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
    for (dialect, cases) in of_responses.iter().filter(|(dialect, _)| is_meant(dialect.id())) {
        let row = rows.entry(dialect.id().to_owned()).or_default();
        cases.iter().for_each(|case| row.run(dialect, case));
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
    fn run<M: Sample>(&mut self, dialect: &Dialect, case: &Case<M>) {
        self.vectors += 1;
        self.take(case, check::sign(dialect, case));
        self.take(case, check::verify(dialect, case));
    }

    fn take<M>(&mut self, case: &Case<M>, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            *self.kinds.entry(outcome.kind).or_default() += Counts::of(outcome.result.is_ok());
            if let Err(fault) = outcome.result {
                println!("FAIL {} {} {}: {fault}", case.dialect, case.name, outcome.what);
            }
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
