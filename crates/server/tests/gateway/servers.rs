//! Upstream servers that a test scripts byte by byte, and a configuration that names them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A plain answer that leaves the connection open.
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A configuration with one upstream of these servers, and one route at `/` to it for the in-house dialect.
pub(crate) fn named(servers: &[SocketAddr], upstream: &str, route: &str) -> String {
    let servers: Vec<String> = servers.iter().map(|address| format!("{{ url = \"http://{address}\" }}")).collect();
    written(&servers.join(", "), upstream, route)
}

/// The same with the list of servers as it is written.
pub(crate) fn written(servers: &str, upstream: &str, route: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:0\"]\nworkers = 1\n[[upstream]]\nname = \"orders\"\nservers = [{servers}]\n{upstream}\n\
         [[route]]\nprefix = \"/\"\nupstream = \"orders\"\ndialects = [\"house\"]\n{route}\n"
    )
}

/// A server that keeps every byte of every connection, and does with each connection what its script says.
pub(crate) struct Raw {
    pub(crate) address: SocketAddr,
    seen: Seen,
    accepted: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

/// What came on each connection, in the order of their making.
pub(crate) type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// One connection of a scripted server.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    number: usize,
    seen: Seen,
}

impl Raw {
    pub(crate) async fn start<F: Future<Output = ()> + Send + 'static>(script: impl Fn(Peer) -> F + Send + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), script).await
    }

    pub(crate) async fn at<F: Future<Output = ()> + Send + 'static>(
        address: SocketAddr,
        script: impl Fn(Peer) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, accepted) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
        let ended = Arc::new(AtomicUsize::new(0));
        let (record, count, done) = (Arc::clone(&seen), Arc::clone(&accepted), Arc::clone(&ended));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                record.lock().unwrap().push(Vec::new());
                let (work, done) = (script(Peer { stream, number, seen: Arc::clone(&record) }), Arc::clone(&done));
                tokio::spawn(async move {
                    work.await;
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, seen, accepted, ended, task }
    }

    /// A server that answers every request with `ok`, as soon as its head has come, and reads on.
    pub(crate) async fn answering() -> Self {
        Self::start(|mut peer| async move { while peer.head().await && peer.stream.write_all(OK).await.is_ok() {} }).await
    }

    /// A server that reads and never answers.
    pub(crate) async fn silent() -> Self {
        Self::start(|mut peer| async move { while peer.read().await {} }).await
    }

    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Connections whose script has come to its end: for one that only reads, those that were closed.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    /// What came on this connection so far.
    pub(crate) fn seen(&self, connection: usize) -> Vec<u8> {
        self.seen.lock().unwrap().get(connection).cloned().unwrap_or_default()
    }

    /// Everything that came so far, connection by connection.
    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests came, for servers whose requests have no body.
    pub(crate) fn requests(&self) -> usize {
        self.all().iter().map(|bytes| bytes.windows(4).filter(|window| window == b"\r\n\r\n").count()).sum()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// Reads what is there; false at the end.
    pub(crate) async fn read(&mut self) -> bool {
        let mut piece = vec![0; 64 * 1024];
        let count = self.stream.read(&mut piece).await.unwrap_or(0);
        self.seen.lock().unwrap()[self.number].extend(&piece[..count]);
        count > 0
    }

    /// What came so far.
    pub(crate) fn so_far(&self) -> Vec<u8> {
        self.seen.lock().unwrap()[self.number].clone()
    }

    /// Reads until one more head is complete.
    pub(crate) async fn head(&mut self) -> bool {
        let heads = |peer: &Self| peer.seen.lock().unwrap()[peer.number].windows(4).filter(|window| window == b"\r\n\r\n").count();
        let before = heads(self);
        while heads(self) == before {
            if !self.read().await {
                return false;
            }
        }
        true
    }

    /// Reads until these bytes have come at least once.
    pub(crate) async fn until(&mut self, wanted: &[u8]) -> bool {
        while crate::fixture::find(&self.so_far(), wanted).is_none() {
            if !self.read().await {
                return false;
            }
        }
        true
    }
}

/// Waits until this holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("in vain: {what}");
}
