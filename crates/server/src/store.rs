//! Opening the stores: the embedded ones as files in one folder, or those that several gateways share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign_core::admission::Admission;
use countersign_core::audit::Audit;
use countersign_core::clock::Clock;
use countersign_core::error::StoreError;
use countersign_core::limit::RateLimiter;
use countersign_core::master_key::MasterKey;
use countersign_core::replay::{Epoch, MemoryGuard, ReplayGuard, ReplayLimits, SqliteGuard};
use countersign_core::session::authenticate::{Authenticator, PasswordAuthenticator};
use countersign_core::session::password::Passwords;
use countersign_core::session::signing::SigningKeyStore;
use countersign_core::session::throttle::{Throttle, ThrottleStore};
use countersign_core::session::user::UserStore;
use countersign_core::session::{Parties, SessionStores, Sessions};
use countersign_core::store::{CacheLimits, CachedStore, CredentialStore, SqliteStore};
use countersign_protocol::{Dialects, Secret};

use crate::session::callback::{CallbackAuthenticator, CallbackFault};
use crate::session::{SessionDesk, SessionSettings};

#[cfg(feature = "postgres")]
use countersign_core::store::{PostgresOptions, PostgresStore};
#[cfg(feature = "redis")]
use countersign_core::{
    limit::RedisLimiter,
    redis::{RedisLink, RedisOptions},
    replay::RedisGuard,
};

/// How often at most a shared store is asked for changes, which it is told as they happen.
#[cfg(feature = "postgres")]
const ASK_SHARED: Duration = Duration::from_millis(50);

/// The files of the embedded store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFiles {
    /// Apps and credentials; other processes may open it too.
    pub store: PathBuf,
    /// What was seen, for as long as it could be accepted again; one process at a time.
    pub replay: PathBuf,
    /// The key under which secrets are sealed.
    pub master_key: PathBuf,
}

/// Where replay entries are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// In a file of this gateway.
    Embedded,
    /// In its memory: after a restart, older requests are refused for one window.
    Memory,
    /// In the Redis that every gateway shares.
    Redis,
}

/// Where everything is kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stores {
    /// The files; those of the master key and of what is not shared are used.
    pub files: StoreFiles,
    /// The URL of the PostgreSQL with apps and credentials; the embedded file when absent.
    pub postgres: Option<Secret>,
    /// The URL of a Redis, or of several nodes of a cluster.
    pub redis: Vec<Secret>,
    /// Where replay entries are kept.
    pub replay: Replay,
    /// How many.
    pub limits: ReplayLimits,
    /// How long an answer of PostgreSQL may take.
    pub postgres_timeout: Duration,
    /// How long an answer of Redis may take.
    pub redis_timeout: Duration,
    /// How long cached credentials may be used after the store last answered.
    pub stale: Duration,
    /// How far the clocks of the gateways may differ, where they share replay entries.
    pub clock_skew: Duration,
}

impl StoreFiles {
    /// The files of this names in a data folder.
    #[must_use]
    pub fn within(data: &Path) -> Self {
        Self { store: data.join("countersign.db"), replay: data.join("replay.db"), master_key: data.join("master.key") }
    }
}

impl StoreFiles {
    /// Beside the replay entries: how long they are kept, for each dialect.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.replay.with_extension("kept")
    }
}

/// An opened store of credentials.
#[derive(Debug)]
pub enum Credentials {
    /// The embedded file.
    Embedded(SqliteStore),
    /// The database that several gateways share.
    #[cfg(feature = "postgres")]
    Shared(PostgresStore),
}

impl Stores {
    /// The embedded stores in this folder.
    #[must_use]
    pub fn within(data: &Path) -> Self {
        Self {
            files: StoreFiles::within(data),
            postgres: None,
            redis: Vec::new(),
            replay: Replay::Embedded,
            limits: ReplayLimits::default(),
            postgres_timeout: Duration::from_secs(2),
            redis_timeout: Duration::from_millis(500),
            stale: CacheLimits::default().found_for,
            clock_skew: Duration::from_secs(60),
        }
    }

