//! `app`: credentials in the embedded store.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Run, Scratch, countersign};

fn app(data: &Path, args: &[&str]) -> Run {
    let data = ["app", "--data", data.to_str().unwrap()];
    countersign([&data[..], args].concat())
}

#[test]
fn a_generated_secret_is_shown_once() {
    let scratch = Scratch::new();
    let data = scratch.path().join("state/countersign");
    let added = app(&data, &["add", "billing", "-d", "hmac-sha256", "--json"]).ok();
    let value = added.json();
    let secret = value["secret"].as_str().unwrap().to_owned();
    assert!(secret.len() >= 32 && added.stderr.contains("once"), "{value}");
    let listed = app(&data, &["list"]).ok();
    assert!(listed.text().contains(value["key_id"].as_str().unwrap()) && !listed.text().contains(&secret));
    assert!(!app(&data, &["list", "--json"]).ok().text().contains(&secret));
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
        assert!(!fs::read(entry.path()).unwrap().windows(secret.len()).any(|w| w == secret.as_bytes()), "{:?}", entry.file_name());
    }
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o077, 0);
}

#[test]
fn rotating_keeps_the_old_key_for_a_while() {
    let scratch = Scratch::new();
    let old = app(scratch.path(), &["add", "billing", "-d", "hmac-sha256", "-k", "old", "--json"]).ok().json();
    let new = app(scratch.path(), &["rotate", "billing", "--overlap", "2h", "--json"]).ok().json();
    assert_ne!((&old["key_id"], &old["secret"]), (&new["key_id"], &new["secret"]));
    let list = app(scratch.path(), &["list", "--json"]).ok().json();
    let ends = |id: &serde_json::Value| list.as_array().unwrap().iter().find(|row| row["key_id"] == *id).unwrap()["not_after"].clone();
    assert!(ends(&old["key_id"]).is_string() && ends(&new["key_id"]).is_null(), "{list}");
    let unclear = app(scratch.path(), &["rotate", "billing"]);
    assert!(unclear.code == 2 && unclear.stderr.contains("--key-id"), "{}", unclear.stderr);
}

#[test]
fn apps_and_credentials_are_switched() {
    let scratch = Scratch::new();
    app(scratch.path(), &["add", "billing", "-d", "hmac-sha256", "-k", "k1", "--pending"]).ok();
    assert!(app(scratch.path(), &["list"]).ok().text().starts_with("billing (pending)"));
    app(scratch.path(), &["enable", "billing"]).ok();
    app(scratch.path(), &["disable", "billing", "-k", "k1"]).ok();
    assert!(app(scratch.path(), &["list"]).ok().text().starts_with("billing (active)  k1 (disabled)"));
    app(scratch.path(), &["disable", "billing"]).ok();
    assert!(app(scratch.path(), &["list"]).ok().text().starts_with("billing (disabled)"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    let secret = scratch.file("secret", "0123456789abcdef0123456789abcdef\n");
    let data = scratch.path().join("data");
    app(&data, &["add", "one", "-d", "hmac-sha256", "-k", "k1", "--secret-file", &secret]).ok();
    for (args, words) in [
        (&["add", "two", "-d", "hmac-sha256", "--secret-file", &secret][..], "same secret"),
        (&["add", "one", "-d", "hmac-sha256", "-k", "k1"], "k1"),
        (&["add", "two", "-d", "no-such"], "no-such"),
        (&["add", "two", "-d", "hmac-sha256", "--set", "region=x"], "--set region"),
        (&["add", "two"], "--dialect"),
        (&["disable", "nobody"], "nobody"),
        (&["disable", "one", "-k", "k2"], "k2"),
        (&["rotate", "nobody"], "nobody"),
    ] {
        let run = app(&data, args);
        assert!(run.code == 2 && run.stderr.contains(words), "{args:?}: {} {}", run.code, run.stderr);
    }
}

#[test]
fn what_an_app_may_do_is_set_and_changed() {
    let scratch = Scratch::new();
    let jwk = scratch.file("key.jwk", r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#);
    let limits = ["--scope", "read", "--address", "192.0.2.0/24", "--rate", "10/20", "--label", "team=a"];
    let add = ["add", "billing", "-d", "x-ca-labelled", "--public-key", &jwk, "-k", "k"];
    app(scratch.path(), &[&add[..], &limits].concat()).ok();
    let row = || app(scratch.path(), &["list", "--json"]).ok().json()[0].clone();
    let told = row();
    assert_eq!(
        (&told["scopes"][0], &told["addresses"][0], &told["rate"], &told["labels"]["team"]),
        (&"read".into(), &"192.0.2.0/24".into(), &"10/20".into(), &"a".into())
    );
    assert_eq!((&told["key"], &told["last_used_with"]), (&"ed25519".into(), &serde_json::Value::Null));
    app(scratch.path(), &["set", "billing", "--scope", "write", "--label", "team=b"]).ok();
    let told = row();
    assert_eq!((&told["scopes"][0], &told["rate"], &told["labels"]["team"]), (&"write".into(), &"10/20".into(), &"b".into()));
    for (args, words) in [
        (&["set", "nobody", "--scope", "a"][..], "nobody"),
        (&["set", "billing", "--rate", "0"], "100/200"),
        (&["set", "billing", "--address", "here"], "192.0.2.0/24"),
    ] {
        let run = app(scratch.path(), args);
        assert!(run.code == 2 && run.stderr.contains(words), "{args:?}: {} {}", run.code, run.stderr);
    }
}

#[test]
fn a_store_takes_another_master_key() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let secret = scratch.file("secret", "0123456789abcdef0123456789abcdef\n");
    app(&data, &["add", "one", "-d", "hmac-sha256", "-k", "k1", "--secret-file", &secret]).ok();
    let key = |args: &[&str]| countersign([&["key", "--data", data.to_str().unwrap()], args].concat());
    assert!(key(&["list"]).ok().text().starts_with("k1  one  hmac (active)  never used"));
    let new = scratch.path().join("new.key");
    let told = key(&["rewrap", "--to", new.to_str().unwrap(), "--json"]).ok().json();
    assert_eq!(told["credentials"], 1);
    let refused = app(&data, &["list"]);
    assert!(refused.code == 2 && refused.stderr.contains("master key"), "{}", refused.stderr);
    fs::rename(&new, data.join("master.key")).unwrap();
    assert!(app(&data, &["list"]).ok().text().contains("k1"));
    let taken = app(&data, &["add", "two", "-d", "hmac-sha256", "--secret-file", &secret]);
    assert!(taken.stderr.contains("same secret"), "{}", taken.stderr);
}

#[test]
fn only_a_key_that_is_over_is_removed() {
    let scratch = Scratch::new();
    let key = |args: &[&str]| countersign([&["key", "--data", scratch.path().to_str().unwrap()], args].concat());
    app(scratch.path(), &["add", "one", "-d", "hmac-sha256", "-k", "k1"]).ok();
    let refused = key(&["remove", "k1"]);
    assert!(refused.code == 2 && refused.stderr.contains("switch it off first"), "{}", refused.stderr);
    app(scratch.path(), &["disable", "one", "-k", "k1"]).ok();
    key(&["remove", "k1"]).ok();
    assert!(!app(scratch.path(), &["list"]).ok().text().contains("k1"));
}
