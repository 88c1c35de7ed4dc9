//! Runs programs with a bound on their time, and finds the interpreter that has the clients.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long one test may take.
const LONGEST: Duration = Duration::from_secs(30);

thread_local! {
    /// When this test began to run things: every test has a thread of its own.
    static STARTED: Instant = Instant::now();
}

/// What is left of the test's time, at least a second.
pub(crate) fn remaining() -> Duration {
    STARTED.with(|started| LONGEST.saturating_sub(started.elapsed()).max(Duration::from_secs(1)))
}

/// How a program ended, and what it printed on stdout and then stderr.
pub(crate) struct Output {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

/// Runs it; one that takes too long is killed and fails the test.
pub(crate) fn run(command: &mut Command) -> Output {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let stdout = read_beside(child.stdout.take().unwrap());
    let stderr = read_beside(child.stderr.take().unwrap());
    let until = Instant::now() + remaining();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} took too long");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let text = stdout.join().unwrap() + &stderr.join().unwrap();
    Output { ok: status.success(), text }
}

fn read_beside(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A program of the pinned Python environment. Its own environment is clean: no proxy, no profile, no account's keys.
pub(crate) fn pinned(program: &str, home: &Path) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.services/venv/bin").join(program);
    assert!(path.exists(), "{} is missing; run `cargo xtask services install`", path.display());
    let mut command = Command::new(path);
    clean(&mut command, home);
    command
}

/// A program of the machine, with a clean environment.
pub(crate) fn installed(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    clean(&mut command, home);
    command
}

/// The path of one of the client scripts beside this file.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/clients").join(name)
}

fn clean(command: &mut Command, home: &Path) {
    command.env_clear().env("HOME", home).env("LANG", "C.UTF-8").env("PYTHONDONTWRITEBYTECODE", "1");
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
}
