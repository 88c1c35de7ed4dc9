//! What the replay guard is asked to hold for a request, and until when.

use std::time::Duration;

use aws_lc_rs::hmac;
use countersign_protocol::{Claim, Dialect, Part, ReplayMode, Secret, Timestamp, Verified, Window};

use super::RouteRules;
use crate::app::Registered;
use crate::replay::ReplayKey;
use crate::replay::keeping::Asked;

/// The window where neither route nor dialect has one.
const WINDOW: Window = Window::both(Duration::from_secs(300));
/// The keys under which entries are hashed, one for each kind, so that no entry of one kind is an entry of another.
#[derive(Clone)]
pub(super) struct ReplayKeys {
    nonce: hmac::Key,
    event: hmac::Key,
    signature: Secret,
}

impl ReplayKeys {
    pub(super) fn new(key: &Secret) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        let derived = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        let keyed = |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, derived(purpose).as_ref());
        Self { nonce: keyed("nonce"), event: keyed("event"), signature: Secret::new(derived("signature").as_ref()) }
    }
}

/// How long a request could be accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acceptance {
    /// The last instant, from the same window and expiry by which the clock was checked.
    pub(super) until: Timestamp,
    /// How long any request of this kind could be accepted at most.
    pub(super) span: Duration,
    /// How far ahead of the clock it may be signed.
    pub(super) ahead: Duration,
}

impl Acceptance {
    /// `least`: for how long the dialect's requests are kept whatever this route says, because another one takes them for longer.
    pub(super) fn of(claim: &Claim<'_>, rules: &RouteRules, least: Duration, now: Timestamp) -> Self {
        let dialect = claim.dialect();
        let window = window(dialect, rules);
        let kept = keeps(dialect, rules).max(least);
        // An expiry of the claim's own is the only bound of a claim without time.
        let own = claim.expires_at().and(dialect.max_expires()).unwrap_or_default();
        let span = kept.max(rules.policy.max_expires.map_or(own, |most| most.min(own)));
        let until = match (claim.expires_at(), claim.time()) {
            (Some(end), _) => end,
            (None, Some(time)) => time.plus(kept),
            // Only here does an entry live from arrival: the lint says so.
            (None, None) => now.plus(kept),
        };
        Self { until, span, ahead: window.future }
    }
}

fn window(dialect: &Dialect, rules: &RouteRules) -> Window {
    rules.policy.window.or_else(|| dialect.window()).unwrap_or(WINDOW)
}

/// For how long after its signed time a request could be accepted at most.
fn keeps(dialect: &Dialect, rules: &RouteRules) -> Duration {
    let window = window(dialect, rules);
    window.past.saturating_add(window.future).max(dialect.nonce_keep().unwrap_or_default())
}

/// What these rules ask the guard to keep of each of their dialects.
pub(super) fn asked(rules: &RouteRules) -> impl Iterator<Item = Asked<'_>> {
    let of = |dialect| Asked {
        dialect: Dialect::id(dialect),
        mode: rules.mode(dialect),
        keeps: keeps(dialect, rules),
        ahead: window(dialect, rules).future,
    };
    rules.dialects.iter().map(of)
}

/// What must not come twice.
pub(super) struct Once {
    /// Which protection holds.
    pub(super) mode: ReplayMode,
    /// The entry to reserve; `None` when the mode needs none.
    pub(super) key: Option<ReplayKey>,
    /// The signed time.
    pub(super) signed: Option<Timestamp>,
}

impl Once {
    /// `is_safe` is whether the request [changes nothing](super::changes_nothing), as far as it says.
    pub(super) fn of(verified: &Verified, is_safe: bool, holder: &Registered, mode: ReplayMode, keys: &ReplayKeys) -> Self {
        let app = holder.app.name.as_str();
        let signature = || Some(verified.fingerprint(keys.signature.expose()));
        // A nonce or event that a policy lets a caller leave out makes the whole signed text take its place.
        let (mode, key) = match mode {
            ReplayMode::None => (mode, None),
            // Without an expiry there is nothing until which it may be repeated.
            ReplayMode::UntilExpiry if verified.expires_at().is_some() => (mode, None),
            // Only a method that is signed can be trusted to be safe.
            ReplayMode::SafeMethodsExempt if is_safe && verified.covers().contains(&Part::Method) => (mode, None),
            ReplayMode::Nonce => match verified.nonce() {
                Some(nonce) => (mode, Some(entry(&keys.nonce, app, nonce.as_bytes()))),
                None => (ReplayMode::Signature, signature()),
            },
            ReplayMode::Event => match verified.event() {
                Some(event) => (mode, Some(entry(&keys.event, app, event))),
                None => (ReplayMode::Signature, signature()),
            },
            _ => (ReplayMode::Signature, signature()),
        };
        Self { mode, key, signed: verified.time() }
    }
}

fn entry(key: &hmac::Key, app: &str, text: &[u8]) -> ReplayKey {
    let mut context = hmac::Context::with_key(key);
    context.update(&(app.len() as u64).to_be_bytes());
    context.update(app.as_bytes());
    context.update(text);
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}
