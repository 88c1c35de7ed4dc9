//! One named test for each embedded vector: signed and verified, every stage compared.

use std::process::ExitCode;

use countersign_protocol::{Dialect, Dialects};
use countersign_vectors::{Case, check, files, parse};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let dialects = match Dialects::builtin() {
        Ok(dialects) => dialects,
        Err(error) => return libtest_mimic::run(&Arguments::from_args(), vec![broken("dialects", error.to_string())]).exit_code(),
    };
    let mut trials = Vec::new();
    for (stem, text) in files() {
        let dialect = dialects.get(stem).cloned();
        match (dialect, parse(stem, text)) {
            (Some(dialect), Ok(cases)) => trials.extend(cases.into_iter().map(|case| trial(dialect.clone(), case))),
            (None, _) => trials.push(broken(stem, format!("vectors/{stem}.yaml has no dialect of that name"))),
            (_, Err(error)) => trials.push(broken(stem, error.to_string())),
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(dialect: Dialect, case: Case) -> Trial {
    Trial::test(format!("{}::{}", case.dialect, case.name), move || {
        let outcomes = check::sign(&dialect, &case).into_iter().chain(check::verify(&dialect, &case));
        let faults: Vec<_> = outcomes.filter_map(|o| o.result.err().map(|fault| format!("{}: {fault}", o.what))).collect();
        if faults.is_empty() { Ok(()) } else { Err(Failed::from(faults.join("\n"))) }
    })
}

fn broken(stem: &str, fault: String) -> Trial {
    Trial::test(format!("{stem}::file"), move || Err(Failed::from(fault)))
}
