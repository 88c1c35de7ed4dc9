//! Callers without a signature: an access token alone, where a route takes it. Whoever has the token is the user, so nothing protects it from being used twice.

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use countersign_protocol::{Reason, Refusal, Timestamp};

use super::denial::About;
use super::{Admission, Admitted, BodyProof, Denial, RouteRules, SignedIn, unavailable};
use crate::app::Status;
use crate::audit::{Call, Proof};

/// What stands in the place of a dialect.
pub const BEARER: &str = "bearer";

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
    /// `token_missing` on a route that does not take it, `token_*` and `session_*` for the token, `key_disabled` for its app, then as
    /// [`Admission::admit`] after the replay guard.
    pub async fn admit_bearer(&self, rules: &RouteRules, token: &str, peer: Option<IpAddr>) -> Result<Admitted, Denial> {
        let early = |refusal| Denial::early(refusal);
        let now = self.clock.now();
        let Bearer { user, app } = self.bearer(rules, token, now).await.map_err(early)?;
        let found = self.store.app(&app).await.map_err(|error| early(unavailable(&error)))?;
        let app = found.filter(|app| app.status == Status::Active);
        let app = app.ok_or_else(|| early(Refusal::new(Reason::KeyDisabled, "the app of the token is not active")))?;
        let mut about = About { app: Some(app.name.clone()), ..About::default() };
        about.call = self.audit.as_ref().map(|audit| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, audit.digest_key().expose());
            let mut digest = [0; 32];
            digest.copy_from_slice(hmac::sign(&key, format!("bearer|{}|{now}", user.session).as_bytes()).as_ref());
            let (app, route) = (app.name.clone(), rules.name.clone());
            Arc::new(Call { app, key_id: user.session.clone(), dialect: BEARER.to_owned(), route, digest, proof: Proof::NoText })
        });
        let allowed = self.may(rules, &app, Some(&user), peer, now).await;
        let admitted = match allowed {
            Ok(()) => self.recorded(Admitted::of_bearer(app, user), BodyProof::Unchecked, &about).await,
            Err(refusal) => Err(Denial::new(refusal, &about)),
        };
        self.told(admitted).await
    }

    async fn bearer(&self, rules: &RouteRules, token: &str, now: Timestamp) -> Result<Bearer, Refusal> {
        let takes = rules.user.as_ref().is_some_and(|rule| rule.takes_bearer);
        let tokens = self.tokens.as_ref().filter(|_| takes);
        let tokens = tokens.ok_or_else(|| Refusal::new(Reason::TokenMissing, "the route takes no token without a signature"))?;
        tokens.judge_bearer(token, now).await.map_err(|error| unavailable(&error))?
    }
}
