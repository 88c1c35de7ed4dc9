//! The order of an admission: claim, clock, credential, tag, standing, body, replay, policy.
//!
//! ```text
//! message -> Begun -> Authentic -> Admitted
//!          2, 3     4, 5, 6      7, 8
//! ```
//! Limits of the head (step 1) are the server's, which has the bytes. Each type is made by the step before it, so that
//! none can be left out; a body may be read between any two of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use countersign_protocol::{
    Body, BodyCheck, BodyNeed, Dialect, Dialects, Fresh, KeyLookup, Keys, MessageView, Reason, Refusal, ReplayMode, Secret, Sound,
    Timestamp, Verified,
};

use crate::app::{App, NewCredential, Registered, Status, Terms};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::error::StoreError;
use crate::limit::{MemoryLimiter, RateLimiter};
use crate::replay::keeping::Record;
use crate::replay::{Age, Entry, ReplayGuard, Reserve};
use crate::store::{CredentialStore, LookupKey};

mod admitted;
mod audited;
mod bearer;
mod cookie;
mod denial;
mod once;
mod rules;
mod safe;
mod user;

use admitted::Reservation;
pub use admitted::{Admitted, BodyProof};
pub use bearer::{BEARER, Bearer, BearerSent, Csrf, SentBy};
pub use cookie::CookieRule;
use denial::{About, Asked};
pub use denial::{ClockNote, Denial};
use once::{Acceptance, Once, ReplayKeys};
pub use rules::{MOST_KEYS, RouteKeys, RouteRules};
pub use safe::changes_nothing;
use user::Carried;
pub use user::{SessionKey, SignedIn, TokenJudge, TokenSent, UserRule};

/// Runs admissions over one credential store and one replay guard.
#[derive(Clone)]
pub struct Admission {
    store: Arc<dyn CredentialStore>,
    guard: Arc<dyn ReplayGuard>,
    clock: Arc<dyn Clock>,
    limiter: Arc<dyn RateLimiter>,
    keys: ReplayKeys,
    /// How long what is kept, and what earlier rules kept for less.
    kept: Arc<Record>,
    /// The family of each dialect that a credential may be bound to.
    families: BTreeMap<String, String>,
    audit: Option<Audit>,
    tokens: Option<Arc<dyn TokenJudge>>,
    /// The ids of the dialects in which the keys of sessions sign.
    session_dialects: Vec<String>,
}

/// The first step's result.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made, once a request")]
pub enum Step<'m> {
    /// A claim of this route may ride in the body: read it, and begin again with it.
    NeedsBody,
    /// A claim within its window.
    Begun(Begun<'m>),
}

/// A claim of exactly one dialect, within its window. Nothing of it is proved.
#[derive(Debug)]
pub struct Begun<'m> {
    rules: &'m RouteRules,
    message: &'m dyn MessageView,
    dialect: &'m Dialect,
    fresh: Fresh<'m>,
    body: Option<&'m [u8]>,
    now: Timestamp,
    about: About,
}

/// A request whose caller has proved to hold the key, and that covers what it must. Its body and its novelty are open.
#[derive(Debug)]
pub struct Authentic<'m> {
    body: Option<&'m [u8]>,
    sound: Sound,
    caller: Caller<'m>,
}

/// Who calls, and what is asked of the guard and the policy for it.
#[derive(Debug)]
struct Caller<'m> {
    rules: &'m RouteRules,
    is_safe: bool,
    peer: Option<IpAddr>,
    holder: Arc<Registered>,
    acceptance: Acceptance,
    carried: Carried,
    about: About,
}

impl Admission {
    /// Admissions by this store, guard and clock. Replay entries are hashed under the key, which must be the same as long
    /// as the guard remembers: that of the master key.
    #[must_use]
    pub fn new(store: Arc<dyn CredentialStore>, guard: Arc<dyn ReplayGuard>, clock: Arc<dyn Clock>, replay_key: &Secret) -> Self {
        let limiter = Arc::new(MemoryLimiter::new());
        Self {
            store,
            guard,
            clock,
            limiter,
            keys: ReplayKeys::new(replay_key),
            kept: Arc::new(Record::passing()),
            families: BTreeMap::new(),
            audit: None,
            tokens: None,
            session_dialects: Vec::new(),
        }
    }

