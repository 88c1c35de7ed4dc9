//! A Redis of its own, which keeps nothing on disk.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::daemon::{Daemon, free_port, give_away, wait_until};

/// A running Redis, killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    daemon: Option<Daemon>,
    port: u16,
}

impl Redis {
    /// Starts one on a free port.
    #[must_use]
    pub fn start() -> Self {
        let mut redis = Self { daemon: None, port: free_port() };
        redis.restart();
        redis
    }

    /// Starts one in which keys may be thrown away, as a replay guard must not accept.
    ///
    /// # Panics
    /// When there is no Redis.
    #[must_use]
    pub fn start_evicting() -> Self {
        let redis = Self::start();
        assert!(redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).starts_with("+OK"));
        redis
    }

    /// Starts one that also speaks TLS, with this certificate and key in PEM; both URLs lead to the same data.
    ///
    /// # Panics
    /// When there is no Redis, or it cannot speak TLS.
    #[must_use]
    pub fn start_tls(certificate: &str, key: &str) -> (Self, String) {
        let files = tempfile::tempdir().expect("a folder");
        let [certificate, key] = [("certificate.pem", certificate), ("key.pem", key)].map(|(name, pem)| {
            let path = files.path().join(name);
            std::fs::write(&path, pem).expect("a file");
            give_away(&path);
            path.display().to_string()
        });
        give_away(files.path());
        let (mut redis, port) = (Self { daemon: None, port: free_port() }, free_port().to_string());
        redis.run(&["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"]);
        (redis, format!("rediss://localhost:{port}/"))
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Kills it at once: it forgets everything.
    pub fn kill(&mut self) {
        drop(self.daemon.take());
    }

    /// Starts an empty one on the same port, in place of one that may still run.
    ///
    /// # Panics
    /// When there is no Redis, or it does not answer.
    pub fn restart(&mut self) {
        self.kill();
        self.run(&[]);
    }

    fn run(&mut self, further: &[&str]) {
        let folder = tempfile::tempdir().expect("a folder");
        let port = self.port.to_string();
        let arguments = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"];
        let arguments = [&arguments[..], further].concat();
        let mut daemon = Daemon::start("redis-server", folder, &arguments);
        daemon.until(|| self.ask(&["PING"]).is_some_and(|answer| answer.starts_with("+PONG")));
        self.daemon = Some(daemon);
    }

    /// Stops answering, as a network that loses everything would; [`Redis::resume`] ends that.
    pub fn pause(&self) {
        self.daemon.iter().for_each(|daemon| daemon.signal("STOP"));
    }

    /// Answers again.
    pub fn resume(&self) {
        self.daemon.iter().for_each(|daemon| daemon.signal("CONT"));
    }

    /// Sends one command; the raw answer.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> String {
        self.ask(words).unwrap_or_else(|| panic!("redis does not answer {words:?}"))
    }

    fn ask(&self, words: &[&str]) -> Option<String> {
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = vec![0; 64 * 1024];
        let count = stream.read(&mut answer).ok()?;
        answer.truncate(count);
        String::from_utf8(answer).ok()
    }
}

/// A cluster of three Redis nodes without replicas, each with a third of the slots.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

/// The first and the last slot of each node.
const SLOTS: [[&str; 2]; 3] = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]];

impl RedisCluster {
    /// Starts one on free ports.
    ///
    /// # Panics
    /// When there is no Redis, or the nodes do not find each other.
    #[must_use]
    pub fn start() -> Self {
        let started = SLOTS.map(|[first, last]| {
            let (mut node, bus) = (Redis { daemon: None, port: free_port() }, free_port().to_string());
            node.run(&["--cluster-enabled", "yes", "--cluster-port", &bus]);
            assert_eq!(node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last]), "+OK\r\n");
            (node, bus)
        });
        for (i, (node, _)) in started.iter().enumerate() {
            assert_eq!(node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(i + 1).to_string()]), "+OK\r\n");
            let (other, bus) = &started[(i + 1) % started.len()];
            assert_eq!(node.command(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), bus]), "+OK\r\n");
        }
        let nodes: Vec<_> = started.into_iter().map(|(node, _)| node).collect();
        let is_whole = |node: &Redis| {
            let info = node.command(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        };
        assert!(wait_until(Duration::from_secs(30), || nodes.iter().all(is_whole)), "{}", nodes[0].command(&["CLUSTER", "NODES"]));
        Self { nodes }
    }

    /// The URLs of its nodes.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Kills one node at once.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }
}
