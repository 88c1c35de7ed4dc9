//! Where the credential of each attempt comes from: a value, the environment, a private file, a closure.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use countersign_protocol::{Credential, KeyMaterial, Secret};

use crate::error::ClientError;
use crate::presented::Presented;
#[cfg(feature = "sessions")]
use crate::session::Keeper;
use file::FileSource;

pub(crate) mod file;

/// Why a source gave no credential. Its text must hold no secret.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

type Given = Result<Credential, SourceError>;
type Awaited = Pin<Box<dyn Future<Output = Given> + Send>>;

/// A source of credentials. Each attempt takes the current one, so that a key is rotated by giving another one. Cheap to clone.
///
/// ```
/// use countersign_client::Credentials;
/// use countersign_protocol::Credential;
///
/// let fixed = Credentials::from(Credential::hmac("key-1", "a secret"));
/// let environment = Credentials::from_env("ACME_KEY_ID", "ACME_SECRET");
/// let file = Credentials::from_file("/run/secrets/acme.json");
/// let vault = Credentials::from_async_fn(|| async { Ok(Credential::hmac("key-1", "what the vault says")) });
/// # let _ = (fixed, environment, file, vault);
/// ```
#[derive(Clone)]
pub struct Credentials(Source);

#[derive(Clone)]
enum Source {
    Fixed(Box<Presented>),
    Environment {
        key_id: String,
        secret: String,
    },
    File(Arc<FileSource>),
    Call(Arc<dyn Fn() -> Given + Send + Sync>),
    Await(Arc<dyn Fn() -> Awaited + Send + Sync>),
    #[cfg(feature = "sessions")]
    Session(Arc<Keeper>),
}

impl Credentials {
    /// A key id and a shared secret from these variables of the environment, read for each attempt.
    #[must_use]
    pub fn from_env(key_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self(Source::Environment { key_id: key_id.into(), secret: secret.into() })
    }

    /// A JSON file that only its owner may read, read again when it changes: `{"key_id": .., "secret": ..}`, with feature `asymmetric`
    /// `private_key` (PEM, PKCS#8) in place of `secret`, and `parts`, an object of further secrets, where the dialect has them.
    #[must_use]
    pub fn from_file(path: impl Into<std::path::PathBuf>) -> Self {
        Self(Source::File(Arc::new(FileSource::new(path.into()))))
    }

    /// What this closure gives for each attempt. It should answer at once.
    #[must_use]
    pub fn from_fn(source: impl Fn() -> Result<Credential, SourceError> + Send + Sync + 'static) -> Self {
        Self(Source::Call(Arc::new(source)))
    }

