//! `countersign serve`: the gateway from a config, or the demo.

use std::env;
use std::future::Future;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::clock::{Clock, SystemClock};
use countersign_server::Gateway;
use countersign_server::access::LogSettings;
use countersign_server::config::ConfigError;
use countersign_server::demo::{Demo, Recipe};
use countersign_server::reload::{Loaded, Source};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::args::ServeArgs;
use crate::failure::Failure;
use crate::registry::Registry;
use crate::traces::Traces;
use crate::{console, store};

/// Where the demo listens when nothing else is said.
const DEMO_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// The exit code of a gateway that a second signal ended before what was in flight had ended.
const SECOND_SIGNAL: i32 = 1;
/// The environment variable that says what is logged, such as `debug` or `countersign_server=trace`.
const LOG_VARIABLE: &str = "COUNTERSIGN_LOG";

/// Runs the command, until SIGINT or SIGTERM. A second one does not wait for what is in flight.
pub(crate) fn run(args: &ServeArgs, registry: &Registry, json: bool) -> Result<(), Failure> {
    let data = store::folder(args.data.as_deref())?;
    store::create(&data)?;
    let traces = Traces::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // Installed before anything is announced, so that a stop is never missed.
    let stop = runtime.block_on(async { stop_signal() })?;
    runtime.block_on(async {
        match &args.config {
            Some(config) => serve(config, args, &data, registry, Telling { json, traces: &traces }, stop).await,
            None => demo(args.listen.unwrap_or(DEMO_ADDRESS), &data, registry, Telling { json, traces: &traces }, stop).await,
        }
    })
}

/// Where a gateway tells of its requests.
#[derive(Clone, Copy)]
struct Telling<'a> {
    /// Whether the command line asks for JSON.
    json: bool,
    traces: &'a Traces,
}

impl Telling<'_> {
    /// Starts the log. It goes to stderr: stdout is for data. The environment comes before the configuration.
    fn start(self, settings: &LogSettings) -> Result<(), Failure> {
        let (source, text) = match (env::var(LOG_VARIABLE), &settings.level) {
            (Ok(text), _) => (LOG_VARIABLE, text),
            (Err(_), level) => ("level in the table [log]", level.clone().unwrap_or_else(|| "info".to_owned())),
        };
        let filter =
            EnvFilter::try_new(text).map_err(|e| Failure::usage(format_args!("{source}: {e}; write a level such as info or debug")))?;
        let log = tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
        let is_json = self.json || settings.json.unwrap_or(false);
        let log = if is_json { log.json().with_filter(filter).boxed() } else { log.with_filter(filter).boxed() };
        tracing_subscriber::registry().with(log).with(self.traces.layer()).try_init().map_err(Failure::usage)
    }
}

fn stop_signal() -> Result<impl Future<Output = ()> + Send, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut next = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    Ok(async move {
        next().await;
        tracing::info!("stopping; a second signal ends it at once");
        tokio::spawn(async move {
            next().await;
            tracing::warn!("ended by a second signal: what was in flight is cut off");
            std::process::exit(SECOND_SIGNAL);
        });
    })
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

async fn serve(
    path: &Path,
    args: &ServeArgs,
    data: &Path,
    registry: &Registry,
    telling: Telling<'_>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Failure> {
    // Installed before anything is read, so that a reload that is asked for early does not end the process.
    let asked = asked_to_reload()?;
    let source = Arc::new(source(path, args, &registry.folders));
    let Loaded { config, settings, dialects, .. } = source.load().map_err(|faults| told(&faults))?;
    telling.start(&settings.log)?;
    let stores = config.stores(data).map_err(Failure::usage)?;
    stores.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    let mut admission = stores.open(&dialects, clock()).await?;
    if let Some(audit) = &settings.audit {
        admission = stores.files.audited(admission, audit, &config, clock()).await?;
    }
    let desk = match settings.session.clone() {
        Some(session) => Some(stores.sessions(session, clock(), admission.audit()).await?),
        None => None,
    };
    if let Some(desk) = &desk {
        admission = desk.joined(admission);
    }
    let mut gateway = telling.traces.adopted(Gateway::bind(settings, &dialects, admission).map_err(|e| cannot_listen(&e))?);
    if let Some(desk) = desk {
        gateway = gateway.with_sessions(desk);
    }
    announce(&gateway);
    let watching = tokio::spawn(gateway.reloader().watch(source, asked));
    let ended = gateway.run(stop).await;
    watching.abort();
    ended.map_err(Failure::usage)
}

