//! What is told of each request when it has ended: one line of the access log, the metrics, and the list of refusals.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use countersign_core::admission::Admitted;
use countersign_protocol::{Language, Reason, Timestamp};
use tracing::Level;

use crate::access::AccessLog;
use crate::metrics::{Ended, Metrics};
use crate::observers::Observers;
use crate::problem::Row;
use crate::refusals::Refusal;
use crate::refused::Refused;

/// One request, as far as it came.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) id: String,
    pub(crate) peer: SocketAddr,
    /// The peer, or whom a trusted proxy speaks for.
    pub(crate) client: IpAddr,
    pub(crate) method: String,
    /// Without what any dialect carries.
    pub(crate) target: String,
    /// The language that the peer prefers.
    pub(crate) language: Language,
    pub(crate) route: String,
    pub(crate) app: String,
    pub(crate) key_id: String,
    pub(crate) dialect: String,
    /// The exact reason for which a route in shadow mode would refuse.
    pub(crate) would_refuse: Option<Reason>,
    /// What exactly was wrong then.
    pub(crate) would_detail: String,
    /// Until it was admitted or refused.
    pub(crate) admission: Option<Duration>,
    /// The bytes of its body.
    pub(crate) body: u64,
    /// The signed time less ours, in milliseconds.
    pub(crate) offset_millis: Option<i64>,
}

/// How a request ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// The exact reason of a refusal.
    pub(crate) reason: Option<Reason>,
    /// What exactly was wrong: for the log only.
    pub(crate) detail: String,
    pub(crate) took: Duration,
}

impl Report {
    pub(crate) fn new(id: String, peer: SocketAddr) -> Self {
        Self {
            id,
            peer,
            client: peer.ip().to_canonical(),
            method: String::new(),
            target: String::new(),
            language: Language::default(),
            route: String::new(),
            app: String::new(),
            key_id: String::new(),
            dialect: String::new(),
            would_refuse: None,
            would_detail: String::new(),
            admission: None,
            body: 0,
            offset_millis: None,
        }
    }

    /// Measures the admission, whatever comes of it.
    pub(crate) async fn timing<T>(&mut self, admission: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let result = admission.await;
        self.admission = Some(started.elapsed());
        result
    }

    /// Takes over who was admitted, with which body.
    pub(crate) fn note_admitted(&mut self, admitted: &Admitted, body: u64, now: Timestamp, metrics: &Metrics) {
        self.note_caller(admitted);
        self.body = body;
        self.offset_millis = admitted.time().map(|time| time.millis() - now.millis());
        if let Some(offset) = self.offset_millis {
            metrics.clocks.note(&self.app, offset, now);
        }
    }

    /// Takes over who called.
    pub(crate) fn note_caller(&mut self, admitted: &Admitted) {
        self.app.clone_from(&admitted.app().name);
        self.key_id = admitted.key_id().to_owned();
        self.dialect = admitted.dialect().to_owned();
    }

    /// Takes over whom a refusal is about.
    pub(crate) fn note(&mut self, refused: &Refused) {
        let about = &refused.about;
        for (mine, known) in [(&mut self.app, &about.app), (&mut self.key_id, &about.key_id), (&mut self.dialect, &about.dialect)] {
            if let Some(known) = known {
                mine.clone_from(known);
            }
        }
        self.offset_millis = self.offset_millis.or(about.offset_millis);
    }

    /// Takes over why a request would be refused that goes on all the same.
    pub(crate) fn note_shadow(&mut self, refused: Refused) {
        self.note(&refused);
        (self.would_refuse, self.would_detail) = (Some(refused.reason()), refused.detail);
    }

    /// Tells of the request, once, to everyone who watches. The exact reason stands there only; the peer sees what the problem
    /// table tells.
    pub(crate) fn publish(&self, outcome: &Outcome, observers: &Observers, access: &AccessLog, now: Timestamp) {
        let Outcome { status, reason, took, .. } = *outcome;
        let Self { route, dialect, admission, body, would_refuse, .. } = self;
        let (admission, body, would_refuse) = (*admission, *body, *would_refuse);
        observers.metrics.requests.note(&Ended { route, dialect, reason, would_refuse, status, took, admission, body });
        if let Some(reason) = reason {
            observers.refusals.keep(self.refusal(outcome, reason, now));
        }
        if access.tells(reason.is_some()) {
            self.log(outcome);
        }
    }

    fn refusal(&self, outcome: &Outcome, reason: Reason, now: Timestamp) -> Refusal {
        Refusal {
            at: now,
            id: self.id.clone(),
            peer: self.peer.to_string(),
            method: self.method.clone(),
            target: self.target.clone(),
            route: self.route.clone(),
            dialect: self.dialect.clone(),
            key_id: self.key_id.clone(),
            app: self.app.clone(),
            reason,
            status: outcome.status,
            detail: outcome.detail.clone(),
            offset_millis: self.offset_millis,
        }
    }

    fn log(&self, outcome: &Outcome) {
        let Outcome { status, reason, detail, took } = outcome;
        let level = reason.map_or(Level::INFO, |reason| Row::of(reason).level);
        let reason = reason.map_or("", Reason::as_str);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let would_refuse = self.would_refuse.map_or("", Reason::as_str);
        let detail = if detail.is_empty() { &self.would_detail } else { detail };
        let Self { id, peer, client, method, target, route, app, key_id, dialect, .. } = self;
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "countersign::access", $level,
                    id, %peer, %client, method, target, route, status, reason, would_refuse, detail, app, key_id, dialect, micros
                )
            };
        }
        match level {
            Level::ERROR => line!(Level::ERROR),
            Level::WARN => line!(Level::WARN),
            _ => line!(Level::INFO),
        }
    }
}
