//! A runtime beside the callers': connections to shared stores live on it, so that they outlive any caller and wait for none.

use std::fmt;
use std::sync::Mutex;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::StoreError;

/// One thread with a runtime. Dropping it ends what runs on it.
pub(crate) struct Side {
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

impl Side {
    pub(crate) fn start(name: &str) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Mutex::new(Some(runtime)) })
    }

    /// Runs it beside, whether anybody waits for it or not.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
        self.handle.spawn(work)
    }

    /// Runs it beside and waits for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.spawn(work).await.unwrap_or_else(|_| Err(StoreError::Unavailable("the store's thread has ended".to_owned())))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // A runtime that is waited for must not be dropped inside another one.
        if let Ok(Some(runtime)) = self.runtime.get_mut().map(Option::take) {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Side")
    }
}
