//! `serve`: the demo's lines work, replays are refused, a config serves an in-house dialect, and a signal stops it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use countersign_testbed::{Serving, wait_until};
use serde_json::Value;

use crate::support::{IN_HOUSE, Scratch, command, countersign, finish};

pub(crate) fn serve(data: &Path, further: &[&str]) -> Serving {
    let arguments = [&["--json", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()], further].concat();
    Serving::start(Path::new(env!("CARGO_BIN_EXE_countersign")), &arguments, [])
}

fn recipes(serving: &Serving) -> Vec<Value> {
    serde_json::from_str(&serving.line()).unwrap_or_else(|error| panic!("{error}: {}", serving.said()))
}

pub(crate) fn shell(line: &str) -> Value {
    let output = Command::new("sh").arg("-c").arg(line).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {line}\n{text}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn every_line_of_the_demo_works() {
    let scratch = Scratch::new();
    scratch.file("in-house.yaml", IN_HOUSE);
    let data = scratch.path().join("data");
    let serving = serve(&data, &["--dialects", scratch.path().to_str().unwrap()]);
    let recipes = recipes(&serving);
    let ids: Vec<_> = recipes.iter().map(|recipe| recipe["dialect"].as_str().unwrap().to_owned()).collect();
    for wanted in ["aws-sigv1", "qlm-open", "hmac-sha256", "aws-sigv4", "api-key", "in-house"] {
        assert!(ids.iter().any(|id| id == wanted), "{wanted}: {ids:?}");
    }
    for recipe in &recipes {
        let (id, line) = (recipe["dialect"].as_str().unwrap(), recipe["command"].as_str().unwrap());
        let told = shell(line);
        assert!(told["target"].as_str().is_some_and(|target| target.starts_with(&format!("/demo/{id}/"))), "{id}: {told}");
        let app = told["headers"].as_array().unwrap().iter().find(|header| header[0] == "x-countersign-app");
        assert_eq!(app.map(|header| header[1].clone()), Some("demo".into()), "{id}: {told}");
    }
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_signed_request_is_taken_once_and_a_changed_one_never() {
    let scratch = Scratch::new();
    let serving = serve(&scratch.path().join("data"), &[]);
    let recipes = recipes(&serving);
    let recipe = recipes.iter().find(|recipe| recipe["dialect"] == "hmac-sha256").unwrap();
    let sign = recipe["command"].as_str().unwrap().trim_end_matches(" | sh");
    let line = String::from_utf8(Command::new("sh").arg("-c").arg(sign).output().unwrap().stdout).unwrap();
    assert_eq!(shell(&line)["method"], "POST");
    assert_eq!(shell(&line)["code"], "replayed");
    let fresh = String::from_utf8(Command::new("sh").arg("-c").arg(sign).output().unwrap().stdout).unwrap();
    assert_eq!(shell(&fresh.replace("world", "w0rld"))["code"], "body_digest_mismatch");
    assert_eq!(shell(&fresh.replace("/demo/hmac-sha256/", "/demo/hmac-sha256/x"))["code"], "signature_mismatch");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_config_serves_an_in_house_dialect_and_registered_apps() {
    let scratch = Scratch::new();
    let (data, folder) = (scratch.path().join("data"), scratch.path().join("dialects"));
    std::fs::create_dir(&folder).unwrap();
    scratch.file("dialects/in-house.yaml", IN_HOUSE);
    let (data_text, folder) = (data.to_str().unwrap(), folder.to_str().unwrap());
    let added = countersign(["app", "--data", data_text, "--dialects", folder, "add", "shop", "-d", "in-house", "--json"]).ok().json();
    let config = format!(
        "listen = [\"127.0.0.1:0\"]\ndata = \"{data_text}\"\ndialects = [\"{folder}\"]\n\n[[route]]\nprefix = \"/V1\"\nupstream = \"echo\"\ndialects = [\"in-house\"]\n"
    );
    let config = scratch.file("gateway.toml", config);
    let serving = serve(&data, &["--config", &config]);
    let url = format!("http://{}/V1/orders?a=%2F", serving.address());
    // The store holds a credential and the replay guard is new: what was signed before the guard's first second may have
    // been seen by a lost one, and this dialect's times have no fractions.
    std::thread::sleep(Duration::from_millis(1_100));
    let sign = |secret: &str| {
        let mut sign = command();
        sign.args(["sign", "-d", "in-house", "--dialects", folder, "-k", added["key_id"].as_str().unwrap(), "--url", &url, "-o", "curl"]);
        finish(sign.env("COUNTERSIGN_SECRET", secret), b"").ok().text()
    };
    let told = shell(&sign(added["secret"].as_str().unwrap()));
    assert_eq!(told["target"], "/V1/orders?a=%2F", "{told}");
    assert_eq!(shell(&sign("another secret"))["code"], "signature_mismatch");
    // An app that is added while the gateway runs is known at once.
    let later = countersign(["app", "--data", data_text, "--dialects", folder, "add", "later", "-d", "in-house", "--json"]).ok().json();
    let mut late = command();
    late.args(["sign", "-d", "in-house", "--dialects", folder, "-k", later["key_id"].as_str().unwrap(), "--url", &url, "-o", "curl"]);
    let line = finish(late.env("COUNTERSIGN_SECRET", later["secret"].as_str().unwrap()), b"").ok().text();
    assert_eq!(shell(&line)["target"], "/V1/orders?a=%2F");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_config_that_makes_no_sense_is_refused_with_its_line() {
    let scratch = Scratch::new();
    let config = scratch
        .file("gateway.toml", "listen = [\"127.0.0.1:0\"]\n\n[[route]]\nprefix = \"/\"\nupstream = \"echo\"\ndialects = [\"no-such\"]\n");
    let data = scratch.path().join("data");
    let run = countersign(["serve", "--config", &config, "--data", data.to_str().unwrap()]);
    assert!(run.code == 2 && run.stderr.contains("gateway.toml:6") && run.stderr.contains("no-such"), "{}", run.stderr);
}

#[test]
fn every_fault_of_a_config_is_told_at_once() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let bad = "listen = [\"nowhere\"]\n[[route]]\nprefix = \"V1\"\nupstream = \"echo\"\ndialects = [\"no-such\"]\nwindow = 5\n";
    let config = scratch.file("gateway.toml", bad);
    let run = countersign(["serve", "--config", &config, "--data", data.to_str().unwrap()]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    for (line, fault) in [(1, "nowhere"), (3, "V1"), (5, "no-such"), (6, "forms")] {
        let place = format!("{config}:{line}: ");
        assert!(run.stderr.lines().any(|told| told.contains(&place) && told.contains(fault)), "{place}{fault}: {}", run.stderr);
    }
}

#[test]
fn a_new_dialect_and_route_are_served_after_sighup_and_a_bad_config_is_not() {
    let scratch = Scratch::new();
    let (data, folder) = (scratch.path().join("data"), scratch.path().join("dialects"));
    std::fs::create_dir(&folder).unwrap();
    let route =
        |prefix: &str, dialect: &str| format!("[[route]]\nprefix = \"{prefix}\"\nupstream = \"echo\"\ndialects = [\"{dialect}\"]\n");
    let first = format!("listen = [\"127.0.0.1:0\"]\ndialects = [\"{}\"]\n{}", folder.display(), route("/V1", "hmac-sha256"));
    let config = scratch.file("gateway.toml", &first);
    let serving = serve(&data, &["--config", &config]);
    let address = serving.address();
    let code = |path: &str| shell(&format!("curl -s {address}{path}"))["code"].as_str().unwrap().to_owned();
    assert_eq!((code("/V1"), code("/V2")), ("missing_signature".to_owned(), "no_route".to_owned()));
    scratch.file("dialects/in-house.yaml", IN_HOUSE);
    scratch.file("gateway.toml", first.clone() + &route("/V2", "in-house"));
    serving.signal("HUP");
    assert!(wait_until(Duration::from_secs(20), || code("/V2") == "missing_signature"), "the new route is not served");
    scratch.file("gateway.toml", first + "nonsense = 1\n");
    serving.signal("HUP");
    let told = || serving.said().lines().find(|line| line.contains("nonsense")).map(str::to_owned);
    assert!(wait_until(Duration::from_secs(20), || told().is_some()), "{}", serving.said());
    let line = told().unwrap();
    assert!(line.contains("gateway.toml:7") && line.contains("the old one is served on"), "{line}");
    assert_eq!(code("/V2"), "missing_signature");
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn it_answers_the_questions_of_a_proxy_when_it_is_told_to_decide() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let config = "listen = [\"127.0.0.1:0\"]\n[decide]\nproxy = \"nginx\"\n[[route]]\nprefix = \"/\"\ndialects = [\"hmac-sha256\"]\n";
    let config = scratch.file("decide.toml", config);
    let serving = serve(&data, &["--config", &config, "--decide"]);
    let ask =
        format!("curl -s -H 'X-Original-Method: GET' -H 'X-Original-URI: /a' -H 'X-Forwarded-Proto: https' {}/decide", serving.address());
    assert_eq!(shell(&ask)["code"], "missing_signature");
    assert_eq!(shell(&ask.replace("-H 'X-Original-Method: GET'", ""))["code"], "malformed_request");
    assert_eq!(serving.stop(), Some(0));
    let refused = |args: &[&str]| {
        let mut serve = command();
        let output = serve.arg("serve").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["--config", &config]).contains("the mode is gateway"));
    assert!(refused(&["--decide"]).contains("--config"));
}
