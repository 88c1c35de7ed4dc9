//! WebSocket (RFC 6455): after a verified handshake, bytes go both ways until one side ends, or both are silent for too long.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::server::InFlight;
use super::servers::TunnelPlace;

/// Bytes that are on their way in one direction.
const PIECE: usize = 16 * 1024;

/// The upstream's end of a tunnel, and what it uses.
#[derive(Debug)]
pub(crate) struct FarEnd {
    pub(crate) upgrade: OnUpgrade,
    pub(crate) idle: Duration,
    pub(crate) place: TunnelPlace,
    pub(crate) in_flight: InFlight,
}

/// The tunnel that a connection of a peer has become, if it has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tunnel(Arc<Mutex<Option<JoinHandle<()>>>>);

impl Tunnel {
    /// Joins both ends as soon as both have switched.
    pub(crate) fn start(&self, near: OnUpgrade, far: FarEnd) {
        let task = tokio::spawn(async move {
            if let Err(error) = run(near, far).await {
                tracing::debug!(%error, "a tunnel ended");
            }
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Ready when the tunnel has ended, at once when there is none. Given up before, it ends the tunnel.
    pub(crate) async fn ended(&self) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            let mut task = AbortOnDrop(task);
            // One that was cut off has ended too.
            let _ended = (&mut task.0).await;
        }
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(near: OnUpgrade, far: FarEnd) -> io::Result<()> {
    let FarEnd { upgrade, idle, place, in_flight } = far;
    let _held = (place, in_flight);
    let switched = async { tokio::try_join!(near, upgrade) };
    let (near, far) = tokio::time::timeout(idle, switched).await?.map_err(io::Error::other)?;
    let (near_in, near_out) = tokio::io::split(TokioIo::new(near));
    let (far_in, far_out) = tokio::io::split(TokioIo::new(far));
    let moved = Mutex::new(Instant::now());
    let both = async { tokio::try_join!(copy(near_in, far_out, &moved), copy(far_in, near_out, &moved)) };
    tokio::select! {
        ended = both => ended.map(drop),
        () = silence(&moved, idle) => Err(io::Error::new(io::ErrorKind::TimedOut, "both sides were silent for too long")),
    }
}

/// Gives on what comes, and its end.
async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, moved: &Mutex<Instant>) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = from.read(&mut piece).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&piece[..count]).await?;
        to.flush().await?;
        *moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

async fn silence(moved: &Mutex<Instant>, idle: Duration) {
    loop {
        let end = *moved.lock().unwrap_or_else(PoisonError::into_inner) + idle;
        if end <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(end).await;
    }
}