    /// The same, knowing which dialects are versions of each other also where a route does not accept them.
    #[must_use]
    pub fn knowing(mut self, dialects: &Dialects) -> Self {
        self.families = dialects.iter().map(|dialect| (dialect.id().to_owned(), dialect.family().to_owned())).collect();
        self
    }

    /// The same, with this file for what the guard keeps of each dialect: it must live as long as the guard's memory does.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn recorded_in(mut self, path: &Path) -> Result<Self, StoreError> {
        self.kept = Arc::new(Record::open(path)?);
        Ok(self)
    }

    /// The same for these routes, from now on in place of those before. What is kept of a dialect is kept for the longest of their windows; where
    /// they accept for longer than those before, or recognise requests by something else, what was signed before is `store_recovering`
    /// as far as it may have been accepted and forgotten.
    ///
    /// # Errors
    /// What is kept cannot be written down.
    pub fn serving<'r>(mut self, routes: impl IntoIterator<Item = &'r RouteRules>) -> Result<Self, StoreError> {
        self.kept = Arc::new(self.kept.followed_by(routes.into_iter().flat_map(once::asked), self.clock.now())?);
        Ok(self)
    }

    /// The same with another limiter of apps than the one in this process.
    #[must_use]
    pub fn limited_by(mut self, limiter: Arc<dyn RateLimiter>) -> Self {
        self.limiter = limiter;
        self
    }

    /// The same, with users: whose access tokens this one judges, and whose sessions' keys sign in these dialects.
    #[must_use]
    pub fn with_users(mut self, tokens: Arc<dyn TokenJudge>, dialects: Vec<String>) -> Self {
        (self.tokens, self.session_dialects) = (Some(tokens), dialects);
        self
    }

    /// The replay guard.
    #[must_use]
    pub fn guard(&self) -> &Arc<dyn ReplayGuard> {
        &self.guard
    }

    /// The time by the clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether a dialect of this id is known here, on a route or not.
    #[must_use]
    pub fn knows(&self, dialect: &str) -> bool {
        self.families.contains_key(dialect)
    }

    /// The credential store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn CredentialStore> {
        &self.store
    }

    /// The same, with a store and a guard that stand before its own: to measure them.
    #[must_use]
    pub fn behind(
        mut self,
        store: impl FnOnce(Arc<dyn CredentialStore>) -> Arc<dyn CredentialStore>,
        guard: impl FnOnce(Arc<dyn ReplayGuard>) -> Arc<dyn ReplayGuard>,
    ) -> Self {
        self.store = store(self.store);
        self.guard = guard(self.guard);
        self
    }

    /// Steps 2 and 3: the claim of exactly one of the route's dialects, held against the clock. The body may be pending.
    /// A secret on an open wire is refused here too.
    ///
    /// # Errors
    /// `missing_signature`, `malformed_claim`, `malformed_request`, `ambiguous_claim`, `insecure_transport`, `too_old` or
    /// `from_the_future`.
    pub fn begin<'m>(&self, rules: &'m RouteRules, message: &'m dyn MessageView) -> Result<Step<'m>, Denial> {
        let pending = matches!(message.body(), Body::Pending);
        // Two dialects must not both match, so even a match in the head waits for a body that could match too.
        if pending && rules.dialects.iter().any(|dialect| dialect.body_need() == BodyNeed::Claim) {
            return Ok(Step::NeedsBody);
        }
        let now = self.clock.now();
        let dialect = one_dialect(rules, message).map_err(Denial::early)?;
        let about = About::of(dialect);
        let claim = dialect.claim(message, &rules.inputs).map_err(|refusal| Denial::new(refusal, &about))?;
        let about = About { key_id: claim.key_id().map(str::to_owned), time: claim.time(), ..about };
        let fresh = claim.check_clock(now, &rules.policy).map_err(|refusal| Denial::by_clock(refusal, &about, now))?;
        let body = bytes_of(message);
        Ok(Step::Begun(Begun { rules, message, dialect, fresh, body, now, about }))
    }

    /// Steps 4 to 6: the credential looked up, the tag compared, then the caller's standing and what is covered.
    ///
    /// An unknown key takes the same steps with a dummy.
    ///
    /// # Errors
    /// `store_unavailable`, `signature_mismatch`, `unknown_key` (which a peer sees as `signature_mismatch`),
    /// `key_disabled`, `key_expired`, `key_not_yet_valid`, `dialect_not_allowed`, `version_not_allowed`,
    /// `algorithm_not_allowed`, `ambiguous_request` or `required_part_unsigned`.
    pub async fn authenticate<'m>(&self, begun: Begun<'m>) -> Result<Authentic<'m>, Denial> {
        let result = self.prove_and_judge(begun).await;
        self.told(result).await
    }

    async fn prove_and_judge<'m>(&self, begun: Begun<'m>) -> Result<Authentic<'m>, Denial> {
        let found = self.look_up(&begun).await.map_err(|error| Denial::new(unavailable(&error), &begun.about))?;
        let Begun { rules, message, dialect, body, now, .. } = begun;
        let mut names = (0..message.header_count()).map(|index| message.header(index).name);
        let is_safe = message.request_line().is_some_and(|line| changes_nothing(line.method, &mut names));
        let acceptance = Acceptance::of(begun.fresh.claim(), rules, self.kept.keeping.keeps(dialect.id()), now);
        let carried = Carried::of(message, rules.user.as_ref());
        let mut about = begun.about.clone();
        let asking = about.asked_by(&found, &begun.fresh);
        let verified = prove(begun, &found).map_err(|refusal| {
            if let Some(asking) = asking {
                about.explained(&refusal, &asking, &Asked { rules, dialect, message, body, now });
            }
            Denial::new(refusal, &about)
        })?;
        let Some(holder) = found.get(verified.credential_index()).cloned() else {
            return Err(Denial::new(Refusal::new(Reason::Internal, "no such candidate"), &about));
        };
        about.held_by(&holder, &verified);
        self.note_call(&mut about, rules, &holder, &verified);
        self.standing(&holder, dialect, rules, now).map_err(|refusal| Denial::new(refusal, &about))?;
        let sound = verified.require(&rules.policy).map_err(|refusal| Denial::new(refusal, &about))?;
        Ok(Authentic { body, sound, caller: Caller { rules, is_safe, peer: None, holder, acceptance, carried, about } })
    }

    /// Steps 7 and 8 for a request with its body: the digest, then the replay guard, then scopes, addresses and limits.
    ///
    /// # Errors
    /// `body_too_large`, `body_digest_mismatch`, `replayed`, `store_recovering`, `store_unavailable`, `insufficient_scope`,
    /// `address_not_allowed` or `rate_limited`.
    pub async fn admit(&self, authentic: Authentic<'_>) -> Result<Admitted, Denial> {
        let result = self.admit_whole(authentic).await;
        self.told(result).await
    }

    async fn admit_whole(&self, authentic: Authentic<'_>) -> Result<Admitted, Denial> {
        let Authentic { body, sound, caller, .. } = authentic;
        let denied = |refusal| Denial::new(refusal, &caller.about);
        let body = body.ok_or_else(|| denied(Refusal::new(Reason::Internal, "the body was not read")))?;
        let most = caller.rules.body_limit;
        if body.len() > most {
            return Err(denied(Refusal::new(Reason::BodyTooLarge, format!("{} bytes, at most {most}", body.len()))));
        }
        let intact = sound.check_body(body).map_err(denied)?;
        self.settle(intact.verified(), BodyProof::Intact, &caller).await
    }

    /// Steps 7 and 8 for a request whose body is still to come: the replay guard before the body, which has to be fed to the check. Until
    /// that holds, nobody may act on the whole of the body. For dialects whose tag needs no body.
    ///
    /// # Errors
    /// Those of [`Admission::admit`], but for the body's.
    pub async fn admit_pending(&self, authentic: Authentic<'_>) -> Result<(Admitted, BodyCheck), Denial> {
        let Authentic { sound, caller, .. } = authentic;
        let check = sound.body_check();
        let result = self.settle(check.verified(), BodyProof::Pending, &caller).await;
        Ok((self.told(result).await?, check))
    }

    /// Steps 7 and 8 for a request whose body nobody here will see: the proof covers everything else, and says so.
    ///
    /// # Errors
    /// Those of [`Admission::admit`], but for the body's.
    pub async fn admit_without_body(&self, authentic: Authentic<'_>) -> Result<Admitted, Denial> {
        let Authentic { sound, caller, .. } = authentic;
        let result = self.settle(sound.verified(), BodyProof::Unchecked, &caller).await;
        self.told(result).await
    }

    /// The replay guard and the policy, in this order for every kind of body. What the policy refuses is not used up.
    async fn settle(&self, verified: &Verified, proof: BodyProof, caller: &Caller<'_>) -> Result<Admitted, Denial> {
        let Caller { rules, holder, about, .. } = caller;
        let once = Once::of(verified, caller.is_safe, holder, rules.mode(verified.dialect()), &self.keys);
        let now = self.clock.now();
        let reservation = self.reserve(&once, verified.dialect(), caller, now).await?;
        let mut admitted = Admitted::new(verified, proof, holder, once.mode, reservation);
        let allowed = match self.user(caller, verified, now).await {
            Ok(user) => self.may(rules, &holder.app, user.as_ref(), caller.peer, now).await.map(|()| user),
            Err(refusal) => Err(refusal),
        };
        match allowed {
            Ok(user) => admitted.user = user,
            Err(refusal) => {
                admitted.release().await;
                return Err(Denial::new(refusal, about));
            }
        }
        if !holder.is_brought() && holder.due(now) {
            self.store.touch(holder.stored.credential.key_id(), verified.dialect().id(), now);
        }
        self.recorded(admitted, proof, about).await
    }

    /// Step 8, first part: the user of a token that came with the request. A broken token is never nobody.
    async fn user(&self, caller: &Caller<'_>, verified: &Verified, now: Timestamp) -> Result<Option<SignedIn>, Refusal> {
        let (key_id, missing) = (verified.key_id(), |detail: &'static str| Err(Refusal::new(Reason::TokenMissing, detail)));
        let rule = caller.rules.user.as_ref();
        let token = rule.map(|rule| caller.carried.signed(rule, verified)).transpose()?.flatten();
        let Some(token) = token else {
            return match &self.tokens {
                _ if rule.is_some_and(|rule| rule.is_required) => missing("the route needs a user"),
                Some(tokens) if !caller.rules.judges_later && tokens.is_of_a_session(key_id) => {
                    missing("the key of a session signs with its token only")
                }
                _ => Ok(None),
            };
        };
        let tokens = self.tokens.as_ref().ok_or_else(|| Refusal::new(Reason::Internal, "nobody judges access tokens here"))?;
        let sent = TokenSent { token, app: &caller.holder.app.name, key_id, peer: caller.peer, now };
        tokens.judge(sent).await.map_err(|error| unavailable(&error))?.map(Some)
    }

    /// Step 8: scopes, addresses, and the app's own limit.
    async fn may(
        &self,
        rules: &RouteRules,
        app: &App,
        user: Option<&SignedIn>,
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if let (Some(rule), Some(user)) = (&rules.user, user) {
            rule.allows(user, now)?;
        }
        if let Some(scope) = rules.scopes.iter().find(|scope| !app.scopes.contains(scope)) {
            return Err(Refusal::new(Reason::InsufficientScope, format!("the app lacks {scope:?}")));
        }
        if !app.may_call_from(peer) {
            let from = peer.map_or_else(|| "an address that is not known".to_owned(), |peer| peer.to_string());
            return Err(Refusal::new(Reason::AddressNotAllowed, format!("the app called from {from}")));
        }
        let Some(rate) = app.rate else { return Ok(()) };
        let takes = self.limiter.takes(&app.name, rate, now).await.map_err(|error| unavailable(&error))?;
        if takes { Ok(()) } else { Err(Refusal::new(Reason::RateLimited, format!("the app's own limit, {} a second", rate.per_second))) }
    }

    /// Every step, for a message whose body is at hand.
    ///
    /// # Errors
    /// The first denial.
    pub async fn run(&self, rules: &RouteRules, message: &dyn MessageView) -> Result<Admitted, Denial> {
        let Step::Begun(begun) = self.begin(rules, message)? else {
            return Err(Denial::early(Refusal::new(Reason::Internal, "the body was not read")));
        };
        let authentic = self.authenticate(begun).await?;
        self.admit(authentic).await
    }

    /// Step 4. What is asked of the store does not depend on what it answers.
    async fn look_up(&self, begun: &Begun<'_>) -> Result<Vec<Arc<Registered>>, StoreError> {
        if let RouteKeys::Given(given) = &begun.rules.keys {
            let named = begun.fresh.claim().key_id();
            let meant = |key: &&Arc<Registered>| named.is_none_or(|named| named == key.stored.credential.key_id());
            return Ok(begun.usable(given.iter().take(MOST_KEYS).filter(meant).cloned().collect()));
        }
        let mut found = Vec::new();
        for key in self.wanted(begun) {
            found.extend(self.find(&key).await?);
        }
        Ok(begun.usable(found))
    }

    /// A credential of the store, or the key of a session.
    async fn find(&self, key: &LookupKey) -> Result<Option<Arc<Registered>>, StoreError> {
        let (Some(tokens), LookupKey::KeyId(id)) = (&self.tokens, key) else { return self.store.find(key).await };
        if !tokens.is_of_a_session(id) {
            return self.store.find(key).await;
        }
        let key = tokens.session_key(id).await?;
        // An unknown id asks the store as often as a known one: no app has an empty name.
        let app = self.store.app(key.as_ref().map_or("", |key| &key.app)).await?;
        let (Some(SessionKey { material, created, .. }), Some(app)) = (key, app) else { return Ok(None) };
        let credential = NewCredential::new(id, material, Terms::new(&self.session_dialects));
        Ok(Some(Arc::new(Registered::brought(app, credential, created))))
    }

    fn wanted(&self, begun: &Begun<'_>) -> Vec<LookupKey> {
        match (&begun.rules.keys, begun.fresh.claim().key_lookup()) {
            (RouteKeys::Fixed(ids), _) => ids.iter().take(MOST_KEYS).cloned().map(LookupKey::KeyId).collect(),
            (RouteKeys::ByClaim, KeyLookup::ById(id)) => vec![LookupKey::KeyId(id.to_owned())],
            (RouteKeys::ByClaim, KeyLookup::BySecret(secret)) => vec![LookupKey::SecretIndex(self.store.secret_index(secret))],
            (RouteKeys::ByClaim | RouteKeys::Given(_), _) => Vec::new(),
        }
    }

    /// Step 6, first half: what may be said only to a caller who has proved to hold the key.
    fn standing(&self, holder: &Registered, dialect: &Dialect, rules: &RouteRules, now: Timestamp) -> Result<(), Refusal> {
        let (app, terms) = (&holder.app, &holder.stored.terms);
        if app.status != Status::Active || terms.status != Status::Active {
            return Err(Refusal::new(Reason::KeyDisabled, format!("the app is {}, the credential {}", app.status, terms.status)));
        }
        if let Some(begins) = terms.not_before.filter(|begins| now < *begins) {
            return Err(Refusal::new(Reason::KeyNotYetValid, format!("valid from {begins}")));
        }
        if let Some(ends) = terms.not_after.filter(|ends| now > *ends) {
            return Err(Refusal::new(Reason::KeyExpired, format!("valid until {ends}")));
        }
        if terms.dialects.iter().any(|bound| bound == dialect.id()) {
            return Ok(());
        }
        let other_version = terms.dialects.iter().any(|bound| self.family(bound, rules) == Some(dialect.family()));
        let reason = if other_version { Reason::VersionNotAllowed } else { Reason::DialectNotAllowed };
        Err(Refusal::new(reason, format!("the credential is bound to {}", terms.dialects.join(", "))))
    }

    fn family<'a>(&'a self, id: &str, rules: &'a RouteRules) -> Option<&'a str> {
        let of_route = rules.dialects.iter().find(|dialect| dialect.id() == id).map(Dialect::family);
        of_route.or_else(|| self.families.get(id).map(String::as_str))
    }

    /// Step 7, second half. Whatever is in doubt is refused.
    async fn reserve(&self, once: &Once, dialect: &Dialect, caller: &Caller<'_>, now: Timestamp) -> Result<Option<Reservation>, Denial> {
        let Caller { holder, acceptance, about, .. } = caller;
        let Some(key) = once.key else { return Ok(None) };
        let denied = |reason, detail: &'static str| Denial::new(Refusal::new(reason, detail), about);
        let age = Age { signed: once.signed, credential: holder.stored.created, span: acceptance.span, ahead: acceptance.ahead };
        if let Some(end) = self.kept.keeping.doubted_until(dialect.id(), age, now) {
            let detail = "it may have been accepted, and forgotten, under rules that were changed since";
            return Err(denied(Reason::StoreRecovering, detail).wait_until(end, now));
        }
        let entry = Entry { key, app: &holder.app.name, expires_at: acceptance.until, now, age };
        match self.guard.reserve(entry).await.map_err(|error| Denial::new(unavailable(&error), about))? {
            Reserve::Reserved(owner) => Ok(Some(Reservation::new(Arc::clone(&self.guard), key, owner, once.mode))),
            Reserve::Seen { committed: true } if once.mode == ReplayMode::Event => {
                Err(denied(Reason::Replayed, "the event was delivered").duplicate())
            }
            Reserve::Seen { .. } => Err(denied(Reason::Replayed, "seen before")),
            Reserve::Doubted => {
                let denial = denied(Reason::StoreRecovering, "it may have been accepted before the replay store lost its memory");
                Err(self.guard.epoch().into_iter().fold(denial, |denial, epoch| denial.wait_until(epoch.recovered_at(age), now)))
            }
            Reserve::Full => Err(denied(Reason::StoreUnavailable, "the replay guard is full")),
            Reserve::SteppedBack => Err(denied(Reason::StoreUnavailable, "the clock was set back past what the replay guard remembers")),
        }
    }
}

