//! What a server says of a request that it refused, beside what was signed here.

use std::fmt;

use countersign_protocol::{Dialect, Reason};
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde_json::Value;

/// The most bytes of an answer that is read to learn why.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// What a problem body says (RFC 9457), as far as it can be read. The server wrote it: it is shown, and never trusted.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) reason: Option<Reason>,
    pub(crate) code: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) instance: Option<String>,
    pub(crate) offset_seconds: Option<i64>,
    pub(crate) string_to_sign: Option<String>,
}

/// A refusal: the server's reason, and both strings to sign where the server showed its own. `Debug` and the error's text leave these out.
#[derive(Clone)]
pub struct ServerRefusal {
    status: StatusCode,
    told: Told,
    theirs: Option<String>,
    ours: String,
}

/// The first line in which two strings to sign differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The number of the line, from 1.
    pub line: usize,
    /// The line as it was signed here; `None`: there is none.
    pub ours: Option<String>,
    /// The line as the server has it.
    pub theirs: Option<String>,
}

impl Told {
    /// What an answer says, if it is a problem body.
    pub(crate) fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        if !is_problem(headers) || body.len() > MOST_BYTES {
            return Self::default();
        }
        let Ok(Value::Object(said)) = serde_json::from_slice::<Value>(body) else { return Self::default() };
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        let code =
            text("code").filter(|code| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        Self {
            reason: code.and_then(Reason::from_name),
            code: code.map(str::to_owned),
            hint: text("hint").or_else(|| text("detail")).map(printable),
            instance: text("instance").map(printable),
            offset_seconds: said.get("offset_seconds").and_then(Value::as_i64),
            string_to_sign: text("string_to_sign").map(str::to_owned),
        }
    }
}

/// Whether an answer is a problem body.
pub(crate) fn is_problem(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().is_some_and(|first| first.trim().eq_ignore_ascii_case("application/problem+json"))
}

impl ServerRefusal {
    pub(crate) fn new(dialect: &Dialect, status: StatusCode, headers: &HeaderMap, body: &[u8], signed: &[u8]) -> Self {
        let told = Told::of(headers, body);
        let mut refusal = Self { status, theirs: told.string_to_sign.clone(), ours: String::from_utf8_lossy(signed).into_owned(), told };
        // Where the dialect has a header for it, the server shows the string there, in the form of that header.
        if let (None, Some(shown)) = (&refusal.theirs, dialect.diagnostics(signed))
            && let Some(theirs) = shown.header.and_then(|name| headers.get(name))
        {
            refusal.theirs = Some(String::from_utf8_lossy(theirs.as_bytes()).into_owned());
            refusal.ours = String::from_utf8_lossy(&shown.text).into_owned();
        }
        refusal
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The `code` of the problem body, such as `signature_mismatch`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.told.code.as_deref()
    }

    /// The same, where it is one of ours.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        self.told.reason
    }

    /// What the server says helps.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.told.hint.as_deref()
    }

    /// What the server calls this request, for its operator's log.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.told.instance.as_deref()
    }

    /// By how many seconds the signed time was off, negative: behind.
    #[must_use]
    pub const fn offset_seconds(&self) -> Option<i64> {
        self.told.offset_seconds
    }

    /// The string to sign as it was signed here, secrets masked. It may hold what is private, such as a query.
    #[must_use]
    pub fn our_string_to_sign(&self) -> &str {
        &self.ours
    }

    /// The server's, where it shows it.
    #[must_use]
    pub fn their_string_to_sign(&self) -> Option<&str> {
        self.theirs.as_deref()
    }

    /// Where the two begin to differ. `None` with both there: the strings are one, so it is the secret that differs.
    #[must_use]
    pub fn difference(&self) -> Option<Difference> {
        let theirs = self.theirs.as_deref()?;
        let (mut ours, mut theirs) = (self.ours.split('\n'), theirs.split('\n'));
        for line in 1.. {
            match (ours.next(), theirs.next()) {
                (None, None) => return None,
                (a, b) if a == b => {}
                (a, b) => return Some(Difference { line, ours: a.map(str::to_owned), theirs: b.map(str::to_owned) }),
            }
        }
        None
    }
}

