//! Passwords: Argon2id strings (PHC), which of them are taken, and how many are hashed at one time.
//!
//! A hash costs memory and time on purpose, so that whoever can ask for many at once could exhaust the process. Therefore each needs a
//! [`Turn`], which lasts as long as the hashing itself, also when its caller has gone away.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::Secret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::random::fill;

mod argon;
mod hash;
mod rules;

pub use argon::Argon2id;
pub use hash::{Parameters, PasswordHash};
pub use rules::{MOST_BYTES, Weakness, weakness};

/// The bytes of a new salt.
const SALT: usize = 16;
/// The bytes of a new tag.
const TAG: usize = 32;
/// The most hashes at one time, on however many cores.
const MOST_AT_ONCE: usize = 8;

/// What turns a password into a tag. There is one in use; tests count its calls.
pub trait Hasher: fmt::Debug + Send + Sync {
    /// Fills the tag. This takes a while, and the thread with it.
    ///
    /// # Errors
    /// There is not enough memory.
    fn hash(&self, password: &[u8], salt: &[u8], parameters: Parameters, tag: &mut [u8]) -> Result<(), OutOfMemory>;
}

/// There is not enough memory for a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

/// How passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordOptions {
    /// The cost of new hashes. Those with another cost are made anew at the next login.
    pub parameters: Parameters,
    /// Hashes at one time.
    pub at_once: usize,
    /// Hashes that wait for others to end. Beyond: [`PasswordError::Overloaded`].
    pub queue: usize,
    /// How long one waits. Beyond: [`PasswordError::Overloaded`].
    pub wait: Duration,
}

impl Default for PasswordOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { parameters: Parameters::DEFAULT, at_once: cores.min(MOST_AT_ONCE), queue: 64, wait: Duration::from_secs(2) }
    }
}

/// Why a password was not hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordError {
    /// It may not be chosen.
    Weak(Weakness),
    /// Too many are being hashed. Try again later.
    Overloaded,
    /// There is no randomness, no memory or no thread.
    Unavailable(String),
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weak(weakness) => weakness.fmt(f),
            Self::Overloaded => f.write_str("too many passwords are being checked; try again in a few seconds"),
            Self::Unavailable(why) => write!(f, "the password cannot be hashed: {why}"),
        }
    }
}

impl std::error::Error for PasswordError {}

impl From<StoreError> for PasswordError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Leave to hash once. It is given back when the hashing ends, not when its caller stops waiting.
#[derive(Debug)]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// Makes and checks hashes, a bounded number at one time. One for a process.
#[derive(Debug)]
pub struct Passwords {
    hasher: Arc<dyn Hasher>,
    options: PasswordOptions,
    running: Arc<Semaphore>,
    waiting: Semaphore,
    /// What a password is checked against where there is nothing to check it against.
    decoy: PasswordHash,
}

impl Passwords {
    /// Hashing with Argon2id.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn new(options: PasswordOptions) -> Result<Self, StoreError> {
        Self::with_hasher(options, Arc::new(Argon2id))
    }

    /// The same with another hasher, so that its calls can be counted.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn with_hasher(options: PasswordOptions, hasher: Arc<dyn Hasher>) -> Result<Self, StoreError> {
        let (mut salt, mut tag) = (vec![0; SALT], vec![0; TAG]);
        fill(&mut salt)?;
        fill(&mut tag)?;
        let decoy = PasswordHash::new(options.parameters, salt, Secret::new(tag));
        let running = Arc::new(Semaphore::new(options.at_once.clamp(1, MOST_AT_ONCE)));
        let waiting = Semaphore::new(options.queue.min(Semaphore::MAX_PERMITS));
        Ok(Self { hasher, options, running, waiting, decoy })
    }

    /// Leave to hash once, now or within the time that one may wait.
    ///
    /// # Errors
    /// [`PasswordError::Overloaded`].
    pub async fn turn(&self) -> Result<Turn, PasswordError> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(Turn { _permit: permit });
        }
        let _place = self.waiting.try_acquire().map_err(|_| PasswordError::Overloaded)?;
        match tokio::time::timeout(self.options.wait, Arc::clone(&self.running).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(PasswordError::Overloaded),
        }
    }

    /// Whether this is the password that the hash was made of; `false` for no hash. Either way exactly one hash is computed.
    ///
    /// # Errors
    /// There is no memory or no thread for it.
    pub async fn check(&self, turn: Turn, password: &Secret, stored: Option<&PasswordHash>) -> Result<bool, PasswordError> {
        let against = stored.unwrap_or(&self.decoy);
        let (salt, parameters, length) = (against.salt().to_vec(), against.parameters(), against.tag().expose().len());
        let tag = self.compute(turn, password.clone(), salt, parameters, length).await?;
        Ok(stored.is_some() & (tag == *against.tag()))
    }

    /// The hash of a password that a user chooses.
    ///
    /// # Errors
    /// The password may not be chosen, or it cannot be hashed now.
    pub async fn make(&self, password: &Secret, user_name: &str) -> Result<PasswordHash, PasswordError> {
        match weakness(password, user_name) {
            Some(weakness) => Err(PasswordError::Weak(weakness)),
            None => self.make_again(password).await,
        }
    }

    /// The hash of a password that was in use already.
    pub(super) async fn make_again(&self, password: &Secret) -> Result<PasswordHash, PasswordError> {
        let turn = self.turn().await?;
        let mut salt = vec![0; SALT];
        fill(&mut salt)?;
        let parameters = self.options.parameters;
        let tag = self.compute(turn, password.clone(), salt.clone(), parameters, TAG).await?;
        Ok(PasswordHash::new(parameters, salt, tag))
    }

    /// Whether a hash has another cost than new ones.
    #[must_use]
    pub fn is_outdated(&self, hash: &PasswordHash) -> bool {
        hash.parameters() != self.options.parameters || hash.tag().expose().len() != TAG
    }

    async fn compute(
        &self,
        turn: Turn,
        password: Secret,
        salt: Vec<u8>,
        parameters: Parameters,
        length: usize,
    ) -> Result<Secret, PasswordError> {
        let hasher = Arc::clone(&self.hasher);
        let hashing = tokio::task::spawn_blocking(move || {
            // Here, and not in the future that waits: a caller that goes away does not make room for another hash beside this one.
            let _turn = turn;
            let mut tag = Zeroizing::new(vec![0; length]);
            hasher.hash(password.expose(), &salt, parameters, &mut tag).map(|()| Secret::new(std::mem::take(&mut *tag)))
        });
        let unavailable = |why: &str| PasswordError::Unavailable(why.to_owned());
        hashing.await.map_err(|_| unavailable("no thread"))?.map_err(|OutOfMemory| unavailable("no memory"))
    }
}

#[cfg(test)]
pub(crate) mod tests;
