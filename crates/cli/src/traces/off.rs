//! No traces: this binary was built without the feature `otel`.

use countersign_server::Gateway;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Identity;

use crate::failure::Failure;

/// The traces of nothing.
#[derive(Debug)]
pub(crate) struct Traces;

impl Traces {
    #[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
    pub(crate) fn start() -> Result<Self, Failure> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    pub(crate) fn layer<S: tracing::Subscriber>(&self) -> impl Layer<S> + use<S> {
        Identity::new()
    }

    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    pub(crate) fn adopted(&self, gateway: Gateway) -> Gateway {
        gateway
    }
}
