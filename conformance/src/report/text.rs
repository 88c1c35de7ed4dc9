//! A report as text: what differs, then the matrix, then the conclusion.

use std::fmt::Write as _;

use super::{Cell, Report, Verdict};

/// The most differences that are shown whole; the rest is in the JSON.
const SHOWN: usize = 100;

/// The report as text for a terminal.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    differences(report, &mut out);
    matrix(report, &mut out);
    notes(report, &mut out);
    let _ = writeln!(out, "\n{}: {}", report.total(), report.conclusion());
    out
}

fn differences(report: &Report, out: &mut String) {
    let told = |verdict: &Verdict| match verdict {
        Verdict::Failed(fault) => Some(("FAIL", fault.clone())),
        Verdict::Noted(note) => Some(("note", note.clone())),
        _ => None,
    };
    let all: Vec<_> = report.checks.iter().filter_map(|check| Some((check, told(&check.verdict)?))).collect();
    for (check, (word, fault)) in all.iter().take(SHOWN) {
        let _ = writeln!(out, "{word} {} {} {}: {fault}", check.dialect, check.vector, check.what);
    }
    if all.len() > SHOWN {
        let _ = writeln!(out, "and {} more; --json has them all", all.len() - SHOWN);
    }
    for (place, fault) in report.broken.iter().take(SHOWN) {
        let _ = writeln!(out, "BROKEN ADAPTER at {place}: {fault}");
    }
    for needless in &report.needless_skips {
        let _ = writeln!(out, "NEEDLESS SKIP {needless}");
    }
}

fn matrix(report: &Report, out: &mut String) {
    let Some(adapter) = &report.adapter else { return };
    let _ = writeln!(out, "\n{} ({})", adapter.name, adapter.language);
    let mut rows = vec![std::iter::once("dialect".to_owned()).chain(Cell::ALL.map(|cell| cell.title().to_owned())).collect::<Vec<_>>()];
    for (dialect, _) in &report.offered {
        let mark = if report.is_witness_of(dialect) { " *" } else { "" };
        let cells = Cell::ALL.map(|cell| report.tally(dialect, cell).to_string());
        rows.push(std::iter::once(format!("{dialect}{mark}")).chain(cells).collect());
    }
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=Cell::ALL.len()).map(width).collect();
    for row in &rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        let _ = writeln!(out, "{}", line.join("  ").trim_end());
    }
}

fn notes(report: &Report, out: &mut String) {
    if report.offered.iter().any(|(dialect, _)| report.is_witness_of(dialect)) {
        let _ = writeln!(out, "* vectors of this dialect were recorded from the same library: it is no independent witness here");
    }
    if !report.not_offered.is_empty() {
        let _ = writeln!(out, "not offered: {}", report.not_offered.join(", "));
    }
    for (dialect, _) in &report.offered {
        for (reason, count) in report.skip_reasons(dialect) {
            let _ = writeln!(out, "skipped {dialect}: {count} x {reason}");
        }
    }
}
