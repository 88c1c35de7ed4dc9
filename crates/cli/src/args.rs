//! The command line as written: flags and their shapes, no logic.

pub(crate) mod codegen;
pub(crate) mod config;
pub(crate) mod envelope;
pub(crate) mod import;
pub(crate) mod session;
pub(crate) mod user;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use countersign_protocol::{Algorithm, Language, Scheme, Timestamp};

use self::codegen::CodegenArgs;
use self::config::ConfigCommand;
use self::envelope::{EnvelopeArgs, OpenAnswerArgs};
use self::import::ImportArgs;
use self::session::SessionArgs;
use self::user::UserArgs;
use crate::command::audit::AuditArgs;
use crate::command::lint::Denied;
use crate::values;

/// Sign, verify and serve every request-signing protocol that a dialect file describes.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command knows.
#[derive(Debug, Args)]
pub(crate) struct GlobalArgs {
    /// A folder with dialect files of your own; may be given several times.
    #[arg(long, global = true, value_name = "FOLDER", env = "COUNTERSIGN_DIALECTS", value_delimiter = ':')]
    pub(crate) dialects: Vec<PathBuf>,
    /// Print data as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign a message.
    Sign(Box<SignArgs>),
    /// Verify a signed message: exit code 0 accepted, 1 rejected.
    Verify(Box<VerifyArgs>),
    /// Say why a signature does not match: exit code 0 if it does, else 1.
    Explain(Box<ExplainArgs>),
    /// Open the encrypted answer to a request whose body was encrypted: exit code 1 if it is not the answer to it.
    OpenAnswer(OpenAnswerArgs),
    /// List or show dialects.
    #[command(subcommand)]
    Dialects(DialectsCommand),
    /// Tell what dialects leave open, each finding with two messages that show it: exit code 1 if something that is denied was found.
    Lint(LintArgs),
    /// Sign and verify over JSON lines on stdin and stdout, for conformance runners.
    Adapter,
    /// Write a dependency-free signer for one dialect in another language.
    Codegen(CodegenArgs),
    /// Manage apps and their credentials.
    App(AppArgs),
    /// Manage the users who log in through apps.
    User(UserArgs),
    /// Manage keys: list them, remove what is over, give the store another master key.
    Key(StoreKeyArgs),
    /// Manage token sessions: the keys that sign access tokens.
    Session(SessionArgs),
    /// Verify and read the audit log of the embedded store.
    Audit(AuditArgs),
    /// Run the gateway; without a config: a demo with an echo upstream.
    Serve(ServeArgs),
    /// Turn another gateway's declarative file into a config and a list of apps: exit code 0 if nothing was left out, else 3.
    Import(ImportArgs),
    /// Check, begin or show a gateway's config.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Explain why a request was refused: what a reason means, its causes and the mend.
    Reason(ReasonArgs),
    /// Ask an address for an answer, such as the admin listener's /readyz: exit code 0 for a status of 200 to 299, else 1.
    Probe {
        /// An address such as http://127.0.0.1:9090/readyz.
        url: String,
    },
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page of the command, or write one page for each command into a folder.
    Man {
        /// The folder.
        #[arg(short, long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
}

/// Which dialect, with which inputs.
#[derive(Debug, Args)]
pub(crate) struct DialectArgs {
    /// The dialect, as `countersign dialects list` names it.
    #[arg(short, long, value_name = "ID")]
    pub(crate) dialect: String,
    /// An input of the dialect, such as region=us-east-1; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    pub(crate) set: Vec<(String, String)>,
}

/// The credential.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// The key id.
    #[arg(short, long, value_name = "ID", default_value = "")]
    pub(crate) key_id: String,
    /// The secret itself. Other users of the machine can see it: prefer the other ways.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["secret_file", "private_key"])]
    pub(crate) secret: Option<OsString>,
    /// A file that holds the secret; one line end after it is no part of it.
    #[arg(long, value_name = "FILE", conflicts_with = "private_key")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The secret is given as base64.
    #[arg(long, conflicts_with = "private_key")]
    pub(crate) secret_base64: bool,
    /// A private key to sign with: PEM, PKCS#8.
    #[arg(long, value_name = "FILE")]
    pub(crate) private_key: Option<PathBuf>,
    /// A further secret part, such as token_secret=..; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    pub(crate) part: Vec<(String, String)>,
    /// A further secret part in a file.
    #[arg(long, value_name = "NAME=FILE", value_parser = values::pair)]
    pub(crate) part_file: Vec<(String, String)>,
    /// An algorithm that the key is registered for, such as hmac-sha256; the first one signs.
    #[arg(long, value_name = "NAME", value_parser = values::algorithm)]
    pub(crate) algorithm: Vec<Algorithm>,
}

