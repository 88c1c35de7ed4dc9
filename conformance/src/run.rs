//! A run: the smoke test, then every vector in both directions, sent to one adapter.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use countersign_protocol::{Dialect, Dialects, Response, Timestamp};
use countersign_vectors::{Case, Expect, Sample, Signing, VectorError, answers, files, parse};

use crate::answer::{Answer, Hello, Offer};
use crate::extra::{Made, extras};
use crate::judge;
use crate::line;
use crate::link::{Fault, Link};
use crate::report::{Cell, Check, Report, Verdict};
use crate::skips::Skips;
use crate::smoke::smoke;

/// How much of a reason must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reasons {
    /// The reason must be the vector's.
    Exact,
    /// Accepted or rejected must agree; another reason is listed.
    #[default]
    Class,
    /// Accepted or rejected must agree.
    Ignore,
}

/// What is run, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The command that starts the adapter, for `sh -c`.
    pub command: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How much of a reason must agree.
    pub reasons: Reasons,
    /// What is known not to hold.
    pub skips: Skips,
    /// Where every line of both directions is written.
    pub transcript: Option<PathBuf>,
}

impl Settings {
    /// The usual settings for a command.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            timeout: Duration::from_secs(10),
            reasons: Reasons::default(),
            skips: Skips::default(),
            transcript: None,
        }
    }
}

/// A dialect with its vectors.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The dialect.
    pub dialect: Dialect,
    /// Its vectors, where it signs requests.
    pub cases: Vec<Case>,
    /// Its vectors, where it signs responses.
    pub answers: Vec<Case<Response>>,
}

impl Subject {
    /// The time that a vector's placed request says.
    pub(crate) fn time_of(&self, case: &Case) -> Option<Timestamp> {
        self.dialect.claim(&case.placed, &case.inputs).ok()?.time()
    }
}

/// The built-in dialects with the embedded vectors: one dialect, or all.
///
/// # Errors
/// When a file of vectors makes no sense.
pub fn subjects(dialects: &Dialects, only: Option<&str>) -> Result<Vec<Subject>, VectorError> {
    let mut subjects = Vec::new();
    for (stem, text) in files().filter(|(stem, _)| only.is_none_or(|only| only == *stem)) {
        if let Some(dialect) = dialects.get(stem) {
            subjects.push(Subject { dialect: dialect.clone(), cases: parse(stem, text)?, answers: Vec::new() });
        }
    }
    Ok(subjects)
}

/// The dialects of responses that the vectors have, of which none is built in: one, or all.
///
/// # Errors
/// When a file of vectors makes no sense.
pub fn of_responses(only: Option<&str>) -> Result<Vec<Subject>, VectorError> {
    let asked = answers()?.into_iter().filter(|(dialect, _)| only.is_none_or(|only| only == dialect.id()));
    Ok(asked.map(|(dialect, answers)| Subject { dialect, cases: Vec::new(), answers }).collect())
}

/// Runs the vectors against an adapter. What is wrong with it is in the report.
///
/// # Errors
/// When the transcript cannot be opened.
pub fn run(settings: &Settings, subjects: &[Subject]) -> io::Result<Report> {
    let mut link = Link::new(&settings.command, settings.timeout, settings.transcript.as_deref())?;
    let mut report = Report::new(&settings.command);
    let (hello, offers) = match smoke(&mut link) {
        Ok(answered) => answered,
        Err(fault) => {
            report.broken.push(("smoke test".to_owned(), fault));
            return Ok(report);
        }
    };
    let mut run = Run { settings, link, hello: hello.clone(), report, used_skips: BTreeSet::new() };
    for subject in subjects {
        match offers.iter().find(|offer| offer.id == subject.dialect.id()) {
            Some(offer) => run.dialect(subject, offer),
            None => run.report.not_offered.push(subject.dialect.id().to_owned()),
        }
    }
    let needless = run.needless_skips(subjects);
    let mut report = run.report;
    report.needless_skips = needless;
    report.adapter = Some(hello);
    Ok(report)
}

/// Which vector it is.
#[derive(Clone, Copy)]
pub(crate) struct Name<'v> {
    pub(crate) dialect: &'v str,
    pub(crate) name: &'v str,
}

impl<'v> Name<'v> {
    fn of<M>(case: &'v Case<M>) -> Self {
        Self { dialect: &case.dialect, name: &case.name }
    }
}

struct Run<'s> {
    settings: &'s Settings,
    link: Link,
    hello: Hello,
    report: Report,
    /// The place of each skip that was needed, with the vector.
    used_skips: BTreeSet<(usize, String)>,
}

