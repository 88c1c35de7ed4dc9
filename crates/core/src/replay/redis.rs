//! A guard in Redis or Valkey, shared by every gateway: each step is one script, which runs as a whole.
//!
//! Entries expire by themselves. How many there are is counted exactly, to the second of their expiry; in a cluster each part has its share of
//! the bounds. A server that was flushed, failed over or restarted begins a new epoch, in the same script that would have missed an entry.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use countersign_protocol::Timestamp;
use redis::Script;

use super::{Entry, Epoch, Occupancy, Owner, ReplayGuard, ReplayKey, ReplayLimits, Reserve};
use crate::error::StoreError;
use crate::random::{fill, to_hex};
use crate::redis::RedisLink;
use crate::store::Answer;

static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/begin.lua")));
static RESERVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/reserve.lua")));
static COMMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/commit.lua")));
/// How many entries one part counts; expired ones go with the next reservation.
static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new("return tonumber(redis.call('HGET', KEYS[1], 'n') or '0')"));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/release.lua")));

/// Reservations in Redis or Valkey.
#[derive(Debug)]
pub struct RedisGuard {
    link: Arc<RedisLink>,
    limits: ReplayLimits,
    owners: AtomicU64,
    /// As it was last told.
    epoch: Mutex<Option<Epoch>>,
}

impl RedisGuard {
    /// A guard behind this link. The epoch begins now, as this one, where the server has none. A server that does not answer yet is asked again by each
    /// request; then the epoch that begins is not the first one.
    ///
    /// # Errors
    /// The server may throw keys away; or the operating system has no randomness.
    pub async fn open(link: Arc<RedisLink>, limits: ReplayLimits, epoch: Epoch) -> Result<Self, StoreError> {
        let mut seed = [0; 8];
        fill(&mut seed)?;
        // Two processes begin their owners at random places and never meet.
        let guard = Self { link, limits, owners: AtomicU64::new(u64::from_le_bytes(seed)), epoch: Mutex::default() };
        for shard in 0..guard.link.shards() {
            match guard.begin(shard, epoch).await {
                Ok(()) => {}
                Err(error @ StoreError::Invalid { .. }) => return Err(error),
                Err(error) => tracing::warn!(%error, "the replay guard is not there yet"),
            }
        }
        Ok(guard)
    }

    async fn begin(&self, shard: u8, epoch: Epoch) -> Result<(), StoreError> {
        let memory = self.key(shard, "memory");
        let (now, first) = (epoch.started().millis(), u8::from(epoch.first));
        let script = |process: &str| {
            let mut script = BEGIN.key(&memory);
            script.arg(now).arg(first).arg(process);
            script
        };
        let (started, first): (i64, u8) = self.link.invoke(script).await?;
        self.note(started, first == 1);
        Ok(())
    }

    /// A key of one part: what stands in braces decides on which node of a cluster it lies.
    fn key(&self, shard: u8, name: &str) -> String {
        format!("{}:{{{shard}}}:{name}", self.link.options().prefix)
    }

    fn shard(&self, key: &ReplayKey) -> u8 {
        key[31] % self.link.shards()
    }

    fn entry(&self, key: &ReplayKey) -> String {
        // 128 bits of the keyed hash: as hard to collide as the whole for whoever has not its key.
        self.key(self.shard(key), &format!("e:{}", to_hex(&key[..16])))
    }

    fn counts(&self, key: &ReplayKey, app: &str) -> [String; 2] {
        [self.key(self.shard(key), "counts"), self.key(self.shard(key), &format!("counts:{app}"))]
    }

    /// The share of a bound that one part has.
    fn share(&self, most: usize) -> usize {
        most.div_ceil(self.link.shards().into())
    }

    fn note(&self, started: i64, first: bool) {
        let Some(started) = Timestamp::from_millis(started) else { return };
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = Some(Epoch { started, first });
    }

    async fn take(&self, entry: Entry<'_>) -> Result<Reserve, StoreError> {
        let owner = self.owners.fetch_add(1, Ordering::Relaxed);
        let (memory, held) = (self.key(self.shard(&entry.key), "memory"), self.entry(&entry.key));
        let [all, own] = self.counts(&entry.key, entry.app);
        let options = self.link.options();
        let script = |process: &str| {
            let mut script = RESERVE.key(&memory);
            script.key(&held).key(&all).key(&own);
            script.arg(entry.now.millis()).arg(entry.expires_at.millis()).arg(owner).arg(entry.app);
            script.arg(entry.age.signed.map(|at| at.millis().to_string()).unwrap_or_default());
            script.arg(entry.age.credential.millis()).arg(millis(entry.age.span));
            script.arg(self.share(self.limits.total)).arg(self.share(self.limits.per_app));
            script.arg(millis(options.skew)).arg(u8::from(options.compares_clocks)).arg(process).arg(millis(entry.age.ahead));
            script
        };
        let (what, started, first): (String, i64, u8) = self.link.invoke(script).await?;
        if what != "clock" {
            self.note(started, first == 1);
        }
        match what.as_str() {
            "reserved" => Ok(Reserve::Reserved(Owner(owner))),
            "seen" => Ok(Reserve::Seen { committed: false }),
            "committed" => Ok(Reserve::Seen { committed: true }),
            "doubted" => Ok(Reserve::Doubted),
            "full" => Ok(Reserve::Full),
            "stepped-back" => Ok(Reserve::SteppedBack),
            "clock" => Err(StoreError::Unavailable("the clock of this machine and that of redis differ too much".to_owned())),
            _ => Err(StoreError::Unavailable("redis gave an answer that is none".to_owned())),
        }
    }
}

impl RedisGuard {
    async fn count(&self) -> Result<usize, StoreError> {
        let mut entries = 0;
        for shard in 0..self.link.shards() {
            let counts = self.key(shard, "counts");
            let script = |_: &str| COUNT.key(&counts);
            let counted: usize = self.link.invoke(script).await?;
            entries += counted;
        }
        Ok(entries)
    }
}

impl ReplayGuard for RedisGuard {
    fn reserve<'a>(&'a self, entry: Entry<'a>) -> Answer<'a, Reserve> {
        Box::pin(self.take(entry))
    }

    fn commit(&self, entry: ReplayKey, owner: Owner) -> Answer<'_, ()> {
        let held = self.entry(&entry);
        Box::pin(async move {
            let script = |_: &str| {
                let mut script = COMMIT.key(&held);
                script.arg(owner.0);
                script
            };
            let _done: u8 = self.link.invoke(script).await?;
            Ok(())
        })
    }

    fn release<'a>(&'a self, entry: ReplayKey, app: &'a str, owner: Owner) -> Answer<'a, ()> {
        let (held, [all, own]) = (self.entry(&entry), self.counts(&entry, app));
        Box::pin(async move {
            let script = |_: &str| {
                let mut script = RELEASE.key(&held);
                script.key(&all).key(&own).arg(owner.0);
                script
            };
            let _done: u8 = self.link.invoke(script).await?;
            Ok(())
        })
    }

    fn epoch(&self) -> Option<Epoch> {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn occupancy(&self) -> Answer<'_, Option<Occupancy>> {
        Box::pin(async move { Ok(Some(Occupancy { entries: self.count().await?, most: self.limits.total })) })
    }
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
