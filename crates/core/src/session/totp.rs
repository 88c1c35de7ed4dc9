//! One-time codes of an authenticator app (RFC 6238): SHA-1, 30 seconds, 6 digits, one step of difference either way.

use aws_lc_rs::hmac;
use countersign_protocol::{Secret, Timestamp};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::random::fill;

/// Seconds of a step.
const STEP: i64 = 30;
/// The digits of a code.
const DIGITS: usize = 6;
/// The bytes of a new secret: as many as the digest has (RFC 4226, section 4).
const BYTES: usize = 20;
/// RFC 4648, section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a user's authenticator app and the store both know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpSecret(Secret);

impl TotpSecret {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn random() -> Result<Self, StoreError> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        fill(bytes.as_mut())?;
        Ok(Self(Secret::new(*bytes)))
    }

    /// The one with these bytes, which were sealed in a store; `None` for fewer than 16 or more than 64.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (16..=64).contains(&bytes.len()).then(|| Self(Secret::new(bytes)))
    }

    /// Its bytes. Whoever calls this keeps them out of logs and errors.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The step whose code this is: the current one, the one before or the one after it. All three are computed and compared in any case.
    ///
    /// That a step is used once only is for the store to see to.
    #[must_use]
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let given = Secret::from(code);
        let current = now.seconds() / STEP;
        [current - 1, current, current + 1].into_iter().fold(None, |found, step| if self.code(step) == given { Some(step) } else { found })
    }

    /// What an authenticator app reads to enrol, as text or as a picture of it. It holds the secret.
    ///
    /// The form is that of the `otpauth` key URI, with the values that every app takes as given.
    #[must_use]
    pub fn uri(&self, issuer: &str, user_name: &str) -> Secret {
        let (issuer, secret) = (percent(issuer), self.to_base32());
        let mut uri = format!("otpauth://totp/{issuer}:{}?secret=", percent(user_name)).into_bytes();
        uri.reserve_exact(secret.expose().len() + 64 + issuer.len());
        uri.extend_from_slice(secret.expose());
        uri.extend_from_slice(format!("&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}").as_bytes());
        Secret::new(uri)
    }

    /// The secret for whoever types it into an app: base32 without padding.
    #[must_use]
    pub fn to_base32(&self) -> Secret {
        let mut text = Vec::with_capacity(self.expose().len().div_ceil(5) * 8);
        for chunk in self.expose().chunks(5) {
            let mut bits = [0; 8];
            bits[3..3 + chunk.len()].copy_from_slice(chunk);
            let bits = u64::from_be_bytes(bits);
            let count = (chunk.len() * 8).div_ceil(5);
            text.extend((0..count).map(|i| BASE32[(bits >> (35 - 5 * i)) as usize & 31]));
        }
        Secret::new(text)
    }

    /// RFC 4226, section 5.3.
    fn code(&self, step: i64) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.expose());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag[tag.len() - 1] & 15);
        let number = tag[at..at + 4].iter().fold(0, |number: u32, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
        Secret::new(format!("{:0DIGITS$}", number % 1_000_000))
    }
}

/// RFC 3986, section 2.3: everything but unreserved characters.
fn percent(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the tests of RFC 6238, appendix B, for SHA-1.
    fn rfc() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    /// RFC 6238, appendix B has eight digits; six are their last six.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (time, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(rfc().step_of(&code[2..], at(time)), Some(time / 30), "{time}");
        }
    }

    #[test]
    fn one_step_of_difference_is_allowed_either_way() {
        let code = "287082";
        for (time, step) in [(29, Some(1)), (30, Some(1)), (89, Some(1)), (90, None)] {
            assert_eq!(rfc().step_of(code, at(time)), step, "{time}");
        }
        assert_eq!(rfc().step_of("755224", at(0)), Some(0), "RFC 4226, appendix D, count 0");
    }

    #[test]
    fn what_is_no_code_is_none() {
        for code in ["", "28708", "94287082", "287083", " 287082", "287082 ", "+87082", "２８７０８２"] {
            assert_eq!(rfc().step_of(code, at(59)), None, "{code}");
        }
        assert_eq!(TotpSecret::random().unwrap().step_of("287082", at(59)), None);
    }

    #[test]
    fn an_app_reads_the_address() {
        let uri = rfc().uri("Counter sign", "a@b");
        let expected = "otpauth://totp/Counter%20sign:a%40b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Counter%20sign&algorithm=SHA1&digits=6&period=30";
        assert_eq!(std::str::from_utf8(uri.expose()), Ok(expected));
        for (bytes, text) in [("fooooooooooooooo", "MZXW633PN5XW633PN5XW633PN4"), ("foobarfoobarfoobar", "MZXW6YTBOJTG633CMFZGM33PMJQXE")] {
            assert_eq!(TotpSecret::from_bytes(bytes.as_bytes()).unwrap().to_base32(), text.into());
        }
        assert!(!format!("{:?}", rfc()).contains("12345"));
        assert!(TotpSecret::from_bytes(b"short").is_none());
    }
}
