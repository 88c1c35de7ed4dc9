//! A report as JSON, whole.

use serde_json::{Value, json};

use super::{Cell, Check, Conclusion, Report, Verdict};

/// The report as JSON: the adapter, the matrix, every check and the conclusion.
#[must_use]
pub fn json(report: &Report) -> Value {
    let cells = |dialect: &str| Cell::ALL.map(|cell| (name(cell), json!(report.tally(dialect, cell)))).into_iter().collect::<Value>();
    let matrix: Vec<Value> = report
        .offered
        .iter()
        .map(|(id, directions)| json!({ "dialect": id, "directions": directions, "is_witness": report.is_witness_of(id), "cells": cells(id) }))
        .collect();
    let broken: Vec<Value> = report.broken.iter().map(|(place, fault)| json!({ "at": place, "fault": fault.to_string() })).collect();
    json!({
        "command": report.command,
        "adapter": report.adapter,
        "conclusion": conclusion(report.conclusion()),
        "total": report.total(),
        "matrix": matrix,
        "not_offered": report.not_offered,
        "broken": broken,
        "needless_skips": report.needless_skips,
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(check: &Check) -> Value {
    let (verdict, why) = match &check.verdict {
        Verdict::Passed => ("passed", None),
        Verdict::Noted(why) => ("noted", Some(why)),
        Verdict::Failed(why) => ("failed", Some(why)),
        Verdict::Skipped(why) => ("skipped", Some(why)),
        Verdict::Broken(why) => ("unanswered", Some(why)),
    };
    let mut value =
        json!({ "dialect": check.dialect, "vector": check.vector, "cell": name(check.cell), "what": check.what, "verdict": verdict });
    if let (Some(why), Some(object)) = (why, value.as_object_mut()) {
        object.insert("why".to_owned(), why.as_str().into());
    }
    value
}

const fn conclusion(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Conforms => "conforms",
        Conclusion::Differs => "differs",
        Conclusion::Broken => "broken_adapter",
        Conclusion::Nothing => "nothing_run",
    }
}

const fn name(cell: Cell) -> &'static str {
    match cell {
        Cell::Stages => "stages",
        Cell::Sign => "sign",
        Cell::Good => "good",
        Cell::Bad => "bad",
        Cell::Extra => "extra",
    }
}