    /// What is legal and weak about them.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.postgres.is_some() && self.replay != Replay::Redis {
            warnings
                .push("store: apps are shared and replay entries are not: another gateway would accept what this one has seen".to_owned());
        }
        if self.replay == Replay::Memory {
            warnings
                .push("store: replay entries are in memory: after each start, what may have been signed before it is refused".to_owned());
        }
        warnings
    }

    /// Opens the store of credentials, or creates it.
    ///
    /// # Errors
    /// It cannot be opened, is readable by others, or belongs to another master key.
    pub async fn credentials(&self) -> Result<Credentials, StoreError> {
        create_folder(&self.files.master_key)?;
        let key = Arc::new(MasterKey::open_or_create(&self.files.master_key)?);
        match &self.postgres {
            None => {
                create_folder(&self.files.store)?;
                SqliteStore::open(&self.files.store, key).map(Credentials::Embedded)
            }
            #[cfg(feature = "postgres")]
            Some(url) => {
                let options = PostgresOptions { timeout: self.postgres_timeout, ..PostgresOptions::default() };
                PostgresStore::open(text(url, "postgres")?, key, options).await.map(Credentials::Shared)
            }
            #[cfg(not(feature = "postgres"))]
            Some(_) => Err(left_out("postgres")),
        }
    }

    /// Begins the memory of the replay guard, where no credential was registered yet: those that come are then as young as it, and nobody
    /// waits at the first start.
    ///
    /// # Errors
    /// It cannot be opened. A Redis that does not answer is no error: then the first start begins its memory.
    pub async fn begin_replay(&self, credentials: &Credentials, clock: &dyn Clock) -> Result<(), StoreError> {
        let begun = match self.replay {
            // A gateway may hold the file.
            Replay::Embedded => self.files.replay.exists(),
            Replay::Memory => true,
            Replay::Redis => false,
        };
        if !begun && credentials.as_dyn().is_empty().await? {
            self.guard(Epoch::begin(clock.now(), true)).await?;
        }
        Ok(())
    }

    /// Opens everything and gives the admissions over it.
    ///
    /// # Errors
    /// A store cannot be opened. A Redis that does not answer yet is no error: until it does, nothing is admitted that needs it.
    pub async fn open(&self, dialects: &Dialects, clock: Arc<dyn Clock>) -> Result<Admission, StoreError> {
        let credentials = self.credentials().await?;
        let replay_key = credentials.replay_key().clone();
        let epoch = Epoch::begin(clock.now(), credentials.as_dyn().is_empty().await?);
        let (guard, limiter) = self.guard(epoch).await?;
        let admission = Admission::new(credentials.cached(self.stale), guard, clock, &replay_key).knowing(dialects);
        // A guard in memory begins anew with each process, and so does what is known of it.
        let admission = if self.replay == Replay::Memory { admission } else { admission.recorded_in(&self.files.kept())? };
        Ok(match limiter {
            Some(limiter) => admission.limited_by(limiter),
            None => admission,
        })
    }

    /// The desk at which users log in, over the store of credentials, which keeps users and sessions too.
    ///
    /// # Errors
    /// The store cannot be opened, or the login service cannot be asked.
    pub async fn sessions(
        &self,
        settings: SessionSettings,
        clock: Arc<dyn Clock>,
        audit: Option<&Audit>,
    ) -> Result<SessionDesk, StoreError> {
        match self.credentials().await? {
            Credentials::Embedded(store) => desk(Arc::new(store), settings, clock, audit).await,
            #[cfg(feature = "postgres")]
            Credentials::Shared(store) => desk(Arc::new(store), settings, clock, audit).await,
        }
    }

    #[cfg(feature = "redis")]
    async fn guard(&self, epoch: Epoch) -> Result<(Arc<dyn ReplayGuard>, Option<Arc<dyn RateLimiter>>), StoreError> {
        if self.redis.is_empty() {
            return Ok((self.own_guard(epoch)?, None));
        }
        let options = RedisOptions { timeout: self.redis_timeout, skew: self.clock_skew, ..RedisOptions::default() };
        let urls = self.redis.iter().map(|url| text(url, "redis")).collect::<Result<Vec<_>, _>>()?;
        let link = Arc::new(RedisLink::new(&urls, options)?);
        let limiter = Arc::new(RedisLimiter::new(Arc::clone(&link)));
        let guard = match self.replay {
            Replay::Redis => Arc::new(RedisGuard::open(link, self.limits, epoch).await?),
            Replay::Embedded | Replay::Memory => self.own_guard(epoch)?,
        };
        Ok((guard, Some(limiter)))
    }

    #[cfg(not(feature = "redis"))]
    async fn guard(&self, epoch: Epoch) -> Result<(Arc<dyn ReplayGuard>, Option<Arc<dyn RateLimiter>>), StoreError> {
        if self.redis.is_empty() { Ok((self.own_guard(epoch)?, None)) } else { Err(left_out("redis")) }
    }

    fn own_guard(&self, epoch: Epoch) -> Result<Arc<dyn ReplayGuard>, StoreError> {
        if self.replay == Replay::Memory {
            return Ok(Arc::new(MemoryGuard::new(self.limits, epoch)));
        }
        create_folder(&self.files.replay)?;
        Ok(Arc::new(SqliteGuard::open(&self.files.replay, self.limits, epoch)?))
    }
}

