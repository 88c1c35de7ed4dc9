//! `serve`: the demo's lines work, replays are refused, a config serves an in-house dialect, and a signal stops it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{IN_HOUSE, Scratch, command, countersign, finish};

/// A running gateway, stopped at the end of the test.
pub(crate) struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Serving {
    pub(crate) fn start(data: &Path, args: &[&str]) -> Self {
        let mut command = command();
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(args);
        let mut child = command.env("COUNTERSIGN_LOG", "warn").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// The address that it announced.
    pub(crate) fn address(&mut self) -> String {
        let mut line = String::new();
        while !line.starts_with("listening on ") {
            line.clear();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it ended before it listened");
        }
        line.trim_end().trim_start_matches("listening on ").to_owned()
    }

    fn recipes(&mut self) -> Vec<Value> {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| {
            let mut words = String::new();
            let _ = self.stderr.read_to_string(&mut words);
            panic!("{e}: {line} {words}")
        })
    }

    /// Ends it with SIGTERM, and gives its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
    let mut serving = Serving::start(&data, &["--dialects", scratch.path().to_str().unwrap()]);
    let recipes = serving.recipes();
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
    let mut serving = Serving::start(&scratch.path().join("data"), &[]);
    let recipes = serving.recipes();
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
    let mut serving = Serving::start(&data, &["--config", &config]);
    let url = format!("{}/V1/orders?a=%2F", serving.address());
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
