//! Caddy as a reverse proxy, without its admin endpoint and with every file in its folder.

use std::fs;
use std::net::{SocketAddr, TcpStream};

use crate::daemon::{Daemon, find, free_port};

/// What stands before the sites of a configuration.
const BEFORE: &str = "{\n\tadmin off\n\tauto_https off\n}\n";

/// A running Caddy.
#[derive(Debug)]
pub struct Caddy {
    address: SocketAddr,
    daemon: Daemon,
}

impl Caddy {
    /// Starts it with these sites, in which `PORT` stands for its port, such as `http://:PORT { ... }` with `bind 127.0.0.1`.
    ///
    /// # Panics
    /// When it is not installed, or refuses the configuration.
    #[must_use]
    pub fn start(sites: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!("{BEFORE}{}", sites.replace("PORT", &address.port().to_string()));
        fs::write(folder.path().join("Caddyfile"), config).expect("a configuration");
        let program = find("caddy").expect("caddy is not installed: cargo xtask services install");
        let program = program.to_str().expect("a path");
        // It keeps its last configuration and its storage in these folders, by default in those of the user.
        let folders = ["XDG_CONFIG_HOME=.", "XDG_DATA_HOME=."];
        let command = [program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"];
        let mut daemon = Daemon::start("env", folder, &[&folders[..], &command].concat());
        daemon.until(|| TcpStream::connect(address).is_ok());
        Self { address, daemon }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}
