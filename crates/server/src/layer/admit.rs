//! What passes the layer: the head as far as it can be seen behind a server, then the steps of an admission.

use std::pin::Pin;
use std::sync::Arc;

use axum::extract::OriginalUri;
use bytes::Bytes;
use countersign_core::admission::{Admitted, Step};
use countersign_protocol::{Body as Known, Reason};
use http::request::Parts;

use super::Settings;
use super::body::RequestBody;
use crate::admit::Inbound;
use crate::body::Arriving;
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
        let may_be_nobody = self.optional && !self.carried.is_begun_in(&head);
        if let Some(host) = &self.host {
            head.set_host(host);
        }
        head.target.splice(0..0, self.path_prefix.bytes());
        let inbound = Inbound { head: &head, lines: &head.lines(), scheme: self.scheme, client: None, idle: self.limits.body_idle };
        let mut body = Arriving::Unread(body, self.bodies.clone());
        if may_be_nobody && self.is_nobody(&inbound, &mut body).await? {
            return Ok(Passed::Anonymous(match body {
                Arriving::Unread(body, _) => body.bounded(self.rules.body_limit),
                read => RequestBody::whole(read.whole()?),
            }));
        }
        let admitted = inbound.admit(&self.admission, &self.rules, &mut body).await?;
        Ok(Passed::Admitted(Box::new(admitted), body.whole()?))
    }

    /// Whether the request makes no claim, for which its body is read only where claims may ride in bodies.
    async fn is_nobody(&self, inbound: &Inbound<'_>, body: &mut Arriving<RequestBody>) -> Result<bool, Refused> {
        let makes_none = |known| match self.admission.begin(&self.rules, &inbound.view(known)) {
            Ok(Step::NeedsBody) => None,
            Ok(Step::Begun(_)) => Some(false),
            Err(denial) => Some(denial.reason() == Reason::MissingSignature),
        };
        if let Some(nobody) = makes_none(if body.is_empty() { Known::Bytes(b"") } else { Known::Pending }) {
            return Ok(nobody);
        }
        let read = body.read(self.rules.body_limit, self.limits.body_idle).await?;
        Ok(makes_none(Known::Bytes(&read)) == Some(true))
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
