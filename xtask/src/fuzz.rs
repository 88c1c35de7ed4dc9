//! Coverage-guided fuzzing: the targets of `fuzz/` as libFuzzer programs, for a time, and what they found put beside what is committed.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Subcommand;

use crate::run::{Count, Counts, cargo, counted, output};
use crate::{Task, root};

/// Their names are those of the programs in `fuzz/libfuzzer/src/bin/` and of the folders in `fuzz/corpus/`.
const TARGETS: [&str; 4] = ["claim", "canonical", "dialect", "http"];

/// CPU seconds of one target: 30 minutes of all together.
const SECONDS: u64 = 450;
/// Says how many CPU seconds each target gets instead.
const VARIABLE: &str = "COUNTERSIGN_FUZZ_SECONDS";

/// How coverage is counted. What cargo-fuzz passes, but what needs an unstable compiler: the code has no `unsafe` for a sanitizer to watch.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// The longest input, the most memory, and the longest time of one input: by the clock on the wall, also where much else is running.
const BOUNDS: [&str; 3] = ["-max_len=4096", "-rss_limit_mb=2048", "-timeout=120"];

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Action {
    /// Fuzz for a while: every target, or one
    Run {
        /// One of them
        target: Option<String>,
        /// CPU seconds of each
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Keep the fewest of all inputs that reach the same code, in `fuzz/corpus/`
    Merge,
}

pub(crate) fn run(action: &Action) -> Task {
    match action {
        Action::Run { target, seconds } => fuzz(target.as_deref(), seconds.map_or_else(default_seconds, Ok)?),
        Action::Merge => merge(),
    }
}

/// The long part: every target for its time.
pub(crate) fn part() -> Task {
    fuzz(None, default_seconds()?)
}

fn default_seconds() -> Task<u64> {
    match env::var(VARIABLE) {
        Ok(text) => text.parse().map_err(|_| format!("{VARIABLE} is a number of seconds, not {text}").into()),
        Err(_) => Ok(SECONDS),
    }
}

fn fuzz(only: Option<&str>, seconds: u64) -> Task {
    if let Some(unknown) = only.filter(|name| !TARGETS.contains(name)) {
        return Err(format!("no target `{unknown}`; there are {}", TARGETS.join(", ")).into());
    }
    let programs = Programs::build()?;
    let mut counts = Counts::default();
    for target in TARGETS.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        counts += programs.fuzz(target, seconds)?;
    }
    Ok(counts)
}

fn merge() -> Task {
    let programs = Programs::build()?;
    let mut counts = Counts::default();
    for target in TARGETS {
        counts += programs.merge(target)?;
    }
    Ok(counts)
}

/// The programs, and the first inputs and words that they begin with.
struct Programs {
    folder: PathBuf,
}

impl Programs {
    fn build() -> Task<Self> {
        let version = output(cargo(&["-vV"]))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("cargo does not say for which machine it is")?;
        let build = work().join("build");
        // For a named target, so that what runs while building is built without these flags.
        let mut command = cargo(&["build", "--release", "--bins", "--manifest-path", "fuzz/libfuzzer/Cargo.toml", "--target", host]);
        command.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &build);
        if counted(command, Count::Program)?.failed > 0 {
            return Err("the fuzzers cannot be built; they need a C++ compiler".into());
        }
        let programs = Self { folder: build.join(host).join("release") };
        // Each of them can write the first inputs of all.
        let mut seeds = programs.command(TARGETS[0]);
        seeds.env("COUNTERSIGN_FUZZ_SEEDS", seeds_folder());
        if counted(seeds, Count::Program)?.failed > 0 {
            return Err("the first inputs cannot be written".into());
        }
        Ok(programs)
    }

    fn command(&self, program: &str) -> Command {
        Command::new(self.folder.join(program))
    }

    /// Runs one target until its CPU time is spent: on a machine with other work that takes longer.
    fn fuzz(&self, target: &str, seconds: u64) -> Task {
        let (found, crashes) = (work().join("corpus").join(target), work().join("crashes").join(target));
        fs::create_dir_all(&found)?;
        fs::create_dir_all(&crashes)?;
        let (start, before) = (Instant::now(), cpu_seconds());
        let spent = || cpu_seconds().zip(before).map_or_else(|| start.elapsed().as_secs(), |(now, before)| now.saturating_sub(before));
        let (mut executions, mut covered) = (0, String::new());
        while executions == 0 || spent() < seconds {
            let log = work().join(format!("{target}.log"));
            let mut command = self.command(target);
            command.args(BOUNDS).args(["-print_final_stats=1", "-verbosity=1"]);
            command.arg(format!("-max_total_time={}", seconds.saturating_sub(spent()).max(1)));
            command.arg(format!("-artifact_prefix={}/", crashes.display()));
            command.arg(format!("-dict={}", seeds_folder().join(format!("{target}.dict")).display()));
            command.args([found.clone(), committed(target), seeds_folder().join(target)]);
            let file = File::create(&log)?;
            let held = command.stdout(file.try_clone()?).stderr(file).status()?.success();
            let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
            let Some(more) = executed(&text).filter(|_| held) else { return Ok(self.failed(target, &text)) };
            (executions, covered) = (executions + more, coverage(&text).unwrap_or_default());
        }
        println!("ok   {target}: {executions} executions in {} CPU s, {} s; {covered}", spent(), start.elapsed().as_secs());
        Ok(Counts::PASSED)
    }

    fn failed(&self, target: &str, log: &str) -> Counts {
        let told = log.lines().filter(|line| !line.starts_with('#') && !line.trim_start().starts_with("NEW_FUNC"));
        let told: Vec<&str> = told.collect();
        told.iter().skip(told.len().saturating_sub(MOST_LINES)).for_each(|line| println!("    {line}"));
        println!("FAIL {target}");
        if let Some(path) = log.lines().find_map(|line| line.split_once("Test unit written to ").map(|(_, path)| path.trim())) {
            let program = self.folder.join(target);
            println!("     seen with {path}");
            println!("     again: {} {path}; smaller: add -minimize_crash=1 -max_total_time=60", program.display());
            println!(
                "     then mend the code, and commit the input as fuzz/corpus/{target}/NAME, which `cargo nextest run -p countersign-fuzz` replays"
            );
        }
        Counts::FAILED
    }

    /// Takes the smallest inputs, of those that are committed, found and first, that together reach all that all of them reach.
    fn merge(&self, target: &str) -> Task {
        let (old, new) = (committed(target), work().join("merged").join(target));
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        fs::create_dir_all(&new)?;
        fs::create_dir_all(&old)?;
        let found = work().join("corpus").join(target);
        fs::create_dir_all(&found)?;
        let mut command = self.command(target);
        command.args(BOUNDS).args(["-set_cover_merge=1", "-use_counters=0"]).args([&new, &old, &found, &seeds_folder().join(target)]);
        if counted(command, Count::Program)?.failed > 0 {
            return Ok(Counts::FAILED);
        }
        // An input that was given a name was put there by somebody, for what it shows.
        for entry in fs::read_dir(&old)?.flatten().filter(|entry| is_nameless(&entry.path())) {
            fs::remove_file(entry.path())?;
        }
        let mut bytes = 0;
        for entry in fs::read_dir(&new)?.flatten() {
            bytes += fs::copy(entry.path(), old.join(entry.file_name()))?;
        }
        println!("{target}: {} inputs, {bytes} bytes", fs::read_dir(&old)?.count());
        Ok(Counts::PASSED)
    }
}

