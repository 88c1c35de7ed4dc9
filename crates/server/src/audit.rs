//! Opening the embedded audit log for a gateway, and recording what the gateway itself does.

use std::path::PathBuf;
use std::sync::Arc;

use countersign_core::admission::Admission;
use countersign_core::audit::{Audit, AuditLimits, AuditPaths, Change, Event, OnFailure, SqliteAudit};
use countersign_core::clock::Clock;
use countersign_core::error::StoreError;
use countersign_core::master_key::MasterKey;

use crate::config::Config;
use crate::store::StoreFiles;

/// What `[audit]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// What happens to a request that cannot be recorded.
    pub on_failure: OnFailure,
    /// When heads are signed, and what is kept.
    pub limits: AuditLimits,
    /// The file to which heads are appended too.
    pub anchor: Option<PathBuf>,
}

impl StoreFiles {
    /// Where the audit log and its key lie: beside the store.
    #[must_use]
    pub fn audit(&self) -> AuditPaths {
        AuditPaths { log: self.store.with_file_name("audit.db"), key: self.store.with_file_name("audit.key"), anchor: None }
    }

    /// Opens the audit log, or begins one, and gives the same admissions recording into it. That this configuration was loaded is the
    /// first thing that is recorded.
    ///
    /// # Errors
    /// The log cannot be opened or written, or its end was changed.
    pub async fn audited(
        &self,
        admission: Admission,
        settings: &AuditSettings,
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Admission, StoreError> {
        let master = Arc::new(MasterKey::open(&self.master_key)?);
        let paths = AuditPaths { anchor: settings.anchor.clone(), ..self.audit() };
        let log = SqliteAudit::open(&paths, master, settings.limits.clone(), Arc::clone(&clock))?;
        let audit = Audit::new(Arc::new(log), settings.on_failure, &settings.limits);
        record_config(&audit, config, clock.as_ref()).await?;
        Ok(admission.with_audit(audit))
    }
}

/// Records that a configuration was loaded: its file, and its text as a keyed digest, so that two loads can be told apart.
///
/// # Errors
/// The log cannot be written, and the policy is to refuse.
async fn record_config(audit: &Audit, config: &Config, clock: &dyn Clock) -> Result<(), StoreError> {
    audit.require(clock.now(), Event::Change(loaded(audit, config))).await.map(drop)
}

/// That this configuration was loaded.
pub(crate) fn loaded(audit: &Audit, config: &Config) -> Change {
    Change {
        by: "serve".to_owned(),
        action: "load configuration",
        app: String::new(),
        key_id: String::new(),
        detail: format!("{}, digest {}", config.file(), audit.digest_of(config.text().as_bytes())),
    }
}
