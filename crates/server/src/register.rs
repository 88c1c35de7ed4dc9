//! Self-registration: a caller asks for a credential, which stays pending until an operator approves its app.
//!
//! It is served on the gateway's own listeners, because that is where callers are. The name that is asked for becomes a part of
//! the app's name, with a random end: nobody learns which names exist, and nobody can take one.

use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;
use countersign_core::admission::Admission;
use countersign_core::app::{App, NewCredential, Status, Terms};
use countersign_core::random::generate_key_id;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use self::quota::Quota;
use crate::admin::{ApiProblem, key_of, plain_text, read};
use crate::head::Head;
use crate::metrics::Metrics;

mod quota;

/// The most bytes of a registration.
pub(crate) const MOST_BODY: usize = 16 * 1024;
/// The most bytes of a name that is asked for: a random end comes on top.
const NAME: usize = 40;

/// Whether and how callers may register themselves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegisterSettings {
    /// The path, on every listener of the gateway.
    pub path: String,
    /// The dialects that may be asked for.
    pub dialects: Vec<String>,
    /// The most apps that are pending at one time.
    pub most_pending: u64,
    /// The most registrations from one address within a day; an IPv6 address counts as its /64.
    pub daily_per_address: u32,
}

/// What a caller asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    dialects: Vec<String>,
    /// PEM; without it a secret is made.
    public_key: Option<String>,
}

/// What it gets.
#[derive(Serialize)]
struct Given<'a> {
    app: &'a str,
    key_id: &'a str,
    status: &'a str,
    dialects: &'a [String],
    /// Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// The desk at which callers register.
#[derive(Debug)]
pub(crate) struct Register {
    settings: RegisterSettings,
    quota: Quota,
    /// Held from the count to the registration, so that two at once do not pass the bound together.
    counting: Mutex<()>,
}

impl Register {
    pub(crate) fn new(settings: RegisterSettings) -> Self {
        let quota = Quota::new(settings.daily_per_address);
        Self { settings, quota, counting: Mutex::default() }
    }

    pub(crate) fn path(&self) -> &str {
        &self.settings.path
    }

    pub(crate) fn takes(&self, head: &Head) -> bool {
        head.path() == self.settings.path.as_bytes()
    }

    /// The answer to a registration.
    pub(crate) async fn answer(&self, head: &Head, body: &[u8], peer: IpAddr, admission: &Admission, metrics: &Metrics) -> Response<Bytes> {
        let result = self.register(head, body, peer, admission).await;
        metrics.registered.add(u64::from(result.is_ok()));
        let mut answer = result.unwrap_or_else(|problem| problem.for_strangers().answer());
        answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }

    async fn register(&self, head: &Head, body: &[u8], peer: IpAddr, admission: &Admission) -> Result<Response<Bytes>, ApiProblem> {
        if head.method != "POST" {
            return Err(ApiProblem::use_post());
        }
        let asked: Asked = read(head.values("content-type").next().unwrap_or_default(), body)?;
        self.check(&asked)?;
        let (material, secret) = key_of(asked.public_key.as_deref())?;
        if !self.quota.takes(peer, Instant::now()) {
            return Err(ApiProblem::too_many_registrations());
        }
        let (key_id, store, now) = (generate_key_id()?, admission.changed_by("self-registration"), admission.now());
        let app = App { status: Status::Pending, ..App::new(unique(&asked.name, &key_id), now) };
        let counting = self.counting.lock().await;
        if store.count_apps(Status::Pending).await? >= self.settings.most_pending {
            return Err(ApiProblem::too_many_registrations());
        }
        store.add_app(App { labels: [("registered-from".to_owned(), peer.to_string())].into(), ..app.clone() }).await?;
        drop(counting);
        let added =
            store.add_credential(&app.name, NewCredential::new(key_id.clone(), material, Terms::new(asked.dialects.clone())), now).await;
        if let Err(error) = added {
            // An app without a credential would take a place among the pending ones for nothing.
            store.set_app_status(&app.name, Status::Disabled).await?;
            return Err(error.into());
        }
        tracing::info!(app = %app.name, %key_id, %peer, "an app registered itself and waits for approval");
        let secret = secret.as_ref().map(plain_text);
        Ok(given(&Given { app: &app.name, key_id: &key_id, status: app.status.as_str(), dialects: &asked.dialects, secret }))
    }

    fn check(&self, asked: &Asked) -> Result<(), ApiProblem> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if asked.name.is_empty() || asked.name.len() > NAME || !asked.name.bytes().all(plain) {
            return Err(ApiProblem::invalid(format!("name: use 1 to {NAME} letters, digits, dots, underscores and hyphens")));
        }
        let allowed = |id: &String| self.settings.dialects.contains(id);
        if asked.dialects.is_empty() || !asked.dialects.iter().all(allowed) {
            return Err(ApiProblem::invalid(format!("dialects: name one or more of {}", self.settings.dialects.join(", "))));
        }
        Ok(())
    }
}

/// The name with the random part of the key id as its end.
fn unique(name: &str, key_id: &str) -> String {
    format!("{name}-{}", key_id.trim_start_matches("ck_"))
}

fn given(given: &Given<'_>) -> Response<Bytes> {
    let mut answer = Response::new(serde_json::to_vec(given).unwrap_or_default().into());
    *answer.status_mut() = StatusCode::ACCEPTED;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
