//! A program that runs until it is dropped, as another user where the tests run as root.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// `nobody`, on every Linux: servers that refuse root run as this user.
const OTHER_USER: u32 = 65_534;

/// A running program and its folder.
pub struct Daemon {
    name: &'static str,
    child: Child,
    folder: TempDir,
}

impl Daemon {
    /// Starts a program with these arguments in a new folder, which its user owns. It is killed when this is dropped, and when the thread that
    /// started it ends in any other way.
    ///
    /// # Panics
    /// When the program is not installed.
    #[must_use]
    pub fn start(name: &'static str, folder: TempDir, arguments: &[&str]) -> Self {
        give_away(folder.path());
        let mut command = as_other_user(&program(name));
        command.args(arguments).current_dir(folder.path());
        let log = fs::File::create(folder.path().join("daemon.log")).expect("a log file");
        let errors = log.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        Self { name, child: child.unwrap_or_else(|error| panic!("{name}: {error}")), folder }
    }

    /// The folder of its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.folder.path().join("daemon.log")).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until this holds.
    ///
    /// # Panics
    /// When the program has ended, or it does not hold within half a minute.
    pub fn until(&mut self, mut ready: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !ready() {
            let ended = self.child.try_wait().ok().flatten();
            assert!(ended.is_none() && Instant::now() < end, "{} is not ready ({ended:?}): {}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal, such as `TERM` or `HUP`.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} cannot be sent {signal}", self.name);
    }

    /// Kills it at once, as a crash would, and gives its folder back.
    ///
    /// # Panics
    /// When no folder can be made.
    #[must_use]
    pub fn kill(mut self) -> TempDir {
        self.end();
        let empty = tempfile::tempdir().expect("a folder");
        std::mem::replace(&mut self.folder, empty)
    }

    fn end(&mut self) {
        let children = self.children();
        // One that has ended already is as good.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
        // They would end by themselves, a moment later, and answer until then.
        if !children.is_empty() {
            let _told = Command::new("kill").args(["-s", "KILL"]).args(&children).stderr(Stdio::null()).status();
            wait_until(Duration::from_secs(5), || children.iter().all(|id| has_ended(id)));
        }
    }

    /// The ids of its child processes.
    pub(crate) fn children(&self) -> Vec<String> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect()
    }
}

/// Whether a process is gone, or nothing but its exit code is left of it.
fn has_ended(id: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.child.id())
    }
}

/// A command that runs as another user where this process is root, and that the kernel kills when the thread that started it ends.
#[must_use]
pub fn as_other_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        let user = OTHER_USER.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    }
    command.arg(program);
    command
}

/// Lets the other user have a file or folder, where this process is root.
///
/// # Panics
/// When it cannot be given away.
pub fn give_away(path: &Path) {
    if is_root() {
        chown(path, Some(OTHER_USER), Some(OTHER_USER)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// A port of the loopback address that nobody listens on.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// Waits until this holds, for at most so long; whether it does.
pub fn wait_until(most: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + most;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program on the path, among the system's own, or among PostgreSQL's, which Debian keeps off the path.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let system = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    std::env::split_paths(&path).chain(system).chain(versions).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is not installed: cargo xtask services install"))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
