//! `/apps`: registered callers, listed, added, changed and switched off.

use axum::Json;
use axum::extract::{Path, State};
use countersign_core::app;
use countersign_core::store::PAGE;
use http::StatusCode;
use serde::Deserialize;

use super::input::{Asked, Body};
use super::problem::Problem;
use super::views::{App, AppChange, Apps, NewApp, ranges};
use super::{Admin, ApiProblem};

/// The rows of a page, where nothing else is asked for.
const ROWS: usize = 100;

/// Which page.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// Those after this one, in the order of their bytes.
    #[serde(default)]
    pub(super) after: String,
    /// At most so many: 1 to 1000, by default 100.
    pub(super) limit: Option<usize>,
}

impl Page {
    fn limit(&self) -> Result<usize, ApiProblem> {
        let limit = self.limit.unwrap_or(ROWS);
        if (1..=PAGE).contains(&limit) { Ok(limit) } else { Err(ApiProblem::invalid(format!("limit: write 1 to {PAGE}"))) }
    }

    /// Cuts what the store gave, and what to ask for next.
    pub(super) fn cut<T>(&self, mut rows: Vec<T>, name: impl Fn(&T) -> &str) -> Result<(Vec<T>, Option<String>), ApiProblem> {
        let limit = self.limit()?;
        let more = rows.len() > limit || rows.len() == PAGE;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| name(last).to_owned());
        Ok((rows, next))
    }
}

/// The apps by name, page by page.
#[utoipa::path(get, path = "/apps", tag = "apps", operation_id = "list_apps", params(Page), responses(
    (status = 200, description = "A page of apps.", body = Apps),
    (status = 400, description = "The query does not fit.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(admin): State<Admin>, Asked(page): Asked<Page>) -> Result<Json<Apps>, ApiProblem> {
    let (apps, next) = page.cut(admin.store().apps(&page.after).await?, |app| &app.name)?;
    Ok(Json(Apps { apps: apps.into_iter().map(App::from).collect(), next }))
}

/// Registers an app.
#[utoipa::path(post, path = "/apps", tag = "apps", operation_id = "add_app", request_body = NewApp, responses(
    (status = 201, description = "The app.", body = App),
    (status = 400, description = "The app does not fit.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "There is an app of this name.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn add(State(admin): State<Admin>, Body(new): Body<NewApp>) -> Result<(StatusCode, Json<App>), ApiProblem> {
    let mut app = app::App::new(new.name, admin.now());
    app.status = new.status.map_or(app.status, Into::into);
    (app.labels, app.scopes) = (new.labels, new.scopes);
    (app.addresses, app.rate) = (ranges(&new.addresses)?, new.rate.map(Into::into));
    admin.store().add_app(app.clone()).await?;
    tracing::info!(target: "countersign::admin", app = %app.name, status = %app.status, "an app was added");
    Ok((StatusCode::CREATED, Json(app.into())))
}

/// One app.
#[utoipa::path(get, path = "/apps/{name}", tag = "apps", operation_id = "get_app", params(("name" = String, Path, description = "The app.")), responses(
    (status = 200, description = "The app.", body = App),
    (status = 404, description = "There is none of this name.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn one(State(admin): State<Admin>, Path(name): Path<String>) -> Result<Json<App>, ApiProblem> {
    Ok(Json(admin.app(&name).await?.into()))
}

/// Changes an app: approves it, switches it off or on, replaces its labels, scopes, addresses or rate.
#[utoipa::path(patch, path = "/apps/{name}", tag = "apps", operation_id = "change_app", params(("name" = String, Path, description = "The app.")),
    request_body = AppChange, responses(
    (status = 200, description = "The app as it is now.", body = App),
    (status = 400, description = "The change does not fit.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is none of this name.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn change(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Body(change): Body<AppChange>,
) -> Result<Json<App>, ApiProblem> {
    let mut app = admin.app(&name).await?;
    app.status = change.status.map_or(app.status, Into::into);
    app.labels = change.labels.unwrap_or(app.labels);
    app.scopes = change.scopes.unwrap_or(app.scopes);
    app.addresses = change.addresses.as_deref().map(ranges).transpose()?.unwrap_or(app.addresses);
    app.rate = change.rate.map_or(app.rate, |rate| rate.map(Into::into));
    admin.store().update_app(app.clone()).await?;
    if change.status.is_some() {
        admin.store().set_app_status(&name, app.status).await?;
    }
    tracing::info!(target: "countersign::admin", app = %app.name, status = %app.status, "an app was changed");
    Ok(Json(app.into()))
}

/// Switches an app off with all its credentials. Nothing is removed: the log and the audit keep their meaning.
#[utoipa::path(delete, path = "/apps/{name}", tag = "apps", operation_id = "disable_app", params(("name" = String, Path, description = "The app.")), responses(
    (status = 200, description = "The app, disabled.", body = App),
    (status = 404, description = "There is none of this name.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn disable(State(admin): State<Admin>, Path(name): Path<String>) -> Result<Json<App>, ApiProblem> {
    admin.store().set_app_status(&name, app::Status::Disabled).await?;
    tracing::info!(target: "countersign::admin", app = %name, "an app was disabled");
    Ok(Json(admin.app(&name).await?.into()))
}

impl Admin {
    pub(super) async fn app(&self, name: &str) -> Result<app::App, ApiProblem> {
        self.store().app(name).await?.ok_or_else(|| ApiProblem::nothing_here("there is no app of this name"))
    }
}
