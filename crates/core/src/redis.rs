//! The way to a Redis or Valkey, shared by everything in this process that asks it: one connection, on which requests do not wait for each other.
//!
//! Each connection goes to one server process, whose id is asked for when it is made: what a process before it knew may be lost.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, InfoDict, RedisError, RedisResult, ScriptInvocation};

use crate::error::StoreError;
use crate::side::Side;

/// After a failed attempt to connect, the next one waits so long.
const PAUSE: Duration = Duration::from_millis(250);
/// Parts into which a cluster's keys are split, each of which lies on one node.
const CLUSTER_SHARDS: u8 = 16;

/// How a Redis or Valkey is used.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// How long an answer, or a connection, may take. Beyond: `store_unavailable`.
    pub timeout: Duration,
    /// Requests that may wait for an answer at one time. Beyond: `store_unavailable`.
    pub pending: usize,
    /// What every key begins with.
    pub prefix: String,
    /// How far the clocks of the gateways, and that of the server, may differ. Entries are kept for so much longer, and a gateway whose clock
    /// differs by more is refused.
    pub skew: Duration,
    /// Whether the server's clock is compared with the gateway's.
    pub compares_clocks: bool,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(500),
            pending: 10_000,
            prefix: "countersign".to_owned(),
            skew: Duration::from_secs(60),
            compares_clocks: true,
        }
    }
}

/// A Redis or Valkey, connected to when it is first asked for something, and again after every fault.
pub struct RedisLink {
    target: Target,
    options: RedisOptions,
    side: Side,
    live: RwLock<Option<Live>>,
    /// Held by whoever connects; when the last attempt failed.
    connecting: tokio::sync::Mutex<Option<(Instant, StoreError)>>,
    waiting: tokio::sync::Semaphore,
}

enum Target {
    Single(Box<Client>),
    Cluster(Box<redis::cluster::ClusterClient>),
}

/// A connection, and which process it leads to.
#[derive(Clone)]
struct Live {
    connection: Connection,
    /// Empty for a cluster, whose nodes come and go behind its connection: there each node says it itself.
    process: Arc<str>,
}

