//! `countersign lint`: what dialects leave open, each finding with two messages that were verified before it is printed.

use std::fmt::Write as _;
use std::path::Path;

use countersign_protocol::lint::{self, Exhibit, Finding, FindingId, PairReport, Report, Severity, Unproved};
use countersign_protocol::{Dialect, KeyMaterial};
use serde_json::{Value, json};

use crate::args::LintArgs;
use crate::console;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;
use crate::wire;

/// What `--deny` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// This severity and what is graver.
    From(Severity),
    /// One finding.
    Id(FindingId),
}

impl Denied {
    /// Reads a severity or the id of a finding.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let severity = Severity::from_name(text).map(Self::From);
        severity.or_else(|| FindingId::from_name(text).map(Self::Id)).ok_or_else(|| {
            let severities: Vec<_> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
            format!("neither a severity ({}) nor the id of a finding; docs/LINT.md names them", severities.join(", "))
        })
    }

    fn names(self, finding: &Finding) -> bool {
        match self {
            Self::From(severity) => finding.severity() >= severity,
            Self::Id(id) => finding.id() == id,
        }
    }
}

/// Runs the command: exit code 1 if something that is denied was found.
pub(crate) fn run(args: &LintArgs, registry: &Registry, json: bool) -> Result<(), Failure> {
    let dialects = args.dialect.iter().map(|name| named(name, registry)).collect::<Result<Vec<_>, _>>()?;
    let alone = dialects.iter().map(|dialect| lint::lint(dialect).map_err(Failure::usage)).collect::<Result<Vec<_>, _>>()?;
    let pairs: Vec<_> = pairs_of(&dialects).map(|(a, b)| (a, b, lint::pair(a, b))).collect();
    if json {
        console::line(&as_json(&dialects, &alone, &pairs).to_string())?;
    } else {
        console::data(&as_text(&dialects, &alone, &pairs))?;
    }
    let unproved = alone.iter().flat_map(|report| &report.unproved).chain(pairs.iter().flat_map(|(_, _, report)| &report.unproved));
    for fault in unproved {
        say_of(fault);
    }
    let mut all = alone.iter().flat_map(|report| &report.findings).chain(pairs.iter().flat_map(|(_, _, report)| &report.findings));
    if all.any(|finding| args.deny.iter().any(|denied| denied.names(finding))) { Err(Failure::Rejected) } else { Ok(()) }
}

/// A rule that stated what is not so: not shown as a finding, and not kept silent.
fn say_of(fault: &Unproved) {
    console::say(&format!("a fault of this program, please report it: {fault}"));
}

/// A dialect by its id, or a file.
fn named(name: &str, registry: &Registry) -> Result<Dialect, Failure> {
    if registry.dialects.get(name).is_some() || !(name.contains(['/', '.']) || Path::new(name).is_file()) {
        return registry.get(name).cloned();
    }
    let path = Path::new(name);
    let bytes = console::read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| Failure::file(path, "no text in UTF-8"))?;
    Dialect::from_yaml(&text).map_err(|error| Failure::file(path, error))
}

fn pairs_of(dialects: &[Dialect]) -> impl Iterator<Item = (&Dialect, &Dialect)> {
    dialects.iter().enumerate().flat_map(|(i, b)| dialects[..i].iter().map(move |a| (a, b)))
}

type Pair<'d> = (&'d Dialect, &'d Dialect, PairReport);

