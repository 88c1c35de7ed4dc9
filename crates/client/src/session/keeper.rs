//! Keeps a session: who refreshes when, once for all, and what an answer means for it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use countersign_protocol::{Credential, KeyMaterial, Secret};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use super::api::Api;
use super::file::{Locked, Stored, TokenFile};
use super::grant::{Binding, Grant, Held, Stage};
use super::{Keeping, Login, SessionError};
use crate::error::ClientError;
use crate::presented::{AccessToken, Presented};
use crate::refused::Told;

/// How long a token that still holds is used without asking again, after a refresh failed.
const QUIET: Duration = Duration::from_secs(5);

type Refreshing = Pin<Box<dyn Future<Output = Result<Arc<Held>, SessionError>> + Send>>;

/// One session, shared by all who call for its user.
pub(crate) struct Keeper {
    api: Api,
    file: Option<TokenFile>,
    own: Option<KeyMaterial>,
    patience: Duration,
    elapsed: Arc<dyn Fn() -> Duration + Send + Sync>,
    state: Mutex<State>,
    /// Held by the one who refreshes.
    turn: Arc<Turn<()>>,
}

struct State {
    held: Arc<Held>,
    over: Option<SessionError>,
    /// Until when a refresh is not tried for the sake of a token that still holds.
    quiet_until: Duration,
    /// How many refreshes have ended, and how the last one did.
    turns: u64,
    failed: Option<SessionError>,
}

impl Keeper {
    pub(super) async fn login(api: Api, login: Login, keeping: Keeping) -> Result<Self, SessionError> {
        let own = login.bind.own_key();
        // Before anything is sent: a session that could not be kept is not begun.
        let locked = match keeping.token_file() {
            Some(file) => Some(file.lock(keeping.patience).await?),
            None => None,
        };
        let (asked, at) = ((keeping.elapsed)(), api.client().signer().time()?);
        let grant = api.login(&login).await?;
        let held = Held::new(grant, asked, at)?;
        let keeper = Self::new(api, Keeping { key: own, ..keeping }, held)?;
        if let Some(locked) = &locked {
            keeper.write(locked, &keeper.held()).await?;
        }
        Ok(keeper)
    }

    pub(super) async fn resume(api: Api, keeping: Keeping) -> Result<Self, SessionError> {
        let file = keeping.token_file();
        let file = file.ok_or(SessionError::Key { fault: "there is nothing to resume; name a file with `Keeping::with_file`" })?;
        let stored = file.read().await?.ok_or_else(|| file.fault("there is none; log in"))?;
        if stored.server != api.base() {
            return Err(file.fault(format!("it is for {}, and not for {}", stored.server, api.base())));
        }
        let at = api.client().signer().time()?;
        let held = Held::stored(stored.grant, stored.granted_at, (keeping.elapsed)(), at)?;
        Self::new(api, keeping, held)
    }

    fn new(api: Api, keeping: Keeping, held: Held) -> Result<Self, SessionError> {
        let file = keeping.token_file();
        let Keeping { key: own, patience, elapsed, .. } = keeping;
        held.grant.key(own.as_ref())?;
        let state = State { held: Arc::new(held), over: None, quiet_until: Duration::ZERO, turns: 0, failed: None };
        Ok(Self { api, file, own, patience, elapsed, state: Mutex::new(state), turn: Arc::default() })
    }

    pub(super) const fn api(&self) -> &Api {
        &self.api
    }

