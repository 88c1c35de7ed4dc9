//! Connecting to PostgreSQL: the URL, TLS where it asks for it, the pool, and the schema.

use std::pin::Pin;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{PostgresOptions, unavailable};
use crate::error::StoreError;

/// The schema, one step per version. A step that was released is never changed.
const SCHEMA: &[&str] = &[include_str!("schema.sql"), include_str!("sessions.sql")];
/// The lock under which one process at a time brings the schema to its last version: "counter" as a number.
const MIGRATION_LOCK: i64 = 0x63_6f75_6e74_6572;

/// Moves the bytes of one connection, until it ends.
pub(super) type Driving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How every connection is made.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// # Errors
    /// The URL is none; or it asks for TLS, and the machine has no trust anchors.
    pub(super) fn new(url: &str, options: &PostgresOptions) -> Result<Self, StoreError> {
        let mut config = parsed(url)?;
        config.application_name("countersign").connect_timeout(options.timeout).tcp_user_timeout(options.timeout);
        // Nothing is left to chance: TLS is used where the URL says so, and then the certificate is checked.
        let tls = matches!(config.get_ssl_mode(), SslMode::Require).then(trusting_the_machine).transpose()?;
        if tls.is_none() {
            config.ssl_mode(SslMode::Disable);
        }
        let statement_timeout = format!("-c statement_timeout={}", options.timeout.as_millis());
        config.options(statement_timeout);
        Ok(Self { config, tls })
    }

    pub(super) fn pool(&self, options: &PostgresOptions) -> Result<Pool, StoreError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &self.tls {
            Some(tls) => Manager::from_config(self.config.clone(), tls.clone(), recycling),
            None => Manager::from_config(self.config.clone(), NoTls, recycling),
        };
        let pool = Pool::builder(manager).max_size(options.connections).runtime(Runtime::Tokio1);
        let timeout = Some(options.timeout);
        let pool = pool.wait_timeout(timeout).create_timeout(timeout).recycle_timeout(timeout).build();
        pool.map_err(|error| StoreError::Unavailable(format!("postgres: {error}")))
    }

    /// A connection of its own, for notifications. `told` is called for each; the future ends with the connection.
    pub(super) async fn listen(&self, told: impl Fn() + Send + 'static) -> Result<(tokio_postgres::Client, Driving), StoreError> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await.map_err(|error| unavailable(&error))?;
                Ok((client, Box::pin(drive(connection, told))))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(|error| unavailable(&error))?;
                Ok((client, Box::pin(drive(connection, told))))
            }
        }
    }
}

async fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, told: impl Fn())
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        if matches!(message, tokio_postgres::AsyncMessage::Notification(_)) {
            told();
        }
    }
}

/// Brings the schema to its last version, while every other process waits.
pub(super) async fn migrate(pool: &Pool) -> Result<(), StoreError> {
    let mut client = pool.get().await.map_err(|error| StoreError::Unavailable(format!("postgres: {error}")))?;
    let transaction = client.transaction().await.map_err(|error| unavailable(&error))?;
    let run = async {
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
        transaction.batch_execute("CREATE TABLE IF NOT EXISTS schema_version (version bigint NOT NULL)").await?;
        let row = transaction.query_opt("SELECT version FROM schema_version", &[]).await?;
        Ok::<i64, tokio_postgres::Error>(row.map_or(0, |row| row.get(0)))
    };
    let found = run.await.map_err(|error| unavailable(&error))?;
    let known = i64::try_from(SCHEMA.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for step in SCHEMA.iter().skip(usize::try_from(found).unwrap_or(0)) {
        transaction.batch_execute(step).await.map_err(|error| unavailable(&error))?;
    }
    let note = if found == 0 { "INSERT INTO schema_version VALUES ($1)" } else { "UPDATE schema_version SET version = $1" };
    transaction.execute(note, &[&known]).await.map_err(|error| unavailable(&error))?;
    transaction.commit().await.map_err(|error| unavailable(&error))
}

fn trusting_the_machine() -> Result<MakeRustlsConnect, StoreError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(StoreError::Invalid {
            field: "postgres",
            fault: "the URL asks for TLS, and this machine trusts no certificate authority".to_owned(),
            mend: "install ca-certificates, or set SSL_CERT_FILE",
        });
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// What a URL says.
pub(super) fn parsed(url: &str) -> Result<Config, StoreError> {
    let config: Config = url.parse().map_err(|_| bad_url())?;
    let names_a_server = !config.get_hosts().is_empty() || !config.get_hostaddrs().is_empty();
    if names_a_server { Ok(config) } else { Err(bad_url()) }
}

/// The URL may hold a password: it is not shown.
fn bad_url() -> StoreError {
    StoreError::Invalid {
        field: "postgres",
        fault: "it is no URL of a PostgreSQL".to_owned(),
        mend: "write postgres://user:password@host:port/database, with ?sslmode=require for TLS",
    }
}

/// How long after a fault the next attempt is made.
pub(super) const PAUSE: Duration = Duration::from_millis(250);
