//! Whether the gateway takes requests, and if not, why.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use countersign_core::store::CredentialStore;
use tokio::sync::Mutex;

/// How often at most the store is asked: whoever asks more often gets the same answer again.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long the store may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where in its life the gateway stands, after its workers were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Requests are accepted.
    Serving = 1,
    /// Requests in flight are finished, nothing more is accepted.
    Stopping = 2,
}

/// Whether requests are being accepted, and the store answers.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    /// A [`Phase`]; 0 before the first.
    phase: AtomicU8,
    store: Mutex<Option<(Instant, Result<(), &'static str>)>>,
}

impl Readiness {
    pub(crate) fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Why requests should go elsewhere; empty when they need not.
    pub(crate) async fn hindrances(&self, store: &dyn CredentialStore) -> Vec<&'static str> {
        let phase = match self.phase.load(Ordering::Acquire) {
            0 => Some("it is starting"),
            1 => None,
            _ => Some("it is stopping"),
        };
        phase.into_iter().chain(self.ask(store).await.err()).collect()
    }

    async fn ask(&self, store: &dyn CredentialStore) -> Result<(), &'static str> {
        let mut asked = self.store.lock().await;
        if let Some((_, result)) = asked.as_ref().filter(|(when, _)| when.elapsed() < ASK_EVERY) {
            return *result;
        }
        let fault = match tokio::time::timeout(ANSWER_WITHIN, store.revision()).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        // Anyone may ask whether it is ready: what exactly is wrong is for the log.
        let result = fault.map_or(Ok(()), |error| {
            tracing::error!(error, "the credential store does not answer");
            Err("the credential store does not answer")
        });
        *asked = Some((Instant::now(), result));
        result
    }
}
