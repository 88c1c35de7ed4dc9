//! Runs `countersign serve` on a free loopback port, with a store of its own, and registers apps while it runs.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use crate::program::{Output, remaining, run};

/// The name of the app that owns every credential of these tests.
pub(crate) const APP: &str = "e2e";

/// A running gateway, killed at the end of the test.
pub(crate) struct Gateway {
    child: Child,
    address: SocketAddr,
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
}

impl Gateway {
    /// Serves these routes (TOML) in front of the built-in echo.
    pub(crate) fn with_routes(routes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = private_file(folder.path(), "gateway.toml", format!("listen = [\"127.0.0.1:0\"]\n{routes}"));
        Self::start(folder, &["--config", config.to_str().unwrap()]).0
    }

    /// Serves the demo, with dialects of this folder beside the built-in ones; gives the lines that it printed.
    pub(crate) fn demo(dialects: &Path) -> (Self, Vec<String>) {
        let (gateway, lines) = Self::start(tempfile::tempdir().unwrap(), &["--json", "--dialects", dialects.to_str().unwrap()]);
        let list = lines.recv_timeout(remaining()).expect("the demo prints its lines");
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let lines = list.as_array().unwrap().iter().map(|recipe| recipe["command"].as_str().unwrap().to_owned()).collect();
        (gateway, lines)
    }

    /// Starts it, and waits until it listens; gives what it prints on stdout, line by line.
    fn start(folder: tempfile::TempDir, args: &[&str]) -> (Self, mpsc::Receiver<String>) {
        let mut command = countersign();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data")).args(args);
        let mut child =
            command.env("COUNTERSIGN_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        // From here on the drop ends the child, whatever fails.
        let mut gateway = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), folder };
        gateway.address = announced(&stderr);
        // What it warns about stands in the output of a test that fails.
        std::thread::spawn(move || stderr.iter().for_each(|line| eprint_line(&line)));
        (gateway, stdout)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A folder that lives as long as the gateway.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Registers a credential through the command line, while the gateway runs.
    pub(crate) fn register(&self, registration: &Registration<'_>, dialects: Option<&Path>) {
        let Registration { dialect, key_id, secret, parts, inputs } = registration;
        let mut command = countersign();
        command.args(["app", "--data"]).arg(self.folder().join("data"));
        command.args(dialects.iter().flat_map(|folder| [Path::new("--dialects"), folder]));
        command.args(["add", APP, "--dialect", dialect, "--key-id", key_id, "--secret-file"]).arg(private_file(
            self.folder(),
            "secret",
            secret,
        ));
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
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

fn announced(stderr: &mpsc::Receiver<String>) -> SocketAddr {
    let mut said = Vec::new();
    loop {
        let Ok(line) = stderr.recv_timeout(remaining()) else { panic!("it never listened: {said:?}") };
        if let Some(address) = line.strip_prefix("listening on http://") {
            return address.parse().unwrap();
        }
        said.push(line);
    }
}

/// The lines of a pipe, read beside the test, so that the child never waits for a reader.
fn lines(pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

#[expect(clippy::print_stderr, reason = "the output of a test")]
fn eprint_line(line: &str) {
    eprintln!("gateway: {line}");
}
