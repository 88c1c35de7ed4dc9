//! Which mutant of the woven crate is at work: at most one, told by the environment.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Mutex, OnceLock};
use std::{env, fs};

/// Whether the mutant of this number is at work. Where the environment names a file, each number that is asked for is written there.
pub(crate) fn is(number: u32) -> bool {
    static CHOSEN: OnceLock<u32> = OnceLock::new();
    let chosen = *CHOSEN.get_or_init(|| env::var("COUNTERSIGN_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(u32::MAX));
    if chosen == u32::MAX {
        note(number);
    }
    chosen == number
}

fn note(number: u32) {
    static SEEN: OnceLock<Option<Mutex<(BTreeSet<u32>, fs::File)>>> = OnceLock::new();
    let file = || Some(Mutex::new((BTreeSet::new(), fs::File::create(env::var_os("COUNTERSIGN_MUTANTS_REACHED")?).ok()?)));
    if let Some(seen) = SEEN.get_or_init(file)
        && let Ok(mut seen) = seen.lock()
        && seen.0.insert(number)
    {
        let _ = writeln!(seen.1, "{number}");
    }
}
