//! What an answer says about the sender's clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use countersign_protocol::{Reason, Timestamp};
use http::header::{AGE, DATE};
use http::{HeaderMap, StatusCode};

use crate::refused::Told;

type Recognise = dyn Fn(StatusCode, &HeaderMap, &[u8]) -> bool + Send + Sync;

/// When the offset of a server's clock is taken from its answers: after a refusal for the clock's sake, once per request, from its `Date`.
///
/// The offset is kept for that server alone, and only in the client. The default takes offsets of up to a day, over `https` only.
#[derive(Clone)]
pub struct ClockLearning {
    most: Duration,
    plain_http: bool,
    recognise: Option<Arc<Recognise>>,
}

impl Default for ClockLearning {
    fn default() -> Self {
        Self { most: Duration::from_secs(24 * 60 * 60), plain_http: false, recognise: None }
    }
}

impl ClockLearning {
    /// The same for offsets of at most this. What is signed ahead of time could be kept and used then.
    #[must_use]
    pub const fn with_most(mut self, most: Duration) -> Self {
        self.most = most;
        self
    }

    /// The same over plain `http` too, where whoever is on the way can move this clock.
    #[must_use]
    pub const fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// The same for servers with refusals of their own: whether an answer (status, headers, the body where it is at most 64 KiB) is one.
    #[must_use]
    pub fn with_refusals(mut self, is_refusal: impl Fn(StatusCode, &HeaderMap, &[u8]) -> bool + Send + Sync + 'static) -> Self {
        self.recognise = Some(Arc::new(is_refusal));
        self
    }

    pub(crate) const fn most(&self) -> Duration {
        self.most
    }

    /// The server's time, if this is a refusal from which it may be learned.
    pub(crate) fn server_time(
        &self,
        is_https: bool,
        told: &Told,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Timestamp> {
        if !(is_https || self.plain_http) {
            return None;
        }
        let is_ours = matches!(told.reason, Some(Reason::TooOld | Reason::FromTheFuture));
        let is_refusal = is_ours || self.recognise.as_ref().is_some_and(|is_refusal| is_refusal(status, headers, body));
        // An answer from a cache has the date of another time.
        if !is_refusal || headers.contains_key(AGE) {
            return None;
        }
        let mut dates = headers.get_all(DATE).iter();
        let (Some(date), None) = (dates.next(), dates.next()) else { return None };
        let date = httpdate::parse_http_date(date.to_str().ok()?).ok()?;
        Timestamp::from_seconds(i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()?)
    }
}

impl fmt::Debug for ClockLearning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockLearning").field("most", &self.most).field("plain_http", &self.plain_http).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(learning: &ClockLearning, is_https: bool, reason: Option<Reason>, headers: &[(&'static str, &'static str)]) -> Option<i64> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let told = Told { reason, ..Told::default() };
        learning.server_time(is_https, &told, StatusCode::UNAUTHORIZED, &headers, b"body").map(Timestamp::seconds)
    }

    #[test]
    fn only_a_refusal_for_the_clocks_sake_is_believed_and_over_tls_only() {
        const DATED: (&str, &str) = ("date", "Thu, 01 Jan 1970 00:16:40 GMT");
        let (learning, old) = (ClockLearning::default(), Some(Reason::TooOld));
        assert_eq!(learned(&learning, true, old, &[DATED]), Some(1_000));
        assert_eq!(learned(&learning, true, Some(Reason::FromTheFuture), &[DATED]), Some(1_000));
        assert_eq!(learned(&learning, false, old, &[DATED]), None, "plain http");
        assert_eq!(learned(&learning.clone().allow_plain_http(), false, old, &[DATED]), Some(1_000));
        assert_eq!(learned(&learning, true, Some(Reason::SignatureMismatch), &[DATED]), None);
        assert_eq!(learned(&learning, true, None, &[DATED]), None);
        assert_eq!(learned(&learning, true, old, &[DATED, ("age", "3")]), None, "a cache");
        assert_eq!(learned(&learning, true, old, &[DATED, DATED]), None, "two dates");
        assert_eq!(learned(&learning, true, old, &[("date", "yesterday")]), None);
        assert_eq!(learned(&learning, true, old, &[]), None);
    }

    #[test]
    fn the_refusals_of_others_are_recognised_by_a_closure() {
        let theirs = ClockLearning::default().with_refusals(|status, _, body| status == 401 && body == b"body");
        assert_eq!(learned(&theirs, true, None, &[("date", "Thu, 01 Jan 1970 00:16:40 GMT")]), Some(1_000));
    }
}
