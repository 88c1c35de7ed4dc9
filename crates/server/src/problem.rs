//! The one table from a reason to what the peer sees: status, challenge, RFC 9457 problem body; and to the log's level.

use std::time::Duration;

use bytes::Bytes;
use countersign_protocol::{Language, Reason, Timestamp};
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use tracing::Level;

/// What the `type` of a problem body begins with; the reason's public name follows. It names the reason's page, and never changes.
pub const TYPE_PREFIX: &str = "urn:countersign:reason:";

/// What a reason means on the wire and in the log.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The exact reason; the peer sees [`Reason::public`] of it.
    pub reason: Reason,
    /// The status of the answer.
    pub status: StatusCode,
    /// A short English title, the same for every occurrence (RFC 9457, section 3.1.3).
    pub title: &'static str,
    /// At which level the access log tells it.
    pub level: Level,
    /// What the answer says besides the code.
    pub tells: Tells,
}

/// What an answer tells the peer beyond code and hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// Nothing more.
    Nothing,
    /// `WWW-Authenticate`, which every 401 carries (RFC 9110, section 15.5.2).
    Challenge,
    /// The challenge, the server's time and by how much the signed time is off.
    Clock,
    /// `Retry-After`, in seconds, where nothing longer is known.
    Retry(u32),
}

const fn row(reason: Reason, status: StatusCode, title: &'static str, level: Level, tells: Tells) -> Row {
    Row { reason, status, title, level, tells }
}

