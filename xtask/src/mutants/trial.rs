//! Runs the tests with one mutant at work, until one of them fails.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::tree::Program;
use crate::{Task, root};

/// What a mutant may use before it is stopped, which counts as caught: it asks for it in a loop.
const MOST_KILOBYTES: u64 = 4_000_000;

/// What it may take, in seconds of the processor, since how busy the machine is must not matter. Without a mutant, no program takes two.
const MOST_SECONDS: u64 = 10;

/// What the run may take that notes which mutants are reached: each time that one is passed costs something.
const MOST_SECONDS_NOTING: u64 = 120;

/// A program of tests, how long it takes without a mutant, and which mutants it reaches.
pub(super) struct Measured<'a> {
    pub(super) program: &'a Program,
    time: Duration,
    reached: BTreeSet<usize>,
}

/// Runs each program once without a mutant. They are then in the order in which they are tried: quick ones first.
pub(super) fn measure(programs: &[Program]) -> Task<Vec<Measured<'_>>> {
    let mut measured = Vec::new();
    for program in programs {
        let numbers = root().join("target/mutants").join(format!("{}.reached", program.name));
        let start = Instant::now();
        let mut command = command(program, MOST_SECONDS_NOTING);
        command.env("COUNTERSIGN_MUTANTS_REACHED", &numbers);
        if !holds(command)? {
            return Err(format!("the tests of {} fail without a mutant", program.name).into());
        }
        let time = start.elapsed();
        let reached: BTreeSet<usize> = fs::read_to_string(&numbers)?.lines().filter_map(|line| line.parse().ok()).collect();
        println!("{}: {:.1} s, {} mutants reached", program.name, time.as_secs_f64(), reached.len());
        measured.push(Measured { program, time, reached });
    }
    measured.sort_by_key(|measured| measured.time);
    Ok(measured)
}

/// The program whose tests catch this mutant.
pub(super) fn catches<'a>(number: usize, programs: &[Measured<'a>]) -> Task<Option<&'a Program>> {
    for measured in programs.iter().filter(|measured| measured.reached.contains(&number)) {
        let mut command = command(measured.program, MOST_SECONDS);
        command.env("COUNTERSIGN_MUTANT", number.to_string());
        if !holds(command)? {
            return Ok(Some(measured.program));
        }
    }
    Ok(None)
}

fn command(program: &Program, most_seconds: u64) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v \"$1\" && ulimit -t \"$2\" && shift 2 && exec \"$@\"", "sh"]);
    command.args([MOST_KILOBYTES.to_string(), most_seconds.to_string()]).arg(&program.executable);
    command.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder);
    command
}

/// Runs tests; the first that fails ends them.
fn holds(mut command: Command) -> Task<bool> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let lines = child.stdout.take().map(|out| BufReader::new(out).split(b'\n'));
    if lines.into_iter().flatten().map_while(Result::ok).any(|line| line.ends_with(b"FAILED")) {
        child.kill()?;
        child.wait()?;
        return Ok(false);
    }
    Ok(child.wait()?.success())
}
