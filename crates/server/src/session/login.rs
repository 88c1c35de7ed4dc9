//! Logging in and refreshing.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use countersign_core::admission::RouteKeys;
use countersign_core::app::{NewCredential, Registered, Terms};
use countersign_core::jwk;
use countersign_core::session::authenticate::{Attempt, Outcome};
use countersign_core::session::throttle::TooMany;
use countersign_core::session::{Binding, RefreshFault, SessionFault, Wanted};
use countersign_core::store::CredentialStore;
use countersign_protocol::{Dialect, KeyFamily, KeyMaterial, KeyPair, Reason, Refusal, Secret, Timestamp};
use http::Response;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{Call, SessionDesk, invalid, unavailable};
use crate::head::Head;
use crate::metrics::sessions::{LoginEnd, SessionSeries};
use crate::refused::Refused;

/// What a self-signed login's key id begins with; the app's name follows.
const SELF: &str = "self:";

/// A login. `Debug` is left out: it holds a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    username: String,
    #[serde(deserialize_with = "secret")]
    password: Secret,
    totp: Option<String>,
    /// Of a self-signed login: for which app.
    app: Option<String>,
    /// Names with spaces between.
    scope: Option<String>,
    /// `app`, `session` or `client`.
    bind: Option<String>,
    /// PEM, or a JWK as JSON or as its text.
    public_key: Option<serde_json::Value>,
}

/// A refresh.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renewal {
    /// Where it does not come in a cookie.
    #[serde(default, deserialize_with = "maybe_secret")]
    pub(super) refresh_token: Option<Secret>,
    scope: Option<String>,
}

/// The credential of a self-signed login: its body holds the public key and names a public app, its key id is `self:` and that app. Nothing is believed before
/// the signature held.
pub(super) async fn brought(
    desk: &SessionDesk,
    head: &Head,
    below: &str,
    body: &[u8],
    store: &dyn CredentialStore,
) -> Result<Option<RouteKeys>, Refused> {
    /// As much of a login as is needed to find its key.
    #[derive(Deserialize)]
    struct Sketch {
        app: Option<String>,
        public_key: Option<serde_json::Value>,
    }
    if (head.method.as_str(), below) != ("POST", "/login") || desk.settings.public_apps.is_empty() {
        return Ok(None);
    }
    let Ok(Sketch { app: Some(app), public_key: Some(key) }) = serde_json::from_slice(body) else { return Ok(None) };
    if !desk.settings.public_apps.contains(&app) {
        return Ok(None);
    }
    let key = public_key(&key)?;
    let Some(app) = store.app(&app).await.map_err(|error| unavailable(&error))? else { return Ok(None) };
    let terms = Terms::new(desk.settings.dialects.iter().map(Dialect::id));
    let credential = NewCredential::new(format!("{SELF}{}", app.name), KeyMaterial::Pair(key), terms);
    Ok(Some(RouteKeys::Given(vec![Arc::new(Registered::brought(app, credential, desk.now()))])))
}

