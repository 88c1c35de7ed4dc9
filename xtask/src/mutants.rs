//! `cargo xtask test --full mutants`: cargo-mutants' mutants of the code that decides, each of which a test must catch.
//!
//! A build for each mutant costs minutes, so all are woven into one build behind switches (`weave.rs`), and a mutant costs one run of the tests
//! that reach it, up to the first that fails.

use std::collections::{BTreeMap, BTreeSet};
use std::{env, fs};

use crate::run::Counts;
use crate::{Task, root};

mod ledger;
mod list;
mod tree;
mod trial;
mod weave;

use ledger::{Done, End, Ends, Reason};
use list::Mutant;

/// Which mutants are tried: `k/n` of all, and of files whose path holds a text.
const SHARD: &str = "COUNTERSIGN_MUTANTS_SHARD";
const FILE: &str = "COUNTERSIGN_MUTANTS_FILE";

/// A file, its text, and the numbers of its mutants.
struct File<'a> {
    name: &'a str,
    text: String,
    numbers: Vec<usize>,
    ends: Ends,
}

/// Tries what is not known yet, and says of every mutant whether it is caught or explained.
pub(crate) fn run() -> Task {
    let mutants = list::all()?;
    let reasons = ledger::reasons()?;
    let mut files = files(&mutants)?;
    let mut counts = strays(&reasons, &mutants, &files);
    let mut done = ledger::done()?;
    done.retain(|name, done| files.iter().any(|file| file.name == name && ledger::digest(&file.text) == done.text));
    let asked = asked(&files, &mutants, &done)?;
    if !asked.is_empty() {
        try_all(&mutants, &asked, &mut files)?;
    }
    for file in &files {
        counts += judge(file, &mutants, &asked, &reasons, &mut done);
    }
    ledger::write_done(&done)?;
    println!("{} of {} files are done", done.len(), files.len());
    Ok(counts)
}

/// Whether the environment asks for a part of the mutants, which shows nothing of the others.
pub(crate) fn is_partial() -> bool {
    [SHARD, FILE].iter().any(|name| env::var_os(name).is_some())
}

fn files(mutants: &[Mutant]) -> Task<Vec<File<'_>>> {
    let mut numbers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, mutant) in mutants.iter().enumerate() {
        numbers.entry(&mutant.file).or_default().push(number);
    }
    let read = |(name, numbers)| {
        let text = fs::read_to_string(root().join(name))?;
        let ends = Ends::of(&text);
        Ok(File { name, text, numbers, ends })
    };
    numbers.into_iter().map(read).collect()
}

/// Reasons that explain nothing: each is a failure.
fn strays(reasons: &[Reason], mutants: &[Mutant], files: &[File<'_>]) -> Counts {
    let mut counts = Counts::default();
    for reason in reasons {
        let text = files.iter().find(|file| file.name == reason.file).map_or("", |file| &file.text);
        if !mutants.iter().any(|mutant| reason.is_of(mutant, text)) {
            println!("explained, but there is no such mutant: {}: {}", reason.file, reason.mutant);
            counts += Counts::FAILED;
        }
    }
    counts
}

/// The mutants that this run tries: of the shard and files that are asked for, without those whose end is known.
fn asked(files: &[File<'_>], mutants: &[Mutant], done: &BTreeMap<String, Done>) -> Task<BTreeSet<usize>> {
    let shard = ledger::shard(mutants.len(), env::var(SHARD).ok().as_deref())?;
    let part = env::var(FILE).unwrap_or_default();
    let open = files.iter().filter(|file| file.name.contains(&part) && !done.contains_key(file.name));
    let numbers = open.flat_map(|file| file.numbers.iter().filter(|number| !file.ends.known.contains_key(&mutants[**number].name)));
    Ok(numbers.copied().filter(|number| shard.contains(number)).collect())
}

fn try_all(mutants: &[Mutant], asked: &BTreeSet<usize>, files: &mut [File<'_>]) -> Task<()> {
    println!("{} of {} mutants are to be tried", asked.len(), mutants.len());
    let end = |file: &File<'_>, number: &usize| file.ends.known.get(&mutants[*number].name).copied();
    let unviable =
        |file: &File<'_>| file.numbers.iter().copied().filter(|number| end(file, number) == Some(End::Unviable)).collect::<Vec<_>>();
    let built = tree::build(mutants, files.iter().flat_map(unviable).collect())?;
    let programs = trial::measure(&built.programs)?;
    for file in files {
        for number in file.numbers.iter().filter(|number| built.refused.contains(number)) {
            if !file.ends.known.contains_key(&mutants[*number].name) {
                file.ends.add(&mutants[*number], End::Unviable, "the compiler")?;
            }
        }
        for number in file.numbers.iter().filter(|number| asked.contains(number) && !built.refused.contains(number)) {
            let mutant = &mutants[*number];
            if !built.woven.contains(number) {
                println!("cannot be woven, try it with `cargo mutants --re`: {}", mutant.name);
            } else if let Some(program) = trial::catches(*number, &programs)? {
                file.ends.add(mutant, End::Caught, &program.name)?;
            } else {
                println!("survives: {}", mutant.name);
            }
        }
    }
    Ok(())
}

/// One check for each mutant that is caught or explained; what was tried and survived without a reason has failed.
fn judge(file: &File<'_>, mutants: &[Mutant], asked: &BTreeSet<usize>, reasons: &[Reason], done: &mut BTreeMap<String, Done>) -> Counts {
    let known = done.get(file.name);
    let mut tally = known.cloned().unwrap_or_else(|| Done::of(&file.text));
    let survivors = tally.explained.split_off(0);
    let mut counts = Counts { passed: tally.caught, failed: 0 };
    let mut untried = 0;
    for number in &file.numbers {
        let mutant = &mutants[*number];
        let survived = match (known, file.ends.known.get(&mutant.name)) {
            (Some(_), _) => survivors.contains(&mutant.name),
            (None, None) => asked.contains(number),
            (None, Some(_)) => false,
        };
        match file.ends.known.get(&mutant.name) {
            _ if survived && reasons.iter().any(|reason| reason.is_of(mutant, &file.text)) => {
                counts += Counts::PASSED;
                tally.explained.push(mutant.name.clone());
            }
            _ if survived => {
                println!("no test catches: {}\n    {}", mutant.name, mutant.line(&file.text));
                counts += Counts::FAILED;
            }
            _ if known.is_some() => {}
            Some(End::Caught) => {
                counts += Counts::PASSED;
                tally.caught += 1;
            }
            Some(End::Unviable) => tally.unviable += 1,
            None => untried += 1,
        }
    }
    println!("{}: {counts}, {} of them explained, {untried} not tried", file.name, tally.explained.len());
    if counts.failed == 0 && untried == 0 {
        done.insert(file.name.to_owned(), tally);
    } else {
        done.remove(file.name);
    }
    counts
}
