//! The demo: without a configuration, every dialect is served at `/demo/<dialect>/` in front of the built-in echo.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::admission::{Admission, RouteKeys, RouteRules};
use countersign_core::app::{App, NewCredential, Registered, Status, Terms};
use countersign_core::clock::Clock;
use countersign_core::error::StoreError;
use countersign_core::random::{generate_key_id, generate_secret};
use countersign_protocol::{Credential, Dialect, Dialects, Inputs, KeyMaterial, Policy, Request, Scheme, Secret, SignOptions};

use crate::access::LogSettings;
use crate::config::Settings;
use crate::decide::DecideBody;
use crate::forwarded::Proxies;
use crate::limits::Limits;
use crate::reload::Fixed;
use crate::route::forward::Forwarding;
use crate::route::{ClientCertificate, ExternalAuthority, Mode, Route, Routes, Upstream};
use crate::store::Stores;
use crate::upstream::Directory;

/// The app that owns the demo's credentials.
pub const APP: &str = "demo";
/// The value of every input that a dialect needs.
const INPUT: &str = "demo";

/// A demo that is ready to be bound.
#[derive(Debug)]
pub struct Demo {
    /// The settings: one route per dialect.
    pub settings: Settings,
    /// Admissions over the embedded store.
    pub admission: Admission,
    /// How to call each route.
    pub recipes: Vec<Recipe>,
    /// The dialects that are not served, and why.
    pub left_out: Vec<(String, String)>,
}

/// How to call one route of the demo.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The dialect.
    pub dialect: String,
    /// Whether the dialect is unsafe by construction.
    pub is_unsafe: bool,
    key_id: String,
    secret_file: PathBuf,
    inputs: Vec<String>,
    shape: Shape,
}

/// A kind of request that a dialect can sign whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Json,
    Get,
    Form,
}

/// Why the demo cannot be prepared.
#[derive(Debug)]
#[non_exhaustive]
pub enum DemoError {
    /// The store refused.
    Store(StoreError),
    /// The file of a demo secret cannot be written.
    SecretFile(PathBuf, io::Error),
}

impl Demo {
    /// Opens or creates the embedded store in the data folder, registers the demo app and its credentials, and makes a
    /// route for each dialect. API keys are served only where the address is a loopback one.
    ///
    /// # Errors
    /// The store cannot be opened, or a secret's file cannot be written.
    pub async fn prepare(data: &Path, listen: SocketAddr, dialects: &Dialects, clock: Arc<dyn Clock>) -> Result<Self, DemoError> {
        let admission = Stores::within(data).open(dialects, Arc::clone(&clock)).await?;
        let mut plan = Plan { loopback: listen.ip().is_loopback(), ..Plan::default() };
        dialects.iter().for_each(|dialect| plan.take(dialect, clock.as_ref()));
        let desk = Desk { admission: &admission, clock: clock.as_ref(), data };
        desk.ensure_app().await?;
        let mut routes = Vec::new();
        let mut recipes = Vec::new();
        for (file, served) in [("demo.secret", plan.signing), ("demo-api-key.secret", plan.showing)] {
            if served.is_empty() {
                continue;
            }
            let (key_id, secret_file) = desk.ensure_credential(file, ids(&served)).await?;
            for (dialect, shape) in served {
                routes.push(route(&dialect, &key_id, plan.loopback));
                recipes.push(Recipe {
                    dialect: dialect.id().to_owned(),
                    is_unsafe: dialect.is_unsafe(),
                    key_id: key_id.clone(),
                    secret_file: secret_file.clone(),
                    inputs: needed(&dialect).map(str::to_owned).collect(),
                    shape,
                });
            }
        }
        recipes.sort_by(|a, b| a.dialect.cmp(&b.dialect));
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let settings = Settings {
            listen: vec![listen],
            admin: None,
            tls: Vec::new(),
            proxies: Proxies::default(),
            fixed: Fixed::default(),
            register: None,
            session: None,
            log: LogSettings::default(),
            workers,
            limits: Limits::default(),
            audit: None,
            routes: Routes::new(routes),
            upstreams: Directory::default(),
            warnings: Vec::new(),
            decide: None,
        };
        Ok(Self { settings, admission, recipes, left_out: plan.left_out })
    }
}

