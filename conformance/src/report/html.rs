//! A report as one page that needs nothing else.

use std::fmt::Write as _;

use super::junit::escaped;
use super::{Cell, Conclusion, Report, Tally, Verdict};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{border:1px solid #d0d7de;padding:.3rem .6rem;text-align:left;vertical-align:top}\
th{background:#f6f8fa}td.ok{background:#e6f6e9}td.bad{background:#ffe2e0}td.part{background:#fff5d6}td.none{color:#6e7781}\
pre{white-space:pre-wrap;word-break:break-all;margin:0;font-size:13px}.word{font-size:1.2rem;font-weight:600}\
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th{background:#161b22}th,td{border-color:#30363d}\
td.ok{background:#12331c}td.bad{background:#4a1b1b}td.part{background:#3d3312}}";

/// The report as a page.
#[must_use]
pub fn html(report: &Report) -> String {
    let title =
        report.adapter.as_ref().map_or_else(|| report.command.clone(), |adapter| format!("{} ({})", adapter.name, adapter.language));
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    let _ = write!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Conformance of {}</title>",
        escaped(&title)
    );
    let _ = writeln!(out, "<style>{STYLE}</style></head><body>\n<h1>Conformance of {}</h1>", escaped(&title));
    let _ = writeln!(out, "<p class=\"word\">{}</p>", escaped(&sentence(report)));
    let _ = writeln!(out, "<p>{}; run as <code>{}</code></p>", report.total(), escaped(&report.command));
    matrix(report, &mut out);
    rows(report, &mut out);
    out.push_str("</body></html>\n");
    out
}

fn sentence(report: &Report) -> String {
    let mark = match report.conclusion() {
        Conclusion::Conforms => "\u{2713}",
        Conclusion::Differs | Conclusion::Broken | Conclusion::Nothing => "\u{2717}",
    };
    format!("{mark} {}", report.conclusion())
}

fn matrix(report: &Report, out: &mut String) {
    let heads: String = Cell::ALL.iter().map(|cell| format!("<th scope=\"col\">{}</th>", cell.title())).collect();
    let _ = writeln!(out, "<table><thead><tr><th scope=\"col\">dialect</th>{heads}</tr></thead><tbody>");
    for (dialect, _) in &report.offered {
        let mark = if report.is_witness_of(dialect) { " *" } else { "" };
        let cells: String = Cell::ALL.iter().map(|cell| shown(report.tally(dialect, *cell))).collect();
        let _ = writeln!(out, "<tr><th scope=\"row\">{}{mark}</th>{cells}</tr>", escaped(dialect));
    }
    out.push_str("</tbody></table>\n");
    if report.offered.iter().any(|(dialect, _)| report.is_witness_of(dialect)) {
        out.push_str("<p>* Vectors of this dialect were recorded from the same library: it is no independent witness here.</p>\n");
    }
    if !report.not_offered.is_empty() {
        let _ = writeln!(out, "<p>Not offered: {}</p>", escaped(&report.not_offered.join(", ")));
    }
}

fn shown(tally: Tally) -> String {
    let class = match tally {
        Tally { failed: 0, broken: 0, passed: 0, .. } => "none",
        Tally { failed: 0, broken: 0, skipped: 0, .. } => "ok",
        Tally { failed: 0, broken: 0, .. } => "part",
        _ => "bad",
    };
    format!("<td class=\"{class}\">{tally}</td>")
}

fn rows(report: &Report, out: &mut String) {
    let mut told: Vec<[String; 4]> = Vec::new();
    let row = |word: &str, place: &str, what: &str, why: &str| [word, place, what, why].map(str::to_owned);
    told.extend(report.broken.iter().map(|(place, fault)| row("broken adapter", place, "", &fault.to_string())));
    told.extend(report.needless_skips.iter().map(|skip| row("needless skip", skip, "", "")));
    for check in &report.checks {
        let place = format!("{} {}", check.dialect, check.vector);
        match &check.verdict {
            Verdict::Failed(why) => told.push(row("differs", &place, &check.what, why)),
            Verdict::Noted(why) => told.push(row("note", &place, &check.what, why)),
            _ => {}
        }
    }
    for (dialect, _) in &report.offered {
        told.extend(report.skip_reasons(dialect).into_iter().map(|(why, count)| row("skipped", dialect, &format!("{count} checks"), why)));
    }
    if told.is_empty() {
        return;
    }
    out.push_str("<table><thead><tr><th>kind</th><th>where</th><th>what</th><th>why</th></tr></thead><tbody>\n");
    for [word, place, what, why] in &told {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td><pre>{}</pre></td></tr>",
            escaped(word),
            escaped(place),
            escaped(what),
            escaped(why)
        );
    }
    out.push_str("</tbody></table>\n");
}
