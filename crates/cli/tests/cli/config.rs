//! `config`: every finding with its line, a config to begin with that works, and what is in effect.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::serving::Serving;
use crate::support::{Run, Scratch, command, countersign, finish};

const GOOD: &str = r#"listen = ["127.0.0.1:0"]
data = "DATA"

[[route]]
host = "api.example.com"
prefix = "/V1"
upstream = "http://127.0.0.1:9000"
dialects = ["hmac-sha256"]
"#;

struct Checked {
    run: Run,
    findings: Vec<Value>,
}

impl Checked {
    #[track_caller]
    fn has(&self, kind: &str, line: u64, words: &str) {
        let found = |f: &&Value| f["kind"] == kind && f["line"] == line && f["text"].as_str().unwrap().contains(words);
        let finding = self.findings.iter().find(found);
        assert!(finding.is_some_and(|f| !f["mend"].as_str().unwrap().is_empty()), "{kind} {line} {words}: {:#?}", self.findings);
        assert_eq!(self.run.code, i32::from(self.findings.iter().any(|f| f["kind"] == "fault")));
    }
}

fn check(scratch: &Scratch, text: &str, more: &[&str]) -> Checked {
    let data = scratch.path().join("data");
    let file = scratch.file("gateway.toml", text.replace("DATA", data.to_str().unwrap()));
    let mut args = vec!["config", "check", file.as_str(), "--json"];
    args.extend(more);
    let run = countersign(args);
    let told = run.json();
    assert_eq!(told["ok"], run.code == 0);
    Checked { findings: told["findings"].as_array().unwrap().clone(), run }
}

#[test]
fn a_good_config_has_no_finding() {
    let scratch = Scratch::new();
    assert!(check(&scratch, GOOD, &["--probe"]).findings.is_empty());
    let file = scratch.path().join("gateway.toml");
    let words = countersign(["config", "check", file.to_str().unwrap()]).ok().text();
    assert!(words.contains("0 faults, 0 warnings"), "{words}");
}

#[test]
fn every_fault_is_told_with_its_line() {
    let scratch = Scratch::new();
    let open = scratch.file("open.key", "k");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let (dialects, empty) = (scratch.path().join("dialects"), scratch.file("empty", ""));
    fs::create_dir(&dialects).unwrap();
    fs::write(dialects.join("bad.yaml"), "countersign: 1\n").unwrap();
    let dialects = format!("data = \"DATA\"\ndialects = [{:?}]", dialects.to_str().unwrap());
    let master = format!("data = \"DATA\"\nmaster_key = {open:?}");
    let missing = format!("data = \"DATA\"\nmaster_key = {empty:?}\n");
    let cases = [
        ("prefix = \"/V1\"", "prefiks = \"/V1\"", 6, "prefiks"),
        ("[\"127.0.0.1:0\"]", "[\"here\"]", 1, "here"),
        ("[\"hmac-sha256\"]", "[\"none\"]", 8, "none"),
        ("[\"hmac-sha256\"]", "[\"aws-sigv1\"]", 8, "unsafe"),
        ("[\"hmac-sha256\"]", "[\"qlm-open\", \"qlm-open-md5\"]", 8, "told apart"),
        ("data = \"DATA\"", &dialects, 3, "bad.yaml"),
        ("data = \"DATA\"", &master, 3, "others may read"),
        ("data = \"DATA\"", "[store]\npostgres = \"nowhere\"", 3, "postgres: it is no URL"),
        ("data = \"DATA\"", "[store]\nredis = [\"redis://127.0.0.1:1/\", \"http://127.0.0.1/\"]", 3, "redis: it is no URL"),
    ];
    for (good, bad, line, words) in cases {
        check(&scratch, &GOOD.replacen(good, bad, 1), &[]).has("fault", line, words);
    }
    assert!(check(&scratch, &GOOD.replacen("data = \"DATA\"\n", &missing, 1), &[]).findings.is_empty());
    let gone = countersign(["config", "check", "/nowhere/gateway.toml"]);
    assert!(gone.code != 0 && gone.stderr.contains("/nowhere"), "{}", gone.stderr);
}

#[test]
fn several_files_at_fault_are_told_at_once() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    fs::create_dir(&data).unwrap();
    for name in ["countersign.db", "replay.db"] {
        fs::write(data.join(name), "").unwrap();
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let checked = check(&scratch, &GOOD.replacen("\"hmac-sha256\"", "\"none\"", 1), &[]);
    checked.has("fault", 2, "countersign.db: others may read");
    checked.has("fault", 2, "replay.db: others may read");
    checked.has("fault", 8, "none");
    checked.findings.iter().find(|f| f["text"].as_str().unwrap().contains("no master key")).unwrap();
}

#[test]
fn a_weak_spot_is_a_warning_with_its_line() {
    let scratch = Scratch::new();
    let cases = [
        ("host = \"api.example.com\"\n", "", "[\"hmac-sha256\"]", "[\"qlm-open\"]", 4, "host may be unsigned"),
        ("prefix", "window = \"2h\"\nprefix", "", "", 6, "7200 s"),
        ("prefix", "window = { past = \"1m\", future = \"16m\" }\nprefix", "", "", 6, "960 s"),
        ("prefix", "unsafe = true\nprefix", "[\"hmac-sha256\"]", "[\"aws-sigv1\"]", 6, "forged"),
        ("prefix", "replay = \"none\"\nprefix", "", "", 6, "again and again"),
        ("prefix", "replay = \"until-expiry\"\nprefix", "", "", 6, "pass once"),
        ("prefix", "max_expires = \"1h\"\nprefix", "", "", 6, "does nothing"),
        ("prefix", "waive = [\"path\", \"body\"]\nprefix", "", "", 6, "do not sign path, body"),
        ("prefix", "require = [\"header.x-foo\"]\nprefix", "[\"hmac-sha256\"]", "[\"slack\"]", 6, "cannot sign header.x-foo"),
        ("prefix", "require = [\"nonce\"]\nprefix", "[\"hmac-sha256\"]", "[\"kong-hmac\"]", 6, "cannot sign nonce"),
        ("prefix", "loopback_is_tls = true\nprefix", "[\"hmac-sha256\"]", "[\"api-key\"]", 6, "loopback"),
        ("prefix", "body_limit = 9000000000000\nprefix", "", "", 6, "MiB"),
    ];
    for (good, bad, good_2, bad_2, line, words) in cases {
        let checked = check(&scratch, &GOOD.replacen(good, bad, 1).replacen(good_2, bad_2, 1), &[]);
        checked.has("warning", line, words);
    }
    let fine = check(&scratch, &GOOD.replacen("prefix", "window = \"15m\"\nprefix", 1), &[]);
    assert!(fine.findings.is_empty(), "{:?}", fine.findings);
}