impl Recipe {
    /// The line that signs a request for the route at this address and sends it.
    #[must_use]
    pub fn command(&self, address: SocketAddr) -> String {
        let Self { dialect, key_id, .. } = self;
        let file = quoted(&self.secret_file.display().to_string());
        let mut line = format!("countersign sign --dialect {dialect} --key-id {key_id} --secret-file {file}");
        for input in &self.inputs {
            line.push_str(&format!(" --set {input}={INPUT}"));
        }
        let method = self.shape.method();
        line.push_str(&format!(" --method {method} --url http://{address}/demo/{dialect}/hello"));
        if let Some((media_type, body)) = self.shape.body(dialect) {
            line.push_str(&format!(" --header {} --data {}", quoted(&format!("Content-Type: {media_type}")), quoted(&body)));
        }
        line.push_str(" -o curl | sh");
        line
    }
}

/// Which dialects are served, and with which kind of credential.
#[derive(Default)]
struct Plan {
    loopback: bool,
    signing: Vec<(Dialect, Shape)>,
    showing: Vec<(Dialect, Shape)>,
    left_out: Vec<(String, String)>,
}

impl Plan {
    fn take(&mut self, dialect: &Dialect, clock: &dyn Clock) {
        let shape = [Shape::Json, Shape::Get, Shape::Form].into_iter().find(|shape| shape.passes(dialect, clock));
        match shape {
            _ if dialect.is_of_responses() => self.leave(dialect, "it signs responses"),
            None => self.leave(dialect, "a shared secret cannot sign a sample request in it"),
            Some(_) if dialect.carries_secret() && !self.loopback => {
                self.leave(dialect, "it shows its secret, and the address is not a loopback one")
            }
            Some(shape) if dialect.carries_secret() => self.showing.push((dialect.clone(), shape)),
            Some(shape) => self.signing.push((dialect.clone(), shape)),
        }
    }

    fn leave(&mut self, dialect: &Dialect, why: &str) {
        self.left_out.push((dialect.id().to_owned(), why.to_owned()));
    }
}

impl Shape {
    const fn method(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Json | Self::Form => "POST",
        }
    }

    /// One for each dialect: where the body names the event, no other dialect has sent it.
    fn body(self, dialect: &str) -> Option<(&'static str, String)> {
        match self {
            Self::Json => Some(("application/json", format!("{{\"hello\":\"world\",\"dialect\":\"{dialect}\"}}"))),
            Self::Form => Some(("application/x-www-form-urlencoded", format!("hello=world&dialect={dialect}"))),
            Self::Get => None,
        }
    }

    /// Whether a request of this shape is signed in the dialect so that its own rules accept it.
    fn passes(self, dialect: &Dialect, clock: &dyn Clock) -> bool {
        let credential = Credential::hmac("sample", "0".repeat(64).as_str());
        let mut request = Request::new(self.method(), format!("/demo/{}/hello", dialect.id())).with_header("Host", "127.0.0.1");
        request.scheme = Scheme::Http;
        if let Some((media_type, body)) = self.body(dialect.id()) {
            request = request.with_header("Content-Type", media_type).with_body(body);
        }
        let options =
            needed(dialect).fold(SignOptions::new(clock.now()).with_nonce("0123456789abcdef"), |o, name| o.with_input(name, INPUT));
        let Ok(signed) = dialect.sign(request, &credential, &options) else { return false };
        let policy = Policy { allow_unsafe: true, allow_cleartext: true, ..Policy::default() };
        let request = signed.into_message().into_request();
        request.is_some_and(|request| dialect.verify(&request, &inputs(dialect), &[&credential], clock.now(), &policy).is_ok())
    }
}

