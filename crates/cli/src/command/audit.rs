//! `countersign audit`: verifies the log of a gateway, lists it, and takes out what a third party needs. Nothing is written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use countersign_core::audit::{AuditFile, AuditKey, AuditPaths, Fault, Filter, Pinned, Record, Report};
use countersign_core::error::StoreError;
use countersign_core::master_key::MasterKey;
use countersign_protocol::Timestamp;
use countersign_server::store::StoreFiles;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::{console, store, values};

/// Flags of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// The folder of the embedded store; by default that of `serve`.
    #[arg(long, global = true, value_name = "FOLDER", env = "COUNTERSIGN_DATA")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    command: AuditCommand,
}

/// What `audit` does.
#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Verify the whole log: exit code 0 it holds, 1 it does not, with the first record that is broken.
    Verify {
        /// The file to which heads were appended too: with it, a log that was set back whole shows.
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        /// The public key that `audit key` printed once; without it, the one in the folder is trusted.
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
    },
    /// Print what a third party needs to check the signature of one record, as JSON.
    Evidence {
        /// The sequence number of the record, from `audit list`.
        id: u64,
    },
    /// List records, oldest first. They are not verified.
    List {
        /// Those of this app.
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        /// Those from this time on, such as 2026-01-31T00:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = values::time)]
        since: Option<Timestamp>,
        /// The last so many, at most 10000.
        #[arg(long, value_name = "COUNT", default_value_t = 100)]
        limit: usize,
    },
    /// Print the public key that signs the log's heads, to be kept elsewhere.
    Key,
}

/// Runs the command.
pub(crate) fn run(args: &AuditArgs, json: bool) -> Result<(), Failure> {
    let files = StoreFiles::within(&store::folder(args.data.as_deref())?);
    let folder = Folder { paths: files.audit(), master_key: files.master_key };
    match &args.command {
        AuditCommand::Verify { anchor, public_key } => tell(folder.verify(anchor.as_deref(), public_key.as_deref())?, json),
        AuditCommand::Evidence { id } => evidence(&folder, *id, json),
        AuditCommand::List { app, since, limit } => {
            list(&folder, &Filter { app: app.clone(), since: since.map(Timestamp::millis), limit: *limit }, json)
        }
        AuditCommand::Key => key(&folder, json),
    }
}

/// The files of a log and the key that opens it.
struct Folder {
    paths: AuditPaths,
    master_key: PathBuf,
}

impl Folder {
    fn file(&self) -> Result<AuditFile, StoreError> {
        AuditFile::open(&self.paths.log)
    }

    fn key(&self) -> Result<AuditKey, StoreError> {
        AuditKey::open(&self.paths.key, Arc::new(MasterKey::open(&self.master_key)?))
    }

    /// What cannot be opened does not hold either: a log that is gone must not pass for one that is fine.
    fn verify(&self, anchor: Option<&Path>, public_key: Option<&Path>) -> Result<Result<Report, String>, Failure> {
        let pinned = public_key.map(pinned).transpose()?;
        if !self.master_key.exists() && pinned.is_none() {
            return Err(Failure::usage("without the master key the log is verified against a key that you trust: give --public-key FILE"));
        }
        Ok(self.examine(anchor, pinned.as_ref()).map_err(|error| error.to_string()).and_then(|result| result.map_err(|f| f.to_string())))
    }

    fn examine(&self, anchor: Option<&Path>, pinned: Option<&Pinned>) -> Result<Result<Report, Fault>, StoreError> {
        let file = self.file()?;
        let key = if self.master_key.exists() { Some(self.key()?) } else { None };
        let own = key.as_ref().map(AuditKey::pinned);
        match (own, pinned) {
            (Some(own), Some(pinned)) if !own.same_key(pinned) => {
                file.verify(pinned, None, anchor).map(|result| result.and_then(|_| Err(other_key())))
            }
            (Some(own), _) => file.verify(own, key.as_ref(), anchor),
            (None, Some(pinned)) => file.verify(pinned, None, anchor),
            (None, None) => Ok(Err(other_key())),
        }
    }
}

fn other_key() -> Fault {
    Fault { sequence: 0, fault: "the folder's key is not the one that was given with --public-key".to_owned() }
}

fn pinned(path: &Path) -> Result<Pinned, Failure> {
    let text = String::from_utf8(console::read(path)?).map_err(|_| Failure::file(path, "the file is no PEM text"))?;
    Pinned::from_pem(&text).map_err(|error| Failure::file(path, error))
}

/// Prints the verdict, and turns it into the exit code.
fn tell(verdict: Result<Report, String>, json: bool) -> Result<(), Failure> {
    match verdict {
        Ok(report) => console::line(&if json { holds(&report).to_string() } else { words(&report) }),
        Err(fault) => {
            console::line(&if json { json!({ "holds": false, "fault": fault }).to_string() } else { format!("does not hold: {fault}") })?;
            Err(Failure::Rejected)
        }
    }
}

fn holds(report: &Report) -> Value {
    json!({
        "holds": true,
        "chain": report.chain,
        "pruned": report.pruned,
        "last": report.last,
        "signed": report.signed,
        "signed_at": report.signed_at,
        "heads": report.heads,
        "anchored": report.anchored,
        "sealed": report.sealed,
    })
}

fn words(report: &Report) -> String {
    let Report { chain, pruned, last, signed, signed_at, heads, anchored, sealed, .. } = report;
    let mut text = format!("holds: chain {chain}, records {} to {last}, signed up to {signed} at {signed_at}, {heads} heads", pruned + 1);
    if *anchored > 0 {
        text.push_str(&format!(", {anchored} of them in the anchor"));
    }
    if last > signed {
        let held = if *sealed { "the master key vouches for those after it" } else { "nothing vouches for those after it here" };
        text.push_str(&format!("; {held}"));
    }
    text
}

fn evidence(folder: &Folder, id: u64, json: bool) -> Result<(), Failure> {
    let bundle = folder.file()?.evidence(id, &folder.key()?)?;
    if bundle.chain.head.is_empty() {
        console::say("no signed head holds the record yet; export it again when one does");
    }
    let text = if json { serde_json::to_string(&bundle) } else { serde_json::to_string_pretty(&bundle) };
    console::line(&text.map_err(Failure::usage)?)
}

fn list(folder: &Folder, filter: &Filter, json: bool) -> Result<(), Failure> {
    let records = folder.file()?.list(filter)?;
    if json {
        return console::line(&serde_json::to_string(&records).map_err(Failure::usage)?);
    }
    let text: String = records.iter().map(row).collect();
    console::data(text.as_bytes())
}

fn row(record: &Record) -> String {
    let Record { sequence, time, kind, app, key_id, dialect, route, reason, by, action, detail, .. } = record;
    let parts = [kind, app, key_id, dialect, route, reason, by, action, detail];
    let told: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    // A change is recorded as it was asked for: nothing of it may steer a terminal.
    let told: String = told.join("  ").chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    format!("{sequence}  {time}  {told}\n")
}

fn key(folder: &Folder, json: bool) -> Result<(), Failure> {
    let key = folder.key()?;
    let pem = key.pinned().to_pem();
    if json {
        return console::line(&json!({ "chain": key.chain(), "public_key_pem": pem }).to_string());
    }
    console::say(&format!("the public key of chain {}; keep it apart from the log, for audit verify --public-key", key.chain()));
    console::data(pem.as_bytes())
}
