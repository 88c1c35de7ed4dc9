//! The admin listener: life, readiness and metrics for machines; apps, refusals and configuration for operators.
//!
//! Who may: `/livez` and `/readyz` anyone; `/metrics` anyone if it is open; everything else the holder of the token. A
//! listener without a token has no more than the first three. Every name under which a browser could be led here is refused
//! but those that are configured, and nothing is shared across origins.

mod apps;
mod credentials;
mod document;
mod gate;
mod input;
mod listener;
mod problem;
mod views;
mod watch;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::{io, iter};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, patch, post};
use countersign_core::store::CredentialStore;
use countersign_protocol::{Secret, Timestamp};
use tokio::task::JoinHandle;

pub use self::document::document;
use self::gate::FailedTokens;
pub(crate) use self::input::read;
pub(crate) use self::problem::ApiProblem;
pub(crate) use self::views::{key_of, plain_text};
use crate::gateway::Shared;

/// The most bytes of a body that is read here.
const MOST_BODY: usize = 64 * 1024;

/// Where the admin listener is, and who may use it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AdminSettings {
    /// Its address.
    pub listen: SocketAddr,
    /// What an operator shows; absent: there is nothing to operate here.
    pub token: Option<Secret>,
    /// The names under which it is called, without port, besides its address and the names of the loopback.
    pub hosts: Vec<String>,
    /// Whether `/metrics` needs no token.
    pub metrics_open: bool,
    /// The last refusals that are kept.
    pub refusals: usize,
}

impl AdminSettings {
    /// An admin listener without a token: life, readiness and open metrics.
    #[must_use]
    pub const fn new(listen: SocketAddr) -> Self {
        Self { listen, token: None, hosts: Vec::new(), metrics_open: true, refusals: crate::observers::REFUSALS }
    }
}

/// What every handler uses.
#[derive(Debug, Clone)]
pub(crate) struct Admin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: AdminSettings,
    shared: Arc<Shared>,
    failed: FailedTokens,
    /// Changes through it are those of the operator.
    store: Arc<dyn CredentialStore>,
}

/// The running listener, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves on this socket until what it gives is dropped.
pub(crate) fn serve(socket: TcpListener, settings: AdminSettings, shared: &Arc<Shared>) -> io::Result<Running> {
    let listener = tokio::net::TcpListener::from_std(socket)?;
    let admin = Admin(Arc::new(Inner {
        settings,
        shared: Arc::clone(shared),
        failed: FailedTokens::default(),
        store: shared.plan().admission.changed_by("admin API"),
    }));
    Ok(Running(tokio::spawn(listener::accept(listener, router(admin)))))
}

fn router(admin: Admin) -> Router {
    let gated = from_fn_with_state(admin.clone(), gate::operator);
    let operated = Router::new()
        .route("/openapi.json", get(document::get))
        .route("/refusals", get(watch::refusals))
        .route("/config", get(watch::config))
        .route("/apps", get(apps::list).post(apps::add))
        .route("/apps/{name}", get(apps::one).patch(apps::change).delete(apps::disable))
        .route("/apps/{name}/credentials", get(credentials::list).post(credentials::add))
        .route("/apps/{name}/credentials/{key_id}", patch(credentials::change).delete(credentials::disable))
        .route("/apps/{name}/credentials/{key_id}/rotate", post(credentials::rotate))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(gated);
    let metrics = get(watch::metrics).layer(from_fn_with_state(admin.clone(), gate::scraper));
    Router::new()
        .route("/livez", get(watch::live))
        .route("/readyz", get(watch::ready))
        .route("/metrics", metrics)
        .merge(operated)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(from_fn(gate::plainly))
        .with_state(admin)
}

impl Admin {
    fn settings(&self) -> &AdminSettings {
        &self.0.settings
    }

    fn shared(&self) -> &Shared {
        &self.0.shared
    }

    fn store(&self) -> &dyn CredentialStore {
        self.0.store.as_ref()
    }

    fn now(&self) -> Timestamp {
        self.0.shared.plan().admission.now()
    }

    /// Whether this listener is called by this name.
    fn is_called(&self, host: &str) -> bool {
        let own = self.settings().listen.ip();
        let own = if own.is_ipv6() { format!("[{own}]") } else { own.to_string() };
        let known = ["localhost", "127.0.0.1", "[::1]"].into_iter().chain(iter::once(own.as_str()));
        let mut known = known.chain(self.settings().hosts.iter().map(String::as_str));
        known.any(|name| name.eq_ignore_ascii_case(host))
    }
}