impl Call<'_> {
    pub(super) async fn login(&self) -> Result<Response<Bytes>, Refused> {
        let login: Login = self.read()?;
        let binding = match &self.plain {
            Some(_) => unsigned(login.bind.as_deref(), login.public_key.as_ref())?,
            None => binding(login.bind.as_deref(), login.public_key.as_ref())?,
        };
        if login.app.as_deref().is_some_and(|app| app != self.caller.app) {
            return Err(invalid("app is not the app that signed").into());
        }
        // Nothing but its own key proves who such a caller is.
        if self.caller.key_id.is_some_and(|key_id| key_id.starts_with(SELF)) && !matches!(binding, Binding::Client(_)) {
            return Err(invalid("a login that is signed with a key of its own has bind client").into());
        }
        let now = self.admission.now();
        let attempt = Attempt {
            username: &login.username,
            password: &login.password,
            totp: login.totp.as_deref(),
            app: self.caller.app,
            address: known(self.caller.address),
            is_counted: self.is_counted,
            now,
        };
        let outcome = self.desk.authenticator.authenticate(attempt).await.map_err(|error| unavailable(&error))?;
        let who = match outcome {
            Outcome::Authenticated(who) => who,
            Outcome::Rejected(rejected) => {
                self.counts.login(LoginEnd::Rejected);
                let user = rejected.user().map(|user| format!(" user={user}")).unwrap_or_default();
                self.record_refused(format!("{}{user}", rejected.reason().as_str())).await?;
                return Err(Refusal::new(Reason::InvalidCredentials, rejected.reason().as_str()).into());
            }
            Outcome::TooMany(wait) => return Err(too_many(wait, self.counts)),
            Outcome::Busy => {
                self.counts.login(LoginEnd::Busy);
                return Err(Refusal::new(Reason::Overloaded, "too many passwords are being checked").into());
            }
        };
        let wanted = Wanted { scopes: login.scope.as_deref().map(scopes), binding };
        // Who had nothing to prove it with before the password is recorded now.
        self.admission.record_proved(self.admitted).await.map_err(|error| unavailable(&error))?;
        self.record("log in", format!("user={} methods={}", who.user.id, who.methods.join(","))).await?;
        let grant = self.desk.sessions.begin(&who, wanted, &self.caller, now).await.map_err(|fault| refused(&fault))?;
        self.counts.login(LoginEnd::Begun);
        tracing::info!(session = %grant.session.sid, user = %grant.session.user, app = self.caller.app, "a user logged in");
        Ok(self.granted(&grant, now)?)
    }

    pub(super) async fn refresh(&self) -> Result<Response<Bytes>, Refused> {
        let renewal: Renewal = self.read()?;
        let token = renewal.refresh_token.as_ref().or_else(|| self.plain.as_ref()?.refresh.as_ref());
        let token = token.ok_or_else(|| invalid("refresh_token is missing"))?;
        let now: Timestamp = self.admission.now();
        let scopes = renewal.scope.as_deref().map(scopes);
        let result = self.desk.sessions.refresh(token.expose(), scopes.as_deref(), &self.caller, now).await;
        self.counts.refresh(&result);
        match result {
            Ok(grant) => Ok(self.granted(&grant, now)?),
            Err(fault) => {
                if let SessionFault::Refresh(why, Some(sid)) = &fault {
                    let action = if *why == RefreshFault::Reused { "end a session" } else { "refuse a refresh" };
                    self.record(action, format!("session={sid} {}", why.as_str())).await?;
                }
                Err(refused(&fault))
            }
        }
    }
}

impl SessionDesk {
    /// Counts a login of a caller that proves nothing before its password, before anything is spent on it or written.
    pub(super) async fn arrive(&self, address: Option<IpAddr>, counts: &SessionSeries) -> Result<(), Refused> {
        let arrived = self.authenticator.arrive(known(address), self.now()).await.map_err(|error| unavailable(&error))?;
        arrived.map_err(|wait| too_many(wait, counts))
    }
}

fn too_many(wait: TooMany, counts: &SessionSeries) -> Refused {
    counts.login(LoginEnd::Limited);
    Refused::from(Refusal::new(Reason::RateLimited, "too many logins")).after(wait.retry_after)
}

/// The address for which guesses are counted; all whose address nobody knows share one.
pub(super) fn known(address: Option<IpAddr>) -> IpAddr {
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

pub(super) fn refused(fault: &SessionFault) -> Refused {
    fault.refusal().into()
}

fn scopes(text: &str) -> Vec<String> {
    text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

fn binding(asked: Option<&str>, key: Option<&serde_json::Value>) -> Result<Binding, Refusal> {
    match (asked, key) {
        (None | Some("app"), None) => Ok(Binding::App),
        (Some("session"), None) => Ok(Binding::Session),
        (Some("client"), Some(key)) => Ok(Binding::Client(public_key(key)?.public_der().to_vec())),
        (Some("client"), None) => Err(invalid("bind is client, and public_key is missing")),
        (Some("app" | "session") | None, Some(_)) => Err(invalid("public_key is for bind client only")),
        (Some("bearer"), _) => Err(invalid("bind bearer is for logins of plain apps, which are not signed")),
        (Some(_), _) => Err(invalid("bind is none of app, session, client")),
    }
}

/// The binding of a login that is not signed.
fn unsigned(asked: Option<&str>, key: Option<&serde_json::Value>) -> Result<Binding, Refusal> {
    match (asked, key) {
        (None | Some("bearer"), None) => Ok(Binding::Bearer),
        _ => Err(invalid("a login that is not signed has bind bearer, and no public_key")),
    }
}

/// An Ed25519 or P-256 key: those that have a thumbprint in tokens.
fn public_key(value: &serde_json::Value) -> Result<KeyPair, Refusal> {
    let refused = || invalid("public_key is no Ed25519 or P-256 public key as PEM or JWK");
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let key = if text.trim_start().starts_with('{') {
        jwk::public_key(&text).map_err(|_| refused())?
    } else {
        KeyPair::from_public_pem(&text).map_err(|_| refused())?
    };
    if matches!(key.family(), KeyFamily::Ed25519 | KeyFamily::Ec) { Ok(key) } else { Err(refused()) }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    Ok(Secret::new(text.as_bytes()))
}

fn maybe_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    secret(deserializer).map(Some)
}
