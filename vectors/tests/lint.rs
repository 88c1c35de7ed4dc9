//! What the lint finds of each built-in dialect is what is committed in `lint/`, one named test for each; and of every two of them together.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

use countersign_protocol::{Dialect, Dialects};
use countersign_vectors::findings::{Findings, PairFindings};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How the files are brought up to date.
const MEND: &str = "if that is right, run `cargo xtask vectors findings --write` and look at the difference";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match Dialects::builtin() {
        Ok(dialects) => {
            let dialects: Vec<Dialect> = dialects.iter().cloned().collect();
            let strays = strays(&dialects).into_iter().map(|stem| broken(&stem, "there is no dialect of that name".to_owned()));
            let mut trials: Vec<_> = dialects.iter().cloned().map(trial).chain(strays).collect();
            trials.push(Trial::test("pairs::findings_are_the_committed_ones", move || Ok(pairs(&dialects)?)));
            trials
        }
        Err(error) => vec![broken("dialects", error.to_string())],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(dialect: Dialect) -> Trial {
    Trial::test(format!("{}::findings_are_the_committed_ones", dialect.id()), move || {
        Ok(compare(&read::<Findings>(dialect.id())?, &Findings::of(&dialect)?)?)
    })
}

/// Overlaps and downgrades among all of them.
fn pairs(dialects: &[Dialect]) -> Result<(), String> {
    let all = PairFindings::of_all(dialects)?;
    for pair in all.iter().filter(|pair| pair.findings.iter().any(|found| found.id == "overlap")) {
        let [a, b] = &pair.dialects;
        let of = |id: &String| dialects.iter().find(|dialect| dialect.id() == id);
        // What the definitions alone call apart must be apart.
        if of(a).zip(of(b)).is_none_or(|(a, b)| !a.overlaps(b)) {
            return Err(format!("{a} and {b} are called apart, and one message is of both"));
        }
    }
    compare(&read::<Vec<PairFindings>>("pairs")?, &all)
}

fn compare<T: Serialize + PartialEq>(committed: &T, found: &T) -> Result<(), String> {
    if committed == found {
        return Ok(());
    }
    let text = |of: &T| serde_yaml::to_string(of).map_err(|error| error.to_string());
    let (committed, found) = (text(committed)?, text(found)?);
    let gone = committed.lines().filter(|line| !found.lines().any(|other| other == *line)).map(|line| format!("- {line}"));
    let new = found.lines().filter(|line| !committed.lines().any(|other| other == *line)).map(|line| format!("+ {line}"));
    let lines: Vec<_> = gone.chain(new).collect();
    let lines = if lines.is_empty() { "in another order".to_owned() } else { lines.join("\n") };
    Err(format!("what is found is not what is committed:\n{lines}\n{MEND}"))
}

fn read<T: DeserializeOwned>(stem: &str) -> Result<T, String> {
    let path = folder().join(format!("{stem}.yaml"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}; {MEND}", path.display()))?;
    serde_yaml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Files of dialects that are gone.
fn strays(dialects: &[Dialect]) -> Vec<String> {
    let files = fs::read_dir(folder()).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
    let stems = files.filter_map(|path| path.file_stem()?.to_str().map(str::to_owned));
    stems.filter(|stem| stem != "pairs" && !dialects.iter().any(|dialect| dialect.id() == stem)).collect()
}

fn broken(stem: &str, fault: String) -> Trial {
    Trial::test(format!("{stem}::file"), move || Err(Failed::from(fault)))
}

/// Beside this crate, also where the tests run elsewhere than they were built.
fn folder() -> PathBuf {
    let root = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    Path::new(&root).join("lint")
}
