//! What is being imported: apps, credentials and routes, in our words, with every note on the way.

use std::collections::{BTreeMap, BTreeSet};

use countersign_protocol::Secret;

use super::entry::{Entry, Leftovers, Notes};
use super::table::{GuardKeys, Row, Table};

/// The most bytes of an app's name.
const APP_NAME: usize = 64;

/// A caller.
pub(super) struct AppDraft {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// The groups that it is in, by which routes let it in.
    pub(super) groups: BTreeSet<String>,
    pub(super) credentials: Vec<CredentialDraft>,
}

/// A credential.
pub(super) struct CredentialDraft {
    pub(super) path: String,
    pub(super) key_id: String,
    pub(super) secret: Secret,
    pub(super) dialect: String,
    pub(super) algorithms: Vec<String>,
}

/// How a route verifies.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) dialect: String,
    pub(super) algorithms: BTreeSet<String>,
    /// Seconds.
    pub(super) window: Option<u64>,
    pub(super) require: Vec<String>,
    pub(super) waive: Vec<String>,
    pub(super) keep_credentials: bool,
}

/// A route.
#[derive(Clone)]
pub(super) struct RouteDraft {
    pub(super) path: String,
    pub(super) host: Option<String>,
    pub(super) prefix: String,
    pub(super) methods: Vec<String>,
    pub(super) upstream: String,
    pub(super) guard: Guard,
    /// The groups of which a caller must be in one; absent: anybody with a credential.
    pub(super) allow: Option<BTreeSet<String>>,
}

/// The work of one import.
pub(super) struct Draft<'a> {
    /// The file as it was read.
    pub(super) text: &'a str,
    pub(super) notes: &'a Notes,
    pub(super) table: &'a Table,
    /// The dialect that was named on the command line, in place of the table's.
    pub(super) dialect: Option<&'a str>,
    /// The upstream of routes that name none.
    pub(super) upstream: Option<&'a str>,
    pub(super) apps: Vec<AppDraft>,
    pub(super) routes: Vec<RouteDraft>,
}

