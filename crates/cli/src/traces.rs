//! Traces of requests, sent to an OpenTelemetry collector over HTTP.
//!
//! They are sent if and only if `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. Sampling, batches and
//! their bounds are those of the OpenTelemetry SDK and its environment; what does not fit into its queue is dropped.

use std::env;

use countersign_server::{Gateway, trace};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::failure::Failure;

/// Where traces go, one of them.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
/// What the gateway is called in traces, unless the environment says otherwise.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// The traces of this process. What is waiting is sent when this is dropped.
#[derive(Debug)]
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    pub(crate) fn start() -> Result<Self, Failure> {
        if ENDPOINTS.iter().all(|name| env::var_os(name).is_none_or(|value| value.is_empty())) {
            return Ok(Self(None));
        }
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build();
        let exporter = exporter.map_err(|e| Failure::usage(format_args!("{}: {e}", ENDPOINTS[0])))?;
        let mut resource = Resource::builder();
        if env::var_os(SERVICE_NAME).is_none() {
            resource = resource.with_service_name("countersign");
        }
        Ok(Self(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())))
    }

    /// What takes the spans of requests, and no others.
    pub(crate) fn layer<S: tracing::Subscriber + for<'s> LookupSpan<'s>>(&self) -> impl Layer<S> + use<S> {
        let spans = Targets::new().with_target(trace::TARGET, LevelFilter::TRACE);
        let tracer = self.0.as_ref().map(|provider| provider.tracer("countersign"));
        tracer.map(|tracer| tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false).with_filter(spans))
    }

    /// The gateway, going on with the traces of others.
    pub(crate) fn adopted(&self, gateway: Gateway) -> Gateway {
        if self.0.is_some() { gateway.adopting(adopt) } else { gateway }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.as_ref().map(SdkTracerProvider::shutdown) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

fn adopt(span: &Span, traceparent: &str) {
    if let Some(parent) = read(traceparent) {
        // A span that nobody collects has no place for a parent.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// Reads `00-<trace id>-<parent id>-<flags>` (W3C Trace Context, section 3.2.2), and what later versions put after it.
fn read(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let shaped = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    if !shaped || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let context = SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(parent).ok()?, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_strictly() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert!(read(good).is_some_and(|context| context.is_sampled() && context.is_remote()));
        assert!(read(&good.replace("00-4", "01-4")).is_some());
        assert!(read(&format!("{}-more", good.replace("00-4", "01-4"))).is_some());
        for bad in [
            "",
            "00",
            &good.replace("00-4", "ff-4"),
            &good.to_uppercase(),
            &format!("{good}-more"),
            &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &good.replace("00f067aa0ba902b7", "0000000000000000"),
            &good[..good.len() - 1],
        ] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
