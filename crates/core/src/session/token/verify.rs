//! Verifying an access token: its form, its key, its signature, its claims, its times, in this order.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_protocol::Timestamp;
use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;

use super::TokenFault::{self, Expired, Invalid, Malformed, NotYetValid};
use super::claims::AccessToken;
use super::json::{Json, Members};
use super::{MOST_BYTES, TYPE, TokenRules};
use crate::session::signing::{KeyRing, SigningKey, is_kid};

/// Verifies a token that must be valid now.
///
/// # Errors
/// The first fault in the order form, key, signature, claims, issuer and audience, times.
pub fn verify(token: &str, ring: &KeyRing, rules: &TokenRules, now: Timestamp) -> Result<AccessToken, TokenFault> {
    Unverified::read(token)?.verify(ring, rules, now)
}

/// The same for a token that may be over, for as long as its key verifies: whoever logs out or names a session need not refresh before.
/// Nothing else may be allowed on its word.
///
/// # Errors
/// As [`verify`], but for `Expired`.
pub fn verify_ended(token: &str, ring: &KeyRing, rules: &TokenRules, now: Timestamp) -> Result<AccessToken, TokenFault> {
    Unverified::read(token)?.authentic(ring, rules, now)
}

/// A token whose form is known, and of which nothing is believed.
#[derive(Debug)]
pub(in crate::session) struct Unverified<'t> {
    text: &'t str,
    algorithm: String,
    kid: String,
}

impl<'t> Unverified<'t> {
    /// Reads the form and the header.
    pub(in crate::session) fn read(text: &'t str) -> Result<Self, TokenFault> {
        if text.len() > MOST_BYTES {
            return Err(Malformed("it is longer than 4 KiB"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(Malformed("it has not three parts"));
        };
        if [header, payload, signature].iter().any(|part| part.is_empty()) {
            return Err(Malformed("one of its parts is empty"));
        }
        let [header, ..] = [decode(header)?, decode(payload)?, decode(signature)?];
        let mut members = Members::read(&header).ok_or(Malformed("its header is no JSON object in which each member comes once"))?;
        let mut take = |name| members.take_text(name);
        let (Some(algorithm), Some(kid), Some(typ)) = (take("alg"), take("kid"), take("typ")) else {
            return Err(Malformed("its header has not alg, kid and typ as texts"));
        };
        if !members.is_empty() {
            return Err(Malformed("its header has more than alg, kid and typ"));
        }
        if !is_kid(&kid) {
            return Err(Malformed("its kid is not 1 to 64 letters, digits, underscores and hyphens"));
        }
        if typ != TYPE {
            return Err(Invalid("it is another kind of token"));
        }
        Ok(Self { text, algorithm, kid })
    }

    /// The key that it names.
    pub(in crate::session) fn kid(&self) -> &str {
        &self.kid
    }

    /// Everything else, for a token that must be valid now.
    pub(in crate::session) fn verify(self, ring: &KeyRing, rules: &TokenRules, now: Timestamp) -> Result<AccessToken, TokenFault> {
        let token = self.authentic(ring, rules, now)?;
        // It is over at the second of `exp` (RFC 7519, section 4.1.4).
        if now.minus(rules.skew).millis() >= millis(token.exp) {
            return Err(Expired("exp has passed"));
        }
        Ok(token)
    }

    /// Everything but the end.
    pub(in crate::session) fn authentic(self, ring: &KeyRing, rules: &TokenRules, now: Timestamp) -> Result<AccessToken, TokenFault> {
        let key = ring.verifying(&self.kid, now).ok_or(Invalid("no key of its kid verifies"))?;
        // The key says which algorithm is meant. What the token says is compared, and chooses nothing.
        if self.algorithm != key.algorithm().as_str() {
            return Err(Invalid("its alg is not that of its key"));
        }
        let members = self.signed(key)?;
        let (token, nbf) = AccessToken::read(members).map_err(Malformed)?;
        if token.iss != rules.issuer {
            return Err(Invalid("it is of another issuer"));
        }
        if token.aud != rules.audience {
            return Err(Invalid("it is for another audience"));
        }
        if u128::from(token.exp - token.iat) * 1_000 > rules.max_ttl.as_millis() {
            return Err(Invalid("it lives longer than any token may"));
        }
        // A key that leaks after its time makes no token that is valid later.
        if !key.signs_around(millis(token.iat), rules.skew) {
            return Err(Invalid("its key did not sign at iat"));
        }
        let latest = now.plus(rules.skew).millis();
        if millis(token.iat) > latest || millis(token.auth_time) > latest {
            return Err(NotYetValid("iat or auth_time is in the future"));
        }
        if nbf.is_some_and(|nbf| millis(nbf) > latest) {
            return Err(NotYetValid("nbf is in the future"));
        }
        Ok(token)
    }

    /// What is signed, once the signature held.
    fn signed(&self, key: &SigningKey) -> Result<Members, TokenFault> {
        let mut only = Validation::new(key.algorithm().jwt());
        // The library's own checks of claims read the machine's clock and take lists for texts: ours come behind it.
        only.required_spec_claims.clear();
        (only.validate_exp, only.validate_nbf, only.validate_aud) = (false, false, false);
        match jsonwebtoken::decode::<Json>(self.text, key.decoding(), &only) {
            Ok(read) => match read.claims {
                Json::Object(members) => Ok(members),
                _ => Err(Malformed("its payload is no JSON object")),
            },
            Err(error) => Err(match error.kind() {
                ErrorKind::Json(_) => Malformed("its payload is no JSON object of texts and whole numbers in which each member comes once"),
                _ => Invalid("its signature does not hold"),
            }),
        }
    }
}

/// The one spelling of these bytes: no padding, no whitespace, no bits behind the last one.
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed("a part is not base64url without padding in its one spelling"))
}

/// A time of a token, which is at most 2^53 seconds.
fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000)
}
