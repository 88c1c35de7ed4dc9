//! Writes the first inputs and the dictionary of every target below a folder.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else { return ExitCode::FAILURE };
    let written = countersign_fuzz::TARGETS.iter().try_for_each(|target| -> io::Result<()> {
        let dictionary = folder.join(format!("{}.dict", target.name));
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        fs::write(dictionary, countersign_fuzz::words::dictionary(target.name))?;
        let seeds = countersign_fuzz::corpus::seeds(target.name);
        seeds.iter().enumerate().try_for_each(|(place, seed)| fs::write(folder.join(format!("seed-{place}")), seed))
    });
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
