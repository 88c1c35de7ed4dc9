//! The running gateway: listening sockets, one single-threaded runtime per worker, and an orderly stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use countersign_core::admission::Admission;
use countersign_core::audit::Event;
use countersign_core::error::StoreError;
use countersign_protocol::Dialects;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::access::AccessLog;
use crate::admin;
use crate::admin::AdminSettings;
use crate::audit::loaded;
use crate::config::{Config, Settings};
use crate::connection::{self, Door};
use crate::observers::Observers;
use crate::plan::Plan;
use crate::readiness::Phase;
use crate::register::Register;
use crate::reload::{ConfigState, Fixed, Reloader};
use crate::session::{SessionDesk, SessionSettings};
use crate::tls::TlsListener;
use crate::trace::Adopt;
use crate::upstream::{Directory, Upstreams};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// A gateway that is bound to its addresses and not yet running.
#[derive(Debug)]
pub struct Gateway {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    /// For each worker, a socket of its own on every address: the kernel spreads connections over them.
    workers: Vec<Vec<Socket>>,
    admin: Option<(TcpListener, AdminSettings)>,
    shared: Arc<Shared>,
}

/// A listening socket.
#[derive(Debug)]
struct Socket {
    listener: TcpListener,
    /// The place of its TLS listener among those of the plan.
    tls: Option<usize>,
}

/// What lives as long as the process.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: ArcSwap<Plan>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) access: AccessLog,
    pub(crate) register: Option<Register>,
    /// How users log in, as configured at the start.
    pub(crate) users: Option<SessionSettings>,
    /// Where they do.
    pub(crate) session: OnceLock<Arc<SessionDesk>>,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) fixed: Fixed,
    /// The TLS listeners, as configured at the start.
    pub(crate) tls_addresses: Vec<SocketAddr>,
    pub(crate) state: ArcSwap<ConfigState>,
    /// Held by the reload that is going on.
    pub(crate) reloading: Mutex<()>,
    /// On which upstreams are checked, once the gateway runs.
    runtime: OnceLock<Handle>,
}

impl Shared {
    fn new(mut settings: Settings, dialects: &Dialects, admission: Admission) -> Result<Self, StoreError> {
        let state = ConfigState::first(admission.now(), settings.warnings.clone());
        let observers = Arc::new(Observers::new(&settings));
        let admission = observers.metrics.observe(admission);
        let (access, register) = (AccessLog::new(std::mem::take(&mut settings.log.access)), settings.register.take().map(Register::new));
        let (connections, fixed) = (semaphore(settings.limits.connections), settings.fixed.clone());
        let users = settings.session.take();
        let tls_addresses = settings.tls.iter().map(TlsListener::address).collect();
        let plan = Plan::first(settings, dialects, admission)?;
        observers.metrics.serve_certificates(plan.certificates());
        Ok(Self {
            connections,
            fixed,
            tls_addresses,
            state: ArcSwap::from_pointee(state),
            observers,
            access,
            register,
            users,
            session: OnceLock::new(),
            plan: ArcSwap::from_pointee(plan),
            reloading: Mutex::default(),
            runtime: OnceLock::new(),
        })
    }

    /// From now on upstreams are checked, on this runtime.
    fn watch_from(&self, runtime: Handle) {
        // A gateway runs once.
        let _first = self.runtime.set(runtime);
        self.watch_upstreams();
    }

    /// Checks the upstreams of the plan, those that are not checked yet.
    pub(crate) fn watch_upstreams(&self) {
        if let Some(runtime) = self.runtime.get() {
            let _inside = runtime.enter();
            self.plan().upstreams.watch();
        }
    }

    /// Records that this configuration is loaded, where there is an audit log. That it could not be is told in the log.
    pub(crate) fn record(&self, config: &Config) {
        let plan = self.plan();
        if let Some((audit, runtime)) = plan.admission.audit().zip(self.runtime.get()) {
            let (audit, at, change) = (audit.clone(), plan.admission.now(), loaded(audit, config));
            runtime.spawn(async move {
                if let Err(error) = audit.require(at, Event::Change(change)).await {
                    tracing::error!(%error, "that a configuration was loaded is not in the audit log");
                }
            });
        }
    }

