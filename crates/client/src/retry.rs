//! When an attempt is followed by another one, signed anew.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header::RETRY_AFTER};

use crate::error::ClientError;

/// How often and how long a request is tried. Each attempt has a signature, a time and a nonce of its own.
///
/// The default: three attempts within 30 seconds, after the statuses 429, 502, 503 and 504 and after connections that failed, for idempotent
/// methods (RFC 9110, section 9.2.2). An attempt whose connection was never made is tried again whatever the method. Waits grow from 100 ms
/// to 10 s, each a random part of that; a `Retry-After` is honoured, and where it asks for more than 10 s the answer is handed back.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    attempts: u32,
    total: Duration,
    first_wait: Duration,
    longest_wait: Duration,
    statuses: Vec<StatusCode>,
    every_method: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            total: Duration::from_secs(30),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(10),
            statuses: vec![
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ],
            every_method: false,
        }
    }
}

impl RetryPolicy {
    /// The same with at most so many attempts, the first one counted; at least one.
    #[must_use]
    pub fn with_attempts(mut self, most: u32) -> Self {
        self.attempts = most.max(1);
        self
    }

    /// The same, beginning no attempt later than this after the first one began.
    #[must_use]
    pub const fn with_total(mut self, most: Duration) -> Self {
        self.total = most;
        self
    }

    /// The same with waits that grow from the one to the other.
    #[must_use]
    pub const fn with_waits(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_wait, self.longest_wait) = (first, longest);
        self
    }

    /// The same after answers of these statuses only.
    #[must_use]
    pub fn with_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// The same for every method: only where the server does nothing twice.
    #[must_use]
    pub const fn for_every_method(mut self) -> Self {
        self.every_method = true;
        self
    }

    /// How long to wait after this answer to the attempt of this number, counted from 1; `None`: it is handed back.
    pub(crate) fn after_answer(&self, step: Step<'_>, status: StatusCode, headers: &HeaderMap) -> Result<Option<Duration>, ClientError> {
        if !self.statuses.contains(&status) || !(self.every_method || is_idempotent(step.method)) {
            return Ok(None);
        }
        let asked = match headers.get(RETRY_AFTER) {
            Some(value) => value.to_str().ok().and_then(|text| parse_retry_after(text, step.now)).unwrap_or_default(),
            None => Duration::ZERO,
        };
        // Coming earlier than asked would only be refused again.
        if asked > self.longest_wait { Ok(None) } else { self.within(step, asked) }
    }

    /// How long to wait after an attempt that got no answer.
    pub(crate) fn after_failure(&self, step: Step<'_>, error: &reqwest::Error) -> Result<Option<Duration>, ClientError> {
        // What no connection carried was not acted on.
        let may = error.is_connect() || (self.every_method || is_idempotent(step.method)) && (error.is_request() || error.is_timeout());
        if may { self.within(step, Duration::ZERO) } else { Ok(None) }
    }

    fn within(&self, step: Step<'_>, asked: Duration) -> Result<Option<Duration>, ClientError> {
        if step.number >= self.attempts {
            return Ok(None);
        }
        let grown = self.first_wait.saturating_mul(1_u32.checked_shl(step.number - 1).unwrap_or(u32::MAX)).min(self.longest_wait);
        let wait = asked.max(random_part(grown)?);
        Ok((step.elapsed.saturating_add(wait) <= self.total).then_some(wait))
    }
}

/// Where in its attempts a request is.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) method: &'a Method,
    /// From 1.
    pub(crate) number: u32,
    /// Since the first attempt began.
    pub(crate) elapsed: Duration,
    pub(crate) now: std::time::SystemTime,
}

const fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE)
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn parse_retry_after(text: &str, now: std::time::SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok().map(|at| at.duration_since(now).unwrap_or_default())
}

/// A random part of this span: callers that failed together do not come back together.
pub(crate) fn random_part(span: Duration) -> Result<Duration, ClientError> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).map_err(|e| ClientError::Source(format!("no randomness: {e}")))?;
    Ok(span.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn step(method: &Method, number: u32, elapsed: u64) -> Step<'_> {
        Step { method, number, elapsed: Duration::from_secs(elapsed), now: SystemTime::UNIX_EPOCH }
    }

    fn wait(policy: &RetryPolicy, step: Step<'_>, status: u16, retry_after: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.extend(retry_after.map(|text| (RETRY_AFTER, text.parse().unwrap())));
        policy.after_answer(step, StatusCode::from_u16(status).unwrap(), &headers).unwrap()
    }

    #[test]
    fn attempts_time_methods_and_statuses_are_bounded() {
        let policy = RetryPolicy::default();
        assert!(wait(&policy, step(&Method::GET, 1, 0), 503, None).is_some());
        assert_eq!(wait(&policy, step(&Method::GET, 3, 0), 503, None), None, "the third was the last");
        assert_eq!(wait(&policy, step(&Method::GET, 1, 31), 503, None), None, "the time is over");
        assert_eq!(wait(&policy, step(&Method::POST, 1, 0), 503, None), None, "it may have been done");
        assert_eq!(wait(&policy, step(&Method::GET, 1, 0), 500, None), None);
        assert!(wait(&policy.for_every_method(), step(&Method::POST, 1, 0), 503, None).is_some());
    }

    #[test]
    fn what_the_server_asks_for_is_kept_within_bounds() {
        let policy = RetryPolicy::default();
        assert!(wait(&policy, step(&Method::GET, 1, 0), 429, Some("4")).unwrap() >= Duration::from_secs(4));
        assert!(wait(&policy, step(&Method::GET, 1, 0), 429, Some("Thu, 01 Jan 1970 00:00:05 GMT")).unwrap() >= Duration::from_secs(5));
        assert_eq!(wait(&policy, step(&Method::GET, 1, 0), 429, Some("11")), None);
        assert_eq!(wait(&policy, step(&Method::GET, 1, 0), 429, Some("18446744073709551615")), None);
        assert_eq!(wait(&policy, step(&Method::GET, 1, 27), 429, Some("4")), None);
        assert!(wait(&policy, step(&Method::GET, 1, 0), 429, Some("soon")).unwrap() <= Duration::from_millis(100));
    }

    #[test]
    fn waits_grow_and_are_random() {
        let policy = RetryPolicy::default().with_attempts(u32::MAX).with_total(Duration::MAX);
        let longest = |number| (0..50).filter_map(|_| wait(&policy, step(&Method::GET, number, 0), 503, None)).max().unwrap();
        assert!(longest(1) <= Duration::from_millis(100) && longest(4) > Duration::from_millis(100));
        assert!(longest(40) <= Duration::from_secs(10));
    }
}
