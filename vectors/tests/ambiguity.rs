//! Two different requests that are both accepted never have one string to sign: an exhaustive search in small requests, one test for each
//! built-in dialect. `COUNTERSIGN_SEARCH` says how many characters the free positions hold together: 3, and 4 in the long run.

#[path = "ambiguity/search.rs"]
mod search;
#[path = "ambiguity/space.rs"]
mod space;
#[path = "ambiguity/subject.rs"]
mod subject;

use std::process::ExitCode;

use countersign_protocol::{Dialect, Dialects, Policy, Reason};
use countersign_vectors::reading::Reading;
use libtest_mimic::{Arguments, Failed, Trial};

use space::Point;
use subject::Subject;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match Dialects::builtin() {
        Ok(dialects) => {
            let further = dialects.get("x-ca").cloned().map(sensitive).into_iter().chain([Trial::test("reading::is_of_the_files", read)]);
            dialects.iter().cloned().map(trial).chain(further).collect()
        }
        Err(error) => vec![Trial::test("dialects", move || Err(Failed::from(error.to_string())))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The search, or why there is none.
fn trial(dialect: Dialect) -> Trial {
    let id = dialect.id().to_owned();
    if dialect.is_unsafe() {
        return Trial::test(format!("{id}::is_not_searched_because_it_is_refused_as_unsafe"), move || Ok(refused_as_unsafe(&dialect)?));
    }
    if dialect.algorithms().is_empty() {
        return Trial::test(format!("{id}::is_not_searched_because_it_signs_nothing"), move || Ok(signs_nothing(&dialect)?));
    }
    Trial::test(format!("{id}::accepted_requests_differ_in_what_is_signed"), move || {
        let subject = Subject::new(dialect.clone())?;
        let report = search::run(&subject, most_characters()?)?;
        if std::env::var_os("COUNTERSIGN_SEARCH").is_some() {
            use std::io::Write as _;
            writeln!(std::io::stderr(), "{}: {report}", dialect.id())?;
        }
        Ok(report.judge()?)
    })
}

/// Where the verifier is told to let ambiguous requests pass, the search finds them: it can fail.
fn sensitive(dialect: Dialect) -> Trial {
    Trial::test(format!("{}::collisions_are_found_where_they_are_let_through", dialect.id()), move || {
        let policy = Policy { allow_ambiguous: true, ..Policy::default() };
        let report = search::run(&Subject::new(dialect)?.with_policy(policy), 2)?;
        if report.collisions() > 0 { Ok(()) } else { Err(Failed::from(report.to_string())) }
    })
}

/// What means the same is taken from the dialects' files: a file that is not found would make every search stricter, and one that is misread laxer.
fn read() -> Result<(), Failed> {
    let dialects = Dialects::builtin().map_err(|error| error.to_string())?;
    let of = |id: &str| dialects.get(id).ok_or_else(|| format!("no dialect {id}")).and_then(Reading::of);
    let (merged, normal, plain) = (of("x-ca")?, of("aws-sigv4")?, of("hmac-sha256")?);
    let said = merged.merges && merged.plus_is_blank && !merged.normalizes && merged.headers.iter().any(|name| name == "x-ca-a");
    let said = said && normal.normalizes && !normal.merges && !normal.plus_is_blank && !normal.closes;
    let said = said && !plain.normalizes && !plain.merges && plain.headers.iter().any(|name| name == "x-access-token");
    if said { Ok(()) } else { Err(format!("{merged:?} {normal:?} {plain:?}").into()) }
}

fn most_characters() -> Result<usize, String> {
    match std::env::var("COUNTERSIGN_SEARCH") {
        Ok(text) => text.parse().ok().filter(|most| (1..=Point::MOST).contains(most)).ok_or_else(|| {
            let most = Point::MOST;
            format!("COUNTERSIGN_SEARCH is a number from 1 to {most}, not {text}")
        }),
        Err(_) => Ok(3),
    }
}

/// What is unsafe by construction needs no search: the default policy refuses the plainest request.
fn refused_as_unsafe(dialect: &Dialect) -> Result<(), String> {
    let subject = Subject::unsearched(dialect.clone())?;
    let request = subject.request(&Point::default()).map_err(|e| e.to_string())?;
    match subject.verify(&request) {
        Ok(_) => Err("accepted by default".to_owned()),
        Err(refusal) if refusal.reason() == Reason::DialectNotAllowed => Ok(()),
        Err(refusal) => Err(format!("refused, but as {}: {}", refusal.reason(), refusal.detail())),
    }
}

/// What shows its secret in place of a signature ties it to nothing: every request would have the one empty string to sign.
fn signs_nothing(dialect: &Dialect) -> Result<(), String> {
    if dialect.carries_secret() { Ok(()) } else { Err("neither signs nor shows a secret".to_owned()) }
}
