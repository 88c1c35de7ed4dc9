//! nginx as a reverse proxy, without a master of its own and with every file in its folder.

use std::fs;
use std::net::{SocketAddr, TcpStream};

use crate::daemon::{Daemon, free_port};

/// What surrounds the server's part of a configuration: paths in the folder, one process, logs beside it.
const AROUND: &str = "\
daemon off;
master_process off;
pid nginx.pid;
error_log error.log info;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
SERVER
}
";

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    daemon: Daemon,
}

impl Nginx {
    /// Starts it with these `server` blocks, in which `LISTEN` stands for its address.
    ///
    /// # Panics
    /// When it is not installed, or refuses the configuration.
    #[must_use]
    pub fn start(servers: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let folder = tempfile::tempdir().expect("a folder");
        let config = AROUND.replace("SERVER", &servers.replace("LISTEN", &address.to_string()));
        fs::write(folder.path().join("nginx.conf"), config).expect("a configuration");
        let prefix = format!("{}/", folder.path().display());
        let mut daemon = Daemon::start("nginx", folder, &["-p", &prefix, "-c", "nginx.conf", "-e", "error.log"]);
        daemon.until(|| TcpStream::connect(address).is_ok());
        Self { address, daemon }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it wrote into its error log.
    #[must_use]
    pub fn errors(&self) -> String {
        fs::read_to_string(self.daemon.folder().join("error.log")).unwrap_or_default()
    }
}