impl Credentials {
    /// The store.
    #[must_use]
    pub fn as_dyn(&self) -> &dyn CredentialStore {
        match self {
            Self::Embedded(store) => store,
            #[cfg(feature = "postgres")]
            Self::Shared(store) => store,
        }
    }

    /// The store, for whoever shares it.
    #[must_use]
    pub fn into_dyn(self) -> Arc<dyn CredentialStore> {
        match self {
            Self::Embedded(store) => Arc::new(store),
            #[cfg(feature = "postgres")]
            Self::Shared(store) => Arc::new(store),
        }
    }

    /// The users in it.
    #[must_use]
    pub fn users(&self) -> &dyn UserStore {
        match self {
            Self::Embedded(store) => store,
            #[cfg(feature = "postgres")]
            Self::Shared(store) => store,
        }
    }

    /// The users in it, for whoever shares them.
    #[must_use]
    pub fn into_users(self) -> Arc<dyn UserStore> {
        match self {
            Self::Embedded(store) => Arc::new(store),
            #[cfg(feature = "postgres")]
            Self::Shared(store) => Arc::new(store),
        }
    }

    /// The store as that of the keys that sign access tokens.
    #[must_use]
    pub fn into_signing_keys(self) -> Arc<dyn SigningKeyStore> {
        match self {
            Self::Embedded(store) => Arc::new(store),
            #[cfg(feature = "postgres")]
            Self::Shared(store) => Arc::new(store),
        }
    }

    /// The key under which replay entries are hashed.
    #[must_use]
    pub const fn replay_key(&self) -> &Secret {
        match self {
            Self::Embedded(store) => store.replay_key(),
            #[cfg(feature = "postgres")]
            Self::Shared(store) => store.replay_key(),
        }
    }

    /// Seals everything under another master key, all or nothing: how many credentials.
    ///
    /// # Errors
    /// A row cannot be opened, or the store does not answer.
    pub async fn rewrap(&self, new: Arc<MasterKey>) -> Result<usize, StoreError> {
        match self {
            Self::Embedded(store) => store.rewrap(new).await,
            #[cfg(feature = "postgres")]
            Self::Shared(store) => store.rewrap(&new).await,
        }
    }

    fn cached(self, stale: Duration) -> Arc<dyn CredentialStore> {
        let limits = CacheLimits { found_for: stale, ..CacheLimits::default() };
        match self {
            Self::Embedded(store) => Arc::new(CachedStore::new(store, limits)),
            #[cfg(feature = "postgres")]
            Self::Shared(store) => Arc::new(CachedStore::new(store, CacheLimits { ask_every: ASK_SHARED, ..limits })),
        }
    }
}

async fn desk<S>(store: Arc<S>, settings: SessionSettings, clock: Arc<dyn Clock>, audit: Option<&Audit>) -> Result<SessionDesk, StoreError>
where
    S: SessionStores + ThrottleStore + 'static,
{
    let throttle = Arc::new(Throttle::new(Arc::<S>::clone(&store), settings.throttle));
    let parties = Parties { issuer: settings.issuer.clone(), audience: settings.audience.clone() };
    let sessions = Arc::new(Sessions::new(Arc::clone(&store), parties, settings.policy.clone()));
    let authenticator: Arc<dyn Authenticator> = match &settings.callback {
        None => Arc::new(PasswordAuthenticator::new(store, Arc::new(Passwords::new(settings.passwords)?), throttle)),
        Some(options) => {
            let mend = "correct the table [session.callback]";
            let fault = |fault: CallbackFault| StoreError::Invalid { field: "session.callback", fault: fault.to_string(), mend };
            Arc::new(CallbackAuthenticator::new(options, store, throttle).map_err(fault)?)
        }
    };
    SessionDesk::open(settings, sessions, authenticator, clock, audit).await
}

/// The URL as text; it may hold a password and is not shown.
#[cfg(any(feature = "postgres", feature = "redis"))]
fn text<'s>(url: &'s Secret, field: &'static str) -> Result<&'s str, StoreError> {
    let fault = || StoreError::Invalid { field, fault: "the URL is no text".to_owned(), mend: "write it in UTF-8" };
    std::str::from_utf8(url.expose()).map_err(|_| fault())
}

#[cfg(not(all(feature = "postgres", feature = "redis")))]
fn left_out(field: &'static str) -> StoreError {
    StoreError::Invalid { field, fault: "this program was built without it".to_owned(), mend: "build it with the feature of that name" }
}

fn create_folder(file: &Path) -> Result<(), StoreError> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let fault = |error: std::io::Error| StoreError::File {
        path: folder.to_owned(),
        fault: error.to_string(),
        mend: "name a folder that can be created and written",
    };
    std::fs::create_dir_all(folder).map_err(fault)
}
