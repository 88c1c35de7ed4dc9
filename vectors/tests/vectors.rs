//! One named test for each embedded vector: signed and verified, every stage compared.

use std::process::ExitCode;

use countersign_protocol::{Dialect, Dialects};
use countersign_vectors::check::{self, Outcome};
use countersign_vectors::{Case, Sample, answers, files, parse};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match Dialects::builtin() {
        Ok(dialects) => {
            let of_requests = files().filter(|(stem, _)| is_asked_for(&arguments, stem));
            of_requests.flat_map(|(stem, text)| trials(&dialects, stem, text)).chain(of_responses()).collect()
        }
        Err(error) => vec![broken("dialects", error.to_string())],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A runner that starts one process for each test asks for one exact name: the other files need not be read.
fn is_asked_for(arguments: &Arguments, stem: &str) -> bool {
    let only = arguments.filter.as_deref().filter(|_| arguments.exact).and_then(|name| name.split_once("::"));
    only.is_none_or(|(asked, _)| asked == stem)
}

fn trials(dialects: &Dialects, stem: &str, text: &str) -> Vec<Trial> {
    match (dialects.get(stem), parse(stem, text)) {
        (Some(dialect), Ok(cases)) => cases.into_iter().map(|case| trial(dialect.clone(), case)).collect(),
        (None, _) => vec![broken(stem, format!("vectors/{stem}.yaml has no dialect of that name"))],
        (_, Err(error)) => vec![broken(stem, error.to_string())],
    }
}

fn trial<M: Sample + Send + 'static>(dialect: Dialect, case: Case<M>) -> Trial {
    Trial::test(format!("{}::{}", case.dialect, case.name), move || {
        judged(check::sign(&dialect, &case).into_iter().chain(check::verify(&dialect, &case)))
    })
}

fn of_responses() -> Vec<Trial> {
    let all = match answers() {
        Ok(all) => all,
        Err(error) => return vec![broken("answers", error.to_string())],
    };
    all.into_iter().flat_map(|(dialect, cases)| cases.into_iter().map(move |case| trial(dialect.clone(), case))).collect()
}

fn judged(outcomes: impl IntoIterator<Item = Outcome>) -> Result<(), Failed> {
    let faults: Vec<_> = outcomes.into_iter().filter_map(|o| o.result.err().map(|fault| format!("{}: {fault}", o.what))).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failed::from(faults.join("\n"))) }
}

fn broken(stem: &str, fault: String) -> Trial {
    Trial::test(format!("{stem}::file"), move || Err(Failed::from(fault)))
}