    /// What the future of this closure gives for each attempt. The closure keeps what it fetched for as long as it pleases.
    #[must_use]
    pub fn from_async_fn<F>(source: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Credential, SourceError>> + Send + 'static,
    {
        Self(Source::Await(Arc::new(move || Box::pin(source()))))
    }

    /// What the session of a user presents.
    #[cfg(feature = "sessions")]
    pub(crate) const fn of_session(keeper: Arc<Keeper>) -> Self {
        Self(Source::Session(keeper))
    }

    /// Just this.
    #[cfg(feature = "sessions")]
    pub(crate) fn fixed(presented: Presented) -> Self {
        Self(Source::Fixed(Box::new(presented)))
    }

    /// The current credential, with the access token of its user where it has one.
    pub(crate) async fn current(&self) -> Result<Presented, ClientError> {
        match &self.0 {
            Source::Await(source) => source().await.map(Presented::from).map_err(|e| ClientError::Credentials { fault: e.to_string() }),
            #[cfg(feature = "sessions")]
            Source::Session(keeper) => Box::pin(keeper.present()).await,
            _ => self.current_now(),
        }
    }

    /// The same, of a source that need not be awaited.
    pub(crate) fn current_now(&self) -> Result<Presented, ClientError> {
        let given = match &self.0 {
            Source::Fixed(presented) => return Ok(presented.as_ref().clone()),
            #[cfg(feature = "sessions")]
            Source::Session(keeper) => return keeper.present_now(),
            Source::Environment { key_id, secret } => of_environment(key_id, secret),
            Source::File(file) => file.current(),
            Source::Call(source) => source(),
            Source::Await(_) => Err("this source has to be awaited; use `sign_request_async`, or a client that sends".into()),
        };
        given.map(Presented::from).map_err(|e| ClientError::Credentials { fault: e.to_string() })
    }

    /// The credential that the source gives now, if it is another one than that which was refused.
    #[cfg_attr(not(feature = "reqwest"), expect(dead_code, reason = "only what sends can be refused"))]
    pub(crate) async fn instead_of(&self, refused: &Presented) -> Result<Option<Presented>, ClientError> {
        match &self.0 {
            #[cfg(feature = "sessions")]
            Source::Session(keeper) => return Box::pin(keeper.instead_of(refused)).await,
            Source::Fixed(_) => return Ok(None),
            Source::File(file) => file.forget(),
            _ => {}
        }
        let current = self.current().await?;
        Ok(if is_same(&current.credential, &refused.credential) { None } else { Some(current) })
    }

    /// The same with a new access token in place of this one, which the server refused; `None`: there is none to be had.
    #[cfg(feature = "sessions")]
    pub(crate) async fn renewed(&self, refused: &Presented) -> Result<Option<Presented>, ClientError> {
        match (&self.0, &refused.token) {
            (Source::Session(keeper), Some(token)) => Box::pin(keeper.instead_of_token(token)).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Takes note that the server told the user's session to be over.
    #[cfg(feature = "sessions")]
    pub(crate) fn ended(&self, told: &crate::refused::Told) -> Result<(), ClientError> {
        match &self.0 {
            Source::Session(keeper) => Err(keeper.ended(told).into()),
            _ => Ok(()),
        }
    }
}

impl From<Credential> for Credentials {
    fn from(credential: Credential) -> Self {
        Self(Source::Fixed(Box::new(credential.into())))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Fixed(presented) => write!(f, "Credentials({})", presented.credential.key_id()),
            Source::Environment { key_id, secret } => write!(f, "Credentials(environment {key_id}, {secret})"),
            Source::File(file) => write!(f, "Credentials(file {})", file.path().display()),
            Source::Call(_) | Source::Await(_) => f.write_str("Credentials(closure)"),
            #[cfg(feature = "sessions")]
            Source::Session(keeper) => write!(f, "Credentials(session {})", keeper.session_id()),
        }
    }
}

fn of_environment(key_id: &str, secret: &str) -> Given {
    let read = |name: &str| match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        Ok(_) => Err(format!("the variable {name} is empty")),
        Err(std::env::VarError::NotPresent) => Err(format!("the variable {name} is not set")),
        // Its own text would show the value.
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the variable {name} is no UTF-8")),
    };
    Ok(Credential::hmac(read(key_id)?, Secret::new(read(secret)?.into_bytes())))
}

fn is_same(a: &Credential, b: &Credential) -> bool {
    a.key_id() == b.key_id()
        && match (a.material(), b.material()) {
            (KeyMaterial::Hmac(a), KeyMaterial::Hmac(b)) => a == b,
            #[cfg(feature = "asymmetric")]
            (KeyMaterial::Pair(a), KeyMaterial::Pair(b)) => a.public_der() == b.public_der(),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_missing_is_named() {
        let gone = Credentials::from_env("COUNTERSIGN_TEST_NO_SUCH_ID", "COUNTERSIGN_TEST_NO_SUCH_SECRET");
        let error = gone.current_now().unwrap_err().to_string();
        assert!(error.contains("COUNTERSIGN_TEST_NO_SUCH_ID is not set"), "{error}");
        // Every process has these two.
        let there = Credentials::from_env("PATH", "PATH").current_now().unwrap();
        assert_eq!(there.credential.key_id(), std::env::var("PATH").unwrap());
    }

    #[test]
    fn a_source_that_is_awaited_says_so() {
        let source = Credentials::from_async_fn(|| async { Ok(Credential::hmac("k", "s")) });
        assert!(source.current_now().unwrap_err().to_string().contains("sign_request_async"));
    }

    #[test]
    fn a_credential_is_the_same_by_key_and_material() {
        let one = Credential::hmac("k", "s");
        assert!(is_same(&one, &one.clone()));
        assert!(!is_same(&one, &Credential::hmac("k", "t")) && !is_same(&one, &Credential::hmac("l", "s")));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?} {:?}", Credentials::from(Credential::hmac("k", "canary")), Credentials::from_fn(|| Err("canary".into())));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
