//! A guard in memory: fast, bounded, and empty after a restart, which begins a new epoch.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use countersign_protocol::Timestamp;

use super::{Entry, Epoch, Occupancy, Owner, ReplayGuard, ReplayKey, ReplayLimits, Reserve};
use crate::store::Answer;

/// Parts of the memory with a lock each.
const SHARDS: usize = 64;
/// How often at most expired entries are looked for in the whole memory, in milliseconds.
const SWEEP_EVERY: i64 = 1_000;
/// How long an expired entry may stay in a part of the memory that is in use, in milliseconds.
const SHARD_SWEEP_EVERY: i64 = 30_000;

/// Reservations in memory.
pub struct MemoryGuard {
    shards: Vec<Mutex<Shard>>,
    apps: RwLock<HashMap<Arc<str>, Arc<AtomicUsize>>>,
    total: AtomicUsize,
    limits: ReplayLimits,
    epoch: Epoch,
    owners: AtomicU64,
    /// The latest time at which expired entries were forgotten.
    high_water: AtomicI64,
    swept: AtomicI64,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Half, Held, BuildHasherDefault<TakeFirst>>,
    swept: i64,
}

/// 128 bits of the keyed hash: as hard to collide as the whole for whoever has not its key.
type Half = (u64, u64);

struct Held {
    expires_at: i64,
    owner: u64,
    committed: bool,
    count: Arc<AtomicUsize>,
}

impl MemoryGuard {
    /// An empty guard with these limits, whose memory begins with this epoch.
    #[must_use]
    pub fn new(limits: ReplayLimits, epoch: Epoch) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            apps: RwLock::default(),
            total: AtomicUsize::new(0),
            limits,
            epoch,
            owners: AtomicU64::new(0),
            high_water: AtomicI64::new(i64::MIN),
            swept: AtomicI64::new(i64::MIN),
        }
    }

    fn take(&self, entry: &Entry<'_>) -> Reserve {
        if self.epoch.doubts(entry.age, entry.now) {
            return Reserve::Doubted;
        }
        let count = self.count_of(entry.app);
        let first = self.try_take(entry, &count);
        if first == Reserve::Full && self.sweep_all(entry.now) { self.try_take(entry, &count) } else { first }
    }

    fn try_take(&self, entry: &Entry<'_>, count: &Arc<AtomicUsize>) -> Reserve {
        let (shard, half) = place(&entry.key);
        let mut shard = self.shard(shard);
        self.sweep_if_due(&mut shard, entry.now);
        // Under the shard's lock: whatever was forgotten from it is already told by the high-water mark.
        if entry.expires_at.millis() < self.high_water.load(Ordering::Acquire) {
            return Reserve::SteppedBack;
        }
        match shard.entries.entry(half) {
            Slot::Occupied(held) if held.get().expires_at >= entry.now.millis() => Reserve::Seen { committed: held.get().committed },
            Slot::Occupied(mut held) => {
                let owner = self.owners.fetch_add(1, Ordering::Relaxed);
                let held = held.get_mut();
                (held.expires_at, held.owner, held.committed) = (entry.expires_at.millis(), owner, false);
                Reserve::Reserved(Owner(owner))
            }
            Slot::Vacant(slot) => {
                if !self.make_room(count) {
                    return Reserve::Full;
                }
                let owner = self.owners.fetch_add(1, Ordering::Relaxed);
                slot.insert(Held { expires_at: entry.expires_at.millis(), owner, committed: false, count: Arc::clone(count) });
                Reserve::Reserved(Owner(owner))
            }
        }
    }

    fn make_room(&self, count: &AtomicUsize) -> bool {
        if self.total.fetch_add(1, Ordering::Relaxed) >= self.limits.total {
            self.total.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        if count.fetch_add(1, Ordering::Relaxed) >= self.limits.per_app {
            count.fetch_sub(1, Ordering::Relaxed);
            self.total.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        true
    }

    /// The counter of this app. There are no more counters than entries and waiting callers: a sweep drops the unused.
    fn count_of(&self, app: &str) -> Arc<AtomicUsize> {
        if let Some(count) = self.apps.read().unwrap_or_else(PoisonError::into_inner).get(app) {
            return Arc::clone(count);
        }
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(apps.entry(app.into()).or_default())
    }

    fn sweep_all(&self, now: Timestamp) -> bool {
        let (now, before) = (now.millis(), self.swept.load(Ordering::Relaxed));
        if now < before.saturating_add(SWEEP_EVERY)
            || self.swept.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return false;
        }
        for shard in 0..SHARDS {
            self.sweep(&mut self.shard(shard), now);
        }
        let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
        apps.retain(|_, count| Arc::strong_count(count) > 1);
        true
    }

    fn sweep_if_due(&self, shard: &mut Shard, now: Timestamp) {
        if now.millis() >= shard.swept.saturating_add(SHARD_SWEEP_EVERY) {
            self.sweep(shard, now.millis());
        }
    }

    fn sweep(&self, shard: &mut Shard, now: i64) {
        self.high_water.fetch_max(now, Ordering::AcqRel);
        let before = shard.entries.len();
        shard.entries.retain(|_, held| {
            let live = held.expires_at >= now;
            if !live {
                held.count.fetch_sub(1, Ordering::Relaxed);
            }
            live
        });
        self.total.fetch_sub(before - shard.entries.len(), Ordering::Relaxed);
        shard.swept = now;
    }

    fn mark(&self, key: &ReplayKey, owner: Owner) {
        let (shard, half) = place(key);
        if let Some(held) = self.shard(shard).entries.get_mut(&half).filter(|held| held.owner == owner.0) {
            held.committed = true;
        }
    }

    fn forget(&self, key: &ReplayKey, owner: Owner) {
        let (shard, half) = place(key);
        let mut shard = self.shard(shard);
        if let Slot::Occupied(held) = shard.entries.entry(half)
            && held.get().owner == owner.0
            && !held.get().committed
        {
            held.remove().count.fetch_sub(1, Ordering::Relaxed);
            self.total.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        // An entry is put in or taken out at once: a panic elsewhere leaves no half-made one.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplayGuard for MemoryGuard {
    fn reserve<'a>(&'a self, entry: Entry<'a>) -> Answer<'a, Reserve> {
        Box::pin(std::future::ready(Ok(self.take(&entry))))
    }

    fn commit(&self, key: ReplayKey, owner: Owner) -> Answer<'_, ()> {
        self.mark(&key, owner);
        Box::pin(std::future::ready(Ok(())))
    }

    fn release<'a>(&'a self, key: ReplayKey, _: &'a str, owner: Owner) -> Answer<'a, ()> {
        self.forget(&key, owner);
        Box::pin(std::future::ready(Ok(())))
    }

    fn epoch(&self) -> Option<Epoch> {
        Some(self.epoch)
    }

    fn occupancy(&self) -> Answer<'_, Option<Occupancy>> {
        let occupancy = Occupancy { entries: self.total.load(Ordering::Relaxed), most: self.limits.total };
        Box::pin(std::future::ready(Ok(Some(occupancy))))
    }
}

impl fmt::Debug for MemoryGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryGuard").field("entries", &self.total).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

fn place(key: &ReplayKey) -> (usize, Half) {
    let word = |at: usize| key[at..at + 8].iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
    (usize::from(key[31]) % SHARDS, (word(0), word(8)))
}

/// The keys are keyed hashes already: their first word is as good as any hash of them.
#[derive(Default)]
struct TakeFirst(u64);

impl Hasher for TakeFirst {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 ^= word;
    }
}
