//! A copy of the project in which every mutant is woven, and what is built from it.

use std::collections::{BTreeMap, BTreeSet};

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, str};

use serde::Deserialize;

use super::list::Mutant;
use super::weave::{self, Woven};
use crate::run::{cargo, output};
use crate::{Task, root};

/// The tests that are tried on each mutant: those of the crate, and the vectors. What searches or draws lots is left out.
const TESTS: &[&str] = &["rules", "stages", "language", "forms", "evidence", "losses", "dialect_files", "explained", "lints", "vectors"];

const LIBRARY: &str = "crates/protocol/src/lib.rs";

/// What a mutant may do that the crate may not.
const ALLOWED: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]";

/// Rounds of the compiler: each tells of the faults that the one before hid.
const ROUNDS: usize = 40;

/// A built program of tests.
pub(super) struct Program {
    pub(super) name: String,
    pub(super) executable: PathBuf,
    /// The folder of its package, in which it runs.
    pub(super) folder: PathBuf,
}

/// The built tests, and which mutants are in them.
pub(super) struct Built {
    pub(super) programs: Vec<Program>,
    pub(super) woven: BTreeSet<usize>,
    /// Mutants that the compiler refuses.
    pub(super) refused: BTreeSet<usize>,
}

/// One line of cargo's JSON.
#[derive(Deserialize)]
struct Line {
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
    target: Option<Target>,
    message: Option<Fault>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Fault {
    level: String,
    message: String,
    spans: Vec<FaultSpan>,
}

#[derive(Deserialize)]
struct FaultSpan {
    file_name: String,
    byte_start: usize,
    is_primary: bool,
}

/// Weaves and builds, without the mutants that the compiler refuses, of which some are known.
pub(super) fn build(mutants: &[Mutant], mut refused: BTreeSet<usize>) -> Task<Built> {
    copy(mutants)?;
    for _ in 0..ROUNDS {
        let woven = weave_all(mutants, &refused)?;
        let (lines, held) = compiled()?;
        if held {
            refused.extend(woven.values().flat_map(|file| &file.unviable));
            let woven = woven.values().flat_map(|file| file.numbers.iter().copied()).collect();
            return Ok(Built { programs: programs(lines), woven, refused });
        }
        let faults = faults(&woven, lines)?;
        println!("the compiler refuses {} mutants", faults.len());
        if faults.is_empty() {
            break;
        }
        refused.extend(faults);
    }
    Err("the woven crate does not build".into())
}

fn folder() -> PathBuf {
    root().join("target/mutants/tree")
}

/// The files that git knows of, and those that it does not ignore, but for what is woven. What is the same already keeps its time.
fn copy(mutants: &[Mutant]) -> Task<()> {
    let is_woven = |name: &str| name == LIBRARY || mutants.iter().any(|mutant| mutant.file == name);
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    for name in output(git)?.split('\0').filter(|name| !name.is_empty() && !is_woven(name)) {
        let Ok(bytes) = fs::read(root().join(name)) else { continue };
        write(name, &bytes)?;
    }
    Ok(())
}

fn write(name: &str, bytes: &[u8]) -> Task<()> {
    let path = folder().join(name);
    if fs::read(&path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    Ok(fs::write(path, bytes)?)
}

fn weave_all(mutants: &[Mutant], refused: &BTreeSet<usize>) -> Task<BTreeMap<String, Woven>> {
    let mut files: BTreeMap<&str, Vec<(usize, &Mutant)>> = BTreeMap::new();
    for (number, mutant) in mutants.iter().enumerate().filter(|(number, _)| !refused.contains(number)) {
        files.entry(&mutant.file).or_default().push((number, mutant));
    }
    let mut woven = BTreeMap::new();
    for (name, mutants) in files {
        let file = weave::weave(&fs::read_to_string(root().join(name))?, mutants.into_iter())?;
        write(name, file.text.as_bytes())?;
        woven.insert(name.to_owned(), file);
    }
    write("crates/protocol/src/woven.rs", weave::SWITCHES.as_bytes())?;
    let library = fs::read_to_string(root().join(LIBRARY))?;
    write(LIBRARY, format!("{ALLOWED}\n{library}\nmod woven;\n").as_bytes())?;
    Ok(woven)
}

/// The mutants that the compiler refuses in this round.
fn faults(woven: &BTreeMap<String, Woven>, lines: Vec<Line>) -> Task<BTreeSet<usize>> {
    let mut refused = BTreeSet::new();
    for fault in lines.into_iter().filter_map(|line| line.message).filter(|fault| fault.level == "error") {
        let places = fault.spans.iter().filter(|span| span.is_primary);
        let in_file = |place: &FaultSpan| Some(weave::numbers_at(&woven.get(&place.file_name)?.text, place.byte_start));
        let numbers: Vec<usize> = places.filter_map(in_file).flatten().collect();
        if numbers.is_empty() && !fault.spans.is_empty() {
            let at: Vec<_> = fault.spans.iter().map(|span| format!("{}, byte {}", span.file_name, span.byte_start)).collect();
            return Err(format!("the woven crate does not build, in no mutant: {} ({})", fault.message, at.join("; ")).into());
        }
        refused.extend(numbers);
    }
    Ok(refused)
}

fn programs(lines: Vec<Line>) -> Vec<Program> {
    let program = |line: Line| {
        let (executable, target) = (line.executable?, line.target?);
        let folder = line.manifest_path?.parent()?.to_owned();
        // The library of the vectors has tests of their loader only.
        let is_asked_for = target.name == "countersign_protocol" || TESTS.contains(&target.name.as_str());
        is_asked_for.then_some(Program { name: target.name, executable, folder })
    };
    lines.into_iter().filter_map(program).collect()
}

/// What cargo says of the build, and whether it held.
fn compiled() -> Task<(Vec<Line>, bool)> {
    let mut command = cargo(&["test", "--no-run", "--package", "countersign-protocol", "--package", "countersign-vectors", "--lib"]);
    command.args(TESTS.iter().flat_map(|test| ["--test", *test]));
    command.args(["--all-features", "--message-format=json", "--target-dir"]).arg(root().join("target")).current_dir(folder());
    let out = command.stderr(Stdio::inherit()).output()?;
    let lines = out.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    Ok((lines, out.status.success()))
}
