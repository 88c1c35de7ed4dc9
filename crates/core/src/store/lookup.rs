//! A store that is a closure: for programs that keep apps and credentials elsewhere, and change them there.

use std::fmt::{self, Debug};
use std::sync::Arc;

use countersign_protocol::{Secret, Timestamp};

use super::rules::{check_app, check_credential};
use super::{Answer, CredentialStore, LookupKey};
use crate::app::{App, NewCredential, Registered, Status};
use crate::error::StoreError;
use crate::master_key::MasterKey;

/// Looks credentials up by their key id, in a closure, and knows nothing else: it lists nothing and refuses every change. Requests that name no
/// key id but carry an API key find nothing in it.
///
/// ```
/// use std::sync::Arc;
/// use countersign_core::app::{App, NewCredential, Terms};
/// use countersign_core::store::{CredentialStore, LookupKey, LookupStore};
/// use countersign_protocol::{KeyMaterial, Timestamp};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let since = Timestamp::from_seconds(1_700_000_000).expect("a time");
/// let store = LookupStore::new(move |key_id: String| async move {
///     // Such as a row of a database, or an answer of a secret manager.
///     let known = (key_id == "k1").then(|| NewCredential::new(key_id, KeyMaterial::Hmac("secret".into()), Terms::new(["hmac-sha256"])));
///     Ok(known.map(|credential| (App::new("billing", since), credential)))
/// })?;
/// let found = store.find(&LookupKey::KeyId("k1".to_owned())).await?;
/// assert_eq!(found.expect("it is known").app.name, "billing");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LookupStore<F> {
    find: F,
    key: MasterKey,
}

impl<F, A> LookupStore<F>
where
    F: Fn(String) -> A + Send + Sync,
    A: Future<Output = Result<Option<(App, NewCredential)>, StoreError>> + Send,
{
    /// A store that asks this closure. The credential counts as registered when its app was: what was lost by a replay guard before that date
    /// cannot have been of it.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn new(find: F) -> Result<Self, StoreError> {
        Ok(Self { find, key: MasterKey::ephemeral()? })
    }
}

/// Nothing of what the closure holds.
impl<F> Debug for LookupStore<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupStore").finish_non_exhaustive()
    }
}

impl<F, A> CredentialStore for LookupStore<F>
where
    F: Fn(String) -> A + Send + Sync,
    A: Future<Output = Result<Option<(App, NewCredential)>, StoreError>> + Send,
{
    fn find<'a>(&'a self, key: &'a LookupKey) -> Answer<'a, Option<Arc<Registered>>> {
        Box::pin(async move {
            let LookupKey::KeyId(key_id) = key else { return Ok(None) };
            let Some((app, credential)) = (self.find)(key_id.clone()).await? else { return Ok(None) };
            check_app(&app)?;
            check_credential(&credential)?;
            if credential.key_id != *key_id {
                return Err(StoreError::Corrupt { row: "closure".to_owned(), fault: "it gave the credential of another key id" });
            }
            let stored = credential.stored(&app.name, app.created);
            Ok(Some(Arc::new(Registered::new(app, stored))))
        })
    }

    fn secret_index(&self, secret: &Secret) -> [u8; 32] {
        self.key.secret_index(secret)
    }

    fn revision(&self) -> Answer<'_, u64> {
        ready(Ok(0))
    }

    /// It cannot be known to be, so that a replay guard never takes its memory for the first one.
    fn is_empty(&self) -> Answer<'_, bool> {
        ready(Ok(false))
    }

    fn app<'a>(&'a self, _name: &'a str) -> Answer<'a, Option<App>> {
        ready(Ok(None))
    }

    fn apps<'a>(&'a self, _after: &'a str) -> Answer<'a, Vec<App>> {
        ready(Ok(Vec::new()))
    }

    fn credentials<'a>(&'a self, _app: &'a str, _after: &'a str) -> Answer<'a, Vec<Arc<Registered>>> {
        ready(Ok(Vec::new()))
    }

    fn count_apps(&self, _status: Status) -> Answer<'_, u64> {
        ready(Ok(0))
    }

    fn add_app(&self, _app: App) -> Answer<'_, ()> {
        ready(Err(unchangeable()))
    }

    fn update_app(&self, _app: App) -> Answer<'_, ()> {
        ready(Err(unchangeable()))
    }

    fn add_credential<'a>(&'a self, _app: &'a str, _credential: NewCredential, _now: Timestamp) -> Answer<'a, Arc<Registered>> {
        ready(Err(unchangeable()))
    }

    fn rotate<'a>(&'a self, _key_id: &'a str, _next: NewCredential, _ends: Timestamp, _now: Timestamp) -> Answer<'a, Arc<Registered>> {
        ready(Err(unchangeable()))
    }

    fn set_app_status<'a>(&'a self, _app: &'a str, _status: Status) -> Answer<'a, ()> {
        ready(Err(unchangeable()))
    }

    fn set_credential_status<'a>(&'a self, _key_id: &'a str, _status: Status) -> Answer<'a, ()> {
        ready(Err(unchangeable()))
    }

    fn remove_credential<'a>(&'a self, _key_id: &'a str, _now: Timestamp) -> Answer<'a, ()> {
        ready(Err(unchangeable()))
    }

    fn touch(&self, _key_id: &str, _dialect: &str, _at: Timestamp) {}
}

fn ready<'a, T: Send + 'a>(result: Result<T, StoreError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}

fn unchangeable() -> StoreError {
    StoreError::Invalid { field: "store", fault: "it only looks credentials up".to_owned(), mend: "change them where they are kept" }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::KeyMaterial;

    use super::*;
    use crate::app::Terms;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[tokio::test]
    async fn it_finds_what_the_closure_gives_and_changes_nothing() {
        let store = LookupStore::new(|key_id: String| async move {
            let name = if key_id == "swapped" { "other" } else { "k" };
            let credential = NewCredential::new(name, KeyMaterial::Hmac("s".into()), Terms::new(["d"]));
            match key_id.as_str() {
                "down" => Err(StoreError::Unavailable("it is away".to_owned())),
                "k" | "swapped" => Ok(Some((App::new("a", at(7)), credential))),
                _ => Ok(None),
            }
        })
        .unwrap();
        let by = |key_id: &str| LookupKey::KeyId(key_id.to_owned());
        let found = store.find(&by("k")).await.unwrap().unwrap();
        assert_eq!((found.app.name.as_str(), found.stored.created), ("a", at(7)));
        assert!(store.find(&by("nobody")).await.unwrap().is_none());
        assert!(store.find(&LookupKey::SecretIndex(store.secret_index(&"s".into()))).await.unwrap().is_none());
        assert!(matches!(store.find(&by("down")).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.find(&by("swapped")).await, Err(StoreError::Corrupt { .. })));
        assert!(!store.is_empty().await.unwrap());
        assert!(matches!(store.add_app(App::new("b", at(0))).await, Err(StoreError::Invalid { field: "store", .. })));
    }
}
