//! Users: logging in through an app, calling with a token that rides inside signed requests, keeping the session, logging out.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::KeyMaterial;
use http::Method;
use serde::Deserialize;

use crate::client::SigningClient;
use crate::credentials::Credentials;
use crate::outgoing::OutgoingRequest;
use crate::signer::Signer;
use api::Api;
use file::TokenFile;
use grant::User;

mod api;
mod error;
mod file;
mod grant;
mod keeper;
mod login;

pub use error::SessionError;
pub(crate) use keeper::Keeper;
pub use login::{Bind, Login};

/// How long a request to the API takes at most; a refresh, where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(30);

/// A user's session. Cheap to clone; clones share the tokens.
///
/// The access token rides in the header that the server named, among the headers that are signed, to that server alone. It is refreshed at 80 %
/// of its life and after `token_expired` or `token_invalid`, once for all who wait; the request is then signed anew. `session_revoked`,
/// `session_expired` and `invalid_grant` are [`SessionError::Over`]: log in again. Nothing else ends a session here.
///
/// ```no_run
/// # async fn example(client: countersign_client::SigningClient) -> Result<(), Box<dyn std::error::Error>> {
/// use countersign_client::{Bind, Keeping, Login, Session};
/// use http::Method;
///
/// let login = Login::new("ada", "correct horse battery").bind(Bind::Session);
/// let session = Session::login(&client, "https://api.example.com", login, Keeping::default()).await?;
/// let orders = session.request(Method::GET, "https://api.example.com/orders").send_ok().await?;
/// session.logout().await?;
/// # let _ = orders;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Session {
    keeper: Arc<Keeper>,
}

/// Where a session's API is, and how its tokens are kept.
#[derive(Clone)]
pub struct Keeping {
    path: String,
    file: Option<PathBuf>,
    key: Option<KeyMaterial>,
    patience: Duration,
    elapsed: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// Who is logged in, as the last answer of the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUser {
    /// The id, which stays.
    pub id: String,
    /// The name, which may change.
    pub name: String,
}

/// Who the server says is calling.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WhoAmI {
    /// The user.
    pub user: WhoAmIUser,
    /// What the access token permits, names with spaces between.
    pub scope: String,
    /// The session.
    pub session_id: String,
    /// The app through which the user logged in.
    pub app: String,
    /// `app`, `session` or `client`.
    pub binding: String,
    /// When the user logged in, in seconds since 1970 by the server's clock.
    pub authenticated_at: i64,
    /// When the access token is over, in the same.
    pub expires_at: i64,
    /// When the session is over at the latest, in the same.
    pub session_expires_at: i64,
}

/// The user of a [`WhoAmI`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WhoAmIUser {
    /// The id, which stays.
    pub id: String,
    /// The name, which may change.
    pub name: String,
    /// The roles.
    #[serde(default)]
    pub roles: Vec<String>,
}

impl Session {
    /// Logs in at this server through the app of `client`, with its rules, clock and credentials.
    ///
    /// `base_url` is the server's, such as `https://api.example.com`; plain `http` is for the loopback. An existing token file is replaced, the session in it is not ended. A
    /// login is not tried again: it may have been done.
    ///
    /// # Errors
    /// [`SessionError::Refused`] with the server's reason, such as `invalid_credentials`; whatever keeps the answer or the file away.
    pub async fn login(client: &SigningClient, base_url: &str, login: Login, keeping: Keeping) -> Result<Self, SessionError> {
        let api = Api::new(client, base_url, &keeping)?;
        let keeper = Keeper::login(api, login, keeping).await?;
        Ok(Self { keeper: Arc::new(keeper) })
    }

    /// Goes on with the session of a token file, that of another process too. Nothing is sent.
    ///
    /// # Errors
    /// [`SessionError::File`]: there is none, or it is torn, of another server, or readable by others.
    pub async fn resume(client: &SigningClient, base_url: &str, keeping: Keeping) -> Result<Self, SessionError> {
        let api = Api::new(client, base_url, &keeping)?;
        let keeper = Keeper::resume(api, keeping).await?;
        Ok(Self { keeper: Arc::new(keeper) })
    }

