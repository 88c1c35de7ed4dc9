//! The OpenAPI document of the admin API, made from the handlers and their types.

use axum::Json;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{apps, credentials, views, watch};

#[derive(OpenApi)]
#[openapi(
    info(title = "Countersign admin API", description = "Apps, credentials, refusals and metrics of one gateway. Any call may also be answered with 401 (token), 421 (Host) or 429 (wrong tokens).", license(name = "MIT OR Apache-2.0")),
    paths(
        watch::live, watch::ready, watch::metrics, watch::refusals, watch::config,
        apps::list, apps::add, apps::one, apps::change, apps::disable,
        credentials::list, credentials::add, credentials::change, credentials::disable, credentials::rotate,
    ),
    components(schemas(views::Status)),
    security(("token" = [])),
    modifiers(&Token),
)]
struct Document;

/// The token as OpenAPI names it.
struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The content of the token file.")).build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(token));
    }
}

/// The OpenAPI document of the admin API.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub(super) async fn get() -> Json<utoipa::openapi::OpenApi> {
    Json(document())
}
