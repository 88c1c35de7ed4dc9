//! `/apps/{name}/credentials`: what an app signs with, added, replaced with an overlap, and switched off.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use countersign_core::app::{self, Registered, Terms};
use countersign_core::random::generate_key_id;
use countersign_core::store::LookupKey;
use countersign_protocol::KeyMaterial;
use http::StatusCode;

use super::apps::Page;
use super::input::{Asked, Body};
use super::problem::Problem;
use super::views::{Created, Credential, CredentialChange, Credentials, NewCredential, Rotation, algorithm, instant, key_of};
use super::{Admin, ApiProblem};

/// The longest overlap of a rotation.
const LONGEST_OVERLAP: Duration = Duration::from_hours(90 * 24);

/// The credentials of an app by key id, page by page, without their keys.
#[utoipa::path(get, path = "/apps/{name}/credentials", tag = "credentials", operation_id = "list_credentials", params(("name" = String, Path, description = "The app."), Page),
    responses(
    (status = 200, description = "A page of credentials.", body = Credentials),
    (status = 404, description = "There is no app of this name.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Asked(page): Asked<Page>,
) -> Result<Json<Credentials>, ApiProblem> {
    admin.app(&name).await?;
    let rows = admin.store().credentials(&name, &page.after).await?;
    let (rows, next) = page.cut(rows, |registered| registered.stored.credential.key_id())?;
    Ok(Json(Credentials { credentials: rows.iter().map(|registered| Credential::from(registered.as_ref())).collect(), next }))
}

/// Registers a credential. A secret that is made here is shown this once.
#[utoipa::path(post, path = "/apps/{name}/credentials", tag = "credentials", operation_id = "add_credential", params(("name" = String, Path, description = "The app.")),
    request_body = NewCredential, responses(
    (status = 201, description = "The credential, with its secret where it was made here.", body = Created),
    (status = 400, description = "The credential does not fit.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no app of this name.", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "The key id or the key is in use.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn add(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Body(new): Body<NewCredential>,
) -> Result<(StatusCode, Json<Created>), ApiProblem> {
    admin.app(&name).await?;
    let admission = &admin.shared().plan().admission;
    if let Some(unknown) = new.dialects.iter().find(|id| !admission.knows(id)) {
        return Err(ApiProblem::invalid(format!("dialects: there is no dialect {unknown:?}")));
    }
    let (material, secret) = key_of(new.public_key.as_deref())?;
    let mut terms = Terms::new(new.dialects);
    (terms.inputs, terms.diagnostics) = (new.inputs, new.diagnostics);
    terms.not_before = instant("not_before", new.not_before.as_deref())?;
    terms.not_after = instant("not_after", new.not_after.as_deref())?;
    let mut credential = app::NewCredential::new(new.key_id.map_or_else(generate_key_id, Ok)?, material, terms);
    credential.algorithms = new.algorithms.iter().map(|name| algorithm(name)).collect::<Result<_, _>>()?;
    let added = admin.store().add_credential(&name, credential, admin.now()).await?;
    let credential = Credential::from(added.as_ref());
    tracing::info!(target: "countersign::admin", app = %name, key_id = %credential.key_id, "a credential was added");
    Ok((StatusCode::CREATED, Json(Created { credential, secret })))
}

/// Switches a credential on or off.
#[utoipa::path(patch, path = "/apps/{name}/credentials/{key_id}", tag = "credentials", operation_id = "change_credential",
    params(("name" = String, Path, description = "The app."), ("key_id" = String, Path, description = "The credential.")),
    request_body = CredentialChange, responses(
    (status = 200, description = "The credential as it is now.", body = Credential),
    (status = 404, description = "The app has no such credential.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn change(
    State(admin): State<Admin>,
    Path((name, key_id)): Path<(String, String)>,
    Body(change): Body<CredentialChange>,
) -> Result<Json<Credential>, ApiProblem> {
    admin.set_status(&name, &key_id, change.status.into()).await
}

/// Switches a credential off. Nothing is removed.
#[utoipa::path(delete, path = "/apps/{name}/credentials/{key_id}", tag = "credentials", operation_id = "disable_credential",
    params(("name" = String, Path, description = "The app."), ("key_id" = String, Path, description = "The credential.")), responses(
    (status = 200, description = "The credential, disabled.", body = Credential),
    (status = 404, description = "The app has no such credential.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn disable(
    State(admin): State<Admin>,
    Path((name, key_id)): Path<(String, String)>,
) -> Result<Json<Credential>, ApiProblem> {
    admin.set_status(&name, &key_id, app::Status::Disabled).await
}

/// Makes a successor with a new secret under the same terms. The old credential ends after the overlap.
#[utoipa::path(post, path = "/apps/{name}/credentials/{key_id}/rotate", tag = "credentials", operation_id = "rotate_credential",
    params(("name" = String, Path, description = "The app."), ("key_id" = String, Path, description = "The credential to replace.")),
    request_body = Rotation, responses(
    (status = 201, description = "The successor, with its secret.", body = Created),
    (status = 400, description = "The overlap is too long, or the key is the caller's own.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "The app has no such credential.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn rotate(
    State(admin): State<Admin>,
    Path((name, key_id)): Path<(String, String)>,
    Body(rotation): Body<Rotation>,
) -> Result<(StatusCode, Json<Created>), ApiProblem> {
    let old = admin.credential(&name, &key_id).await?;
    let overlap = Duration::from_secs(rotation.overlap_seconds.into());
    if overlap > LONGEST_OVERLAP {
        return Err(ApiProblem::invalid("overlap_seconds: write at most 7776000, which are 90 days"));
    }
    if !matches!(old.stored.credential.material(), KeyMaterial::Hmac(_)) {
        return Err(ApiProblem::invalid("the key is the caller's own: register its new public key, then disable this credential"));
    }
    let (material, secret) = key_of(None)?;
    let successor = app::NewCredential::successor(&old.stored, generate_key_id()?, material);
    let now = admin.now();
    let added = admin.store().rotate(&key_id, successor, now.plus(overlap), now).await?;
    let credential = Credential::from(added.as_ref());
    tracing::info!(target: "countersign::admin", app = %name, old = %key_id, key_id = %credential.key_id, "a credential was replaced");
    Ok((StatusCode::CREATED, Json(Created { credential, secret })))
}

impl Admin {
    async fn credential(&self, app: &str, key_id: &str) -> Result<Arc<Registered>, ApiProblem> {
        let found = self.store().find(&LookupKey::KeyId(key_id.to_owned())).await?;
        found.filter(|found| found.app.name == app).ok_or_else(|| ApiProblem::nothing_here("the app has no such credential"))
    }

    async fn set_status(&self, app: &str, key_id: &str, status: app::Status) -> Result<Json<Credential>, ApiProblem> {
        self.credential(app, key_id).await?;
        self.store().set_credential_status(key_id, status).await?;
        tracing::info!(target: "countersign::admin", app, key_id, %status, "a credential was changed");
        Ok(Json(self.credential(app, key_id).await?.as_ref().into()))
    }
}
