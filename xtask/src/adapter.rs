//! `cargo xtask conformance --adapter CMD`, and the step that runs every adapter of the project.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{fs, io::Write as _};

use countersign_conformance::{Conclusion, Reasons, Report, Settings, Skips, Subject, of_responses, report, subjects};
use countersign_protocol::Dialects;

use crate::conformance::{Asked, ReasonsAsked};
use crate::run::Counts;
use crate::{Task, root, services};

/// The exit status that says: mend the adapter, nothing is known of the implementation.
const BROKEN: u8 = 3;

/// Runs an adapter: data to stdout, words to stderr where the data is JSON.
pub(crate) fn run(asked: &Asked) -> ExitCode {
    match report_of(asked).and_then(|report| show(asked, &report).map(|()| report.conclusion())) {
        Ok(Conclusion::Conforms) => ExitCode::SUCCESS,
        Ok(Conclusion::Differs | Conclusion::Nothing) => ExitCode::FAILURE,
        Ok(Conclusion::Broken) => ExitCode::from(BROKEN),
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn report_of(asked: &Asked) -> Result<Report, Box<dyn Error>> {
    let mut settings = Settings::new(asked.adapter.as_deref().unwrap_or_default());
    settings.timeout = Duration::from_secs(asked.timeout);
    settings.transcript.clone_from(&asked.transcript);
    settings.reasons = match asked.reasons {
        ReasonsAsked::Exact => Reasons::Exact,
        ReasonsAsked::Class => Reasons::Class,
        ReasonsAsked::Ignore => Reasons::Ignore,
    };
    if let Some(file) = &asked.skips {
        settings.skips = skips(file)?;
    }
    Ok(countersign_conformance::run(&settings, &of(asked.dialect.as_deref())?)?)
}

fn of(only: Option<&str>) -> Result<Vec<Subject>, Box<dyn Error>> {
    let mut found = subjects(&Dialects::builtin()?, only)?;
    found.extend(of_responses(only)?);
    match only {
        Some(only) if found.is_empty() => Err(format!("no vectors of `{only}`; vectors/ names the dialects").into()),
        _ => Ok(found),
    }
}

fn skips(file: &Path) -> Result<Skips, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Skips::read(&text).map_err(|e| format!("{}: {e}", file.display()).into())
}

fn show(asked: &Asked, report: &Report) -> Result<(), Box<dyn Error>> {
    for (file, text) in [(&asked.junit, report::junit as fn(&Report) -> String), (&asked.html, report::html)] {
        if let Some(file) = file {
            fs::write(file, text(report)).map_err(|e| format!("{}: {e}", file.display()))?;
        }
    }
    let text = report::text(report);
    if asked.json {
        say(text.trim_end());
        println!("{}", report::json(report));
    } else {
        print!("{text}");
        println!("{}", counts(report));
    }
    Ok(())
}

fn counts(report: &Report) -> Counts {
    let total = report.total();
    let faults = report.broken.len().max(usize::try_from(total.broken).unwrap_or(usize::MAX)) + report.needless_skips.len();
    let mut counts = Counts { passed: total.passed, failed: total.failed + u64::try_from(faults).unwrap_or(u64::MAX) };
    if report.conclusion() == Conclusion::Nothing {
        counts += Counts::FAILED;
    }
    counts
}

fn say(text: &str) {
    // Whoever closed stderr does not want the words.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The foreign adapters of the project, each with its skips. Our own is run by the tests of the command line.
pub(crate) fn all() -> Task {
    let adapters = root().join("conformance/adapters");
    let quoted = |path: PathBuf| format!("'{}'", path.display());
    let commands = [
        ("python", format!("exec {} {}", quoted(services::python()), quoted(adapters.join("python/adapter.py")))),
        (
            "node",
            format!(
                "CONFORMANCE_NODE_PACKAGES={} exec node {}",
                quoted(services::node_packages()),
                quoted(adapters.join("node/adapter.mjs"))
            ),
        ),
        ("java", format!("exec java {}", quoted(adapters.join("java/Adapter.java")))),
    ];
    let subjects = of(None)?;
    let mut total = Counts::default();
    for (name, command) in commands {
        println!("\n$ {command}");
        let mut settings = Settings::new(command);
        settings.timeout = Duration::from_secs(60);
        settings.skips = skips(&adapters.join(name).join("skips.yaml"))?;
        let report = countersign_conformance::run(&settings, &subjects)?;
        print!("{}", report::text(&report));
        total += counts(&report);
    }
    Ok(total)
}