    /// The plan by which a request that comes now is judged.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        self.plan.load_full()
    }
}

impl Gateway {
    /// Binds every address of the settings. `dialects` are all that are known here, not only those of routes: what any
    /// of them carries is redacted in logs, and not forwarded where nobody verified it. The admission brings stores and
    /// the clock.
    ///
    /// # Errors
    /// An address cannot be bound, or what the replay guard keeps cannot be written down.
    pub fn bind(settings: Settings, dialects: &Dialects, admission: Admission) -> io::Result<Self> {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let mut workers: Vec<Vec<Socket>> = (0..settings.workers.max(1)).map(|_| Vec::new()).collect();
        let mut bind = |(address, tls)| listen_everywhere(address, tls, &mut workers);
        let addresses = settings.listen.iter().map(|address| bind((*address, None))).collect::<io::Result<_>>()?;
        let tls = settings.tls.iter().enumerate().map(|(place, listener)| (listener.address(), Some(place)));
        let tls_addresses = tls.map(&mut bind).collect::<io::Result<_>>()?;
        let admin = settings.admin.clone();
        let admin = admin.map(|admin| Ok::<_, io::Error>((listen(admin.listen)?, admin))).transpose()?;
        let shared = Arc::new(Shared::new(settings, dialects, admission).map_err(io::Error::other)?);
        Ok(Self { addresses, tls_addresses, workers, admin, shared })
    }

    /// Replaces the configuration while the gateway runs.
    #[must_use]
    pub fn reloader(&self) -> Reloader {
        Reloader::new(Arc::clone(&self.shared))
    }

    /// The addresses on which requests are accepted; a port 0 has become the real one.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses on which requests are accepted over TLS.
    #[must_use]
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
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

    /// Users log in at this desk. The admission is one that it [`joined`](SessionDesk::joined).
    #[must_use]
    pub fn with_sessions(self, desk: SessionDesk) -> Self {
        self.shared.session.get_or_init(|| Arc::new(desk));
        self
    }

    /// The upstreams and what is known of their servers, as they are now.
    #[must_use]
    pub fn upstreams(&self) -> Directory {
        self.shared.plan().upstreams.clone()
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
        self.shared.watch_from(Handle::current());
        let tending = self.shared.session.get().map(|desk| tokio::spawn(Arc::clone(desk).keep()));
        let start = |sockets| worker(sockets, Arc::clone(&self.shared), stopped.clone());
        let threads = self.workers.into_iter().map(start).collect::<io::Result<Vec<_>>>()?;
        readiness.set(Phase::Serving);
        stop.await;
        readiness.set(Phase::Stopping);
        stopping.send_replace(true);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().try_for_each(JoinHandle::join)).await;
        drop(admin);
        tending.inspect(tokio::task::JoinHandle::abort);
        joined.map_err(io::Error::other)?.map_err(|_| io::Error::other("a worker panicked"))
    }
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
}

/// A socket on this address for every worker; the address, with a port 0 resolved.
fn listen_everywhere(mut address: SocketAddr, tls: Option<usize>, workers: &mut [Vec<Socket>]) -> io::Result<SocketAddr> {
    for sockets in workers {
        let listener = listen(address)?;
        address = listener.local_addr()?;
        sockets.push(Socket { listener, tls });
    }
    Ok(address)
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
fn worker(sockets: Vec<Socket>, shared: Arc<Shared>, stopped: watch::Receiver<bool>) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = "countersign-worker".to_owned();
    std::thread::Builder::new().name(name).spawn(move || {
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let upstreams = Upstreams::new();
            let mut accepting = tokio::task::JoinSet::new();
            for Socket { listener, tls } in sockets {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => {
                        let door = Door { listener, tls, shared: Arc::clone(&shared), upstreams: upstreams.clone() };
                        accepting.spawn_local(connection::accept(door, stopped.clone()));
                    }
                    Err(error) => tracing::error!(%error, "a listening socket was lost"),
                }
            }
            while accepting.join_next().await.is_some() {}
        });
    })
}