#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl RedisLink {
    /// The way to these servers: one address, or several nodes of a cluster. Nothing is connected yet.
    ///
    /// # Errors
    /// An address is no `redis://` or `rediss://` URL.
    pub fn new(urls: &[&str], options: RedisOptions) -> Result<Self, StoreError> {
        let target = match urls {
            [url] => Target::Single(Box::new(Client::open(*url).map_err(|_| bad_url())?)),
            _ => {
                let builder = ClusterClientBuilder::new(urls.iter().copied());
                let builder = builder.retries(0).connection_timeout(options.timeout).response_timeout(options.timeout);
                Target::Cluster(Box::new(builder.build().map_err(|_| bad_url())?))
            }
        };
        let waiting = tokio::sync::Semaphore::new(options.pending);
        Ok(Self {
            target,
            side: Side::start("countersign-redis")?,
            options,
            live: RwLock::default(),
            connecting: Default::default(),
            waiting,
        })
    }

    /// Looks at a URL without connecting.
    ///
    /// # Errors
    /// It is no `redis://` or `rediss://` URL.
    pub fn check_url(url: &str) -> Result<(), StoreError> {
        Client::open(url).map(drop).map_err(|_| bad_url())
    }

    pub(crate) const fn options(&self) -> &RedisOptions {
        &self.options
    }

    /// Into how many parts keys are split. All keys of one script are of one part.
    pub(crate) const fn shards(&self) -> u8 {
        match self.target {
            Target::Single(_) => 1,
            Target::Cluster(_) => CLUSTER_SHARDS,
        }
    }

    /// Runs a script; `invocation` is told to which process of the server it goes. An answer that does not come in time is an error.
    pub(crate) async fn invoke<T: FromRedisValue>(
        &self,
        invocation: impl FnOnce(&str) -> ScriptInvocation<'static> + Send,
    ) -> Result<T, StoreError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| StoreError::Busy)?;
        let deadline = tokio::time::Instant::now() + self.options.timeout;
        let asked = async {
            let mut live = self.live().await?;
            let script = invocation(&live.process);
            let answer = match &mut live.connection {
                Connection::Single(connection) => script.invoke_async(connection).await,
                Connection::Cluster(connection) => script.invoke_async(connection).await,
            };
            answer.map_err(|error| self.failed(&live, &error))
        };
        match tokio::time::timeout_at(deadline, asked).await {
            Ok(answer) => answer,
            Err(_) => {
                self.forget();
                Err(StoreError::Unavailable(format!("redis did not answer within {} ms", self.options.timeout.as_millis())))
            }
        }
    }

    /// The connection, made by the first who needs it.
    async fn live(&self) -> Result<Live, StoreError> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let mut failed = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        if let Some((at, error)) = failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE) {
            let _recent = at;
            return Err(error.clone());
        }
        match self.connect().await {
            Ok(live) => {
                *failed = None;
                *self.live.write().unwrap_or_else(PoisonError::into_inner) = Some(live.clone());
                Ok(live)
            }
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Live, StoreError> {
        let timeout = self.options.timeout;
        let mut connection = match &self.target {
            Target::Single(client) => {
                let config = AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout));
                let client = client.clone();
                let made = async move { client.get_multiplexed_async_connection_with_config(&config).await.map_err(|e| unavailable(&e)) };
                Connection::Single(self.side.run(made).await?)
            }
            Target::Cluster(client) => {
                let client = client.clone();
                Connection::Cluster(self.side.run(async move { client.get_async_connection().await.map_err(|e| unavailable(&e)) }).await?)
            }
        };
        let info = connection.info().await.map_err(|error| unavailable(&error))?;
        // Under any other policy it may throw away an entry that still counts.
        if let Some(policy) = info.get::<String>("maxmemory_policy").filter(|policy| policy != "noeviction") {
            return Err(StoreError::Invalid {
                field: "redis",
                fault: format!("it throws keys away when memory is short (maxmemory-policy {policy})"),
                mend: "set maxmemory-policy noeviction on the server",
            });
        }
        let process = match &connection {
            Connection::Single(_) => info.get::<String>("run_id").unwrap_or_default(),
            Connection::Cluster(_) => String::new(),
        };
        Ok(Live { connection, process: process.into() })
    }

    fn current(&self) -> Option<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a fault of the connection, the next request makes a new one.
    fn failed(&self, live: &Live, error: &RedisError) -> StoreError {
        let is_of_connection = error.is_io_error() || error.is_connection_dropped() || error.is_timeout() || error.is_unrecoverable_error();
        if is_of_connection && self.current().is_some_and(|current| Arc::ptr_eq(&current.process, &live.process)) {
            self.forget();
        }
        unavailable(error)
    }

    fn forget(&self) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Connection {
    async fn info(&mut self) -> RedisResult<InfoDict> {
        let mut command = redis::cmd("INFO");
        command.arg("server").arg("memory");
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => {
                let route = redis::cluster_routing::RoutingInfo::SingleNode(redis::cluster_routing::SingleNodeRoutingInfo::Random);
                redis::from_redis_value(connection.route_command(command, route).await?).map_err(Into::into)
            }
        }
    }
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLink").field("connected", &self.current().is_some()).finish_non_exhaustive()
    }
}

fn bad_url() -> StoreError {
    StoreError::Invalid {
        field: "redis",
        fault: "it is no URL of a Redis".to_owned(),
        mend: "write redis://host:port/ or, over TLS, rediss://host:port/",
    }
}

/// The server's own words may hold a key, never a secret: keys are hashes and names of apps.
fn unavailable(error: &RedisError) -> StoreError {
    StoreError::Unavailable(format!("redis: {error}"))
}