fn route(dialect: &Dialect, key_id: &str, loopback: bool) -> Route {
    let names_no_key = !dialect.carries_key_id() && !dialect.carries_secret();
    let rules = RouteRules {
        name: format!("/demo/{}/", dialect.id()),
        inputs: inputs(dialect),
        // The route says `unsafe` where the dialect is: this is a demo on purpose.
        policy: Policy { allow_unsafe: dialect.is_unsafe(), allow_cleartext: loopback, ..Policy::default() },
        keys: if names_no_key { RouteKeys::Fixed(vec![key_id.to_owned()]) } else { RouteKeys::ByClaim },
        ..RouteRules::new(vec![dialect.clone()])
    };
    let prefix = format!("/demo/{}/", dialect.id());
    Route {
        name: prefix.clone(),
        host: None,
        prefix,
        methods: Vec::new(),
        upstream: Upstream::Echo,
        rules,
        forward: Forwarding::default(),
        keep_credentials: false,
        authority: ExternalAuthority::Wire,
        envelope: None,
        external_prefix: None,
        mode: Mode::Enforce,
        client_certificate: ClientCertificate::NotNeeded,
        decide_body: DecideBody::Refuse,
        sign_response: None,
    }
}

fn ids(dialects: &[(Dialect, Shape)]) -> Vec<String> {
    dialects.iter().map(|(dialect, _)| dialect.id().to_owned()).collect()
}

fn needed(dialect: &Dialect) -> impl Iterator<Item = &str> {
    dialect.inputs().iter().filter(|input| !input.optional).map(|input| input.name.as_str())
}

fn inputs(dialect: &Dialect) -> Inputs {
    needed(dialect).fold(Inputs::new(), |inputs, name| inputs.with(name, INPUT))
}

/// Where the demo's app and credentials are registered.
struct Desk<'a> {
    admission: &'a Admission,
    clock: &'a dyn Clock,
    data: &'a Path,
}

impl Desk<'_> {
    async fn ensure_app(&self) -> Result<(), DemoError> {
        let store = self.admission.store();
        if store.app(APP).await?.is_none() {
            store.add_app(App::new(APP, self.clock.now())).await?;
        }
        Ok(())
    }

    /// The key id and the secret's file of a credential that is bound to exactly these dialects: the one of an earlier
    /// start if it is as it should be, else a new one in its place.
    async fn ensure_credential(&self, file: &str, dialects: Vec<String>) -> Result<(String, PathBuf), DemoError> {
        let path = self.data.join(file);
        let store = self.admission.store();
        let label = file.trim_end_matches(".secret");
        let known = store.credentials(APP, "").await?;
        let mine: Vec<&Arc<Registered>> = known.iter().filter(|r| r.stored.credential.key_id().starts_with(&format!("{label}_"))).collect();
        let secret = std::fs::read(&path).ok().map(|bytes| Secret::new(bytes.trim_ascii_end()));
        let fits = |registered: &&&Arc<Registered>| {
            let terms = &registered.stored.terms;
            terms.status == Status::Active && terms.dialects == dialects && holds(&registered.stored.credential, secret.as_ref())
        };
        if let Some(registered) = mine.iter().find(fits) {
            return Ok((registered.stored.credential.key_id().to_owned(), path));
        }
        for old in mine.iter().filter(|old| old.stored.terms.status == Status::Active) {
            store.set_credential_status(old.stored.credential.key_id(), Status::Disabled).await?;
        }
        let (key_id, secret) = (format!("{label}_{}", generate_key_id()?), generate_secret()?);
        let credential = NewCredential::new(key_id.clone(), KeyMaterial::Hmac(secret.clone()), Terms::new(dialects));
        write_private(&path, secret.expose()).map_err(|error| DemoError::SecretFile(path.clone(), error))?;
        store.add_credential(APP, credential, self.clock.now()).await?;
        Ok((key_id, path))
    }
}

fn holds(credential: &Credential, secret: Option<&Secret>) -> bool {
    match credential.material() {
        KeyMaterial::Hmac(own) => secret == Some(own),
        _ => false,
    }
}

/// Writes a file that only its owner may read, in one step.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    std::fs::rename(&draft, path)
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

impl From<StoreError> for DemoError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::SecretFile(path, error) => write!(f, "{}: {error}; name a data folder that can be written", path.display()),
        }
    }
}

impl std::error::Error for DemoError {}