    pub(super) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.state().held)
    }

    pub(crate) fn session_id(&self) -> String {
        self.held().grant.session_id.clone()
    }

    pub(super) fn expires_in(&self) -> Duration {
        self.held().left((self.elapsed)())
    }

    /// The key that signs now, and a token that holds, refreshed where it is time.
    pub(crate) async fn present(self: &Arc<Self>) -> Result<Presented, ClientError> {
        let held = self.usable().await?;
        self.presented(&held).await
    }

    /// The same for callers that cannot wait: what is here, as long as it holds.
    pub(crate) fn present_now(&self) -> Result<Presented, ClientError> {
        let held = self.live()?;
        if held.stage((self.elapsed)()) == Stage::Over {
            return Err(ClientError::Token { fault: "it is over, and a refresh has to be awaited; use a client that sends".to_owned() });
        }
        match held.grant.key(self.own.as_ref())? {
            Some(key) => Ok(self.with_token(key.into(), &held)),
            None => Ok(self.with_token(self.api.client().signer().credentials().current_now()?, &held)),
        }
    }

    /// What to present in place of a key that was refused; `None`: there is no other.
    pub(crate) async fn instead_of(self: &Arc<Self>, refused: &Presented) -> Result<Option<Presented>, ClientError> {
        let held = self.live()?;
        if held.grant.binding != Binding::App {
            return Ok(None);
        }
        let other = self.api.client().signer().credentials().instead_of(refused).await?;
        Ok(other.map(|other| self.with_token(other, &held)))
    }

    /// What to present in place of a token that was refused.
    pub(crate) async fn instead_of_token(self: &Arc<Self>, refused: &AccessToken) -> Result<Presented, ClientError> {
        let held = self.renew(&refused.value).await?;
        self.presented(&held).await
    }

    /// Takes note that the server told the session to be over.
    pub(crate) fn ended(&self, told: &Told) -> SessionError {
        let error = SessionError::Over { code: told.code.clone().unwrap_or_default(), hint: told.hint.clone() };
        self.state().over = Some(error.clone());
        error
    }

    pub(super) async fn refresh(self: &Arc<Self>) -> Result<(), SessionError> {
        let held = self.live()?;
        self.renew(&held.grant.access_token).await.map(drop)
    }

    pub(super) async fn logout(self: &Arc<Self>) -> Result<(), SessionError> {
        let Ok(held) = self.live() else { return self.forget().await };
        let told = match self.api.logout(self.presented(&held).await?).await {
            // The key that signed the token is gone: another token logs out as well.
            Err(SessionError::Refused(refusal)) if refusal.code().is_some_and(|code| code.starts_with("token_")) => {
                match self.renew(&held.grant.access_token).await {
                    Ok(held) => self.api.logout(self.presented(&held).await?).await,
                    Err(error) => Err(error),
                }
            }
            other => other,
        };
        match told {
            Ok(()) => self.forget().await,
            Err(error) if error.must_log_in() => self.forget().await,
            Err(error) => Err(error),
        }
    }

    /// Ends the session here: nothing is presented any more, and its file goes. A file with another session stays.
    pub(super) async fn forget(&self) -> Result<(), SessionError> {
        // A refresh on its way would write the file again.
        let _turn = tokio::time::timeout(self.patience, self.turn.lock()).await.map_err(|_| self.busy())?;
        self.state().over.get_or_insert_with(|| SessionError::Over { code: "logged_out".to_owned(), hint: None });
        let Some(file) = &self.file else { return Ok(()) };
        let locked = file.lock(self.patience).await?;
        match locked.read().await {
            Ok(Some(stored)) if stored.grant.session_id == self.session_id() => locked.remove().await,
            _ => Ok(()),
        }
    }

    /// A token that holds. One that holds and is due is used as it is while another caller refreshes it, or where that failed.
    async fn usable(self: &Arc<Self>) -> Result<Arc<Held>, SessionError> {
        let (held, now) = (self.live()?, (self.elapsed)());
        match held.stage(now) {
            Stage::Fresh => Ok(held),
            Stage::Due if now < self.state().quiet_until || self.turn.try_lock().is_err() => Ok(held),
            Stage::Due => match self.renew(&held.grant.access_token).await {
                Err(error) if !error.must_log_in() => Ok(held),
                other => other,
            },
            Stage::Over => self.renew(&held.grant.access_token).await,
        }
    }

    /// Tokens other than this one: what others have refreshed meanwhile, or a refresh.
    async fn renew(self: &Arc<Self>, stale: &Secret) -> Result<Arc<Held>, SessionError> {
        let seen = self.state().turns;
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.turn).lock_owned()).await.map_err(|_| self.busy())?;
        let held = self.live()?;
        if held.grant.access_token != *stale && held.stage((self.elapsed)()) != Stage::Over {
            return Ok(held);
        }
        // Who has waited for one that failed does not try again at once, or a hundred callers would try a hundred times.
        if let Some(error) = self.state().failure_since(seen) {
            return Err(error);
        }
        // A caller that goes away takes neither the answer nor the write with it.
        let refreshing = tokio::spawn(Arc::clone(self).take_turn(turn, stale.clone()));
        refreshing.await.unwrap_or(Err(SessionError::Key { fault: "the program is ending" }))
    }

    /// Refreshes, and keeps how that ended. The type is written out because the key of a refresh may come from a session again.
    fn take_turn(self: Arc<Self>, turn: OwnedMutexGuard<()>, stale: Secret) -> Refreshing {
        Box::pin(async move {
            let ended = self.refresh_alone(&stale).await;
            self.note(&ended);
            drop(turn);
            ended
        })
    }

    /// Refreshes. Nobody else in this process does, and with a file, in no other one.
    async fn refresh_alone(&self, stale: &Secret) -> Result<Arc<Held>, SessionError> {
        let locked = match &self.file {
            Some(file) => Some(file.lock(self.patience).await?),
            None => None,
        };
        if let Some(locked) = &locked {
            self.adopt(locked).await?;
        }
        let held = self.live()?;
        if held.grant.access_token != *stale && held.stage((self.elapsed)()) == Stage::Fresh {
            return Ok(held);
        }
        let (asked, at) = ((self.elapsed)(), self.api.client().signer().time()?);
        let grant = self.api.refresh(&held.grant, held.grant.key(self.own.as_ref())?).await?;
        let held = Arc::new(Held::new(grant, asked, at)?);
        if let Some(locked) = &locked {
            // Before it is used: the predecessor gives the same answer again only until then, and who reads the file must find no older one.
            self.write(locked, &held).await?;
        }
        self.state().held = Arc::clone(&held);
        Ok(held)
    }

    /// Takes what another process has refreshed. Never another session: it may be another user's.
    async fn adopt(&self, locked: &Locked) -> Result<(), SessionError> {
        let fault = |fault: &str| self.file.as_ref().map_or(SessionError::Key { fault: "no file" }, |file| file.fault(fault));
        let stored =
            locked.read().await?.ok_or_else(|| fault("it is gone: another process logged out, or it was removed; log in again"))?;
        let held = self.held();
        if stored.server != self.api.base() || stored.grant.session_id != held.grant.session_id {
            return Err(fault("it now holds another session: another login has replaced it; resume that one, or log in again"));
        }
        if stored.grant.refresh_token == held.grant.refresh_token && stored.grant.access_token == held.grant.access_token {
            return Ok(());
        }
        let at = self.api.client().signer().time()?;
        let adopted = Held::stored(stored.grant, stored.granted_at, (self.elapsed)(), at)?;
        adopted.grant.key(self.own.as_ref())?;
        self.state().held = Arc::new(adopted);
        Ok(())
    }

    async fn write(&self, locked: &Locked, held: &Held) -> Result<(), SessionError> {
        let grant: Grant = held.grant.clone();
        locked.write(&Stored::new(self.api.base().to_owned(), held.granted_at, grant)).await
    }

    /// Keeps how a refresh ended.
    fn note(&self, ended: &Result<Arc<Held>, SessionError>) {
        let quiet_until = (self.elapsed)().saturating_add(QUIET);
        let mut state = self.state();
        state.turns += 1;
        state.failed = ended.as_ref().err().cloned();
        match ended {
            Err(error) if error.must_log_in() => state.over = Some(error.clone()),
            Err(_) => state.quiet_until = quiet_until,
            Ok(_) => {}
        }
    }

    /// What is held, unless the session is over.
    fn live(&self) -> Result<Arc<Held>, SessionError> {
        let state = self.state();
        match &state.over {
            Some(error) => Err(error.clone()),
            None => Ok(Arc::clone(&state.held)),
        }
    }

    async fn presented(&self, held: &Held) -> Result<Presented, ClientError> {
        let key: Option<Credential> = held.grant.key(self.own.as_ref())?;
        match key {
            Some(key) => Ok(self.with_token(key.into(), held)),
            None => Ok(self.with_token(self.api.client().signer().credentials().current().await?, held)),
        }
    }

    fn with_token(&self, presented: Presented, held: &Held) -> Presented {
        let (header, value) = (held.grant.header.clone(), held.grant.access_token.clone());
        Presented { token: Some(AccessToken { header, value, origin: self.api.origin().to_owned() }), ..presented }
    }

    const fn busy(&self) -> SessionError {
        SessionError::Busy { waited: self.patience }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How the last refresh failed, if it ended after so many.
    fn failure_since(&self, seen: u64) -> Option<SessionError> {
        self.failed.clone().filter(|_| self.turns != seen)
    }
}