fn as_text(dialects: &[Dialect], alone: &[Report], pairs: &[Pair<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (dialect, report) in dialects.iter().zip(alone) {
        let mut head = format!("{}: {}\n", dialect.id(), counted(&report.findings));
        for (part, standing) in &report.parts {
            let _ = writeln!(head, "  {:24} {}", part.to_string(), standing.as_str());
        }
        let _ = writeln!(head, "  {:24} {}", "replay", report.replay);
        out.extend(head.into_bytes());
        report.findings.iter().for_each(|finding| write_finding(finding, &mut out));
    }
    for (a, b, report) in pairs {
        out.extend(format!("{} and {}: {}\n", a.id(), b.id(), counted(&report.findings)).into_bytes());
        report.findings.iter().for_each(|finding| write_finding(finding, &mut out));
    }
    out
}

fn counted(findings: &[Finding]) -> String {
    let of = |severity: &Severity| {
        let count = findings.iter().filter(|finding| finding.severity() == *severity).count();
        (count > 0).then(|| format!("{count} {severity}"))
    };
    let counts: Vec<_> = Severity::ALL.iter().rev().filter_map(of).collect();
    if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") }
}

fn write_finding(finding: &Finding, out: &mut Vec<u8>) {
    let proof = finding.proof();
    let part = finding.part().map(|part| format!(" {part}")).unwrap_or_default();
    let note = if finding.note().is_empty() { String::new() } else { format!(" ({})", finding.note()) };
    let text = format!(
        "\n{}: {}{part}{note}\n  {}\n  mend: {}\n  {}, {}:\n",
        finding.severity(),
        finding.id(),
        finding.id().means(),
        finding.id().mend(),
        proof.shows(),
        policy_text(finding)
    );
    out.extend(text.into_bytes());
    for (name, exhibit) in ["one", "other"].into_iter().zip(proof.exhibits()) {
        out.extend(format!("  {name}, at {}, in {}:\n", exhibit.at(), exhibit.dialect().id()).into_bytes());
        let raw = output::http::write(exhibit.message());
        for line in raw.split(|b| *b == b'\n') {
            out.extend(format!("    | {}\n", shown(line.strip_suffix(b"\r").unwrap_or(line))).into_bytes());
        }
    }
}

/// A line as it is, so that it can be pasted; one that a terminal would not show as it is, escaped.
fn shown(line: &[u8]) -> String {
    match std::str::from_utf8(line) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\t') => text.to_owned(),
        _ => line.escape_ascii().to_string(),
    }
}

/// The flags of `verify` under which both are accepted.
fn policy_flags(finding: &Finding) -> Vec<String> {
    let policy = finding.proof().policy();
    let flags = [(policy.allow_unsafe, "--unsafe"), (policy.allow_ambiguous, "--allow-ambiguous")];
    let waived = policy.waive.iter().map(|part| format!("--waive={part}"));
    flags.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag.to_owned()).chain(waived).collect()
}

/// What the sample key is registered for.
fn algorithms(finding: &Finding) -> Vec<&'static str> {
    finding.proof().credential().algorithms().iter().map(|algorithm| algorithm.as_str()).collect()
}

fn policy_text(finding: &Finding) -> String {
    let (flags, algorithms) = (policy_flags(finding), algorithms(finding));
    let policy = if flags.is_empty() { "under the default policy".to_owned() } else { format!("under {}", flags.join(" ")) };
    if algorithms.is_empty() { policy } else { format!("{policy} with a key for {}", algorithms.join(", ")) }
}

fn as_json(dialects: &[Dialect], alone: &[Report], pairs: &[Pair<'_>]) -> Value {
    let of_one = |(dialect, report): (&Dialect, &Report)| {
        let parts: serde_json::Map<_, _> = report.parts.iter().map(|(part, s)| (part.to_string(), s.as_str().into())).collect();
        let findings: Vec<_> = report.findings.iter().map(finding_json).collect();
        json!({ "dialect": dialect.id(), "parts": parts, "replay": report.replay.as_str(), "findings": findings })
    };
    let of_two = |(a, b, report): &Pair<'_>| {
        let findings: Vec<_> = report.findings.iter().map(finding_json).collect();
        json!({ "dialects": [a.id(), b.id()], "findings": findings })
    };
    json!({
        "dialects": dialects.iter().zip(alone).map(of_one).collect::<Vec<_>>(),
        "pairs": pairs.iter().map(of_two).collect::<Vec<_>>(),
    })
}

fn finding_json(finding: &Finding) -> Value {
    let proof = finding.proof();
    let credential = proof.credential();
    let secret = match credential.material() {
        KeyMaterial::Hmac(secret) => std::str::from_utf8(secret.expose()).ok(),
        _ => None,
    };
    json!({
        "id": finding.id().as_str(),
        "severity": finding.severity().as_str(),
        "part": finding.part().map(ToString::to_string),
        "note": finding.note(),
        "means": finding.id().means(),
        "mend": finding.id().mend(),
        "shows": proof.shows().to_string(),
        "policy": policy_flags(finding),
        "key_id": credential.key_id(),
        "algorithms": algorithms(finding),
        "sample_secret": secret,
        "messages": proof.exhibits().iter().map(exhibit_json).collect::<Vec<_>>(),
    })
}

fn exhibit_json(exhibit: &Exhibit) -> Value {
    let inputs: serde_json::Map<_, _> = exhibit.inputs().iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({
        "dialect": exhibit.dialect().id(),
        "now": exhibit.at().to_string(),
        "inputs": inputs,
        "message": wire::write(exhibit.message()),
    })
}
