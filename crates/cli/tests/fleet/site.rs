//! One installation: a data folder, a configuration, and registered callers.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_protocol::Credential;
use countersign_testbed::{Power, Serving, free_port};

/// The route that every test calls.
const CONFIG: &str = r#"
listen = ["127.0.0.1:PORT"]
workers = 1

[audit]
head_time = "1s"

[[route]]
prefix = "/"
upstream = "echo"
dialects = ["hmac-sha256"]
"#;

/// The installation. Its folder goes with it.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    data: PathBuf,
    port: u16,
    /// The callers that were registered before anything else happened.
    pub(crate) keys: Vec<Credential>,
}

impl Site {
    /// A new one, which has run once: its store and its replay guard are there, and two callers are registered.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let port = free_port();
        private(folder.path(), "gateway.toml", &CONFIG.replace("PORT", &port.to_string()));
        fs::create_dir(&data).unwrap();
        fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
        let mut site = Self { folder, data, port, keys: Vec::new() };
        let gateway = site.serve(None);
        site.keys = ["first", "second"].map(|key_id| site.register(key_id, None)).to_vec();
        assert_eq!(gateway.stop(), Some(0));
        site
    }

    /// The folder of the stores.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Where its gateway listens, from one start to the next.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    pub(crate) fn serve(&self, power: Option<&Power>) -> Serving {
        let config = self.folder.path().join("gateway.toml");
        let arguments = ["--data", self.data.to_str().unwrap(), "--config", config.to_str().unwrap()];
        Serving::start(Path::new(env!("CARGO_BIN_EXE_countersign")), &arguments, power.into_iter().flat_map(Power::environment))
    }

    /// How many records the audit log has, which is verified as a whole.
    pub(crate) fn audited(&self) -> u64 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(["--json", "audit", "--data"]).arg(&self.data).arg("verify").output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str::<serde_json::Value>(&told).unwrap()["last"].as_u64().unwrap()
    }

    /// Registers a caller through the command line, while the gateway runs.
    pub(crate) fn register(&self, key_id: &str, power: Option<&Power>) -> Credential {
        let secret = format!("the secret of {key_id}");
        let file = private(self.folder.path(), "secret", &secret);
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["app", "--data"]).arg(&self.data).args([
            "add",
            "shop",
            "--dialect",
            "hmac-sha256",
            "--key-id",
            key_id,
            "--secret-file",
        ]);
        let output = command.arg(file).envs(power.into_iter().flat_map(Power::environment)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Credential::hmac(key_id, secret.as_str())
    }
}

/// Writes a file that only its owner reads, and gives its path.
pub(crate) fn private(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}
