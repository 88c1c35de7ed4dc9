//! How long a peer may leave what is written to it untaken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Ends a connection whose peer takes nothing of an answer, so that it holds no place among the requests.
pub(super) struct Patience {
    limit: Duration,
    over: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) const fn new(limit: Duration) -> Self {
        Self { limit, over: None }
    }

    /// What a write gave, or an error where none has got on for too long.
    pub(super) fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.over = None;
            return written;
        }
        let limit = self.limit;
        let over = self.over.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(over.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing of the answer")))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_write_that_gets_on_begins_the_time_anew() {
        let mut patience = Patience::new(Duration::from_millis(50));
        let mut write = async |done: Poll<io::Result<usize>>| {
            let mut done = Some(done);
            poll_fn(|cx| match patience.judge(cx, done.take().unwrap_or(Poll::Pending)) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(result) => Poll::Ready(Some(result)),
            })
            .await
        };
        for _ in 0..3 {
            // The time of the write before is over, and counts no more.
            assert!(write(Poll::Pending).await.is_none());
            sleep(Duration::from_millis(60)).await;
            assert_eq!(write(Poll::Ready(Ok(1))).await.unwrap().unwrap(), 1);
        }
        assert!(write(Poll::Pending).await.is_none());
        sleep(Duration::from_millis(60)).await;
        assert_eq!(write(Poll::Pending).await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
