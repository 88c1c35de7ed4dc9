//! Steps 2 to 8 for a request whose body is buffered, read as late as its dialect permits.

use std::time::Duration;

use bytes::Bytes;
use countersign_core::admission::{Admission, Admitted, RouteRules, Step};
use countersign_protocol::{Body as Known, HeaderLine, Reason, RequestView, Scheme};
use hyper::body::Body;

use crate::body::{BoxError, collect};
use crate::head::Head;
use crate::refused::Refused;

/// A request whose head is read.
pub(crate) struct Inbound<'a> {
    pub(crate) head: &'a Head,
    /// The lines of the head.
    pub(crate) lines: &'a [HeaderLine<'a>],
    pub(crate) scheme: Scheme,
    /// How long its body may pause.
    pub(crate) idle: Duration,
}

impl<'a> Inbound<'a> {
    /// The request with its body, as far as that is known.
    pub(crate) fn view<'v>(&self, body: Known<'v>) -> RequestView<'v>
    where
        'a: 'v,
    {
        let Head { method, target, version, .. } = self.head;
        RequestView { method, scheme: self.scheme, target, version, headers: self.lines, body }
    }

    /// Admits the request, or says why not. A caller without a valid signature uploads nothing where the tag can be computed without the
    /// body, and nothing beyond the rules' limit is buffered.
    pub(crate) async fn admit<B>(&self, admission: &Admission, rules: &RouteRules, body: B) -> Result<(Admitted, Bytes), Refused>
    where
        B: Body<Error: Into<BoxError>>,
    {
        let early = self.view(if body.is_end_stream() { Known::Bytes(b"") } else { Known::Pending });
        let (limit, idle) = (rules.body_limit, self.idle);
        let read;
        let whole;
        let authentic = match admission.begin(rules, &early)? {
            Step::NeedsBody => {
                read = collect(body, limit, idle).await?;
                whole = self.view(Known::Bytes(&read));
                let Step::Begun(begun) = admission.begin(rules, &whole)? else { return Err(Reason::Internal.into()) };
                admission.authenticate(begun).await?
            }
            Step::Begun(begun) if begun.needs_body() => {
                read = collect(body, limit, idle).await?;
                admission.authenticate(begun.with_body(&read)).await?
            }
            Step::Begun(begun) => {
                let authentic = admission.authenticate(begun).await?;
                read = collect(body, limit, idle).await?;
                authentic.with_body(&read)
            }
        };
        let admitted = admission.admit(authentic).await?;
        Ok((admitted, read))
    }
}
