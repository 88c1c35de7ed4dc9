//! What must hold for any input: one function per target, for a coverage-guided fuzzer and for the test that replays its corpus.
//!
//! Each target takes any bytes and panics when something does not hold. `libfuzzer/` has the fuzzers, `corpus/` the inputs that reach the most
//! of the code, `words` the words of each form of input.

mod canonical;
mod claim;
pub mod corpus;
mod dialect;
mod http;
mod subject;
mod text;
pub mod words;

use std::path::Path;
use std::sync::LazyLock;
use std::{env, fs, io, process};

pub use canonical::canonical;
pub use claim::claim;
pub use dialect::dialect;
pub use http::http;

/// Names a folder for the first inputs and the dictionary of every target: a fuzzer writes them and ends.
const SEEDS: &str = "COUNTERSIGN_FUZZ_SEEDS";

/// Does beforehand what is done once, so that it is not the time of an input; or writes the first inputs, where that is asked.
///
/// # Panics
/// When they cannot be written.
pub fn prepare() {
    if let Some(folder) = env::var_os(SEEDS) {
        write_seeds(Path::new(&folder)).unwrap_or_else(|error| panic!("{}: {error}", Path::new(&folder).display()));
        process::exit(0);
    }
    LazyLock::force(&subject::SUBJECTS);
}

fn write_seeds(folder: &Path) -> io::Result<()> {
    for target in TARGETS {
        let inputs = folder.join(target.name);
        fs::create_dir_all(&inputs)?;
        fs::write(folder.join(format!("{}.dict", target.name)), words::dictionary(target.name))?;
        for (place, seed) in corpus::seeds(target.name).iter().enumerate() {
            fs::write(inputs.join(format!("seed-{place}")), seed)?;
        }
    }
    Ok(())
}

/// A target: its name, and what it does with an input.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its fuzzer, its corpus and its dictionary.
    pub name: &'static str,
    /// Panics when something does not hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 4] = [
    Target { name: "claim", run: claim },
    Target { name: "canonical", run: canonical },
    Target { name: "dialect", run: dialect },
    Target { name: "http", run: http },
];
