//! Callers without a signature: an access token alone, where a route takes it. Whoever has the token is the user, so nothing protects it from being used twice.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use countersign_protocol::{Reason, Refusal, Timestamp};

use super::denial::About;
use super::{Admission, Admitted, BodyProof, Denial, RouteRules, SignedIn, UserRule, unavailable};
use crate::app::Status;
use crate::audit::{Call, Proof};

/// What stands in the place of a dialect.
pub const BEARER: &str = "bearer";

/// An access token that came without a signature.
#[derive(Clone, Copy)]
pub struct BearerSent<'a> {
    /// The token.
    pub token: &'a str,
    /// How it came.
    pub by: SentBy<'a>,
}

/// How a token came without a signature.
#[derive(Clone, Copy)]
pub enum SentBy<'a> {
    /// As `Authorization: Bearer`, which no browser sends by itself.
    Header,
    /// In a cookie, which browsers send by themselves.
    Cookie(Csrf<'a>),
}

/// How a request with a cookie shows that a page which may read our answers made it.
#[derive(Clone, Copy)]
pub enum Csrf<'a> {
    /// It need not: the request changes nothing.
    NotNeeded,
    /// It sent this as the session's CSRF token.
    Shown(&'a [u8]),
}

impl fmt::Debug for BearerSent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerSent").field("by", &self.by).finish_non_exhaustive()
    }
}

impl fmt::Debug for SentBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "Header",
            Self::Cookie(_) => "Cookie",
        })
    }
}

impl fmt::Debug for Csrf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNeeded => "NotNeeded",
            Self::Shown(_) => "Shown",
        })
    }
}

/// The user of a token that came alone, and the app through which the user logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The user.
    pub user: SignedIn,
    /// The app's name.
    pub app: String,
}

impl Admission {
    /// Step 8 alone, for a request that carries an access token in the place of a signature. Its body is read, or not looked at.
    ///
    /// # Errors
    /// `token_missing` on a route that does not take it like this, `token_*`, `session_*` and `cross_site_request` for the token, `key_disabled` for its app, then
    /// as [`Admission::admit`] after the replay guard.
    pub async fn admit_bearer(&self, rules: &RouteRules, sent: BearerSent<'_>, peer: Option<IpAddr>) -> Result<Admitted, Denial> {
        let now = self.clock.now();
        let Bearer { user, app } = self.bearer(rules, sent, now).await.map_err(Denial::early)?;
        self.admit_unsigned(rules, &app, Some(user), true, peer).await
    }

    /// Step 8 alone, for a caller of this app whose token whoever stands behind has judged, as a session API does.
    ///
    /// # Errors
    /// `missing_signature` where nobody judges later; then as [`Admission::admit_bearer`] for the app.
    pub async fn admit_plain(&self, rules: &RouteRules, app: &str, peer: Option<IpAddr>) -> Result<Admitted, Denial> {
        judged(rules)?;
        self.admit_unsigned(rules, app, None, true, peer).await
    }

    /// The same for a caller that proves nothing yet: a password is judged later. Nothing is recorded before [`Admission::record_proved`].
    ///
    /// # Errors
    /// As [`Admission::admit_plain`].
    pub async fn admit_unproved(&self, rules: &RouteRules, app: &str, peer: Option<IpAddr>) -> Result<Admitted, Denial> {
        judged(rules)?;
        self.admit_unsigned(rules, app, None, false, peer).await
    }

    async fn admit_unsigned(
        &self,
        rules: &RouteRules,
        app: &str,
        user: Option<SignedIn>,
        is_proved: bool,
        peer: Option<IpAddr>,
    ) -> Result<Admitted, Denial> {
        let now = self.clock.now();
        let found = self.store.app(app).await.map_err(|error| Denial::early(unavailable(&error)))?;
        let app = found.filter(|app| app.status == Status::Active);
        let app = app.ok_or_else(|| Denial::early(Refusal::new(Reason::KeyDisabled, "the app of the caller is not active")))?;
        let mut about = About { app: Some(app.name.clone()), ..About::default() };
        let call = self.audit.as_ref().map(|audit| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, audit.digest_key().expose());
            let session = user.as_ref().map(|user| user.session.clone()).unwrap_or_default();
            let mut digest = [0; 32];
            digest.copy_from_slice(hmac::sign(&key, format!("bearer|{session}|{now}").as_bytes()).as_ref());
            let (app, route) = (app.name.clone(), rules.name.clone());
            Arc::new(Call { app, key_id: session, dialect: BEARER.to_owned(), route, digest, proof: Proof::NoText })
        });
        if is_proved {
            about.call = call;
        } else {
            about.later = call;
        }
        let admitted = match self.may(rules, &app, user.as_ref(), peer, now).await {
            Ok(()) => self.recorded(Admitted::of_bearer(app, user), BodyProof::Unchecked, &about).await,
            Err(refusal) => Err(Denial::new(refusal, &about)),
        };
        self.told(admitted).await
    }

    async fn bearer(&self, rules: &RouteRules, sent: BearerSent<'_>, now: Timestamp) -> Result<Bearer, Refusal> {
        let takes = |rule: &UserRule| match sent.by {
            SentBy::Header => rule.takes_bearer,
            SentBy::Cookie(_) => rule.cookie.is_some(),
        };
        let tokens = self.tokens.as_ref().filter(|_| rules.user.as_ref().is_some_and(takes));
        let tokens = tokens.ok_or_else(|| Refusal::new(Reason::TokenMissing, "the route takes no token without a signature"))?;
        tokens.judge_bearer(sent, now).await.map_err(|error| unavailable(&error))?
    }
}

/// That something stands behind which judges who calls.
fn judged(rules: &RouteRules) -> Result<(), Denial> {
    let refusal = || Refusal::new(Reason::MissingSignature, "nothing here judges who calls without a signature");
    if rules.judges_later { Ok(()) } else { Err(Denial::early(refusal())) }
}
