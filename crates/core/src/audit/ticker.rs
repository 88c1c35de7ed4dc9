//! Signs heads as time passes and at the end, and appends them to the anchor: on a thread of its own, so that a slow anchor holds up nothing.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::anchor::Anchor;
use super::sqlite::Writer;
use crate::clock::Clock;
use crate::error::StoreError;

/// How often heads are looked for that the anchor does not have.
const ANCHOR_EVERY: Duration = Duration::from_secs(1);
/// How often, and how often at most, a full queue is asked again at the end.
const RETRY: Duration = Duration::from_millis(10);
const RETRIES: usize = 100;

/// The thread. Dropping it signs a last head.
pub(super) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Signs what no head holds yet, then starts the thread.
    pub(super) fn start(writer: Arc<Writer>, clock: Arc<dyn Clock>, anchor: Option<PathBuf>) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Unavailable(error.to_string());
        let runtime = Builder::new_current_thread().build().map_err(failed)?;
        let (stop, stopped) = channel::<()>();
        let (ready, started) = channel();
        let thread = std::thread::Builder::new().name("countersign-heads".to_owned()).spawn(move || {
            let mut heads = Heads { writer, clock, runtime, anchor: None, signed: Instant::now() };
            let begun = heads.begin(anchor);
            let failed = begun.is_err();
            // The other end waits for this.
            drop(ready.send(begun));
            if failed {
                return;
            }
            while stopped.recv_timeout(heads.pause()) == Err(RecvTimeoutError::Timeout) {
                heads.tick();
            }
            heads.end();
        });
        let ticker = Self { stop: Some(stop), thread: Some(thread.map_err(failed)?) };
        started.recv().map_err(|_| StoreError::Unavailable("the audit log's thread ended".to_owned()))??;
        Ok(ticker)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A thread that panicked has said so.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticker")
    }
}

struct Heads {
    writer: Arc<Writer>,
    clock: Arc<dyn Clock>,
    runtime: Runtime,
    anchor: Option<Anchor>,
    signed: Instant,
}

impl Heads {
    fn begin(&mut self, anchor: Option<PathBuf>) -> Result<(), StoreError> {
        self.sign()?;
        let Some(path) = anchor else { return Ok(()) };
        let last = self.runtime.block_on(self.writer.last_head())?;
        self.anchor = Some(Anchor::open(path, self.writer.chain(), last)?);
        self.append_to_anchor()
    }

    fn pause(&self) -> Duration {
        let every = self.writer.limits().head_time;
        if self.anchor.is_some() { every.min(ANCHOR_EVERY) } else { every }
    }

    fn tick(&mut self) {
        if self.signed.elapsed() >= self.writer.limits().head_time
            && let Err(error) = self.sign()
        {
            tracing::error!(%error, "a head of the audit log could not be written");
        }
        self.anchor_or_tell();
    }

    fn end(&mut self) {
        for _ in 0..RETRIES {
            match self.sign() {
                Err(StoreError::Busy) => std::thread::sleep(RETRY),
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(%error, "the last head of the audit log could not be written; the next start signs it");
                    break;
                }
            }
        }
        self.anchor_or_tell();
    }

    fn sign(&mut self) -> Result<(), StoreError> {
        self.signed = Instant::now();
        self.runtime.block_on(self.writer.sign(self.clock.now()))
    }

    fn anchor_or_tell(&mut self) {
        if let Err(error) = self.append_to_anchor() {
            tracing::error!(%error, "heads of the audit log could not be anchored; they are tried again");
        }
    }

    fn append_to_anchor(&mut self) -> Result<(), StoreError> {
        let Some(anchor) = &mut self.anchor else { return Ok(()) };
        loop {
            let heads = self.runtime.block_on(self.writer.heads_after(anchor.sequence()))?;
            if heads.is_empty() {
                return Ok(());
            }
            anchor.append(&heads)?;
        }
    }
}
