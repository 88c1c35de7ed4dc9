//! The running gateway: listening sockets, one single-threaded runtime per worker, and an orderly stop.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use countersign_core::admission::Admission;
use countersign_protocol::Dialects;
use tokio::sync::{Semaphore, watch};

use crate::access::AccessLog;
use crate::admin;
use crate::admin::AdminSettings;
use crate::config::Settings;
use crate::connection;
use crate::limits::Limits;
use crate::observers::Observers;
use crate::rate::AddressLimit;
use crate::readiness::Phase;
use crate::register::Register;
use crate::route::Routes;
use crate::strip::Carried;
use crate::trace::Adopt;
use crate::upstream::Upstreams;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// A gateway that is bound to its addresses and not yet running.
#[derive(Debug)]
pub struct Gateway {
    addresses: Vec<SocketAddr>,
    /// For each worker, a socket of its own on every address: the kernel spreads connections over them.
    workers: Vec<Vec<TcpListener>>,
    admin: Option<(TcpListener, AdminSettings)>,
    shared: Arc<Shared>,
}

/// What every worker uses.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) routes: Routes,
    pub(crate) limits: Arc<Limits>,
    pub(crate) admission: Admission,
    /// Where any known dialect carries its claim.
    pub(crate) known: Carried,
    /// Where each dialect of a route does.
    pub(crate) own: BTreeMap<String, Carried>,
    pub(crate) addresses: Option<AddressLimit>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) access: AccessLog,
    pub(crate) register: Option<Register>,
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) connections: Arc<Semaphore>,
}

impl Gateway {
    /// Binds every address of the settings. `dialects` are all that are known here, not only those of routes: what any
    /// of them carries is redacted in logs, and not forwarded where nobody verified it. The admission brings stores and
    /// the clock.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub fn bind(settings: Settings, dialects: &Dialects, admission: Admission) -> io::Result<Self> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let mut addresses = Vec::new();
        let mut workers: Vec<Vec<TcpListener>> = (0..settings.workers.max(1)).map(|_| Vec::new()).collect();
        for address in &settings.listen {
            let mut address = *address;
            for sockets in &mut workers {
                let socket = listen(address)?;
                address = socket.local_addr()?;
                sockets.push(socket);
            }
            addresses.push(address);
        }
        let observers = Arc::new(Observers::new(&settings, &admission));
        let admission = observers.metrics.observe(admission);
        let admin = settings.admin.map(|admin| Ok::<_, io::Error>((listen(admin.listen)?, admin))).transpose()?;
        let accepted = settings.routes.iter().flat_map(|route| &route.rules.dialects);
        let own = accepted.map(|dialect| (dialect.id().to_owned(), Carried::by([dialect]))).collect();
        let shared = Shared {
            own,
            routes: settings.routes,
            admission,
            known: Carried::by(dialects.iter()),
            access: AccessLog::new(settings.log.access),
            register: settings.register.map(Register::new),
            observers,
            addresses: settings.limits.address_rate.map(AddressLimit::new),
            requests: semaphore(settings.limits.requests),
            connections: semaphore(settings.limits.connections),
            limits: Arc::new(settings.limits),
        };
        Ok(Self { addresses, workers, admin, shared: Arc::new(shared) })
    }

    /// The addresses on which requests are accepted; a port 0 has become the real one.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of the admin listener.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|(socket, _)| socket.local_addr().ok())
    }

    /// Spans of requests become children of what a trusted proxy's `traceparent` names, in this way.
    #[must_use]
    pub fn adopting(self, adopt: Adopt) -> Self {
        self.shared.observers.adopt.get_or_init(|| adopt);
        self
    }

    /// Serves until `stop` is ready, then accepts nothing more, finishes what is in flight within the drain limit, and
    /// returns. To be called inside a tokio runtime, which serves the admin listener.
    ///
    /// # Errors
    /// A worker cannot be started.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
        let (stopping, stopped) = watch::channel(false);
        let readiness = &self.shared.observers.readiness;
        // Answers until the last request has ended: whoever asks is told that the gateway is stopping.
        let admin = self.admin.map(|(socket, settings)| admin::serve(socket, settings, &self.shared)).transpose()?;
        let start = |sockets| worker(sockets, Arc::clone(&self.shared), stopped.clone());
        let threads = self.workers.into_iter().map(start).collect::<io::Result<Vec<_>>>()?;
        readiness.set(Phase::Serving);
        stop.await;
        readiness.set(Phase::Stopping);
        stopping.send_replace(true);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().try_for_each(JoinHandle::join)).await;
        drop(admin);
        joined.map_err(io::Error::other)?.map_err(|_| io::Error::other("a worker panicked"))
    }
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, Some(socket2::Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One thread with a runtime of its own: connections, their requests and their upstream connections stay on it.
fn worker(sockets: Vec<TcpListener>, shared: Arc<Shared>, stopped: watch::Receiver<bool>) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = "countersign-worker".to_owned();
    std::thread::Builder::new().name(name).spawn(move || {
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let upstreams = Upstreams::new(&shared.limits);
            let mut accepting = tokio::task::JoinSet::new();
            for socket in sockets {
                match tokio::net::TcpListener::from_std(socket) {
                    Ok(listener) => {
                        drop(accepting.spawn_local(connection::accept(listener, Arc::clone(&shared), upstreams.clone(), stopped.clone())))
                    }
                    Err(error) => tracing::error!(%error, "a listening socket was lost"),
                }
            }
            while accepting.join_next().await.is_some() {}
        });
    })
}
