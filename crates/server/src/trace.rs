//! One span for each request, for whoever collects traces: no more of the request than the access log tells.

use tracing::Span;
use tracing::field::Empty;

use crate::report::{Outcome, Report};

/// The target of the spans. They are of the level `TRACE`, so that a log does not tell them unasked.
pub const TARGET: &str = "countersign::trace";

/// Makes a span a child of what a `traceparent` names (W3C Trace Context, section 3.2).
pub type Adopt = fn(&Span, &str);

/// The span of a request that begins.
pub(crate) fn begin() -> Span {
    tracing::trace_span!(
        target: TARGET, "request",
        otel.kind = "server", request.id = Empty, route = Empty, dialect = Empty, reason = Empty, http.response.status_code = Empty
    )
}

/// What became of it.
pub(crate) fn end(span: &Span, report: &Report, outcome: &Outcome) {
    span.record("request.id", report.id.as_str());
    span.record("route", report.route.as_str());
    span.record("dialect", report.dialect.as_str());
    span.record("reason", outcome.reason.map_or("", countersign_protocol::Reason::as_str));
    span.record("http.response.status_code", outcome.status);
}