impl Run<'_> {
    fn dialect(&mut self, subject: &Subject, offer: &Offer) {
        let does = |direction: &str| offer.directions.iter().any(|d| d == direction);
        let mut made = Made::default();
        for case in &subject.cases {
            if does("sign") {
                self.sign(&subject.dialect, case);
            }
            if does("verify") {
                self.verify(case);
                self.verify_extras(subject, case, &mut made);
            }
        }
        for case in &subject.answers {
            if does("sign") {
                self.sign(&subject.dialect, case);
            }
            if does("verify") {
                self.verify(case);
            }
        }
        self.report.offered.push((subject.dialect.id().to_owned(), offer.directions.clone()));
    }

    /// Skips of vectors that hold, or that there are not.
    fn needless_skips(&self, subjects: &[Subject]) -> Vec<String> {
        let ran = || subjects.iter().filter(|subject| self.has_run(subject.dialect.id()));
        let of_requests = ran().flat_map(|subject| subject.cases.iter().map(Name::of));
        let ran: Vec<Name<'_>> = of_requests.chain(ran().flat_map(|subject| subject.answers.iter().map(Name::of))).collect();
        let mut needless: Vec<String> = self.settings.skips.lost(&ran).map(|lost| format!("{lost}: there is no such vector")).collect();
        for case in ran {
            for cell in Cell::ALL {
                let Some((index, _)) = self.settings.skips.of(case, cell) else { continue };
                let told = format!("{} {}: it would pass", case.dialect, case.name);
                let is_used = self.used_skips.contains(&(index, case.name.to_owned()));
                if !is_used && self.has_passed(case, cell) && !needless.contains(&told) {
                    needless.push(told);
                }
            }
        }
        needless
    }

    fn has_run(&self, dialect: &str) -> bool {
        self.report.offered.iter().any(|(id, _)| id == dialect)
    }

    fn has_passed(&self, case: Name<'_>, cell: Cell) -> bool {
        let is_of = |check: &Check| check.dialect == case.dialect && check.vector == case.name && check.cell == cell;
        self.report.checks.iter().any(|check| is_of(check) && matches!(check.verdict, Verdict::Passed | Verdict::Noted(_)))
    }

    fn sign<M: Sample>(&mut self, dialect: &Dialect, case: &Case<M>) {
        // A vector of a random signature is skipped by those who compare it; here its message is verified.
        let is_signed = |signing: &&Signing<M>| {
            signing.skip.is_none() || case.expect == Expect::Accepted && judge::is_randomised(dialect, &signing.credential)
        };
        let Some(signing) = case.signing.as_ref().filter(is_signed) else { return };
        let answer = self.ask(Name::of(case), "sign", line::sign(case, signing));
        let judged = answer.and_then(|answer| judge::sign(dialect, case, signing, &self.hello, &answer));
        match judged {
            Ok(judged) => {
                judged.into_iter().for_each(|(cell, what, verdict)| self.take(Name::of(case), cell, format!("sign: {what}"), verdict))
            }
            Err(fault) => self.broken(Name::of(case), Cell::Sign, "sign", fault),
        }
    }

    fn verify<M: Sample>(&mut self, case: &Case<M>) {
        let cell = if case.expect == Expect::Accepted { Cell::Good } else { Cell::Bad };
        self.verify_line(case, cell, "verify", line::verify(case), case.expect);
    }

    /// What follows from a vector.
    fn verify_extras(&mut self, subject: &Subject, case: &Case, made: &mut Made) {
        let has = |feature: &str| self.hello.has(feature);
        for extra in extras(subject, case, has, made) {
            self.verify_line(case, Cell::Extra, extra.name, extra.line, extra.expect);
        }
    }

    fn verify_line<M: Sample>(&mut self, case: &Case<M>, cell: Cell, name: &str, line: line::Object, expect: Expect) {
        let answer = self.ask(Name::of(case), name, line);
        match answer.and_then(|answer| judge::verify(expect, &case.covers, self.settings.reasons, &answer)) {
            Ok(judged) => {
                judged.into_iter().for_each(|(what, verdict)| self.take(Name::of(case), cell, format!("{name}: {what}"), verdict))
            }
            Err(fault) => self.broken(Name::of(case), cell, name, fault),
        }
    }

    /// An adapter that has used up its starts is not asked any more.
    fn ask(&mut self, case: Name<'_>, what: &str, line: line::Object) -> Result<Answer, Fault> {
        if !self.link.is_usable() {
            return Err(Fault::Start(format!("{} {} {what} is not asked: it was started too often", case.dialect, case.name)));
        }
        self.link.ask(line)
    }

    fn broken(&mut self, case: Name<'_>, cell: Cell, what: &str, fault: Fault) {
        self.take(case, cell, what.to_owned(), Verdict::Broken(fault.to_string()));
        if !matches!(fault, Fault::Start(_)) || self.report.broken.is_empty() {
            self.report.broken.push((format!("{} {} {what}", case.dialect, case.name), fault));
        }
    }

    /// A skip turns a failure into a skip; one that was not needed is remembered.
    fn take(&mut self, case: Name<'_>, cell: Cell, what: String, verdict: Verdict) {
        let verdict = match (self.settings.skips.of(case, cell), verdict) {
            (Some((index, reason)), Verdict::Failed(fault)) => {
                self.used_skips.insert((index, case.name.to_owned()));
                Verdict::Skipped(format!("{reason} ({})", fault.lines().next().unwrap_or_default()))
            }
            (_, verdict) => verdict,
        };
        self.report.checks.push(Check { dialect: case.dialect.to_owned(), vector: case.name.to_owned(), cell, what, verdict });
    }
}