    /// Begins a request of the user, which is signed with the session's key. The URL must be of the session's server.
    pub fn request(&self, method: Method, url: impl Into<String>) -> OutgoingRequest {
        self.client().request(method, url)
    }

    /// The client that calls as the user: the one that logged in, with the session's key and token.
    #[must_use]
    pub fn client(&self) -> SigningClient {
        let mut client = self.keeper.api().client().clone();
        client.signer = self.signer();
        client
    }

    /// What signs as the user, for `SigningMiddleware` and `SigningLayer`. The layer sees no answers: it refreshes ahead of time only.
    #[must_use]
    pub fn signer(&self) -> Signer {
        let signer = self.keeper.api().client().signer.clone();
        signer.with_credentials(Credentials::of_session(Arc::clone(&self.keeper)))
    }

    /// Refreshes now, or takes what another process has refreshed since.
    ///
    /// # Errors
    /// [`SessionError::Over`] where the session has ended; everything else leaves it as it was.
    pub async fn refresh(&self) -> Result<(), SessionError> {
        self.keeper.refresh().await
    }

    /// Ends the session, at the server and here, and removes its token file. One that is over is logged out already.
    ///
    /// # Errors
    /// The server was not reached or refused; the session is kept then.
    pub async fn logout(&self) -> Result<(), SessionError> {
        self.keeper.logout().await
    }

    /// Ends every session of the user, this one too.
    ///
    /// # Errors
    /// The server was not reached or refused; the session is kept then.
    pub async fn logout_all(&self) -> Result<(), SessionError> {
        let request = self.request(Method::POST, self.keeper.api().url("/logout-all")).timeout(PATIENCE);
        self.keeper.api().done(&request).await?;
        self.keeper.forget().await
    }

    /// Asks the server who is calling.
    ///
    /// # Errors
    /// As every request.
    pub async fn whoami(&self) -> Result<WhoAmI, SessionError> {
        let request = self.request(Method::GET, self.keeper.api().url("/whoami")).timeout(PATIENCE);
        self.keeper.api().json(&request).await
    }

    /// Who logged in.
    #[must_use]
    pub fn user(&self) -> SessionUser {
        let User { id, name } = self.keeper.held().grant.user.clone();
        SessionUser { id, name }
    }

    /// The session's id, as lists of sessions show it.
    #[must_use]
    pub fn session_id(&self) -> String {
        self.keeper.session_id()
    }

    /// What the access token permits, names with spaces between.
    #[must_use]
    pub fn scope(&self) -> String {
        self.keeper.held().grant.scope.clone()
    }

    /// For how long the access token that is here holds, by a clock that nobody sets. It is refreshed by itself.
    #[must_use]
    pub fn expires_in(&self) -> Duration {
        self.keeper.expires_in()
    }
}

impl Default for Keeping {
    fn default() -> Self {
        let began = tokio::time::Instant::now();
        let elapsed = Arc::new(move || began.elapsed());
        Self { path: "/session".to_owned(), file: None, key: None, patience: PATIENCE, elapsed }
    }
}

impl Keeping {
    /// The same with the API at another path than `/session`.
    #[must_use]
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The same with the tokens in this file, which processes may share: only its owner reads it, and who refreshes holds the lock of the
    /// file beside it, `NAME.lock`. One file per user and server.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The same with the caller's own key, to resume a session that is bound to it: it is in no file.
    #[cfg(feature = "asymmetric")]
    #[must_use]
    pub fn with_key(mut self, key: countersign_protocol::KeyPair) -> Self {
        self.key = Some(KeyMaterial::Pair(key));
        self
    }

    /// The same, a refresh taking at most so long, waits for others' included; 30 seconds where nothing is said.
    #[must_use]
    pub const fn with_patience(mut self, most: Duration) -> Self {
        self.patience = most;
        self
    }

    /// The same with another clock for the life of tokens: the time since any moment. It must never go back.
    #[must_use]
    pub fn with_elapsed(mut self, elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.elapsed = Arc::new(elapsed);
        self
    }

    fn token_file(&self) -> Option<TokenFile> {
        self.file.clone().map(TokenFile::new)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("session_id", &self.session_id()).field("user", &self.user().name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").field("path", &self.path).field("file", &self.file).finish_non_exhaustive()
    }
}