/// The lines of a log that are shown of a failure.
const MOST_LINES: usize = 60;

/// Whether a file is called by the digest of its content, as the fuzzer does.
fn is_nameless(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.len() == 40 && name.to_string_lossy().bytes().all(|b| b.is_ascii_hexdigit()))
}

fn committed(target: &str) -> PathBuf {
    root().join("fuzz/corpus").join(target)
}

fn work() -> PathBuf {
    root().join("target/fuzz")
}

fn seeds_folder() -> PathBuf {
    work().join("seeds")
}

/// The number of inputs that were tried.
fn executed(log: &str) -> Option<u64> {
    let count = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    count.trim().parse().ok().filter(|count| *count > 0)
}

/// What the last line of progress says of the code that was reached: edges, features, inputs.
fn coverage(log: &str) -> Option<String> {
    let last = log.lines().rfind(|line| line.starts_with('#') && line.contains(" cov: "))?;
    let mut words = last.split_whitespace().skip_while(|word| *word != "cov:");
    let numbers: Vec<&str> = words.by_ref().filter(|word| !word.ends_with(':')).take(3).collect();
    match numbers[..] {
        [edges, features, inputs] => Some(format!("{edges} edges, {features} features, {inputs} inputs")),
        _ => None,
    }
}

/// The CPU time of the programs that ran until now; `None` where the system does not tell it in this way.
fn cpu_seconds() -> Option<u64> {
    of_children(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Fields 16 and 17 of proc(5), in hundredths of a second.
fn of_children(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let times: Vec<u64> = fields.split(' ').skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    if let [user, system] = times[..] { Some((user + system) / 100) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #900\tDONE   cov: 3210 ft: 9876 corp: 120/9Kb lim: 4096 exec/s: 450 rss: 60Mb\n\
        Done 900 runs in 2 second(s)\nstat::number_of_executed_units: 900\n";

    #[test]
    fn what_a_fuzzer_tells_is_counted() {
        assert_eq!(executed(LOG), Some(900));
        assert_eq!(coverage(LOG).as_deref(), Some("3210 edges, 9876 features, 120/9Kb inputs"));
        assert_eq!(executed("stat::number_of_executed_units: 0\n"), None);
        assert_eq!(executed("INFO: no stats\n"), None);
    }

    #[test]
    fn cpu_time_is_read_whatever_a_program_is_called() {
        assert_eq!(of_children("1 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 1234 566 20 0"), Some(18));
        assert_eq!(of_children("1 (a"), None);
    }

    #[test]
    fn every_target_has_its_program_and_its_inputs() {
        for target in TARGETS {
            assert!(root().join(format!("fuzz/libfuzzer/src/bin/{target}.rs")).exists(), "{target}");
            assert!(fs::read_dir(committed(target)).is_ok_and(|mut folder| folder.next().is_some()), "{target}");
        }
    }

    #[test]
    fn inputs_with_a_name_are_kept() {
        assert!(is_nameless(Path::new("a/0123456789abcdef0123456789abcdef01234567")));
        assert!(!is_nameless(Path::new("a/empty-lines-are-counted-alike")));
    }
}
