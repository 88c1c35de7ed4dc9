//! Sessions at work: beginning one, refreshing it, judging the token of a request, ending it.
//!
//! Every request asks the store for the state of its session, so what ended is refused by the next request at every gateway.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::{KeyPair, Refusal, Secret, Timestamp};

use super::authenticate::Authenticated;
use super::signing::{KeyHolder, SigningKeyStore, TokenError};
use super::token::{AccessToken, Confirmation, TokenFault, TokenRules, TokenUser, mint};
use super::user::{User, UserStore};
use super::{
    Binding, Ended, Known, Refresh, RefreshLimit, RefreshToken, Rotation, Session, SessionId, SessionKeys, SessionPolicy, SessionStore,
    TokenId,
};
use crate::admission::{Bearer, BearerSent, SessionKey, SignedIn, TokenJudge, TokenSent};
use crate::error::StoreError;
use crate::jwk;
use crate::random::fill;
use crate::store::Answer;

mod fault;
mod keys;
mod unsigned;

pub use fault::{RefreshFault, SessionFault};
pub use keys::{client_key_id, session_key_id};
pub use unsigned::Presented;

/// Everything that sessions are kept in.
pub trait SessionStores: SessionStore + UserStore + SigningKeyStore {}

impl<S: SessionStore + UserStore + SigningKeyStore> SessionStores for S {}

/// Who minted the tokens, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// The issuer: the URL under which the gateway is known.
    pub issuer: String,
    /// The audience.
    pub audience: String,
}

/// Who asks: what the signature of the request proved.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The app.
    pub app: &'a str,
    /// The key id of the credential that it signed with; `None` for a caller without a signature.
    pub key_id: Option<&'a str>,
    /// From where.
    pub address: Option<IpAddr>,
    /// What the client calls itself.
    pub agent: Option<&'a str>,
}

/// What a login asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Scopes; absent: all that the user has.
    pub scopes: Option<Vec<String>>,
    /// Which key is to sign the requests.
    pub binding: Binding,
}

/// What a login or a refresh gives. `Debug` shows no token and no key.
pub struct Grant {
    /// The session as it is now.
    pub session: Session,
    /// The user's name.
    pub user: String,
    /// What the access token permits.
    pub scopes: Vec<String>,
    /// The access token.
    pub access_token: Secret,
    /// When it is over.
    pub access_ends: Timestamp,
    /// The refresh token.
    pub refresh_token: Secret,
    /// The key with which requests are signed from now on, and its id; only a login gives it.
    pub request_key: Option<(String, Secret)>,
}

/// A user whose token came with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSession {
    /// What the token says. Its signature held.
    pub token: AccessToken,
    /// The session as it is.
    pub session: Session,
}

/// The sessions of one gateway.
pub struct Sessions {
    store: Arc<dyn SessionStores>,
    keys: SessionKeys,
    holder: KeyHolder,
    rules: TokenRules,
    policy: SessionPolicy,
    refreshes: Arc<RefreshLimit>,
}

/// The most bytes that are kept of what a client calls itself.
const AGENT: usize = 256;

