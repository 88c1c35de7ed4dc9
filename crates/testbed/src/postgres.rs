//! A PostgreSQL of its own, whose files a crash does not lose.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::daemon::{Daemon, as_other_user, find, free_port, give_away};

/// The user and the database of the tests.
const NAME: &str = "countersign";

/// A running PostgreSQL, killed when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    daemon: Option<Daemon>,
    folder: Option<TempDir>,
    port: u16,
}

impl Postgres {
    /// Starts one on a free port, with an empty database.
    ///
    /// # Panics
    /// When there is no PostgreSQL.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        give_away(folder.path());
        initialise(folder.path());
        let mut postgres = Self { daemon: None, folder: Some(folder), port: free_port() };
        postgres.restart();
        postgres.sql("postgres", &format!("CREATE DATABASE {NAME}"));
        postgres
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// The URL of another database of this name, which is made here and empty.
    #[must_use]
    pub fn new_database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url_of(name)
    }

    /// Kills it at once, with every connection; what was committed stays.
    pub fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            self.folder = Some(daemon.kill());
        }
    }

    /// Starts it again on the same port and files.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn restart(&mut self) {
        self.kill();
        let folder = self.folder.take().expect("its files");
        // One that was killed leaves its lock, and children that are ending.
        let _absent = std::fs::remove_file(data(folder.path()).join("postmaster.pid"));
        let port = self.port.to_string();
        let sockets = format!("unix_socket_directories={}", folder.path().display());
        let place = data(folder.path()).display().to_string();
        let arguments = ["-D", &place, "-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", &sockets, "-c", "max_connections=200"];
        let mut daemon = Daemon::start("postgres", folder, &arguments);
        daemon.until(|| self.try_sql("postgres", "SELECT 1"));
        self.daemon = Some(daemon);
    }

    /// Runs SQL in the tests' database.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, sql: &str) {
        self.sql(NAME, sql);
    }

    /// Cuts every connection but this one's own.
    pub fn cut_connections(&self) {
        self.sql(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename IS NOT NULL",
        );
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{NAME}@127.0.0.1:{}/{database}", self.port)
    }

    fn sql(&self, database: &str, sql: &str) {
        assert!(self.try_sql(database, sql), "{sql}");
    }

    fn try_sql(&self, database: &str, sql: &str) -> bool {
        let psql = find("psql").expect("psql: cargo xtask services install");
        let mut command = Command::new(psql);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url_of(database), "-c", sql]);
        command.output().is_ok_and(|output| output.status.success())
    }
}

/// Makes the files of an empty server.
fn initialise(folder: &Path) {
    let initdb = find("initdb").expect("initdb: cargo xtask services install");
    let mut command = as_other_user(&initdb);
    command.arg("-D").arg(data(folder)).args(["-U", NAME, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
    let output = command.current_dir(folder).output().expect("initdb");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}
