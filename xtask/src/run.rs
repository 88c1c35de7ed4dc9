//! Runs other programs, shows what they say, and counts what they report.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::ops::AddAssign;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::{Task, root};

/// How many checks held and how many did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    pub(crate) const PASSED: Self = Self { passed: 1, failed: 0 };
    pub(crate) const FAILED: Self = Self { passed: 0, failed: 1 };

    /// One check.
    pub(crate) const fn of(held: bool) -> Self {
        if held { Self::PASSED } else { Self::FAILED }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// How the lines of a program are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// The program as a whole is one check.
    Program,
    /// The summary of nextest.
    Nextest,
    /// The summaries of libtest: an ignored test counts as a failure.
    Libtest,
    /// Criterion's word for each bench that was tried.
    Criterion,
}

/// A cargo command in the workspace, without colours.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    command.args(arguments).current_dir(root()).env("CARGO_TERM_COLOR", "never");
    // What cargo told this program about itself is not meant for another package.
    for (name, _) in std::env::vars_os() {
        let is_of_this_package = name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_"));
        if is_of_this_package {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program, shows its lines, and counts what it reports. A program that fails without a report is one failure.
pub(crate) fn counted(mut command: Command, count: Count) -> Task {
    println!("$ {}", line_of(&command));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|e| format!("{}: {e}", line_of(&command)))?;
    let total = Mutex::new(Counts::default());
    thread::scope(|scope| {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        scope.spawn(|| out.map(|out| show(out, count, &total)));
        scope.spawn(|| err.map(|err| show(err, count, &total)));
    });
    let held = child.wait()?.success();
    let mut counts = total.into_inner().unwrap_or_default();
    if counts.failed == 0 && (!held || counts.passed == 0) {
        // A runner that reported nothing has left its suite out.
        counts += Counts::of(held && count == Count::Program);
    }
    Ok(counts)
}

/// What a program writes to its standard output.
pub(crate) fn output(mut command: Command) -> Task<String> {
    let out = command.stderr(Stdio::inherit()).output().map_err(|e| format!("{}: {e}", line_of(&command)))?;
    if out.status.success() { Ok(String::from_utf8(out.stdout)?) } else { Err(format!("{} failed", line_of(&command)).into()) }
}

/// The benches: measured, or each tried once in the development profile.
pub(crate) fn bench(smoke: bool) -> Task {
    if smoke {
        return counted(
            // With what the tests were built with, so that nothing is built twice.
            cargo(&["bench", "--profile", "dev", "--workspace", "--all-features", "--bench", "*", "--", "--test"]),
            Count::Criterion,
        );
    }
    counted(cargo(&["bench", "--package", "countersign-benches", "--benches"]), Count::Program)
}

fn show(stream: impl Read, count: Count, total: &Mutex<Counts>) {
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        if let (Some(counts), Ok(mut total)) = (read(count, &line), total.lock()) {
            *total += counts;
        }
    }
}

fn read(count: Count, line: &str) -> Option<Counts> {
    match count {
        Count::Program => None,
        Count::Nextest => {
            let (_, report) = line.trim_start().strip_prefix("Summary [")?.split_once(" run: ")?;
            Some(Counts {
                passed: number_before(report, "passed"),
                failed: ["failed", "exec", "timed"].iter().map(|w| number_before(report, w)).sum(),
            })
        }
        Count::Libtest => {
            let report = line.strip_prefix("test result: ")?;
            Some(Counts {
                passed: number_before(report, "passed"),
                failed: number_before(report, "failed") + number_before(report, "ignored"),
            })
        }
        Count::Criterion => (line.trim() == "Success").then_some(Counts::PASSED),
    }
}

/// The number in front of a word, 0 when the word is absent.
fn number_before(report: &str, word: &str) -> u64 {
    let words: Vec<&str> = report.split([' ', ',', ';']).filter(|w| !w.is_empty()).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runner_is_counted() {
        let nextest = "     Summary [   0.5s] 12 tests run: 9 passed (1 slow), 2 failed, 1 timed out, 4 skipped";
        assert_eq!(read(Count::Nextest, nextest), Some(Counts { passed: 9, failed: 3 }));
        let libtest = "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out";
        assert_eq!(read(Count::Libtest, libtest), Some(Counts { passed: 3, failed: 3 }));
        assert_eq!(read(Count::Criterion, "Success"), Some(Counts::PASSED));
        assert_eq!(read(Count::Nextest, "        PASS [   0.0s] a::b"), None);
    }

    #[test]
    fn a_suite_that_reports_nothing_has_failed() {
        assert_eq!(counted(Command::new("true"), Count::Nextest).unwrap(), Counts::FAILED);
        assert_eq!(counted(Command::new("true"), Count::Program).unwrap(), Counts::PASSED);
        assert_eq!(counted(Command::new("false"), Count::Program).unwrap(), Counts::FAILED);
    }

    #[test]
    fn a_report_of_success_does_not_hide_a_failed_program() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo Success; exit 1"]);
        assert_eq!(counted(command, Count::Criterion).unwrap(), Counts { passed: 1, failed: 1 });
    }
}
