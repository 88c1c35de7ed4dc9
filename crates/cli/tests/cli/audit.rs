//! `audit`: a gateway's log is verified, listed and pinned, a changed byte shows, and its evidence convinces openssl.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use countersign_testbed::{Serving, wait_until};

use crate::serve::{serve, shell};
use crate::support::{IN_HOUSE, Run, Scratch, command, countersign, finish};

/// A data folder, and a configuration with an audit log over it.
struct Site {
    scratch: Scratch,
    data: String,
    dialects: String,
    config: String,
}

impl Site {
    fn new(audit: &str) -> Self {
        let scratch = Scratch::new();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (data, dialects) = (text(&scratch.path().join("data")), text(&scratch.path().join("dialects")));
        fs::create_dir(&dialects).unwrap();
        scratch.file("dialects/in-house.yaml", IN_HOUSE.replace("algorithm: hmac-sha256", "algorithm: [hmac-sha256, ed25519]"));
        let config = format!(
            "listen = [\"127.0.0.1:0\"]\ndata = \"{data}\"\ndialects = [\"{dialects}\"]\n\n[audit]\n{audit}\n\n[[route]]\nprefix = \"/V1\"\nupstream = \"echo\"\ndialects = [\"in-house\"]\n"
        );
        let config = scratch.file("gateway.toml", config);
        Self { scratch, data, dialects, config }
    }

    fn app(&self, args: &[&str]) -> Run {
        countersign([&["app", "--data", &self.data, "--dialects", &self.dialects], args].concat())
    }

    fn audit(&self, args: &[&str]) -> Run {
        countersign([&["audit", "--data", &self.data], args].concat())
    }

    fn serve(&self) -> Serving {
        serve(Path::new(&self.data), &["--config", &self.config])
    }

    /// Signs and sends; what the echo saw.
    fn send(&self, address: SocketAddr, key: &[&str]) -> Value {
        let url = format!("http://{address}/V1/pay");
        let sign = ["sign", "-d", "in-house", "--dialects", &self.dialects, "--url", &url, "-o", "curl"];
        let mut signing = command();
        shell(&finish(signing.args([&sign[..], key].concat()), b"").ok().text())
    }

    fn private_key(&self) -> (String, String) {
        let name = |name: &str| self.scratch.path().join(name).to_str().unwrap().to_owned();
        let (private, public) = (name("private.pem"), name("public.pem"));
        let run = |args: &[&str]| assert!(Command::new("openssl").args(args).output().unwrap().status.success(), "{args:?}");
        run(&["genpkey", "-algorithm", "ED25519", "-out", &private]);
        run(&["pkey", "-in", &private, "-pubout", "-out", &public]);
        (private, public)
    }
}

#[test]
fn a_log_is_verified_listed_and_pinned_and_a_changed_byte_shows() {
    let site = Site::new("head_time = \"1s\"");
    let missing = site.audit(&["verify"]);
    assert_ne!(missing.code, 0, "a log that is not there does not pass for one that holds");
    let secret = site.app(&["add", "shop", "-d", "in-house", "-k", "k1", "--json"]).ok().json()["secret"].as_str().unwrap().to_owned();
    let secret_file = site.scratch.file("secret", &secret);
    let serving = site.serve();
    let address = serving.address();
    assert_eq!(site.send(address, &["-k", "k1", "--secret-file", &secret_file])["target"], "/V1/pay");
    site.app(&["disable", "shop", "-k", "k1"]).ok();
    // While the gateway runs, its log is read and appended to by others.
    let listed = site.audit(&["list", "--json"]).ok().json();
    let told: Vec<_> = listed.as_array().unwrap().iter().filter(|record| record["kind"] != "refused").collect();
    let kinds: Vec<_> = told.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["change", "admitted", "change"], "{listed}");
    assert!(told[0]["by"] == "serve" && told[0]["action"] == "load configuration", "{listed}");
    assert!(told[1]["app"] == "shop" && told[1]["route"] == "/V1", "{listed}");
    assert!(told[2]["by"].as_str().unwrap().starts_with("cli") && told[2]["action"] == "set credential status", "{listed}");
    site.audit(&["verify"]).ok();
    serving.signal("HUP");
    let loads = || site.audit(&["list", "--json"]).ok().text().matches("load configuration").count();
    assert!(wait_until(Duration::from_secs(20), || loads() == 2), "a reload is recorded");
    let rewrap = countersign(["key", "--data", &site.data, "rewrap", "--to", site.scratch.path().join("new.key").to_str().unwrap()]);
    assert!(rewrap.code == 2 && rewrap.stderr.contains("audit.db") && rewrap.stderr.contains("archive"), "{}", rewrap.stderr);
    assert_eq!(serving.stop(), Some(0));
    let verdict = site.audit(&["verify", "--json"]).ok().json();
    assert!(verdict["holds"] == true && verdict["signed"] == verdict["last"], "{verdict}");
    assert!(!site.audit(&["list"]).ok().text().contains(&secret));
    let none = site.audit(&["evidence", &told[1]["sequence"].to_string()]);
    assert!(none.code == 2 && none.stderr.contains("shared secret"), "{}", none.stderr);
    verify_from_elsewhere(&site);
    let log = Path::new(&site.data).join("audit.db");
    let mut changed = fs::read(&log).unwrap();
    let name = b"\"app\":\"shop\"";
    let places: Vec<usize> = (0..changed.len()).filter(|at| changed[*at..].starts_with(name)).collect();
    // Also where SQLite has left an old copy in an unused part of a page.
    places.iter().for_each(|at| changed[at + 7] = b'x');
    fs::write(&log, changed).unwrap();
    let broken = site.audit(&["verify"]);
    assert!(broken.code == 1 && broken.text().contains("its text was changed"), "{} {}", broken.text(), broken.stderr);
    fs::remove_file(&log).unwrap();
    assert_eq!(site.audit(&["verify"]).code, 1);
}