#[test]
fn a_route_that_another_shadows_is_a_warning() {
    let scratch = Scratch::new();
    let route = |lines: &str| format!("\n[[route]]\n{lines}\nupstream = \"echo\"\ndialects = [\"hmac-sha256\"]\n");
    let text =
        GOOD.to_owned() + &route("prefix = \"/V1/deep\"") + &route("prefix = \"/V10\"") + &route("prefix = \"/V1/x\"\nhost = \"other\"");
    let checked = check(&scratch, &text, &[]);
    checked.has("warning", 11, "api.example.com/V1 instead");
    assert_eq!(checked.findings.len(), 1, "{:?}", checked.findings);
}

#[test]
fn an_address_that_is_taken_is_found_on_request_only() {
    let scratch = Scratch::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = GOOD.replace("127.0.0.1:0", &taken.local_addr().unwrap().to_string());
    assert!(check(&scratch, &text, &[]).findings.is_empty());
    check(&scratch, &text, &["--probe"]).has("fault", 1, "cannot listen");
}

#[test]
fn the_config_to_begin_with_is_checked_and_served() {
    let scratch = Scratch::new();
    let file = scratch.path().join("gateway.toml");
    let (file, data) = (file.to_str().unwrap(), scratch.path().join("data"));
    countersign(["config", "init", "--out", file]).ok();
    assert_eq!(fs::read_to_string(file).unwrap(), countersign(["config", "init"]).ok().text());
    assert_eq!(countersign(["config", "init", "--out", file]).code, 2, "it is overwritten");
    let checked = countersign(["config", "check", file, "--data", data.to_str().unwrap()]).ok().text();
    assert!(checked.contains("0 faults, 0 warnings"), "{checked}");
    let text = fs::read_to_string(file).unwrap().replace("127.0.0.1:9090", "127.0.0.1:0");
    fs::write(file, text).unwrap();
    let mut serving = Serving::start(&data, &["--config", file]);
    let address = serving.address();
    let added = countersign(["app", "--data", data.to_str().unwrap(), "add", "shop", "-d", "hmac-sha256", "--json"]).ok().json();
    let mut sign = command();
    sign.args(["sign", "-d", "hmac-sha256", "-k", added["key_id"].as_str().unwrap(), "--url", &format!("{address}/a"), "-o", "curl"]);
    let line = finish(sign.env("COUNTERSIGN_SECRET", added["secret"].as_str().unwrap()), b"").ok().text();
    let answer = std::process::Command::new("sh").arg("-c").arg(line).output().unwrap().stdout;
    assert!(String::from_utf8_lossy(&answer).contains("\"target\":\"/a\""), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn what_is_in_effect_is_a_config_again() {
    let scratch = Scratch::new();
    let file = scratch.file("gateway.toml", GOOD.to_owned() + "\n[limits]\ndrain = \"7s\"\n");
    let shown = countersign(["config", "show", &file]).ok().text();
    for line in ["drain = \"7s\"", "head_bytes = 32768", "body_limit = 8388608", "replay = \"nonce\"", "upstream_connect = \"5s\""] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let again = scratch.file("shown.toml", &shown);
    assert_eq!(countersign(["config", "show", &again]).ok().text(), shown);
    assert_eq!(countersign(["config", "check", &again]).ok().code, 0);
    assert_eq!(countersign(["config", "show", &file, "--json"]).ok().json()["limits"]["drain"], "7s");
}

#[test]
fn every_limit_is_shown() {
    let scratch = Scratch::new();
    let file = scratch.file("gateway.toml", GOOD);
    let shown = countersign(["config", "show", &file, "--json"]).ok().json();
    let unknown = scratch.file("unknown.toml", GOOD.to_owned() + "\n[limits]\nno-such-key = 1\n");
    let told = countersign(["config", "check", &unknown]).text();
    let known: Vec<&str> = told.split('`').skip(3).step_by(2).collect();
    assert!(known.len() > 10, "{told}");
    // The one limit that is off where nothing is written.
    for key in known.into_iter().filter(|key| *key != "address_rate") {
        assert!(!shown["limits"][key].is_null(), "{key}: {shown}");
    }
}

#[test]
fn completions_and_pages_know_every_command() {
    let scratch = Scratch::new();
    for shell in ["bash", "zsh", "fish"] {
        let text = countersign(["completions", shell]).ok().text();
        assert!(["serve", "import", "config"].iter().all(|name| text.contains(name)), "{shell}");
    }
    assert!(countersign(["man"]).ok().text().contains(".TH countersign 1"));
    let folder = scratch.path().join("man");
    countersign(["man", "--out", folder.to_str().unwrap()]).ok();
    assert!(folder.join("countersign-app-import.1").is_file() && folder.join("countersign-serve.1").is_file());
}
