//! Counts in Redis or Valkey: the rate holds over all gateways together.

use std::sync::{Arc, LazyLock};

use countersign_protocol::Timestamp;
use redis::Script;

use super::{MemoryLimiter, Rate, RateLimiter};
use crate::redis::RedisLink;
use crate::store::Answer;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

/// A limiter that every gateway shares. While the server does not answer, this process counts by itself.
#[derive(Debug)]
pub struct RedisLimiter {
    link: Arc<RedisLink>,
    alone: MemoryLimiter,
}

impl RedisLimiter {
    /// A limiter behind this link.
    #[must_use]
    pub fn new(link: Arc<RedisLink>) -> Self {
        Self { link, alone: MemoryLimiter::new() }
    }
}

impl RateLimiter for RedisLimiter {
    fn takes<'a>(&'a self, app: &'a str, rate: Rate, now: Timestamp) -> Answer<'a, bool> {
        let bucket = format!("{}:rate:{app}", self.link.options().prefix);
        Box::pin(async move {
            let script = |_: &str| {
                let mut script = TAKE.key(&bucket);
                script.arg(rate.between()).arg(rate.ahead());
                script
            };
            let taken: Result<u8, _> = self.link.invoke(script).await;
            Ok(taken.map_or_else(|_| self.alone.takes_now(app, rate, now), |taken| taken == 1))
        })
    }
}