impl<'m> Begun<'m> {
    /// The dialect of the claim.
    #[must_use]
    pub const fn dialect(&self) -> &'m Dialect {
        self.dialect
    }

    /// The key id that it names.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.fresh.claim().key_id()
    }

    /// Whether the tag cannot be computed before the body was given by [`Begun::with_body`].
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.body.is_none() && matches!(self.dialect.body_need(), BodyNeed::Claim | BodyNeed::Tag)
    }

    /// The same with its body.
    #[must_use]
    pub fn with_body(mut self, body: &'m [u8]) -> Self {
        self.body = Some(body);
        self.fresh = self.fresh.with_body(Body::Bytes(body));
        self
    }

    /// A claim that names a key is tried under that key only, and pins of several credentials must agree.
    fn usable(&self, mut found: Vec<Arc<Registered>>) -> Vec<Arc<Registered>> {
        if let KeyLookup::ById(id) = self.fresh.claim().key_lookup() {
            found.retain(|registered| registered.stored.credential.key_id() == id);
        }
        let pins = found.first().map(|first| first.stored.terms.inputs.clone()).unwrap_or_default();
        found.retain(|registered| registered.stored.terms.inputs == pins);
        found
    }

    /// The claim, read once more with what the credential pins: a region for example, before a key is derived for it.
    /// `None` when it pins nothing beyond the route.
    fn pinned(&self, pins: &BTreeMap<String, String>) -> Result<Option<Fresh<'m>>, Refusal> {
        if pins.iter().all(|(name, value)| self.rules.inputs.get(name) == Some(value)) {
            return Ok(None);
        }
        let mut inputs = self.rules.inputs.clone();
        for (name, value) in pins {
            if inputs.get(name).is_some_and(|fixed| fixed != value) {
                return Err(Refusal::new(Reason::SignatureMismatch, format!("route and credential pin {name} differently")));
            }
            inputs = inputs.with(name, value);
        }
        let fresh = self.dialect.claim(self.message, &inputs)?.check_clock(self.now, &self.rules.policy)?;
        Ok(Some(match self.body {
            Some(body) => fresh.with_body(Body::Bytes(body)),
            None => fresh,
        }))
    }
}

