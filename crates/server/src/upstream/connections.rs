//! The connections that one worker keeps: unused ones for HTTP/1.1, shared ones for HTTP/2.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as Gate;

use super::connect::{Connection, Http1, Http2, open};
use super::definition::{Definition, Protocol};
use super::server::Server;
use crate::body::BoxError;

/// Requests at one time on one HTTP/2 connection.
const STREAMS: usize = 100;
/// How often unused connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);
/// How long an answered HTTP/1.1 connection may take to be ready again.
const SETTLE: Duration = Duration::from_secs(1);

/// The connections of one worker. Its lock is never held over a wait, and no other worker takes it.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<HashMap<u64, Kept>>);

/// What is kept for one server.
#[derive(Debug, Default)]
struct Kept {
    idle: Vec<Timed<Http1>>,
    shared: Vec<Timed<Http2>>,
    /// Held while an HTTP/2 connection is made, so that a burst makes one.
    opening: Arc<Gate<()>>,
}

#[derive(Debug)]
struct Timed<C> {
    connection: C,
    until: Instant,
}

impl Connections {
    /// None yet. Unused ones are let go when their time has come, as long as a runtime is there.
    pub(crate) fn new() -> Arc<Self> {
        let connections = Arc::new(Self::default());
        tokio::spawn(sweep(Arc::downgrade(&connections)));
        connections
    }

    /// A connection that can take a request, kept or new; whether it is new.
    ///
    /// # Errors
    /// None could be made.
    pub(crate) async fn get(&self, server: &Server, definition: &Definition, http1_only: bool) -> Result<(Connection, bool), BoxError> {
        if let Some(kept) = self.take(server, definition) {
            return Ok((kept, false));
        }
        let http2 = match definition.protocol {
            Protocol::Http2 => true,
            Protocol::Http1 => false,
            Protocol::Auto => server.speaks_http2.load(Ordering::Relaxed),
        };
        if http1_only || !http2 {
            return self.open(server, definition).await;
        }
        let gate = Arc::clone(&self.kept().entry(server.number).or_default().opening);
        let _held = gate.lock().await;
        match self.take(server, definition) {
            Some(kept) => Ok((kept, false)),
            None => self.open(server, definition).await,
        }
    }

    async fn open(&self, server: &Server, definition: &Definition) -> Result<(Connection, bool), BoxError> {
        let connection = open(server, definition).await?;
        if let Connection::Http2(http2) = &connection {
            let until = Instant::now() + definition.times.idle;
            self.kept().entry(server.number).or_default().shared.push(Timed { connection: http2.clone(), until });
        }
        Ok((connection, true))
    }

    /// A kept connection; those that have ended on the way are let go.
    fn take(&self, server: &Server, definition: &Definition) -> Option<Connection> {
        let mut all = self.kept();
        let kept = all.get_mut(&server.number)?;
        let now = Instant::now();
        kept.shared.retain(|timed| !timed.connection.sender.is_closed());
        if let Some(timed) = kept.shared.iter_mut().find(|timed| timed.connection.load() < STREAMS) {
            timed.until = now + definition.times.idle;
            return Some(Connection::Http2(timed.connection.clone()));
        }
        // The latest first: it is the least likely to have been closed.
        while let Some(timed) = kept.idle.pop() {
            if timed.until > now && timed.connection.sender.is_ready() {
                return Some(Connection::Http1(timed.connection));
            }
        }
        None
    }

    /// Keeps an HTTP/1.1 connection whose answer has come to its end.
    pub(crate) fn give_back(self: &Arc<Self>, number: u64, definition: &Definition, mut connection: Http1) {
        let (idle, most) = (definition.times.idle, definition.most.idle);
        if connection.sender.is_ready() {
            return self.keep(number, connection, idle, most);
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if matches!(tokio::time::timeout(SETTLE, connection.sender.ready()).await, Ok(Ok(()))) {
                this.keep(number, connection, idle, most);
            }
        });
    }

    fn keep(&self, number: u64, connection: Http1, idle: Duration, most: usize) {
        let mut all = self.kept();
        let kept = all.entry(number).or_default();
        if kept.idle.len() < most {
            kept.idle.push(Timed { connection, until: Instant::now() + idle });
        }
    }

    fn sweep(&self) {
        let now = Instant::now();
        self.kept().retain(|_, kept| {
            kept.idle.retain(|timed| timed.until > now && !timed.connection.sender.is_closed());
            kept.shared.retain(|timed| !timed.connection.sender.is_closed() && (timed.until > now || timed.connection.load() > 0));
            !kept.idle.is_empty() || !kept.shared.is_empty() || Arc::strong_count(&kept.opening) > 1
        });
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<u64, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep(connections: Weak<Connections>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        match connections.upgrade() {
            Some(connections) => connections.sweep(),
            None => return,
        }
    }
}