/// The configuration, with the dialects of the folders that the command names and of those that it names itself.
fn source(path: &Path, args: &ServeArgs, folders: &[PathBuf]) -> Source {
    let file = path.to_owned();
    let own = folders.to_vec();
    let dialects = move |named: &[PathBuf]| {
        let registry = Registry::open(&[own.as_slice(), named].concat());
        let mend = "mend the dialect files, or name other folders";
        registry.map(|registry| registry.dialects).map_err(|failure| ConfigError::in_file(&file, failure.to_string(), mend))
    };
    Source::new(path, dialects).listening_on(args.listen).deciding(args.decide).watching(folders)
}

/// Every fault, one in a line.
fn told(faults: &[ConfigError]) -> Failure {
    Failure::usage(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Notified at each SIGHUP.
fn asked_to_reload() -> Result<Arc<Notify>, Failure> {
    let mut hangup = signal(SignalKind::hangup())?;
    let asked = Arc::new(Notify::new());
    let tell = Arc::clone(&asked);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tell.notify_one();
        }
    });
    Ok(asked)
}

async fn demo(
    listen: SocketAddr,
    data: &Path,
    registry: &Registry,
    telling: Telling<'_>,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Failure> {
    telling.start(&LogSettings::default())?;
    let demo = Demo::prepare(data, listen, &registry.dialects, clock()).await.map_err(Failure::usage)?;
    let gateway = telling.traces.adopted(Gateway::bind(demo.settings, &registry.dialects, demo.admission).map_err(|e| cannot_listen(&e))?);
    let address = gateway.addresses().first().copied().unwrap_or(listen);
    announce(&gateway);
    for (dialect, why) in &demo.left_out {
        console::say(&format!("{dialect} has no route: {why}"));
    }
    console::say("each line signs a request and sends it through the gateway to the built-in echo:");
    let own = own_name();
    let lines: Vec<(&Recipe, String)> =
        demo.recipes.iter().map(|recipe| (recipe, line(recipe, address, &own, &registry.folders))).collect();
    if telling.json {
        let list = lines.iter().map(|(recipe, line)| json!({ "dialect": recipe.dialect, "unsafe": recipe.is_unsafe, "command": line }));
        console::line(&Value::Array(list.collect()).to_string())?;
    } else {
        lines.iter().try_for_each(|(_, line)| console::line(line))?;
    }
    gateway.run(stop).await.map_err(Failure::usage)
}

fn cannot_listen(error: &std::io::Error) -> Failure {
    Failure::usage(format_args!("cannot listen: {error}; choose another address with --listen"))
}

fn announce(gateway: &Gateway) {
    for address in gateway.addresses() {
        console::say(&format!("listening on http://{address}"));
    }
    for address in gateway.tls_addresses() {
        console::say(&format!("listening on https://{address}"));
    }
    if let Some(address) = gateway.admin_address() {
        console::say(&format!("admin on http://{address}"));
    }
}

/// The recipe's line, as it works in the shell from which this was started.
fn line(recipe: &Recipe, address: SocketAddr, own: &str, folders: &[PathBuf]) -> String {
    let command = recipe.command(address);
    let Some(rest) = command.strip_prefix("countersign ") else { return command };
    let folders: String = folders.iter().map(|folder| format!(" --dialects {}", quoted(&absolute(folder)))).collect();
    format!("{own}{folders} {rest}")
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// `countersign` where the shell finds this very binary under that name, else its full path.
fn own_name() -> String {
    let Ok(own) = env::current_exe() else { return "countersign".to_owned() };
    let found =
        env::var_os("PATH").and_then(|path| env::split_paths(&path).map(|folder| folder.join("countersign")).find(|file| file.is_file()));
    let is_own = found.and_then(|file| file.canonicalize().ok()).is_some_and(|file| own.canonicalize().is_ok_and(|own| own == file));
    if is_own { "countersign".to_owned() } else { quoted(&own.display().to_string()) }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