/// One row for each reason.
///
/// 400: the bytes cannot be understood, or in more than one way. 401: who is calling is not proved. 403: proved, and
/// not allowed. 409: proved, and seen before. 413, 431, 429: more than the server takes. 5xx: not the caller's fault.
pub const TABLE: &[Row] = {
    use Tells::{Challenge, Clock, Nothing, Retry};
    &[
        row(Reason::HeadTooLarge, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request head too large", Level::INFO, Nothing),
        row(Reason::MalformedRequest, StatusCode::BAD_REQUEST, "Malformed request", Level::INFO, Nothing),
        row(Reason::RateLimited, StatusCode::TOO_MANY_REQUESTS, "Too many requests", Level::INFO, Retry(1)),
        row(Reason::MissingSignature, StatusCode::UNAUTHORIZED, "Signature missing", Level::INFO, Challenge),
        row(Reason::MalformedClaim, StatusCode::BAD_REQUEST, "Malformed signature parameters", Level::INFO, Nothing),
        row(Reason::AmbiguousClaim, StatusCode::BAD_REQUEST, "More than one signature protocol", Level::WARN, Nothing),
        row(Reason::InsecureTransport, StatusCode::FORBIDDEN, "Secure transport required", Level::WARN, Nothing),
        row(Reason::TooOld, StatusCode::UNAUTHORIZED, "Signed time too old", Level::INFO, Clock),
        row(Reason::FromTheFuture, StatusCode::UNAUTHORIZED, "Signed time ahead of the server's", Level::INFO, Clock),
        row(Reason::UnknownKey, StatusCode::UNAUTHORIZED, "Signature mismatch", Level::WARN, Challenge),
        row(Reason::SignatureMismatch, StatusCode::UNAUTHORIZED, "Signature mismatch", Level::WARN, Challenge),
        row(Reason::KeyDisabled, StatusCode::UNAUTHORIZED, "Credential disabled", Level::WARN, Challenge),
        row(Reason::KeyExpired, StatusCode::UNAUTHORIZED, "Credential expired", Level::INFO, Challenge),
        row(Reason::KeyNotYetValid, StatusCode::UNAUTHORIZED, "Credential not yet valid", Level::INFO, Challenge),
        row(Reason::DialectNotAllowed, StatusCode::FORBIDDEN, "Signing protocol not allowed", Level::WARN, Nothing),
        row(Reason::VersionNotAllowed, StatusCode::FORBIDDEN, "Protocol version not allowed", Level::WARN, Nothing),
        row(Reason::AlgorithmNotAllowed, StatusCode::FORBIDDEN, "Algorithm not allowed", Level::WARN, Nothing),
        row(Reason::AmbiguousRequest, StatusCode::BAD_REQUEST, "Ambiguous request", Level::WARN, Nothing),
        row(Reason::RequiredPartUnsigned, StatusCode::FORBIDDEN, "Required part unsigned", Level::WARN, Nothing),
        row(Reason::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE, "Body too large", Level::INFO, Nothing),
        row(Reason::BodyDigestMismatch, StatusCode::BAD_REQUEST, "Body digest mismatch", Level::WARN, Nothing),
        row(Reason::Replayed, StatusCode::CONFLICT, "Request seen before", Level::WARN, Nothing),
        row(Reason::StoreUnavailable, StatusCode::SERVICE_UNAVAILABLE, "Store unavailable", Level::ERROR, Retry(1)),
        row(Reason::StoreRecovering, StatusCode::SERVICE_UNAVAILABLE, "Store recovering", Level::WARN, Retry(1)),
        row(Reason::TokenMissing, StatusCode::UNAUTHORIZED, "Access token missing", Level::INFO, Challenge),
        row(Reason::TokenNotSigned, StatusCode::UNAUTHORIZED, "Access token not signed", Level::WARN, Challenge),
        row(Reason::TokenMalformed, StatusCode::UNAUTHORIZED, "Malformed access token", Level::WARN, Challenge),
        row(Reason::TokenInvalid, StatusCode::UNAUTHORIZED, "Invalid access token", Level::WARN, Challenge),
        row(Reason::TokenExpired, StatusCode::UNAUTHORIZED, "Access token expired", Level::INFO, Challenge),
        row(Reason::TokenNotYetValid, StatusCode::UNAUTHORIZED, "Access token not yet valid", Level::WARN, Clock),
        row(Reason::TokenBindingMismatch, StatusCode::UNAUTHORIZED, "Access token of another key", Level::WARN, Challenge),
        row(Reason::CrossSiteRequest, StatusCode::FORBIDDEN, "Request of another site", Level::WARN, Nothing),
        row(Reason::SessionRevoked, StatusCode::UNAUTHORIZED, "Session ended", Level::INFO, Challenge),
        row(Reason::SessionExpired, StatusCode::UNAUTHORIZED, "Session over", Level::INFO, Challenge),
        row(Reason::LoginTooOld, StatusCode::UNAUTHORIZED, "More recent login required", Level::INFO, Challenge),
        row(Reason::InvalidCredentials, StatusCode::UNAUTHORIZED, "Login refused", Level::INFO, Challenge),
        row(Reason::InvalidGrant, StatusCode::UNAUTHORIZED, "Refresh refused", Level::WARN, Challenge),
        row(Reason::InvalidRequest, StatusCode::BAD_REQUEST, "Invalid request", Level::INFO, Nothing),
        row(Reason::InsufficientScope, StatusCode::FORBIDDEN, "Insufficient scope", Level::INFO, Nothing),
        row(Reason::AddressNotAllowed, StatusCode::FORBIDDEN, "Address not allowed", Level::WARN, Nothing),
        row(Reason::EnvelopeInvalid, StatusCode::BAD_REQUEST, "Encrypted body not opened", Level::WARN, Nothing),
        row(Reason::NoRoute, StatusCode::NOT_FOUND, "No route", Level::INFO, Nothing),
        row(Reason::Overloaded, StatusCode::SERVICE_UNAVAILABLE, "Overloaded", Level::WARN, Retry(1)),
        row(Reason::UpstreamUnavailable, StatusCode::BAD_GATEWAY, "Upstream unavailable", Level::ERROR, Nothing),
        row(Reason::UpstreamTimeout, StatusCode::GATEWAY_TIMEOUT, "Upstream timeout", Level::ERROR, Nothing),
        row(Reason::NotFound, StatusCode::NOT_FOUND, "Not found", Level::INFO, Nothing),
        row(Reason::Internal, StatusCode::INTERNAL_SERVER_ERROR, "Internal error", Level::ERROR, Nothing),
    ]
};

const INTERNAL: Row = row(Reason::Internal, StatusCode::INTERNAL_SERVER_ERROR, "Internal error", Level::ERROR, Tells::Nothing);

impl Row {
    /// The row of this reason.
    #[must_use]
    pub fn of(reason: Reason) -> &'static Self {
        TABLE.iter().find(|row| row.reason == reason).unwrap_or(&INTERNAL)
    }
}

