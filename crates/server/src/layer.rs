//! A tower layer that lets only admitted requests through to the service behind it: for axum, hyper and any other tower service.
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::{Router, routing::get};
//! use countersign_core::admission::{Admission, RouteRules};
//! use countersign_core::app::{App, NewCredential, Terms};
//! use countersign_core::replay::{Epoch, MemoryGuard, ReplayLimits};
//! use countersign_core::store::{CredentialStore, MemoryStore};
//! use countersign_protocol::{Credential, Dialects, KeyMaterial, Request, SignOptions, Timestamp};
//! use countersign_server::layer::{Caller, SignatureLayer};
//! use tower::ServiceExt;
//!
//! async fn hello(caller: Caller) -> String {
//!     format!("hello {}", caller.app().name)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Timestamp::from_seconds(1_739_437_548).expect("a time");
//! # let dialect = Dialects::builtin()?.get("hmac-sha256").expect("built in").clone();
//! # let store = MemoryStore::new()?;
//! # store.add_app(App::new("billing", now)).await?;
//! # let credential = NewCredential::new("key-1", KeyMaterial::Hmac("secret-1".into()), Terms::new(["hmac-sha256"]));
//! # store.add_credential("billing", credential, now).await?;
//! # let guard = MemoryGuard::new(ReplayLimits::default(), Epoch::begin(now, true));
//! # let admission = Admission::new(Arc::new(store), Arc::new(guard), Arc::new(move || now), &"replay key".into());
//! let layer = SignatureLayer::new(admission, RouteRules::new(vec![dialect.clone()]));
//! let app = Router::new().route("/hello", get(hello)).layer(layer);
//!
//! let request = Request::new("GET", "/hello").with_header("Host", "api.example.com");
//! let options = SignOptions::new(now).with_nonce("n-1");
//! let signed = dialect.sign(request, &Credential::hmac("key-1", "secret-1"), &options)?.into_message();
//! let send = |target: &str| {
//!     let request = signed.headers().iter().fold(http::Request::get(target), |request, (name, value)| request.header(name, &value[..]));
//!     app.clone().oneshot(request.body(axum::body::Body::empty()).expect("a request"))
//! };
//! assert_eq!(send("/hello?tampered=with").await?.status(), 401);
//! assert_eq!(send("/hello").await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! The order of layers does not matter for safety: the layer has a limit of its own for bodies, takes what it verifies from the request
//! before a nested router shortened it, and replaces what an outer layer said of the caller. A layer outside of it that rewrites signed
//! parts breaks the signature. axum's own limit for extractors of bodies (2 MiB) holds behind the layer too; raise it by `DefaultBodyLimit`.
//!
//! A server in front has read the head: names are in lower case, and lines of different names may stand in another order. No built-in
//! dialect signs either; in a file of your own that does, signatures are refused here. A fragment in the target is gone, for the layer and for
//! the service behind it. Lengths that contradict each other are refused as far as the server kept them; hyper refuses or resolves the rest, and
//! the service gets the body that was verified. Where a proxy in front might read a request otherwise, use the gateway, which reads the
//! bytes itself.

use std::sync::Arc;

use countersign_core::admission::{Admission, RouteRules};
use countersign_protocol::Scheme;
use tower::Layer;

use crate::body::Room;
use crate::limits::Limits;
use crate::response::ResponseSigner;
use crate::strip::Carried;

mod admit;
mod body;
mod caller;
mod extract;
mod service;

pub use body::{AnswerBody, RequestBody};
pub use caller::Caller;
pub use extract::{OptionalCaller, Rejection};
pub use service::SignatureService;

/// Puts an admission in front of a service. The caller of each request that passes is in its extensions, as [`Caller`].
#[derive(Debug, Clone)]
pub struct SignatureLayer(Arc<Settings>);

#[derive(Debug, Clone)]
struct Settings {
    admission: Admission,
    rules: RouteRules,
    /// Where the dialects of the rules carry their claims.
    carried: Carried,
    optional: bool,
    scheme: Scheme,
    host: Option<String>,
    /// What a proxy in front took off the path.
    path_prefix: String,
    limits: Limits,
    bodies: Room,
    responses: Option<ResponseSigner>,
}

impl SignatureLayer {
    /// A layer that admits by these rules. The scheme is `http` and the host that of the request, until something else is said.
    #[must_use]
    pub fn new(admission: Admission, rules: RouteRules) -> Self {
        let carried = Carried::by(&rules.dialects);
        let limits = Limits::default();
        Self(Arc::new(Settings {
            admission,
            rules,
            carried,
            optional: false,
            scheme: Scheme::Http,
            host: None,
            path_prefix: String::new(),
            bodies: Room::new(limits.bodies_bytes),
            limits,
            responses: None,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The same, where requests without any claim pass as anonymous. One whose claim is broken, or only begun, is refused all the same.
    #[must_use]
    pub fn optional(self) -> Self {
        self.with(|settings| settings.optional = true)
    }

    /// The same for requests that the outer peer sent under this scheme: `https` where TLS ends here or in a proxy in front.
    #[must_use]
    pub fn with_scheme(self, scheme: Scheme) -> Self {
        self.with(|settings| settings.scheme = scheme)
    }

    /// The same for requests that the outer peer sent to this host, whatever a proxy in front wrote into `Host`.
    #[must_use]
    pub fn with_host(self, host: impl Into<String>) -> Self {
        self.with(|settings| settings.host = Some(host.into()))
    }

    /// The same where a proxy in front takes this off the path, such as `/api`: what was signed is the path with it.
    #[must_use]
    pub fn with_path_prefix(self, prefix: impl Into<String>) -> Self {
        self.with(|settings| settings.path_prefix = prefix.into())
    }

    /// The same within these limits, of which those of the head, `body_idle` and `bodies_bytes` count here; the limit of one body is that of the rules.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        self.with(|settings| {
            settings.bodies = Room::new(limits.bodies_bytes);
            settings.limits = limits;
        })
    }

    /// The same, where every answer is signed, refusals too.
    #[must_use]
    pub fn sign_responses(self, signer: ResponseSigner) -> Self {
        self.with(|settings| settings.responses = Some(signer))
    }
}

impl<S> Layer<S> for SignatureLayer {
    type Service = SignatureService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SignatureService::new(inner, Arc::clone(&self.0))
    }
}
