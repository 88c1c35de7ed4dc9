//! A `countersign serve` of its own, for tests of the binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use crate::daemon::wait_until;
use crate::log;

/// How long a start or an orderly stop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running gateway, killed when this is dropped.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    address: SocketAddr,
    said: Arc<Mutex<String>>,
    printed: mpsc::Receiver<String>,
}

impl Serving {
    /// Starts `countersign serve` with these further arguments, and waits until it listens.
    ///
    /// # Panics
    /// When it does not listen.
    #[must_use]
    pub fn start<'e>(binary: &Path, arguments: &[&str], environment: impl IntoIterator<Item = (&'e str, PathBuf)>) -> Self {
        let mut command = Command::new(binary);
        for name in ["COUNTERSIGN_DIALECTS", "COUNTERSIGN_DATA", "COUNTERSIGN_SECRET"] {
            command.env_remove(name);
        }
        let level = if log::folder().is_some() { "trace" } else { "warn" };
        command.arg("serve").args(arguments).env("COUNTERSIGN_LOG", level).envs(environment);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
        let said = Arc::new(Mutex::new(String::new()));
        let pipe = child.stderr.take().expect("a pipe");
        keep(pipe, Arc::clone(&said));
        let printed = lines(child.stdout.take().expect("a pipe"));
        // From here on the drop ends the child, whatever fails.
        let mut serving = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), said, printed };
        assert!(wait_until(PATIENCE, || serving.announced().is_some()), "it does not listen: {}", serving.said());
        serving.address = serving.announced().expect("an address");
        serving
    }

    /// Where it accepts requests.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it said on stderr so far.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next line that it prints on stdout.
    ///
    /// # Panics
    /// When none comes.
    #[must_use]
    pub fn line(&self) -> String {
        self.printed.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it prints nothing: {}", self.said()))
    }

    /// Sends it a signal, such as `TERM` or `HUP`.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "it cannot be sent {signal}");
    }

    /// Ends it with SIGTERM, and waits: its exit code.
    #[must_use]
    pub fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        let mut ended = None;
        wait_until(PATIENCE, || {
            ended = self.child.try_wait().ok().flatten();
            ended.is_some()
        });
        ended.and_then(|status| status.code())
    }

    /// Ends it with SIGKILL, at once.
    pub fn kill(self) {
        drop(self);
    }

    fn announced(&self) -> Option<SocketAddr> {
        let said = self.said();
        let line = said.lines().find_map(|line| line.strip_prefix("listening on "))?;
        line.split_once("://")?.1.parse().ok()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The lines of a pipe, read beside the test.
fn lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

/// Reads a pipe beside the test, so that the child never waits for a reader.
fn keep(pipe: impl Read + Send + 'static, said: Arc<Mutex<String>>) {
    let mut file = log::file();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // A log that cannot be kept is missed by whoever looks for it.
            let _kept = file.as_mut().map(|file| writeln!(file, "{line}"));
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&line);
            said.push('\n');
        }
    });
}