/// One refusal, ready to be written as an answer.
#[derive(Debug, Clone)]
pub struct Problem {
    reason: Reason,
    clock: Option<(Timestamp, Option<i64>)>,
    string_to_sign: Option<Vec<u8>>,
    likely_cause: Option<String>,
    retry_after: Option<u32>,
}

impl Problem {
    /// A refusal with this exact reason.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason, clock: None, string_to_sign: None, likely_cause: None, retry_after: None }
    }

    /// The same with the server's time and by how many milliseconds the signed time differs from it (negative: behind),
    /// where that is known. Told for clock reasons only, in seconds.
    #[must_use]
    pub const fn with_clock(mut self, server: Timestamp, offset_millis: Option<i64>) -> Self {
        self.clock = Some((server, offset_millis));
        self
    }

    /// The same with the server's string to sign, secrets masked, for a credential that opted into diagnostics.
    #[must_use]
    pub fn with_string_to_sign(mut self, masked: Vec<u8>) -> Self {
        self.string_to_sign = Some(masked);
        self
    }

    /// The same with the likely mistake behind a signature that does not match, under the same condition.
    #[must_use]
    pub fn with_likely_cause(mut self, sentence: impl Into<String>) -> Self {
        self.likely_cause = Some(sentence.into());
        self
    }

    /// The same with how long it is worth waiting, for reasons that tell it: in whole seconds, rounded up, and never less than the row says.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
        self.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// The exact reason, for the log.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The answer: `application/problem+json`, with the hint in the language that the peer prefers.
    #[must_use]
    pub fn answer(&self, language: Language, request_id: &str) -> Response<Bytes> {
        let row = Row::of(self.reason);
        let body = self.body(row, language, request_id).to_string();
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = row.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language_tag(language)));
        match row.tells {
            Tells::Challenge | Tells::Clock => {
                let challenge = format!("Countersign error=\"{}\"", self.reason.public());
                headers.extend(HeaderValue::try_from(challenge).ok().map(|value| (WWW_AUTHENTICATE, value)));
            }
            Tells::Retry(seconds) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after.unwrap_or_default().max(seconds)));
            }
            Tells::Nothing => {}
        }
        answer
    }

    fn body(&self, row: &Row, language: Language, request_id: &str) -> serde_json::Value {
        let code = self.reason.public();
        let mut body = serde_json::json!({
            "type": format!("{TYPE_PREFIX}{code}"),
            "title": row.title,
            "status": row.status.as_u16(),
            "code": code.as_str(),
            "detail": code.hint(language),
            "instance": instance(request_id),
        });
        if let (Tells::Clock, Some((server, offset))) = (row.tells, self.clock) {
            body["server_time"] = server.to_string().into();
            body["offset_seconds"] = offset.map(|millis| millis / 1_000).into();
        }
        if let Some(text) = &self.string_to_sign {
            body["string_to_sign"] = String::from_utf8_lossy(text).into_owned().into();
        }
        if let Some(sentence) = &self.likely_cause {
            body["likely_cause"] = sentence.as_str().into();
        }
        body
    }
}

/// A URN of the request's id. One that a proxy gave need not be a UUID.
fn instance(request_id: &str) -> String {
    let is_uuid = uuid::Uuid::parse_str(request_id).is_ok_and(|uuid| uuid.hyphenated().to_string() == request_id);
    format!("urn:{}:{request_id}", if is_uuid { "uuid" } else { "countersign:request" })
}

const fn language_tag(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::Chinese => "zh",
    }
}