impl<'m> Authentic<'m> {
    /// The app that called.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.caller.holder.app
    }

    /// The same with the address that it came from, where that is known: apps may be bound to addresses.
    #[must_use]
    pub fn with_peer(mut self, peer: IpAddr) -> Self {
        self.caller.peer = Some(peer);
        self
    }

    /// Whether the body was not given yet: [`Authentic::with_body`].
    #[must_use]
    pub const fn needs_body(&self) -> bool {
        self.body.is_none()
    }

    /// The same with its body, unless the tag was computed with one already.
    #[must_use]
    pub fn with_body(mut self, body: &'m [u8]) -> Self {
        self.body = self.body.or(Some(body));
        self
    }
}

/// Step 2, first half: exactly one dialect's marks match.
fn one_dialect<'m>(rules: &'m RouteRules, message: &'m dyn MessageView) -> Result<&'m Dialect, Refusal> {
    let mut matching = rules.dialects.iter().filter(|dialect| dialect.marks(message));
    match (matching.next(), matching.next()) {
        (Some(dialect), None) => Ok(dialect),
        (Some(one), Some(other)) => Err(Refusal::new(Reason::AmbiguousClaim, format!("{} and {} both match", one.id(), other.id()))),
        (None, _) => Err(most_telling(rules, message)),
    }
}

