//! Why a request was not admitted, for the peer and for the log.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::explain::{Depth, Question};
use countersign_protocol::{Dialect, Fresh, Message, MessageView, Reason, Refusal, Stages, Timestamp, Verified};

use super::RouteRules;
use crate::app::Registered;
use crate::audit::Call;

/// The longest body of a request whose refusal is explained to its caller, in bytes.
const MOST_EXPLAINED_BODY: usize = 8 * 1024;
/// The most texts that are tried for it.
const MOST_EXPLAINED_TRIALS: usize = 256;

/// A request that is not admitted. The peer sees [`Reason::public`] of the reason, and what the rest of this type says it
/// may see; everything else is for the log.
#[derive(Debug, Clone)]
pub struct Denial(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    refusal: Refusal,
    about: About,
    clock: Option<ClockNote>,
    duplicate: bool,
    retry_after: Option<Duration>,
}

/// What a caller with a wrong clock is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockNote {
    /// The verifier's time.
    pub server_time: Timestamp,
    /// The caller's time less the verifier's, in milliseconds, where the caller's is known.
    pub offset_millis: Option<i64>,
}

/// Whom a denial is about, as far as is known.
#[derive(Debug, Clone, Default)]
pub(super) struct About {
    pub(super) dialect: Option<Dialect>,
    pub(super) key_id: Option<String>,
    pub(super) time: Option<Timestamp>,
    pub(super) app: Option<String>,
    pub(super) diagnostics: Option<Arc<Stages>>,
    pub(super) likely_cause: Option<Arc<str>>,
    /// What the audit log records of it; only of a caller who has proved to hold the key.
    pub(super) call: Option<Arc<Call>>,
    /// The same of a caller who has still to prove who it is: recorded by nobody before that.
    pub(super) later: Option<Arc<Call>>,
}

/// A request whose refusal is explained.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) rules: &'a RouteRules,
    pub(super) dialect: &'a Dialect,
    pub(super) message: &'a dyn MessageView,
    pub(super) body: Option<&'a [u8]>,
    pub(super) now: Timestamp,
}

impl About {
    pub(super) fn of(dialect: &Dialect) -> Self {
        Self { dialect: Some(dialect.clone()), ..Self::default() }
    }

    /// A credential that opted into diagnostics is told the verifier's stages also where its signature does not match.
    /// They hold what the caller itself sent, and no key. Gives that credential.
    pub(super) fn asked_by(&mut self, found: &[Arc<Registered>], fresh: &Fresh<'_>) -> Option<Arc<Registered>> {
        let asking = found.iter().find(|registered| registered.stored.terms.diagnostics)?;
        self.diagnostics = fresh.stages(&asking.stored.credential).ok().map(Arc::new);
        Some(Arc::clone(asking))
    }

    /// Under the same condition, the likely mistake behind a signature that does not match; with little work, since anybody can ask for it.
    /// Not where what stands behind takes passwords.
    pub(super) fn explained(&mut self, refusal: &Refusal, asking: &Registered, asked: &Asked<'_>) {
        let Asked { rules, dialect, message, body, now } = *asked;
        if refusal.reason() != Reason::SignatureMismatch || rules.judges_later || body.is_some_and(|body| body.len() > MOST_EXPLAINED_BODY)
        {
            return;
        }
        let Some(message) = Message::of(message, body.unwrap_or_default()) else { return };
        let question = Question::new(dialect, &message, now).with_credential(&asking.stored.credential).with_inputs(rules.inputs.clone());
        let answer = question.with_policy(rules.policy.clone()).with_limits(Depth::One, MOST_EXPLAINED_TRIALS).explain();
        self.likely_cause = answer.causes.first().map(|cause| cause.sentence().into());
    }

    /// The caller has proved to hold this credential's key.
    pub(super) fn held_by(&mut self, holder: &Registered, verified: &Verified) {
        self.key_id = Some(verified.key_id().to_owned());
        self.app = Some(holder.app.name.clone());
        self.diagnostics = holder.stored.terms.diagnostics.then(|| Arc::new(verified.stages().clone()));
    }
}

impl Denial {
    pub(super) fn new(refusal: Refusal, about: &About) -> Self {
        Self(Box::new(Inner { refusal, about: about.clone(), clock: None, duplicate: false, retry_after: None }))
    }

    /// Before it is known which dialect the message speaks.
    pub(super) fn early(refusal: Refusal) -> Self {
        Self::new(refusal, &About::default())
    }

    /// By the clock: the caller is told the verifier's time.
    pub(super) fn by_clock(refusal: Refusal, about: &About, now: Timestamp) -> Self {
        let clocked = matches!(refusal.reason(), Reason::TooOld | Reason::FromTheFuture);
        let mut denial = Self::new(refusal, about);
        let offset_millis = about.time.map(|time| time.millis() - now.millis());
        denial.0.clock = clocked.then_some(ClockNote { server_time: now, offset_millis });
        denial
    }

    pub(super) fn call(&self) -> Option<&Call> {
        self.0.about.call.as_deref()
    }

    /// The same, which is worth trying again from then on.
    pub(super) fn wait_until(mut self, at: Timestamp, now: Timestamp) -> Self {
        let millis = at.millis().saturating_sub(now.millis());
        self.0.retry_after = u64::try_from(millis).ok().map(Duration::from_millis);
        self
    }

    /// Of an event that was delivered before.
    pub(super) fn duplicate(mut self) -> Self {
        self.0.duplicate = true;
        self
    }

    /// The exact reason, for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.refusal.reason()
    }

    /// What exactly was wrong, for logs: never a secret.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.0.refusal.detail()
    }

    /// The verifier's time and the caller's offset, for `too_old` and `from_the_future`.
    #[must_use]
    pub fn clock(&self) -> Option<ClockNote> {
        self.0.clock
    }

    /// How long the same kind of request, signed anew, has to wait, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether this is an event that was delivered before: it is answered as a success and not delivered again.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.0.duplicate
    }

    /// The id of the dialect that the message speaks.
    #[must_use]
    pub fn dialect(&self) -> Option<&str> {
        self.0.about.dialect.as_ref().map(Dialect::id)
    }

    /// The key id: claimed, and proved if and only if [`Denial::app`] is known.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.0.about.key_id.as_deref()
    }

    /// The app whose key the caller has proved to hold.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        self.0.about.app.as_deref()
    }

    /// The header in which the dialect's own servers show their string to sign, and what it would say: under the same condition as
    /// [`Denial::diagnostics`].
    #[must_use]
    pub fn dialect_header(&self) -> Option<(&str, Vec<u8>)> {
        let text = self.diagnostics()?.get("string_to_sign")?;
        let shown = self.0.about.dialect.as_ref()?.diagnostics(text)?;
        Some((shown.header?, shown.text))
    }

    /// The likely mistake behind a signature that does not match, as a sentence: under the same condition as [`Denial::diagnostics`], and only
    /// if a single one was found.
    #[must_use]
    pub fn likely_cause(&self) -> Option<&str> {
        self.0.about.likely_cause.as_deref()
    }

    /// The masked stages of the verifier, if and only if the credential opted into diagnostics.
    #[must_use]
    pub fn diagnostics(&self) -> Option<&Stages> {
        self.0.about.diagnostics.as_deref()
    }
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.refusal.fmt(f)
    }
}

impl std::error::Error for Denial {}
