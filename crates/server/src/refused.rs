//! A refusal on its way to the peer and to the log.

use std::time::Duration;

use bytes::Bytes;
use countersign_core::admission::Denial;
use countersign_protocol::{Language, Reason, Refusal};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response};

use crate::problem::Problem;

/// What the peer is told, and what only the log is told.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) problem: Problem,
    pub(crate) detail: String,
    pub(crate) about: About,
}

/// Whom a refusal is about, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct About {
    pub(crate) app: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) dialect: Option<String>,
    /// The signed time less ours, where a clock reason tells it.
    pub(crate) offset_millis: Option<i64>,
    /// An event that was delivered before: a success to its sender.
    pub(crate) duplicate: bool,
    /// The dialect's own header for the server's string to sign.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// The exact reason.
    pub(crate) const fn reason(&self) -> Reason {
        self.problem.reason()
    }

    /// The same, which is worth trying again after this time.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.problem = self.problem.with_retry_after(wait);
        self
    }

    /// The answer to the peer.
    pub(crate) fn answer(&self, language: Language, request_id: &str) -> Response<Bytes> {
        let mut answer = if self.about.duplicate { duplicate() } else { self.problem.answer(language, request_id) };
        answer.headers_mut().extend(self.about.header.clone());
        answer
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { problem: Problem::new(refusal.reason()), detail: refusal.detail().to_owned(), about: About::default() }
    }
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { problem: Problem::new(reason), detail: String::new(), about: About::default() }
    }
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        let mut problem = Problem::new(denial.reason());
        if let Some(clock) = denial.clock() {
            problem = problem.with_clock(clock.server_time, clock.offset_millis);
        }
        if let Some(text) = denial.diagnostics().and_then(|stages| stages.get("string_to_sign")) {
            problem = problem.with_string_to_sign(text.to_vec());
        }
        if let Some(sentence) = denial.likely_cause() {
            problem = problem.with_likely_cause(sentence);
        }
        if let Some(wait) = denial.retry_after() {
            problem = problem.with_retry_after(wait);
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let about = About {
            app: owned(denial.app()),
            key_id: owned(denial.key_id()),
            dialect: owned(denial.dialect()),
            offset_millis: denial.clock().and_then(|clock| clock.offset_millis),
            duplicate: denial.is_duplicate(),
            header: denial.dialect_header().and_then(|(name, text)| Some((name.parse().ok()?, HeaderValue::from_bytes(&text).ok()?))),
        };
        Self { problem, detail: denial.detail().to_owned(), about }
    }
}

/// The answer to an event that was delivered before: its sender need not try again.
fn duplicate() -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from_static(b"{\"status\":\"duplicate\"}"));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
