//! Runs `countersign serve` on a free loopback port, with a store of its own, and registers apps while it runs.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_testbed::Serving;

use crate::program::{Output, run};

/// The name of the app that owns every credential of these tests.
pub(crate) const APP: &str = "e2e";

/// A running gateway, killed at the end of the test.
pub(crate) struct Gateway {
    serving: Serving,
    folder: tempfile::TempDir,
}

/// What `countersign app add` is told.
pub(crate) struct Registration<'a> {
    pub(crate) dialect: &'a str,
    pub(crate) key_id: &'a str,
    pub(crate) secret: &'a str,
    /// Further secret parts: `[("token_secret", "..")]`.
    pub(crate) parts: &'a [(&'a str, &'a str)],
    /// Inputs that are pinned for this credential.
    pub(crate) inputs: &'a [(&'a str, &'a str)],
    /// The algorithm for which it is registered, where that is not the dialect's first.
    pub(crate) algorithm: Option<&'a str>,
}

impl Gateway {
    /// Serves these routes (TOML) in front of the built-in echo.
    pub(crate) fn with_routes(routes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = private_file(folder.path(), "gateway.toml", format!("listen = [\"127.0.0.1:0\"]\n{routes}"));
        Self::start(folder, &["--config", config.to_str().unwrap()])
    }

    /// Serves the demo, with dialects of this folder beside the built-in ones; gives the lines that it printed.
    pub(crate) fn demo(dialects: &Path) -> (Self, Vec<String>) {
        let gateway = Self::start(tempfile::tempdir().unwrap(), &["--json", "--dialects", dialects.to_str().unwrap()]);
        let list: serde_json::Value = serde_json::from_str(&gateway.serving.line()).unwrap();
        let lines = list.as_array().unwrap().iter().map(|recipe| recipe["command"].as_str().unwrap().to_owned()).collect();
        (gateway, lines)
    }

    fn start(folder: tempfile::TempDir, further: &[&str]) -> Self {
        let data = folder.path().join("data");
        let arguments = [&["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()], further].concat();
        Self { serving: Serving::start(Path::new(env!("CARGO_BIN_EXE_countersign")), &arguments, []), folder }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// A folder that lives as long as the gateway.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Registers a credential through the command line, while the gateway runs.
    pub(crate) fn register(&self, registration: &Registration<'_>, dialects: Option<&Path>) {
        let Registration { dialect, key_id, secret, parts, inputs, algorithm } = registration;
        let mut command = countersign();
        command.args(["app", "--data"]).arg(self.folder().join("data"));
        command.args(dialects.iter().flat_map(|folder| [Path::new("--dialects"), folder]));
        command.args(["add", APP, "--dialect", dialect, "--key-id", key_id, "--secret-file"]).arg(private_file(
            self.folder(),
            "secret",
            secret,
        ));
        command.args(algorithm.iter().flat_map(|name| ["--algorithm", name]));
        for (name, value) in *parts {
            command.args(["--part-file", &format!("{name}={}", private_file(self.folder(), name, value).display())]);
        }
        for (name, value) in *inputs {
            command.args(["--set", &format!("{name}={value}")]);
        }
        let Output { ok, text } = run(&mut command);
        assert!(ok, "{text}");
    }
}

impl Drop for Gateway {
    #[expect(clippy::print_stderr, reason = "the output of a test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("gateway: {}", self.serving.said());
        }
    }
}

/// The binary under test, without what the caller's environment says.
pub(crate) fn countersign() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for name in ["COUNTERSIGN_DIALECTS", "COUNTERSIGN_DATA", "COUNTERSIGN_SECRET"] {
        command.env_remove(name);
    }
    command
}

/// Writes a file that only its owner reads, and gives its path.
pub(crate) fn private_file(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}
