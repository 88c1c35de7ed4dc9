//! Active health checks: each server is asked at an interval, and taken out or in after some answers in a row.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};

use super::connect::{Connection, open};
use super::definition::{Check, Definition};
use super::outgoing::shape;
use super::server::Server;
use super::servers::Servers;
use crate::body::{BoxError, full};

/// Asks one server until nobody holds its upstream any more.
pub(crate) async fn watch(servers: Weak<Servers>, index: usize, check: Check) {
    loop {
        let Some(held) = servers.upgrade() else { return };
        if let Some(server) = held.all().get(index) {
            ask(&held, server, &check).await;
        }
        drop(held);
        tokio::time::sleep(check.interval).await;
    }
}

async fn ask(servers: &Servers, server: &Arc<Server>, check: &Check) {
    let asked = tokio::time::timeout(check.timeout, status(server, servers.definition(), check)).await;
    let (good, told) = match asked {
        Ok(Ok(status)) => (check.is_good(status), status.to_string()),
        Ok(Err(error)) => (false, error.to_string()),
        Err(_) => (false, "no answer in time".to_owned()),
    };
    if server.checked(good, check.rise, check.fall) {
        tracing::warn!(upstream = servers.name(), server = %server.address, healthy = good, last = told, "health changed");
    }
}

async fn status(server: &Server, definition: &Definition, check: &Check) -> Result<StatusCode, BoxError> {
    let mut request = Request::new(full(Bytes::new()));
    *request.uri_mut() = Uri::try_from(&check.path)?;
    request.headers_mut().insert(HOST, HeaderValue::try_from(server.address.authority.as_str())?);
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("countersign"));
    let connection = open(server, definition).await?;
    let request = shape(request, matches!(connection, Connection::Http2(_)), server.address.tls).map_err(|failure| failure.detail)?;
    let answer = match connection {
        Connection::Http1(mut http1) => http1.sender.send_request(request).await?,
        Connection::Http2(mut http2) => http2.sender.send_request(request).await?,
    };
    Ok(answer.status())
}

impl Check {
    fn is_good(&self, status: StatusCode) -> bool {
        if self.statuses.is_empty() { status.is_success() } else { self.statuses.contains(&status.as_u16()) }
    }
}