/// Somebody with a copy of the log and the public key, but without the master key.
fn verify_from_elsewhere(site: &Site) {
    let pem = site.scratch.file("audit.pem", site.audit(&["key"]).ok().stdout);
    let copy = site.scratch.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(Path::new(&site.data).join("audit.db"), copy.join("audit.db")).unwrap();
    let copy = copy.to_str().unwrap();
    let verdict = countersign(["audit", "--data", copy, "verify", "--public-key", &pem, "--json"]).ok().json();
    assert!(verdict["holds"] == true && verdict["sealed"] == false, "{verdict}");
    assert_eq!(countersign(["audit", "--data", copy, "verify"]).code, 2, "without any key there is nothing to verify against");
    let (_, other) = site.private_key();
    let foreign = site.audit(&["verify", "--public-key", &other]);
    assert!(foreign.code == 1 && foreign.text().contains("another key"), "{}", foreign.text());
}

#[test]
fn evidence_of_a_public_key_convinces_openssl_and_the_anchor_knows_the_end() {
    let scratch = Scratch::new();
    let anchor = scratch.path().join("anchor").to_str().unwrap().to_owned();
    let site = Site::new(&format!("anchor = \"{anchor}\""));
    let (private, public) = site.private_key();
    site.app(&["add", "shop", "-d", "in-house", "-k", "k1", "--public-key", &public, "--algorithm", "ed25519"]).ok();
    let serving = site.serve();
    let address = serving.address();
    let key = ["-k", "k1", "--private-key", &private, "--algorithm", "ed25519"];
    assert_eq!(site.send(address, &key)["target"], "/V1/pay");
    assert_eq!(serving.stop(), Some(0));
    let listed = site.audit(&["list", "--app", "shop", "--json"]).ok().json();
    let admitted = listed.as_array().unwrap().iter().find(|record| record["kind"] == "admitted").unwrap();
    let bundle = site.audit(&["evidence", &admitted["sequence"].to_string(), "--json"]).ok().json();
    assert!(bundle["chain"]["head"].as_str().unwrap().starts_with("countersign audit head 1\n"), "{bundle}");
    let folder = site.scratch.path();
    let decode = |name: &str, field: &str| {
        let text = site.scratch.file(&format!("{name}.base64"), bundle[field].as_str().unwrap());
        let out = folder.join(name);
        assert!(Command::new("openssl").args(["base64", "-d", "-A", "-in", &text, "-out"]).arg(&out).status().unwrap().success());
    };
    decode("message", "message_base64");
    decode("signature", "openssl_signature_base64");
    site.scratch.file("key.pem", bundle["public_key_pem"].as_str().unwrap());
    let check = || Command::new("sh").args(["-c", bundle["openssl_command"].as_str().unwrap()]).current_dir(folder).output().unwrap();
    assert!(check().status.success());
    assert!(fs::read_to_string(folder.join("message")).unwrap().starts_with("GET\n/V1/pay\n"));
    fs::write(folder.join("message"), "GET\n/V1/pax\n").unwrap();
    assert!(!check().status.success());
    let verdict = site.audit(&["verify", "--anchor", &anchor, "--json"]).ok().json();
    assert!(verdict["holds"] == true && verdict["anchored"].as_u64().unwrap() >= 2, "{verdict}");
    let wrong = site.scratch.file("empty-anchor", "");
    assert_eq!(site.audit(&["verify", "--anchor", &wrong]).code, 1);
}

#[test]
fn a_config_with_a_wrong_audit_table_is_refused_at_its_line() {
    let site = Site::new("on_failure = \"ignore\"");
    let run = countersign(["serve", "--config", &site.config, "--data", &site.data]);
    assert!(run.code == 2 && run.stderr.contains("gateway.toml:6") && run.stderr.contains("refuse"), "{}", run.stderr);
}