/// The language that `Accept-Language` prefers among those in which hints are written; English when it names neither.
#[must_use]
pub fn preferred_language(accept: &[u8]) -> Language {
    let Ok(accept) = std::str::from_utf8(accept) else { return Language::English };
    let weight = |primary: &str| {
        let wanted = |range: &&str| range.split(';').next().is_some_and(|tag| is_primary(tag.trim(), primary));
        accept.split(',').filter(wanted).map(quality).fold(None, |best: Option<f32>, q| Some(best.map_or(q, |b| b.max(q))))
    };
    match (weight("zh"), weight("en")) {
        (Some(zh), en) if zh > 0.0 && zh > en.unwrap_or(0.0) => Language::Chinese,
        (Some(zh), Some(en)) if zh > 0.0 && zh >= en && accept.find("zh") < accept.find("en") => Language::Chinese,
        _ => Language::English,
    }
}

fn is_primary(tag: &str, primary: &str) -> bool {
    tag.split('-').next().is_some_and(|first| first.eq_ignore_ascii_case(primary))
}

/// The `q` of a language range: 1 when there is none, 0 when it cannot be read (RFC 9110, section 12.4.2).
fn quality(range: &str) -> f32 {
    let q = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    q.map_or(1.0, |text| text.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_row() {
        for reason in Reason::ALL {
            assert_eq!(TABLE.iter().filter(|row| row.reason == *reason).count(), 1, "{reason}");
        }
        assert_eq!(TABLE.len(), Reason::ALL.len());
    }

    #[test]
    fn every_401_challenges_and_nothing_else_does() {
        for row in TABLE {
            let answer = Problem::new(row.reason).answer(Language::English, "0");
            let challenged = answer.headers().contains_key(WWW_AUTHENTICATE);
            assert_eq!(challenged, answer.status() == StatusCode::UNAUTHORIZED, "{}", row.reason);
            let retries = answer.headers().contains_key(RETRY_AFTER);
            assert_eq!(retries, matches!(answer.status().as_u16(), 429 | 503), "{}", row.reason);
        }
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_rounded_up() {
        let told = |reason, millis| {
            let answer = Problem::new(reason).with_retry_after(Duration::from_millis(millis)).answer(Language::English, "0");
            answer.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned())
        };
        for (millis, wanted) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (59_500, "60")] {
            assert_eq!(told(Reason::RateLimited, millis).as_deref(), Some(wanted), "{millis}");
        }
        assert_eq!(told(Reason::InvalidCredentials, 5_000), None);
    }

    #[test]
    fn an_unknown_key_answers_as_a_wrong_signature_does() {
        let shown = |reason| {
            let answer = Problem::new(reason).answer(Language::English, "0");
            (answer.status(), answer.headers().clone(), answer.into_body())
        };
        assert_eq!(shown(Reason::UnknownKey), shown(Reason::SignatureMismatch));
    }

    #[test]
    fn the_clock_is_told_for_clock_reasons_only() {
        let now = Timestamp::from_seconds(1_700_000_000).unwrap();
        let told = |reason| {
            String::from_utf8(Problem::new(reason).with_clock(now, Some(-400_000)).answer(Language::English, "0").into_body().to_vec())
                .unwrap()
        };
        assert!(told(Reason::TooOld).contains("\"server_time\":\"2023-11-14T22:13:20Z\",\"offset_seconds\":-400"));
        assert!(!told(Reason::SignatureMismatch).contains("server_time"));
    }

    #[test]
    fn an_instance_is_a_urn_whatever_a_proxy_calls_the_request() {
        assert_eq!(instance("0197b3f0-0000-7000-8000-000000000000"), "urn:uuid:0197b3f0-0000-7000-8000-000000000000");
        assert_eq!(instance("edge-7f"), "urn:countersign:request:edge-7f");
    }

    #[test]
    fn hints_follow_accept_language() {
        for chinese in ["zh", "zh-CN,en;q=0.8", "en;q=0.5, zh-Hans;q=0.9", "ZH-tw", "fr, zh;q=0.1", "zh,en"] {
            assert_eq!(preferred_language(chinese.as_bytes()), Language::Chinese, "{chinese}");
        }
        for english in ["", "en", "en,zh", "en;q=0.9,zh;q=0.5", "fr", "*", "zh;q=0", "zh;q=x", "\u{ff}", "zhx"] {
            assert_eq!(preferred_language(english.as_bytes()), Language::English, "{english}");
        }
    }
}
