//! What is to be seen of a running gateway: life, readiness, metrics, the last refusals and the configuration.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use countersign_protocol::Reason;
use http::header::CONTENT_TYPE;
use serde::Deserialize;

use super::input::Asked;
use super::problem::Problem;
use super::views::{Config, Refusal, Refusals};
use super::{Admin, ApiProblem};
use crate::config::ConfigError;
use crate::metrics::MEDIA_TYPE;

/// The refusals that are told, where nothing else is asked for.
const ROWS: usize = 100;
/// The most that are told at once.
const MOST_ROWS: usize = 1_000;

/// Which refusals.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this key id only.
    key_id: Option<String>,
    /// Of this app only.
    app: Option<String>,
    /// For this exact reason only.
    reason: Option<String>,
    /// At most so many: 1 to 1000, by default 100.
    limit: Option<usize>,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/livez", tag = "watch", security(()), responses((status = 200, description = "It does.", body = String)))]
pub(super) async fn live() -> &'static str {
    "ok"
}

/// Whether requests should be sent here.
#[utoipa::path(get, path = "/readyz", tag = "watch", security(()), responses(
    (status = 200, description = "They should.", body = String),
    (status = 503, description = "They should not; the detail says why.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn ready(State(admin): State<Admin>) -> Response {
    let hindrances = admin.shared().observers.readiness.hindrances(admin.store()).await;
    if hindrances.is_empty() { "ok".into_response() } else { ApiProblem::not_ready(&hindrances).into_response() }
}

/// The metrics, as Prometheus reads them.
#[utoipa::path(get, path = "/metrics", tag = "watch", responses(
    (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
))]
pub(super) async fn metrics(State(admin): State<Admin>) -> Response {
    let shared = admin.shared();
    let plan = shared.plan();
    let text = shared.observers.metrics.text(&plan.admission, &plan.upstreams, &shared.state.load()).await;
    ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
}

/// The last refusals with their exact reasons, the latest first: why a caller is refused.
#[utoipa::path(get, path = "/refusals", tag = "watch", params(Wanted), responses(
    (status = 200, description = "The refusals.", body = Refusals),
    (status = 400, description = "The query does not fit.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn refusals(State(admin): State<Admin>, Asked(wanted): Asked<Wanted>) -> Result<Json<Refusals>, ApiProblem> {
    let unknown = |name: &str| ApiProblem::invalid(format!("reason: {name:?} is none"));
    let reason = wanted.reason.as_deref().map(|name| Reason::from_name(name).ok_or_else(|| unknown(name))).transpose()?;
    let is = |asked: &Option<String>, value: &str| asked.as_deref().is_none_or(|asked| asked == value);
    let limit = wanted.limit.unwrap_or(ROWS);
    if !(1..=MOST_ROWS).contains(&limit) {
        return Err(ApiProblem::invalid(format!("limit: write 1 to {MOST_ROWS}")));
    }
    let latest = admin.shared().observers.refusals.latest(limit, |refusal| {
        is(&wanted.key_id, &refusal.key_id) && is(&wanted.app, &refusal.app) && reason.is_none_or(|reason| reason == refusal.reason)
    });
    Ok(Json(Refusals { refusals: latest.into_iter().map(Refusal::from).collect() }))
}

/// Which configuration is served, and what became of the last attempt to change it.
#[utoipa::path(get, path = "/config", tag = "watch", responses((status = 200, description = "The configuration's news.", body = Config)))]
pub(super) async fn config(State(admin): State<Admin>) -> Json<Config> {
    let told = admin.shared().state.load_full();
    let faults = |faults: &[ConfigError]| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let (time, error) = told.refused.as_ref().map(|refused| (refused.at.to_string(), faults(&refused.faults))).unzip();
    Json(Config {
        generation: told.generation,
        since: told.since.to_string(),
        warnings: told.warnings.clone(),
        needs_restart: told.needs_restart.iter().map(|name| (*name).to_owned()).collect(),
        refused: told.refusals,
        last_error_time: time,
        last_error: error,
    })
}
