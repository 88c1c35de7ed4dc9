//! What the service is asked, and what it may answer: two JSON objects.

use bytes::Bytes;
use countersign_core::session::authenticate::Attempt;
use countersign_core::session::user::ExternalUser;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The most bytes that one byte of a text takes in JSON, as `\u0000`.
const LONGEST_ESCAPE: usize = 6;
/// The bytes of everything else.
const FRAME: usize = 64;

/// Whose password is it?
#[derive(Serialize)]
struct Question<'a> {
    username: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    totp: Option<&'a str>,
    app: &'a str,
}

/// Theirs. Further members are left out.
#[derive(Deserialize)]
pub(super) struct Told {
    subject: String,
    username: String,
    display_name: Option<String>,
    scopes: Option<Vec<String>>,
    roles: Option<Vec<String>>,
}

impl From<Told> for ExternalUser {
    fn from(told: Told) -> Self {
        let Told { subject, username, display_name, scopes, roles } = told;
        Self { subject, name: username, display_name, scopes, roles }
    }
}

/// The question in bytes, which are wiped once they were handed to the connection; `None` for a password that is no text.
pub(super) fn question(attempt: &Attempt<'_>) -> Option<Bytes> {
    let password = std::str::from_utf8(attempt.password.expose()).ok()?;
    let question = Question { username: attempt.username, password, totp: attempt.totp, app: attempt.app };
    let texts = [attempt.username, password, attempt.totp.unwrap_or_default(), attempt.app];
    let most = FRAME + texts.iter().map(|text| text.len() * LONGEST_ESCAPE).sum::<usize>();
    // Reserved whole, so that no copy of the password is left behind by a growing buffer.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    serde_json::to_writer(&mut *bytes, &question).ok()?;
    Some(Bytes::from_owner(bytes))
}

#[cfg(test)]
mod tests {
    use countersign_protocol::{Secret, Timestamp};

    use super::*;

    #[test]
    fn the_buffer_never_grows() {
        let password = Secret::new(vec![1; 1_024]);
        let name = "\u{1}".repeat(255);
        let now = Timestamp::from_seconds(0).unwrap();
        let address = "192.0.2.1".parse().unwrap();
        let attempt =
            Attempt { username: &name, password: &password, totp: Some("\u{1}\u{1}"), app: "web", address, is_counted: false, now };
        let texts = 1_024 + 255 + 2 + 3;
        assert!(question(&attempt).unwrap().len() <= FRAME + texts * LONGEST_ESCAPE);
        let no_text = Secret::new(vec![0xff]);
        assert!(question(&Attempt { password: &no_text, ..attempt }).is_none());
    }
}