/// The message.
#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// A raw HTTP/1.1 message, a curl command line, or a HAR file as browsers save it; - is stdin.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["url", "method", "header", "data", "data_file"])]
    pub(crate) input: Option<PathBuf>,
    /// Which entry of a HAR file, counted from 1; by default the only one.
    #[arg(long, value_name = "N", requires = "input", conflicts_with = "url")]
    pub(crate) har_entry: Option<usize>,
    /// The URL of a request that is built from flags. Its path and query are taken as they are.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<OsString>,
    /// The method; GET, or POST where there is a body.
    #[arg(long, value_name = "METHOD", requires = "url")]
    pub(crate) method: Option<String>,
    /// A header line; may be given several times.
    #[arg(long, value_name = "NAME: VALUE", requires = "url")]
    pub(crate) header: Vec<OsString>,
    /// The body.
    #[arg(long, value_name = "TEXT", requires = "url", conflicts_with = "data_file")]
    pub(crate) data: Option<OsString>,
    /// A file that holds the body; - is stdin.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) data_file: Option<PathBuf>,
    /// The scheme that the outer peer sees; by default that of the URL, or https.
    #[arg(long, value_enum)]
    pub(crate) scheme: Option<SchemeArg>,
}

/// Flags of `sign`.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    pub(crate) dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    #[command(flatten)]
    pub(crate) envelope: EnvelopeArgs,
    /// The time to sign, such as 2015-08-30T12:36:00Z; by default now.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) at: Option<Timestamp>,
    /// The nonce; by default a random one.
    #[arg(long, value_name = "TEXT")]
    pub(crate) nonce: Option<String>,
    /// A header to sign, in place of those that the dialect signs by itself; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) sign_header: Vec<String>,
    /// A part that is left out although the dialect can carry it, such as time; may be given several times.
    #[arg(long, value_name = "PART")]
    pub(crate) omit: Vec<String>,
    /// The expiry, as the dialect writes it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) expires: Option<String>,
    /// The body digest to send in place of the computed one, such as UNSIGNED-PAYLOAD.
    #[arg(long, value_name = "TEXT")]
    pub(crate) body_digest: Option<String>,
    /// How the signed message is printed.
    #[arg(short, long, value_enum, default_value = "http")]
    pub(crate) output: OutputForm,
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) dialect: DialectArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// The signer's public key: PEM.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["secret", "secret_file", "private_key"])]
    pub(crate) public_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) message: MessageArgs,
    /// The verifier's clock; by default now.
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(crate) at: Option<Timestamp>,
    /// Accept a dialect that is known to be unsafe.
    #[arg(long = "unsafe")]
    pub(crate) allow_unsafe: bool,
    /// Accept a dialect that shows its secret over plain http.
    #[arg(long)]
    pub(crate) allow_cleartext: bool,
    /// Accept a request although another one has the same string to sign.
    #[arg(long)]
    pub(crate) allow_ambiguous: bool,
    /// A part that must be signed, such as host or header.x-date; may be given several times.
    #[arg(long, value_name = "PART")]
    pub(crate) require: Vec<String>,
    /// A part that need not be signed; may be given several times.
    #[arg(long, value_name = "PART")]
    pub(crate) waive: Vec<String>,
    /// How far the signed time may lie from the clock, both ways, such as 300s or 5m.
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    pub(crate) window: Option<std::time::Duration>,
}

/// Flags of `reason`.
#[derive(Debug, Args)]
pub(crate) struct ReasonArgs {
    /// The reason, such as replayed, or the type of a problem body; without it all are listed.
    pub(crate) name: Option<String>,
    /// The language; by default that of the locale.
    #[arg(long, value_enum)]
    pub(crate) lang: Option<LanguageArg>,
}

/// A language in which reasons are explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LanguageArg {
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl LanguageArg {
    /// The language that is meant.
    pub(crate) const fn language(self) -> Language {
        match self {
            Self::En => Language::English,
            Self::Zh => Language::Chinese,
        }
    }
}

/// Flags of `lint`.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// A dialect as `countersign dialects list` names it, or a dialect file. Of several each is looked at alone, and each two together.
    #[arg(required = true, value_name = "DIALECT|FILE")]
    pub(crate) dialect: Vec<String>,
    /// A severity (info, low, medium, high; what is graver is denied too) or the id of a finding; may be given several times.
    #[arg(long, value_name = "SEVERITY|ID", value_parser = Denied::parse)]
    pub(crate) deny: Vec<Denied>,
}

/// Flags of `explain`: those of `verify`, and what the other side says.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) verify: VerifyArgs,
    /// A file with the other side's string to sign, or with its text of a stage such as the canonical request; - is stdin.
    #[arg(long, value_name = "FILE")]
    pub(crate) theirs: Option<PathBuf>,
    /// The signature that the other side computed, in the place of the one in the message.
    #[arg(long, value_name = "TEXT")]
    pub(crate) their_signature: Option<String>,
    /// A file with the message as the other side sent it: raw HTTP/1.1, a curl command line, or a HAR file with one entry.
    #[arg(long, value_name = "FILE")]
    pub(crate) their_request: Option<PathBuf>,
}

/// What `dialects` does.
#[derive(Debug, Subcommand)]
pub(crate) enum DialectsCommand {
    /// One line for each dialect.
    List,
    /// A dialect's file, what it carries, its hazards and its plan.
    Show {
        /// The dialect.
        id: String,
    },
}

