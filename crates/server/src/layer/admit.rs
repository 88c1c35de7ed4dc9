//! Steps 1 to 8 for a request that a server has read: its head as far as it can be seen, and its body as late as the dialect permits.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::OriginalUri;
use bytes::Bytes;
use countersign_core::admission::{Admitted, Step};
use countersign_protocol::{Body as Known, Reason, RequestView};
use http::request::Parts;
use hyper::body::Body;

use super::Settings;
use super::body::RequestBody;
use crate::body::collect;
use crate::head::Head;
use crate::refused::Refused;

/// A request that may pass.
pub(super) enum Passed {
    /// Its caller is known, and these are its verified bytes.
    Admitted(Box<Admitted>, Bytes),
    /// It makes no claim at all, and the layer is optional.
    Anonymous(RequestBody),
}

/// The head of a request, and whether it passes.
pub(super) type Admitting = Pin<Box<dyn Future<Output = (Parts, Result<Passed, Refused>)> + Send>>;

impl Settings {
    /// Lets a request pass or says why not. Not generic, so that one copy of it serves every service.
    pub(super) fn admit(self: Arc<Self>, parts: Parts, body: RequestBody) -> Admitting {
        Box::pin(async move {
            let mut parts = parts;
            let passed = self.pass(&mut parts, body).await;
            (parts, passed)
        })
    }

    async fn pass(&self, parts: &mut Parts, body: RequestBody) -> Result<Passed, Refused> {
        let mut head = with_original_uri(parts, |parts| Head::from_request(parts, &self.limits))?;
        let nobody = self.optional && !self.carried.is_begun_in(&head);
        if let Some(host) = &self.host {
            head.set_host(host);
        }
        // The layer's own limit holds before anything is buffered, whatever other layers there are, and in whichever order.
        let (limit, idle) = (self.rules.body_limit, self.limits.body_idle);
        let lines = head.lines();
        let view = |body| RequestView {
            method: &head.method,
            scheme: self.scheme,
            target: &head.target,
            version: head.version,
            headers: &lines,
            body,
        };
        let early = view(if body.is_end_stream() { Known::Bytes(b"") } else { Known::Pending });
        let begun = match self.admission.begin(&self.rules, &early) {
            Err(denial) if nobody && denial.reason() == Reason::MissingSignature => {
                return Ok(Passed::Anonymous(body.bounded(limit)));
            }
            step => step?,
        };
        let read;
        let whole;
        let authentic = match begun {
            Step::NeedsBody => {
                read = collect(body, limit, idle).await?;
                whole = view(Known::Bytes(&read));
                match self.admission.begin(&self.rules, &whole) {
                    Ok(Step::Begun(begun)) => self.admission.authenticate(begun).await?,
                    Ok(Step::NeedsBody) => return Err(Reason::Internal.into()),
                    Err(denial) if nobody && denial.reason() == Reason::MissingSignature => {
                        return Ok(Passed::Anonymous(RequestBody::whole(read)));
                    }
                    Err(denial) => return Err(denial.into()),
                }
            }
            Step::Begun(begun) if begun.needs_body() => {
                read = collect(body, limit, idle).await?;
                self.admission.authenticate(begun.with_body(&read)).await?
            }
            Step::Begun(begun) => {
                let authentic = self.admission.authenticate(begun).await?;
                read = collect(body, limit, idle).await?;
                authentic.with_body(&read)
            }
        };
        let admitted = self.admission.admit(authentic).await?;
        Ok(Passed::Admitted(Box::new(admitted), read))
    }
}

/// A nested router takes its prefix off the target; what was signed is the target before.
fn with_original_uri<T>(parts: &mut Parts, read: impl FnOnce(&Parts) -> T) -> T {
    let Some(OriginalUri(original)) = parts.extensions.get::<OriginalUri>().cloned() else { return read(parts) };
    let rest = std::mem::replace(&mut parts.uri, original);
    let taken = read(parts);
    parts.uri = rest;
    taken
}