impl Sessions {
    /// Sessions over this store.
    #[must_use]
    pub fn new<S: SessionStores + 'static>(store: Arc<S>, parties: Parties, policy: SessionPolicy) -> Self {
        let keys = SessionKeys::new(store.session_key().clone());
        let holder = KeyHolder::new(Arc::<S>::clone(&store));
        let Parties { issuer, audience } = parties;
        let rules = TokenRules { issuer, audience, max_ttl: policy.access, skew: policy.skew };
        Self { store, keys, holder, rules, policy, refreshes: Arc::default() }
    }

    /// The rules.
    #[must_use]
    pub const fn policy(&self) -> &SessionPolicy {
        &self.policy
    }

    /// The keys that verify access tokens.
    #[must_use]
    pub const fn signing_keys(&self) -> &KeyHolder {
        &self.holder
    }

    /// Where sessions and users are kept.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn SessionStores> {
        &self.store
    }

    /// The keys that are derived for each session.
    #[must_use]
    pub const fn keys(&self) -> &SessionKeys {
        &self.keys
    }

    /// Begins a session for a user who has proved to be it. Sessions beyond the user's number end.
    ///
    /// # Errors
    /// The store does not answer, no key signs, or the user's name and roles are too long for a token.
    pub async fn begin(&self, who: &Authenticated, wanted: Wanted, caller: &Caller<'_>, now: Timestamp) -> Result<Grant, SessionFault> {
        let user = &who.user;
        let mut salt = [0; 16];
        fill(&mut salt)?;
        let ends = now.plus(self.policy.absolute);
        let address = caller.address.map(|address| address.to_string());
        let session = Session {
            sid: SessionId::random()?,
            user: user.id,
            app: caller.app.to_owned(),
            salt,
            binding: wanted.binding,
            scopes: permitted(wanted.scopes.as_deref(), &user.scopes),
            methods: who.methods.iter().map(|method| (*method).to_owned()).collect(),
            created: now,
            authenticated: now,
            last_seen: now,
            idle_ends: now.plus(self.policy.idle).min(ends),
            ends,
            generation: 0,
            rotated: now,
            confirmed: None,
            epoch: user.epoch,
            agent: caller.agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(AGENT).collect()),
            address_first: address.clone(),
            address_last: address,
            revoked: None,
        };
        // Before anything is written: a token that cannot be minted begins no session.
        let mut grant = self.grant(session.clone(), user, None, now).await?;
        if session.binding == Binding::Session {
            grant.request_key = Some((session_key_id(session.sid), self.keys.request_key(session.sid, &session.salt)?));
        }
        for evicted in self.store.begin(session, self.policy.per_user).await? {
            self.store.end(evicted, Ended::Evicted, now).await?;
        }
        Ok(grant)
    }

    /// Gives the next pair of tokens for a refresh token. Of many requests with the same one, all are given the same successor.
    ///
    /// # Errors
    /// [`SessionFault::Refresh`] says why, for the audit log; a peer learns only that the token gives nothing.
    pub async fn refresh(
        &self,
        token: &[u8],
        scopes: Option<&[String]>,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<Grant, SessionFault> {
        let token = RefreshToken::parse(token).ok_or(SessionFault::Refresh(RefreshFault::Malformed, None))?;
        let sid = token.session();
        let fault = |fault| SessionFault::Refresh(fault, Some(sid));
        // Whatever is wrong up to here changes nothing, or anyone could end a session whose id it knows.
        let known = self.store.session(sid).await?.ok_or(fault(RefreshFault::Unknown))?;
        if !self.keys.made(&token, &known.session.salt)? {
            return Err(fault(RefreshFault::Forged));
        }
        if !is_bound(&known.session, caller) {
            return Err(fault(RefreshFault::Binding));
        }
        if token.generation() >= known.session.generation && self.refreshes.would_refuse(sid, token.generation(), now) {
            return Err(SessionFault::TooManyRefreshes);
        }
        let address = caller.address.map(|address| address.to_string());
        let (policy, limit) = (self.policy.clone(), Arc::clone(&self.refreshes));
        let refresh = Refresh { sid, presented: token.generation(), now, address, policy, limit };
        let (rotation, known) = self.store.refresh(refresh).await?.ok_or(fault(RefreshFault::Unknown))?;
        match rotation {
            Rotation::Rotated | Rotation::Same => {}
            Rotation::Adopted => {
                tracing::warn!(session = %sid, "a refresh token is later than the store: it was restored, or lost its last commits")
            }
            Rotation::Reused => {
                self.store.end(sid, Ended::Reuse, now).await?;
                return Err(fault(RefreshFault::Reused));
            }
            Rotation::TooMany => return Err(SessionFault::TooManyRefreshes),
            Rotation::Over(why) => return Err(fault(RefreshFault::Over(why))),
        }
        let user = self.store.user(known.session.user).await?.ok_or(fault(RefreshFault::Unknown))?;
        self.grant(known.session, &user, scopes, now).await
    }

    /// Who the user of a request is. The request's own signature has held, and covers the token.
    ///
    /// # Errors
    /// Whatever is wrong with the token, its binding or its session.
    pub async fn check(&self, token: &str, caller: &Caller<'_>, now: Timestamp) -> Result<UserSession, SessionFault> {
        let token = self.holder.verify(token, &self.rules, now).await?;
        self.judge(token, |session| is_bound(session, caller), now).await
    }

    /// The session of a token that may be over, for a logout.
    ///
    /// # Errors
    /// As [`Sessions::check`], but that a token and its session may be over.
    pub async fn of_ended(&self, token: &str, caller: &Caller<'_>, now: Timestamp) -> Result<SessionId, SessionFault> {
        let token = self.holder.verify_ended(token, &self.rules, now).await?;
        match self.judge(token.clone(), |session| is_bound(session, caller), now).await {
            Ok(_) | Err(SessionFault::Over(_)) => Ok(token.sid),
            Err(fault) => Err(fault),
        }
    }

    /// What a token is worth that was minted for this app, whoever presents it.
    ///
    /// # Errors
    /// Whatever is wrong with the token or its session; [`SessionFault::Binding`] for one of another app.
    pub async fn of_app(&self, token: &str, app: &str, now: Timestamp) -> Result<UserSession, SessionFault> {
        let token = self.holder.verify(token, &self.rules, now).await?;
        let Some(known) = self.store.session(token.sid).await? else { return Err(SessionFault::Over(Ended::Expired)) };
        if known.session.app != app || known.session.app != token.client_id || known.session.user != token.sub {
            return Err(SessionFault::Binding);
        }
        match over(&known, &token, now) {
            Some(why) => Err(SessionFault::Over(why)),
            None => Ok(UserSession { token, session: known.session }),
        }
    }

    /// The session of a refresh token that was made here for this app.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn of_refresh_token(&self, token: &RefreshToken, app: &str) -> Result<Option<SessionId>, SessionFault> {
        let Some(known) = self.store.session(token.session()).await? else { return Ok(None) };
        let is_own = known.session.app == app && self.keys.made(token, &known.session.salt)?;
        Ok(is_own.then_some(token.session()))
    }

    /// Ends a session: whether it was not over before.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn end(&self, sid: SessionId, why: Ended, now: Timestamp) -> Result<bool, StoreError> {
        self.store.end(sid, why, now).await
    }

    /// What the token is worth where a session may be used like this.
    async fn judge(&self, token: AccessToken, may: impl FnOnce(&Session) -> bool, now: Timestamp) -> Result<UserSession, SessionFault> {
        let Some(known) = self.store.session(token.sid).await? else { return Err(SessionFault::Over(Ended::Expired)) };
        let session = &known.session;
        if !is_of(&token, session)? || !may(session) {
            return Err(SessionFault::Binding);
        }
        if let Some(why) = over(&known, &token, now) {
            return Err(SessionFault::Over(why));
        }
        if session.confirmed.is_none_or(|confirmed| confirmed < token.rtg) && token.rtg <= session.generation {
            self.store.confirm(token.sid, token.rtg).await?;
        }
        Ok(UserSession { token, session: known.session })
    }

    async fn grant(&self, session: Session, user: &User, scopes: Option<&[String]>, now: Timestamp) -> Result<Grant, SessionFault> {
        let key = self.holder.signing(now).await?;
        // What the user may do can have become less since the login.
        let scopes = permitted(scopes, &permitted(Some(&session.scopes), &user.scopes));
        let iat = seconds(now);
        let exp = iat + self.lifetime()?.as_secs();
        let token = AccessToken {
            iss: self.rules.issuer.clone(),
            aud: self.rules.audience.clone(),
            sub: session.user,
            client_id: session.app.clone(),
            sid: session.sid,
            jti: TokenId::random()?,
            iat,
            exp,
            auth_time: seconds(session.authenticated),
            scope: scopes.join(" "),
            rtg: session.generation,
            ep: session.epoch,
            cnf: cnf(&session)?,
            bearer: session.binding == Binding::Bearer,
            u: TokenUser { name: user.name.clone(), roles: user.roles.clone() },
            amr: session.methods.clone(),
        };
        let minted = mint(&key, &token).map_err(SessionFault::Mint)?;
        let refresh_token = self.keys.refresh_token(session.sid, &session.salt, session.generation)?;
        Ok(Grant {
            user: user.name.clone(),
            scopes,
            access_token: Secret::new(zeroize::Zeroizing::new(minted).as_bytes()),
            access_ends: Timestamp::from_seconds(exp.cast_signed()).unwrap_or(now),
            refresh_token,
            request_key: None,
            session,
        })
    }

    /// How long the next access token lives: up to a twentieth less than it may.
    fn lifetime(&self) -> Result<Duration, StoreError> {
        let mut random = [0; 2];
        fill(&mut random)?;
        let twentieth = self.policy.access / 20;
        Ok(self.policy.access - twentieth.mul_f64(f64::from(u16::from_be_bytes(random)) / 65_536.0))
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("rules", &self.rules).field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("session", &self.session.sid).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Those of the wanted scopes that may be had; all of them where nothing is said.
fn permitted(wanted: Option<&[String]>, had: &[String]) -> Vec<String> {
    wanted.map_or_else(|| had.to_vec(), |wanted| wanted.iter().filter(|scope| had.contains(scope)).cloned().collect())
}

/// Whether the key that signed is the one that the session is bound to.
fn is_bound(session: &Session, caller: &Caller<'_>) -> bool {
    let has_key = match (&session.binding, caller.key_id) {
        // Not the key of another session, though that belongs to the app too.
        (Binding::App, Some(key_id)) => keys::session_of(key_id).is_none(),
        (Binding::Session, Some(key_id)) => key_id == session_key_id(session.sid),
        (Binding::Client(_), Some(key_id)) => key_id == client_key_id(session.sid),
        // It never rides a signed request, whoever signs.
        (Binding::Bearer, key_id) => key_id.is_none(),
        (_, None) => false,
    };
    has_key && session.app == caller.app
}

/// Whether the token was minted for this session.
fn is_of(token: &AccessToken, session: &Session) -> Result<bool, SessionFault> {
    let same_binding = cnf(session)? == token.cnf && (session.binding == Binding::Bearer) == token.bearer;
    Ok(same_binding && session.user == token.sub && session.app == token.client_id)
}

fn cnf(session: &Session) -> Result<Option<Confirmation>, SessionFault> {
    Ok(match &session.binding {
        Binding::App | Binding::Bearer => None,
        Binding::Session => Some(Confirmation::Kid(session_key_id(session.sid))),
        Binding::Client(key) => Some(Confirmation::Jkt(thumbprint(key)?)),
    })
}

fn thumbprint(key: &[u8]) -> Result<String, StoreError> {
    let damaged = || StoreError::Corrupt { row: "session".to_owned(), fault: "its public key" };
    KeyPair::from_public_der(key).ok().and_then(|key| jwk::thumbprint(&key)).ok_or_else(damaged)
}

/// Why the session of this token is over, if it is.
fn over(known: &Known, token: &AccessToken, now: Timestamp) -> Option<Ended> {
    let epoch = (token.ep != known.user_epoch).then_some(Ended::Everywhere);
    // An idle end is for the refresh: the last access token is good until its own end.
    known.ended(now).filter(|why| *why != Ended::Expired || now >= known.session.ends).or(epoch)
}

impl TokenJudge for Sessions {
    fn judge<'a>(&'a self, sent: TokenSent<'a>) -> Answer<'a, Result<SignedIn, Refusal>> {
        Box::pin(async move {
            let caller = Caller { app: sent.app, key_id: Some(sent.key_id), address: sent.peer, agent: None };
            Ok(self.check(sent.token, &caller, sent.now).await.map(SignedIn::from).map_err(|fault| fault.refusal()))
        })
    }

    fn judge_bearer<'a>(&'a self, sent: BearerSent<'a>, now: Timestamp) -> Answer<'a, Result<Bearer, Refusal>> {
        Box::pin(async move {
            let found = self.check_bearer(sent, now).await;
            Ok(found.map(|found| Bearer { app: found.session.app.clone(), user: found.into() }).map_err(|fault| fault.refusal()))
        })
    }

    fn session_key<'a>(&'a self, key_id: &'a str) -> Answer<'a, Option<SessionKey>> {
        Box::pin(keys::find(self, key_id))
    }

    fn is_of_a_session(&self, key_id: &str) -> bool {
        keys::session_of(key_id).is_some()
    }
}

impl From<UserSession> for SignedIn {
    fn from(found: UserSession) -> Self {
        let UserSession { token, session } = found;
        Self {
            id: token.sub.to_string(),
            scopes: token.scopes().map(str::to_owned).collect(),
            name: token.u.name,
            roles: token.u.roles,
            session: session.sid.to_string(),
            authenticated: session.authenticated,
        }
    }
}

/// Whole seconds since 1970.
fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.seconds()).unwrap_or(0)
}

/// A token's fault as a refusal of the request in which it came.
impl From<SessionFault> for Refusal {
    fn from(fault: SessionFault) -> Self {
        fault.refusal()
    }
}

impl From<TokenError> for SessionFault {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Fault(fault) => Self::Token(fault),
            TokenError::Store(error) => Self::Store(error),
        }
    }
}

impl From<TokenFault> for SessionFault {
    fn from(fault: TokenFault) -> Self {
        Self::Token(fault)
    }
}

#[cfg(test)]
mod suite;
