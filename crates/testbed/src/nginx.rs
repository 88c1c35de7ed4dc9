//! An nginx of its own, in front of what a test serves.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::daemon::{Daemon, free_port, give_away, wait_until};

/// A running nginx, killed when this is dropped.
#[derive(Debug)]
pub struct Nginx {
    daemon: Daemon,
    port: u16,
}

impl Nginx {
    /// Starts one on a free port. `http` is what stands in its `http` block; `LISTEN` in it is where it listens.
    ///
    /// # Panics
    /// When there is no nginx, or it refuses the configuration.
    #[must_use]
    pub fn start(http: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        fs::write(folder.path().join("nginx.conf"), configuration(http, port)).expect("a configuration");
        let prefix = folder.path().display().to_string();
        let mut daemon = Daemon::start("nginx", folder, &["-p", &prefix, "-c", "nginx.conf", "-e", "stderr"]);
        daemon.until(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        Self { daemon, port }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Gives it another configuration; what is in flight is finished under the old one. Returns when nobody serves the old one any more.
    ///
    /// # Panics
    /// When the file cannot be written, or nginx has ended or keeps serving the old one.
    pub fn reload(&self, http: &str) {
        let file = self.daemon.folder().join("nginx.conf");
        fs::write(&file, configuration(http, self.port)).expect("a configuration");
        give_away(&file);
        let old = self.daemon.children();
        self.daemon.signal("HUP");
        let is_done = || {
            let now = self.daemon.children();
            !now.is_empty() && now.iter().all(|worker| !old.contains(worker))
        };
        assert!(wait_until(Duration::from_secs(20), is_done), "it still serves the old configuration: {}", self.log());
    }

    /// What it has said.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

fn configuration(http: &str, port: u16) -> String {
    let http = http.replace("LISTEN", &format!("127.0.0.1:{port}"));
    format!(
        "daemon off;\nworker_processes 2;\npid nginx.pid;\nerror_log stderr warn;\nevents {{ worker_connections 1024; }}\nhttp {{\n\
         access_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;\nfastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\n\
         scgi_temp_path scgi;\n{http}\n}}\n"
    )
}
