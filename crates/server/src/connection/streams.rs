//! The open streams of one HTTP/2 connection: one that has had none for a while is told that it is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Counts the streams whose requests have come and whose answers have not gone.
#[derive(Debug, Clone)]
pub(super) struct Streams(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    open: usize,
    /// Since when none is open, where none is.
    since: Instant,
}

/// A stream, which is open until this is dropped.
#[derive(Debug)]
pub(super) struct Stream(Streams);

impl Streams {
    /// Those of a connection that begins now.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State { open: 0, since: Instant::now() })))
    }

    /// One more.
    pub(super) fn open(&self) -> Stream {
        self.state().open += 1;
        Stream(self.clone())
    }

    /// Ready when none has been open for as long as `time`.
    pub(super) async fn idle(&self, time: Duration) {
        loop {
            let end = {
                let state = self.state();
                let is_over = state.open == 0 && state.since.elapsed() >= time;
                if is_over {
                    return;
                }
                // While one is open, none will have been closed for so long before that.
                if state.open == 0 { state.since + time } else { Instant::now() + time }
            };
            sleep_until(end).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.0.state();
        (state.open, state.since) = (state.open - 1, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_idle_when_none_was_open_for_the_time() {
        const TIME: Duration = Duration::from_millis(40);
        let (streams, begun) = (Streams::new(), Instant::now());
        streams.idle(TIME).await;
        assert!(begun.elapsed() >= TIME);
        let both = (streams.open(), streams.open());
        let closing = async {
            tokio::time::sleep(TIME * 2).await;
            drop(both.0);
            tokio::time::sleep(TIME * 2).await;
            drop(both.1);
            Instant::now()
        };
        let ((), closed) = tokio::join!(streams.idle(TIME), closing);
        assert!(closed.elapsed() >= TIME);
    }
}
