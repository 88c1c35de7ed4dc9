//! What a login or a refresh gives, and how long it is good for.

use std::time::Duration;

use countersign_protocol::{Credential, KeyMaterial, Secret, Timestamp};
use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::SessionError;
use crate::error::ClientError;
use crate::retry::random_part;

/// The longest life of an access token that is believed.
const MOST_LIFE: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// A token is not refreshed later than so long before its end, where it lives long enough.
const LEAST_LEFT: Duration = Duration::from_secs(60);

/// Both tokens and what goes with them, as the server gives them and the token file keeps them. There is no `Debug`: it is secret.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Grant {
    #[serde(with = "text")]
    pub(super) access_token: Secret,
    token_type: String,
    /// In which the access token rides.
    pub(super) header: String,
    /// For how many seconds the access token holds, from the answer on.
    expires_in: u64,
    /// When it is over by the server's clock; told, and not reckoned with.
    expires_at: i64,
    #[serde(with = "text")]
    pub(super) refresh_token: Secret,
    pub(super) session_id: String,
    session_expires_at: i64,
    pub(super) user: User,
    pub(super) scope: String,
    pub(super) binding: Binding,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session_key: Option<SessionKey>,
    /// Of the caller's own key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Binding {
    App,
    Session,
    Client,
}

#[derive(Clone, Serialize, Deserialize)]
struct SessionKey {
    key_id: String,
    #[serde(with = "text")]
    secret: Secret,
}

/// A grant, and where in its life it is.
pub(super) struct Held {
    pub(super) grant: Grant,
    /// The machine's clock when it came, in milliseconds: only differences of this clock count.
    pub(super) granted_at: i64,
    /// When its life began, by the clock that nobody sets; it can have begun before that.
    began: Duration,
    life: Duration,
    /// At which age it is refreshed.
    due: Duration,
}

/// What may be done with an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Fresh,
    /// It holds, and should be refreshed.
    Due,
    Over,
}

impl Grant {
    /// The grant of an answer to a login.
    pub(super) fn of_answer(body: &[u8]) -> Result<Self, SessionError> {
        // The parser's own text may quote the tokens.
        let grant: Self = serde_json::from_slice(body).map_err(|_| SessionError::Answer { fault: "it is not of the form of one" })?;
        grant.check().map_err(|fault| SessionError::Answer { fault })?;
        Ok(grant)
    }

    /// The grant of an answer to a refresh, which goes on with this session and its key.
    pub(super) fn of_refresh(body: &[u8], before: &Self) -> Result<Self, SessionError> {
        // A refresh gives no key again.
        let grant: Self = serde_json::from_slice(body).map_err(|_| SessionError::Answer { fault: "it is not of the form of one" })?;
        let next = Self { session_key: before.session_key.clone(), key_id: before.key_id.clone(), ..grant };
        next.check().map_err(|fault| SessionError::Answer { fault })?;
        let is_same = (&next.session_id, &next.user.id, next.binding) == (&before.session_id, &before.user.id, before.binding);
        if is_same { Ok(next) } else { Err(SessionError::Answer { fault: "it is of another session" }) }
    }

    /// What must hold of a grant, wherever it comes from.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.token_type != "Signed" || HeaderName::from_bytes(self.header.as_bytes()).is_err() {
            return Err("the token is of a type that is not known here");
        }
        if self.access_token.is_empty() || self.refresh_token.is_empty() || self.session_id.is_empty() {
            return Err("a token or the session's id is missing");
        }
        match self.binding {
            Binding::Session if self.session_key.is_none() => Err("the session's key is missing"),
            Binding::Client if self.key_id.is_none() => Err("the key's id is missing"),
            _ => Ok(()),
        }
    }

    /// The key that signs; `None`: the app's.
    pub(super) fn key(&self, own: Option<&KeyMaterial>) -> Result<Option<Credential>, SessionError> {
        match (self.binding, &self.session_key, &self.key_id) {
            (Binding::App, ..) => Ok(None),
            (Binding::Session, Some(key), _) => Ok(Some(Credential::hmac(key.key_id.as_str(), key.secret.clone()))),
            (Binding::Client, _, Some(key_id)) => match own {
                Some(own) => Ok(Some(Credential::new(key_id.as_str(), own.clone()))),
                None => {
                    Err(SessionError::Key { fault: "the session is bound to a key of the caller's own; give it with `Keeping::with_key`" })
                }
            },
            _ => Err(SessionError::Key { fault: "the session's key is missing; log in again" }),
        }
    }

    fn life(&self) -> Duration {
        Duration::from_secs(self.expires_in).min(MOST_LIFE)
    }
}

impl Held {
    /// A grant that was asked for at this moment of the clock that nobody sets, and at this time of the machine's.
    pub(super) fn new(grant: Grant, asked: Duration, at: Timestamp) -> Result<Self, ClientError> {
        let life = grant.life();
        Ok(Self { granted_at: at.millis(), began: asked, life, due: due(life)?, grant })
    }