/// Which store.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The folder of the embedded store; by default that of `serve`.
    #[arg(long, global = true, value_name = "FOLDER", env = "COUNTERSIGN_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// The gateway's config, which names the store.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Flags of `key`.
#[derive(Debug, Args)]
pub(crate) struct StoreKeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(subcommand)]
    pub(crate) command: StoreKeyCommand,
}

/// What `key` does.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreKeyCommand {
    /// One line for each credential: its kind, its validity, when and with what it was last used.
    List,
    /// Remove a credential that is switched off or over.
    Remove {
        /// The key id.
        key_id: String,
    },
    /// Seal the store under another master key. Stop the gateways before; then name the new file as their master key.
    Rewrap {
        /// The file of the new master key, which is made where there is none.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
}

/// Flags of `app`.
#[derive(Debug, Args)]
pub(crate) struct AppArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(subcommand)]
    pub(crate) command: AppCommand,
}

/// What `app` does.
#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Add an app with a credential, or a credential to an app. A generated secret is shown once.
    Add(Box<AppAddArgs>),
    /// Change what an app may do: what is named takes the place of what was there.
    Set {
        /// The app.
        name: String,
        #[command(flatten)]
        limits: AppLimitArgs,
    },
    /// One line for each credential of each app.
    List,
    /// Register the apps and credentials of a file, as `import` writes it.
    Import {
        /// The file: JSON or YAML.
        file: PathBuf,
    },
    /// Give an app a new secret; the old one ends after the overlap.
    Rotate {
        /// The app.
        name: String,
        /// The credential to replace; needed where the app has several.
        #[arg(short, long, value_name = "ID")]
        key_id: Option<String>,
        /// How long the old credential stays valid.
        #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = values::span)]
        overlap: std::time::Duration,
    },
    /// Approve a pending app, or switch an app or one of its credentials on again.
    Enable {
        /// The app.
        name: String,
        /// The credential; without it the whole app.
        #[arg(short, long, value_name = "ID")]
        key_id: Option<String>,
    },
    /// Switch off an app, or one of its credentials.
    Disable {
        /// The app.
        name: String,
        /// The credential; without it the whole app.
        #[arg(short, long, value_name = "ID")]
        key_id: Option<String>,
    },
}

/// Flags of `app add`.
#[derive(Debug, Args)]
pub(crate) struct AppAddArgs {
    /// The app.
    pub(crate) name: String,
    /// A dialect that the credential may be used with; may be given several times.
    #[arg(short, long, value_name = "ID", required = true)]
    pub(crate) dialect: Vec<String>,
    /// The key id; by default a random one.
    #[arg(short, long, value_name = "ID")]
    pub(crate) key_id: Option<String>,
    /// A file that holds the secret; by default a random one is made.
    #[arg(long, value_name = "FILE", conflicts_with = "public_key")]
    pub(crate) secret_file: Option<PathBuf>,
    /// The caller's public key: PEM or JWK.
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: AppLimitArgs,
    /// A further secret part in a file.
    #[arg(long, value_name = "NAME=FILE", value_parser = values::pair)]
    pub(crate) part_file: Vec<(String, String)>,
    /// The algorithm that the key is registered for.
    #[arg(long, value_name = "NAME", value_parser = values::algorithm)]
    pub(crate) algorithm: Vec<Algorithm>,
    /// An input that is pinned for this credential, such as region=us-east-1; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    pub(crate) set: Vec<(String, String)>,
    /// The app waits for an operator's approval.
    #[arg(long)]
    pub(crate) pending: bool,
    /// Show this credential's caller the masked string to sign when a signature does not match.
    #[arg(long)]
    pub(crate) diagnostics: bool,
}

/// What an app may do, and from where.
#[derive(Debug, Args)]
pub(crate) struct AppLimitArgs {
    /// A note, such as team=billing; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::pair)]
    pub(crate) label: Vec<(String, String)>,
    /// A scope, which routes may ask for; may be given several times.
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
    /// A range of addresses from which it may call, such as 192.0.2.0/24; may be given several times.
    #[arg(long, value_name = "RANGE", value_parser = values::range)]
    pub(crate) address: Vec<ipnet::IpNet>,
    /// How often it may call: requests per second, and how many at once, such as 100/200.
    #[arg(long, value_name = "N/BURST", value_parser = values::rate)]
    pub(crate) rate: Option<countersign_core::limit::Rate>,
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The gateway's config: TOML.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder of the embedded store, where the config names none.
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// The address to listen on; the demo's is 127.0.0.1:8080.
    #[arg(short, long, value_name = "ADDRESS")]
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Forward nothing, and answer the questions of a proxy: as `mode = "decide"` in the config.
    #[arg(long, requires = "config")]
    pub(crate) decide: bool,
}

/// A form of the signed message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// The raw message, lines ended by CRLF.
    Http,
    /// One JSON object, with every stage.
    Json,
    /// A curl command line that sends exactly this request.
    Curl,
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemeArg {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl From<SchemeArg> for Scheme {
    fn from(scheme: SchemeArg) -> Self {
        match scheme {
            SchemeArg::Http => Self::Http,
            SchemeArg::Https => Self::Https,
        }
    }
}
