//! Keys of sessions, which stand in no store of credentials.

use std::sync::Arc;

use countersign_protocol::{Credential, KeyMaterial, Reason, Refusal, Timestamp};

use super::{SECRET, World, at, options, plain, rules, sign_as};
use crate::admission::{Bearer, BearerSent, SessionKey, SignedIn, TokenJudge, TokenSent};
use crate::app::Terms;
use crate::store::Answer;

/// Knows one key of a session, and of each id that begins with `sk_` that it would be one.
#[derive(Debug)]
struct OneKey;

fn refused<T: Send + 'static>() -> Answer<'static, Result<T, Refusal>> {
    Box::pin(std::future::ready(Ok(Err(Refusal::new(Reason::TokenInvalid, "there are none")))))
}

impl TokenJudge for OneKey {
    fn judge<'a>(&'a self, _: TokenSent<'a>) -> Answer<'a, Result<SignedIn, Refusal>> {
        refused()
    }

    fn judge_bearer<'a>(&'a self, _: BearerSent<'a>, _: Timestamp) -> Answer<'a, Result<Bearer, Refusal>> {
        refused()
    }

    fn session_key<'a>(&'a self, key_id: &'a str) -> Answer<'a, Option<SessionKey>> {
        let key = SessionKey { app: "a".to_owned(), material: KeyMaterial::Hmac(SECRET.into()), created: at(0) };
        Box::pin(std::future::ready(Ok((key_id == "sk_known").then_some(key))))
    }

    fn is_of_a_session(&self, key_id: &str) -> bool {
        key_id.starts_with("sk_")
    }
}

#[tokio::test]
async fn an_unknown_key_of_a_session_asks_the_store_as_often_as_a_known_one() {
    let (mut world, rules) = (World::new(Terms::new(["hmac-sha256"])).await, rules(&["hmac-sha256"]));
    world.admission = world.admission.with_users(Arc::new(OneKey), vec!["hmac-sha256".to_owned()]);
    let mut asked = Vec::new();
    for (key_id, reason) in [("sk_known", Reason::SignatureMismatch), ("sk_unknown", Reason::UnknownKey)] {
        let before = (world.store.finds(), world.store.apps_asked());
        let request = sign_as("hmac-sha256", &Credential::hmac(key_id, "wrong"), plain(), &options("n"));
        assert_eq!(world.refused(&rules, &request).await, reason);
        asked.push((world.store.finds() - before.0, world.store.apps_asked() - before.1));
    }
    assert_eq!(asked, [(0, 1), (0, 1)]);
}