/// What is wrong with a message that matches no dialect: a half-made claim tells more than none at all.
fn most_telling(rules: &RouteRules, message: &dyn MessageView) -> Refusal {
    let refusals = rules.dialects.iter().filter_map(|dialect| dialect.claim(message, &rules.inputs).err());
    let telling = refusals.into_iter().find(|refusal| refusal.reason() != Reason::MissingSignature);
    telling.unwrap_or_else(|| Refusal::new(Reason::MissingSignature, "no accepted dialect's marks"))
}

/// Step 5. Whether the key is unknown, or pins something else, one tag is computed and compared.
fn prove(begun: Begun<'_>, found: &[Arc<Registered>]) -> Result<Verified, Refusal> {
    let candidates: Vec<_> = found.iter().map(|registered| &registered.stored.credential).collect();
    let known = if candidates.is_empty() { Keys::Unknown } else { Keys::Known(&candidates) };
    let pinned = found.first().map_or(Ok(None), |first| begun.pinned(&first.stored.terms.inputs));
    match pinned {
        Ok(fresh) => fresh.unwrap_or(begun.fresh).verify(known),
        // What a credential pins is told to nobody who has not proved to hold it: this looks like a wrong signature.
        Err(fault) => match begun.fresh.verify(Keys::Unknown) {
            Err(refusal) if refusal.reason() != Reason::UnknownKey => Err(refusal),
            _ => Err(Refusal::new(Reason::SignatureMismatch, format!("not as the credential pins it: {}", fault.detail()))),
        },
    }
}

fn bytes_of(message: &dyn MessageView) -> Option<&[u8]> {
    match message.body() {
        Body::Bytes(bytes) => Some(bytes),
        Body::Digests(_) | Body::Pending => None,
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    Refusal::new(Reason::StoreUnavailable, error.to_string())
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("store", &self.store).field("guard", &self.guard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod suite;