    /// A grant of a token file. Its age is the difference of two readings of the machine's clock; where that was set meanwhile, the token is
    /// refreshed too early, or its refusal tells.
    pub(super) fn stored(grant: Grant, granted_at: i64, now: Duration, at: Timestamp) -> Result<Self, ClientError> {
        let age = Duration::from_millis(u64::try_from(at.millis().saturating_sub(granted_at)).unwrap_or(0));
        let whole = grant.life();
        let life = whole.saturating_sub(age);
        Ok(Self { granted_at, began: now, due: due(whole)?.saturating_sub(age), life, grant })
    }

    pub(super) fn stage(&self, now: Duration) -> Stage {
        let age = now.saturating_sub(self.began);
        match age {
            age if age >= self.life => Stage::Over,
            age if age >= self.due => Stage::Due,
            _ => Stage::Fresh,
        }
    }

    pub(super) fn left(&self, now: Duration) -> Duration {
        self.life.saturating_sub(now.saturating_sub(self.began))
    }
}

/// At which age a token of this life is refreshed: at four fifths, a minute before its end at the latest, and up to a twentieth earlier, so that
/// not everybody comes at one time.
fn due(life: Duration) -> Result<Duration, ClientError> {
    let latest = life.saturating_sub(LEAST_LEFT).max(life / 2);
    let at = (life / 5 * 4).min(latest);
    Ok(at.saturating_sub(random_part(life / 20)?))
}

/// A secret as text, wiped where it passes.
mod text {
    use countersign_protocol::Secret;
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(super) fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(secret.expose()).map_err(|_| serde::ser::Error::custom("a token is no text"))?;
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Ok(Secret::new(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"access_token": "at", "token_type": "Signed", "header": "x-access-token", "expires_in": 600, "expires_at": 1,
        "refresh_token": "rt1_canary", "refresh_expires_in": 43200, "session_id": "s", "session_expires_at": 2,
        "user": {"id": "u", "name": "ada"}, "scope": "", "binding": "session", "session_key": {"key_id": "sk_s", "secret": "canary"}}"#;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    fn grant() -> Grant {
        Grant::of_answer(ANSWER.as_bytes()).unwrap()
    }

    #[test]
    fn a_token_is_due_at_four_fifths_and_a_minute_before_its_end() {
        for (life, earliest, latest) in [(600, 450, 480), (3_600, 2_700, 2_880), (200, 130, 140), (100, 45, 50), (0, 0, 0)] {
            for _ in 0..50 {
                let due = due(seconds(life)).unwrap();
                assert!((seconds(earliest)..=seconds(latest)).contains(&due), "{life}: {due:?}");
            }
        }
        assert!((0..50).map(|_| due(seconds(600)).unwrap()).collect::<std::collections::BTreeSet<_>>().len() > 1, "not all at one time");
    }

    #[test]
    fn the_life_of_a_token_is_that_of_the_clock_that_nobody_sets() {
        let held = Held::new(grant(), seconds(1_000), at(50)).unwrap();
        let stages = [1_000, 1_449, 1_481, 1_599, 1_600].map(|now| held.stage(seconds(now)));
        assert_eq!(stages, [Stage::Fresh, Stage::Fresh, Stage::Due, Stage::Due, Stage::Over]);
        assert_eq!((held.left(seconds(1_100)), held.left(seconds(9_000))), (seconds(500), seconds(0)));
        let endless = Grant { expires_in: u64::MAX, ..grant() };
        assert_eq!(Held::new(endless, Duration::MAX, at(0)).unwrap().left(Duration::MAX), MOST_LIFE, "and nothing overflows");
    }

    #[test]
    fn the_age_of_a_stored_token_is_a_difference_of_one_clock_and_never_less_than_none() {
        let stage = |granted: i64, now| Held::stored(grant(), granted * 1_000, seconds(7), at(now)).unwrap().stage(seconds(7));
        assert_eq!([stage(100, 110), stage(100, 590), stage(100, 700)], [Stage::Fresh, Stage::Due, Stage::Over]);
        assert_eq!(stage(50_000, 100), Stage::Fresh, "a clock that was set back: the server's refusal tells");
        let half = Held::stored(grant(), 100_000, seconds(7), at(400)).unwrap();
        assert_eq!(half.left(seconds(7)), seconds(300));
        assert!(Held::stored(grant(), i64::MIN, seconds(7), at(0)).unwrap().stage(seconds(7)) == Stage::Over);
    }

    #[test]
    fn an_answer_that_is_no_grant_of_this_session_is_refused_without_showing_it() {
        let changed = |from: &str, to: &str| ANSWER.replace(from, to);
        for answer in [
            changed("\"Signed\"", "\"Bearer\""),
            changed("x-access-token", "x access token"),
            changed("\"at\"", "\"\""),
            changed("\"session_key\"", "\"other\""),
            changed("\"session\"", "\"client\""),
            changed("\"session\"", "\"none\""),
            changed("600", "-1"),
            "canary".to_owned(),
        ] {
            let error = Grant::of_answer(answer.as_bytes()).err().unwrap();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        let before = grant();
        assert!(Grant::of_refresh(changed("\"session_key\"", "\"none\"").as_bytes(), &before).unwrap().key(None).unwrap().is_some());
        for (from, to) in [("\"s\"", "\"t\""), ("\"u\"", "\"v\"")] {
            assert!(Grant::of_refresh(changed(from, to).as_bytes(), &before).is_err(), "{from}");
        }
    }
}
