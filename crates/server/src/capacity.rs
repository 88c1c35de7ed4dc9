//! How many requests are served at one time, and how many wait for that.

use std::sync::Arc;
use std::time::Duration;

use countersign_protocol::{Reason, Refusal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Limits;

/// Room for requests. One waits before its body is read.
#[derive(Debug)]
pub(crate) struct Capacity {
    size: (usize, usize, Duration),
    running: Arc<Semaphore>,
    queue: Semaphore,
}

impl Capacity {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (requests, queue, patience) = size(limits);
        Self { size: (requests, queue, patience), running: Arc::new(semaphore(requests)), queue: semaphore(queue) }
    }

    /// Whether these limits want just this one.
    pub(crate) fn fits(&self, limits: &Limits) -> bool {
        self.size == size(limits)
    }

    /// A place among those that are served, in the order in which they came.
    ///
    /// # Errors
    /// `overloaded`: the queue is full, or no place became free in time.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Ok(place) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = self.queue.try_acquire().map_err(|_| Refusal::new(Reason::Overloaded, "the queue is full"))?;
        let free = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout(self.size.2, free).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Refusal::new(Reason::Overloaded, "no place became free in time")),
        }
    }
}

const fn size(limits: &Limits) -> (usize, usize, Duration) {
    (limits.requests, limits.queue, limits.queue_time)
}

fn semaphore(permits: usize) -> Semaphore {
    Semaphore::new(permits.min(Semaphore::MAX_PERMITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(requests: usize, queue: usize, patience: u64) -> Arc<Capacity> {
        let limits = Limits { requests, queue, queue_time: Duration::from_millis(patience), ..Limits::default() };
        Arc::new(Capacity::new(&limits))
    }

    async fn refused(capacity: &Capacity) -> String {
        capacity.enter().await.unwrap_err().detail().to_owned()
    }

    #[tokio::test]
    async fn one_waits_and_the_next_is_refused_at_once() {
        let capacity = capacity(1, 1, 60_000);
        let first = capacity.enter().await.unwrap();
        let waiting = tokio::spawn({
            let capacity = Arc::clone(&capacity);
            async move { capacity.enter().await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(refused(&capacity).await, "the queue is full");
        drop(first);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_the_queue_time() {
        let capacity = capacity(1, 1, 20);
        let first = capacity.enter().await.unwrap();
        let begun = std::time::Instant::now();
        assert_eq!(refused(&capacity).await, "no place became free in time");
        assert!(begun.elapsed() >= Duration::from_millis(20));
        // Who gave up waiting holds no place in the queue.
        assert_eq!(refused(&capacity).await, "no place became free in time");
        drop(first);
        assert!(capacity.enter().await.is_ok());
    }

    #[tokio::test]
    async fn there_may_be_no_queue() {
        let capacity = capacity(1, 0, 60_000);
        let _first = capacity.enter().await.unwrap();
        assert_eq!(refused(&capacity).await, "the queue is full");
    }
}
