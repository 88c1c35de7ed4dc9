//! Every committed input of every target, each target as one test.

use std::panic;
use std::process::ExitCode;

use countersign_fuzz::{TARGETS, Target, corpus};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let trials = TARGETS.into_iter().map(|target| Trial::test(format!("{}::holds_for_its_corpus", target.name), move || replay(target)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn replay(target: Target) -> Result<(), Failed> {
    let inputs = corpus::committed(target.name)?;
    if inputs.is_empty() {
        return Err("no input: cargo xtask fuzz merge".into());
    }
    let fails = |input: &[u8]| panic::catch_unwind(|| (target.run)(input)).is_err();
    let failed: Vec<&str> = inputs.iter().filter(|(_, input)| fails(input)).map(|(name, _)| name.as_str()).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("{} of {} inputs: {failed:?}", failed.len(), inputs.len()).into()) }
}
