//! An axum service behind the layer: `cargo run --example axum -- ADDRESS DATA`, with an app and a key from `countersign app` in the folder DATA.

use std::{env, error::Error, path::PathBuf, sync::Arc};

use axum::{Router, routing::get};
use countersign_core::{admission::RouteRules, clock::SystemClock};
use countersign_protocol::Dialects;
use countersign_server::layer::{Caller, SignatureLayer};
use countersign_server::store::Stores;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let data = env::args().nth(2).map_or_else(|| PathBuf::from("data"), PathBuf::from);
    let dialects = Dialects::builtin()?;
    let dialect = dialects.get("hmac-sha256").ok_or("no such dialect")?.clone();
    let admission = Stores::within(&data).open(&dialects, Arc::new(SystemClock)).await?;
    let layer = SignatureLayer::new(admission, RouteRules::new(vec![dialect]));
    let app = Router::new().route("/hello", get(hello)).layer(layer);
    let listener = tokio::net::TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    Ok(axum::serve(listener, app).await?)
}

async fn hello(caller: Caller) -> String {
    format!("hello {}\n", caller.app().name)
}