impl fmt::Display for ServerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused: {}", self.status.as_u16())?;
        if let Some(code) = self.code() {
            write!(f, " {code}")?;
        }
        if let Some(hint) = self.hint() {
            write!(f, ": {hint}")?;
        }
        if let Some(offset) = self.offset_seconds() {
            write!(f, "; the signed time is off by {offset} s")?;
        }
        match (&self.theirs, self.difference()) {
            (Some(_), Some(at)) => write!(f, "; the strings to sign differ from line {} on", at.line),
            (Some(_), None) => f.write_str("; the strings to sign are equal, so the secrets differ"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Debug for ServerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerRefusal").field("status", &self.status).field("code", &self.told.code).finish_non_exhaustive()
    }
}

/// A server's text on one line of a log.
fn printable(text: &str) -> String {
    text.chars().take(1_000).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use countersign_protocol::Dialects;

    use super::*;

    fn refusal(id: &str, headers: &[(&'static str, &'static str)], body: &str, signed: &str) -> ServerRefusal {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let dialect = Dialects::builtin().unwrap().get(id).unwrap().clone();
        ServerRefusal::new(&dialect, StatusCode::UNAUTHORIZED, &headers, body.as_bytes(), signed.as_bytes())
    }

    const PROBLEM: (&str, &str) = ("content-type", "application/problem+json; charset=utf-8");

    #[test]
    fn the_first_line_that_differs_is_found() {
        let shown = |theirs: &str| {
            let body = serde_json::json!({ "code": "signature_mismatch", "detail": "look\nthere", "string_to_sign": theirs }).to_string();
            refusal("hmac-sha256", &[PROBLEM], &body, "POST\n/a\nx")
        };
        let at = shown("POST\n/b\nx").difference().unwrap();
        assert_eq!((at.line, at.ours.as_deref(), at.theirs.as_deref()), (2, Some("/a"), Some("/b")));
        assert_eq!(shown("POST\n/a").difference().map(|at| (at.line, at.theirs)), Some((3, None)));
        let equal = shown("POST\n/a\nx");
        assert_eq!(equal.difference(), None);
        assert_eq!(
            equal.to_string(),
            "the server refused: 401 signature_mismatch: look there; the strings to sign are equal, so the secrets differ"
        );
        assert!(!format!("{equal:?}{equal}").contains("POST"));
    }

    #[test]
    fn a_dialects_own_header_is_read_too() {
        let headers = [("x-ca-error-message", "Invalid Signature, Server StringToSign:`GET#b`")];
        let shown = refusal("x-ca", &headers, "", "GET\na");
        assert!(shown.their_string_to_sign().is_some_and(|theirs| theirs.contains("GET#b")), "{shown}");
        assert!(shown.our_string_to_sign().contains("GET#a"), "{}", shown.our_string_to_sign());
    }

    #[test]
    fn what_is_no_problem_tells_nothing() {
        for (headers, body) in [
            (&[("content-type", "application/json")][..], r#"{"code": "too_old"}"#),
            (&[PROBLEM], "[]"),
            (&[PROBLEM], r#"{"code": "Too Old"}"#),
            (&[PROBLEM], r#"{"code": 1}"#),
            (&[PROBLEM], "{"),
        ] {
            assert_eq!(refusal("hmac-sha256", headers, body, "").code(), None, "{body}");
        }
        let other = refusal("hmac-sha256", &[PROBLEM], r#"{"code": "quota_exceeded", "hint": "wait"}"#, "");
        assert_eq!((other.code(), other.reason(), other.hint()), (Some("quota_exceeded"), None, Some("wait")));
    }
}
