//! `session`: the keys that sign access tokens.

use std::path::Path;

use serde_json::Value;

use crate::support::{Run, Scratch, countersign};

fn key(data: &Path, args: &[&str]) -> Run {
    let data = ["session", "--data", data.to_str().unwrap(), "key"];
    countersign([&data[..], args].concat())
}

fn list(data: &Path) -> Vec<Value> {
    key(data, &["list", "--json"]).ok().json().as_array().unwrap().clone()
}

fn state(data: &Path, kid: &str) -> String {
    list(data).iter().find(|row| row["kid"] == kid).unwrap()["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_key_is_made_rotated_and_revoked() {
    let scratch = Scratch::new();
    let data = scratch.path();
    assert!(list(data).is_empty());
    let first = key(data, &["rotate", "--json"]).ok().json();
    let first = first["added"].as_str().unwrap();
    assert_eq!(state(data, first), "active", "the first one signs at once");
    let second = key(data, &["rotate", "--algorithm", "ES256", "--json"]).ok().json();
    let second = second["added"].as_str().unwrap();
    assert_eq!((state(data, first), state(data, second)), ("active".to_owned(), "pending".to_owned()));
    let text = key(data, &["list"]).ok().text();
    assert!(text.contains(&format!("{second}  ES256 (pending)  signs 2")) && text.contains(&format!("{first}  EdDSA (active)")), "{text}");
    let again = key(data, &["rotate"]);
    assert!(again.code == 2 && again.stderr.contains("waits to sign already"), "{}", again.stderr);
    let revoked = key(data, &["revoke", first]).ok();
    assert!(
        revoked.text().starts_with(&format!("revoked: {first}\nadded: k_")) && revoked.stderr.contains("refused"),
        "{}",
        revoked.text()
    );
    assert_eq!(state(data, first), "revoked");
    let active: Vec<Value> = list(data).into_iter().filter(|row| row["state"] == "active").collect();
    assert!(active.len() == 1 && active[0]["kid"] != second, "another one signs until the next one does: {active:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    for (args, words) in [
        (&["revoke", "k_unknown"][..], "k_unknown"),
        (&["revoke"], "<KID>"),
        (&["rotate", "--algorithm", "RS256"], "RS256"),
        (&["rotate", "--algorithm", "none"], "EdDSA, ES256 or HS256"),
    ] {
        let run = key(scratch.path(), args);
        assert!(run.code == 2 && run.stderr.contains(words), "{args:?}: {} {}", run.code, run.stderr);
    }
    assert!(list(scratch.path()).is_empty());
}

#[test]
fn another_master_key_keeps_the_signing_keys() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    key(&data, &["rotate"]).ok();
    let before = list(&data);
    let new = scratch.path().join("new.key");
    countersign(["key", "--data", data.to_str().unwrap(), "rewrap", "--to", new.to_str().unwrap()]).ok();
    assert_eq!(key(&data, &["list"]).code, 2, "under the old master key it does not open");
    std::fs::rename(&new, data.join("master.key")).unwrap();
    assert_eq!(list(&data), before);
}