impl Draft<'_> {
    /// Adds an app, under its own name as far as that is a name here.
    pub(super) fn app(&mut self, path: &str, name: &str) -> Option<usize> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let own: String = name.chars().map(plain).take(APP_NAME).collect();
        if own.is_empty() || self.apps.iter().any(|app| app.name == own) {
            let why = format!("{name:?} gives no app name, or one that another consumer has");
            self.notes.left_out(path, why, "give it a name of letters, digits, dots, underscores and hyphens");
            return None;
        }
        if own != name {
            self.notes.remark(path, format!("{name:?} is called {own} here"));
        }
        self.apps.push(AppDraft { name: own, labels: BTreeMap::new(), groups: BTreeSet::new(), credentials: Vec::new() });
        Some(self.apps.len() - 1)
    }

    /// The dialect of a plug-in.
    fn dialect(&self, keys: &GuardKeys) -> String {
        self.dialect.unwrap_or(&keys.dialect).to_owned()
    }

    /// A credential of this plug-in, with the algorithms that it accepts unasked.
    pub(super) fn credential(&self, entry: &Entry<'_>, keys: &GuardKeys) -> Option<CredentialDraft> {
        let (key_id, secret) = (entry.text(&keys.key_id), entry.text(&keys.secret));
        let kind = if entry.finish("credential", self.table) == Leftovers::Harmless { secret } else { None };
        let missing = |key: &str, mend: &str| self.notes.left_out(&entry.at(key), "the credential has no such value", mend);
        let Some(key_id) = key_id.filter(|id| !id.is_empty()) else {
            missing(&keys.key_id, "write the key id into the file");
            return None;
        };
        if secret.is_none_or(str::is_empty) {
            missing(&keys.secret, "write the secret into the file: one that the gateway made itself must be read from its store");
            return None;
        }
        let Some(secret) = kind else {
            self.notes.left_out(
                &entry.path,
                "a setting of the credential is not known, and may bound its use",
                "see the note on that setting",
            );
            return None;
        };
        if is_reference(secret) {
            let why = "the secret is a reference into another store, which is not followed";
            self.notes.left_out(&entry.at(&keys.secret), why, "put the secret itself into a copy of the file, and import that");
            return None;
        }
        Some(CredentialDraft {
            path: entry.path.clone(),
            key_id: key_id.to_owned(),
            secret: Secret::new(secret.as_bytes()),
            dialect: self.dialect(keys),
            algorithms: Vec::new(),
        })
    }

    /// The settings of a plug-in that verifies; `None` where something that guards cannot be carried over.
    pub(super) fn guard(&self, config: &Entry<'_>, keys: &GuardKeys) -> Option<Guard> {
        let seconds = keys.window.as_ref().and_then(|key| config.number(key));
        let signed = keys.signed.as_ref().map(|key| config.texts(key)).unwrap_or_default();
        let body = keys.body.as_ref().and_then(|key| config.flag(key));
        let hide = keys.hide.as_ref().and_then(|key| config.flag(key));
        let algorithms = self.algorithms(config, keys);
        self.anonymous(config, keys);
        if seconds.is_none_or(|seconds| seconds == 0) && keys.window.is_some() {
            self.notes.remark(&config.path, "no window is written: the dialect's own holds, and the time is always checked");
        }
        if body != Some(true) {
            self.notes.remark(&config.path, "bodies need not be signed, as before; remove `waive` when every client signs a digest");
        }
        if hide.is_none() {
            self.notes
                .remark(&config.path, "credentials are not forwarded to the upstream; write `keep_credentials = true` if it needs them");
        }
        let guard = Guard {
            dialect: self.dialect(keys),
            algorithms,
            window: seconds.filter(|seconds| *seconds > 0),
            require: self.parts(&signed),
            waive: if body == Some(true) { Vec::new() } else { vec!["body".to_owned()] },
            keep_credentials: hide == Some(false),
        };
        (config.finish("guard", self.table) == Leftovers::Harmless).then_some(guard)
    }

    fn anonymous(&self, config: &Entry<'_>, keys: &GuardKeys) {
        let Some(key) = keys.anonymous.as_ref().filter(|key| config.has(key)) else { return };
        if config.name(key).is_some_and(|name| !name.is_empty()) {
            let mend = "let these callers sign, or give what anybody may call a port of its own";
            self.notes.left_out(&config.at(key), "a request that nobody signed is refused here", mend);
        }
    }

    fn algorithms(&self, config: &Entry<'_>, keys: &GuardKeys) -> BTreeSet<String> {
        let written = keys.algorithms.as_ref().filter(|key| config.has(key)).map(|key| (key, config.texts(key)));
        if let Some((key, names)) = written {
            for weak in names.iter().filter(|name| self.table.weak.iter().any(|weak| weak == *name)) {
                self.notes.remark(&config.at(key), format!("{weak} is accepted because it is written; prefer stronger ones"));
            }
            return names.into_iter().map(str::to_owned).collect();
        }
        let (weak, fine): (Vec<_>, Vec<_>) = keys.default_algorithms.iter().partition(|name| self.table.weak.contains(name));
        for weak in weak {
            let at = config.at(keys.algorithms.as_deref().unwrap_or("algorithms"));
            let mend = format!("write the list of algorithms into the file, with {weak} if clients use it");
            self.notes.left_out(&at, format!("{weak} was accepted because nothing was written, and is not accepted here"), mend);
        }
        fine.into_iter().cloned().collect()
    }

    /// The parts for which these headers stand.
    fn parts(&self, headers: &[&str]) -> Vec<String> {
        let mut parts: Vec<String> = Vec::new();
        for header in headers.iter().map(|header| header.to_ascii_lowercase()) {
            let named = self.table.parts.get(&header).cloned().unwrap_or_else(|| vec![format!("header.{header}")]);
            for part in named {
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
        }
        parts
    }

    /// Notes a plug-in that does not verify signatures. Whether routes may be opened without it.
    pub(super) fn other_plugin(&self, path: &str, name: &str) -> Leftovers {
        match self.table.plugin(name) {
            Some(Row::Word(_)) => Leftovers::Harmless,
            Some(Row::Loss(loss)) => {
                self.notes.left_out(path, format!("{name}: {}", loss.why), &loss.mend);
                if loss.guards { Leftovers::Guarding } else { Leftovers::Harmless }
            }
            None => {
                let mend = "find out what it does, configure it by hand, remove it from a copy of the file, and import that";
                self.notes.left_out(path, format!("the plug-in {name} is not known here"), mend);
                Leftovers::Guarding
            }
        }
    }
}

/// Whether a value points into another store: `{vault://..}`, `$env://..`, `$secret://..`, `$ENV_..`.
fn is_reference(text: &str) -> bool {
    let inner = text.trim().trim_start_matches(['{', '$']);
    let marked = inner.len() < text.trim().len();
    marked && (inner.contains("://") || inner.starts_with("ENV") || inner.starts_with('{')) || text.contains("${{")
}
