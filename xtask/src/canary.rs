//! Looks for planted secrets in everything that the tests logged, at the most talkative level.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::run::Counts;
use crate::{Task, root};

/// The variable that tells tests where to keep their logs.
pub(crate) const VARIABLE: &str = "COUNTERSIGN_TEST_LOG";

/// What is looked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Canaries {
    /// In no log.
    secrets: Vec<Canary>,
    /// In some log: else the logs are not those of the tests.
    plain: Vec<Canary>,
}

/// A text, and the file of the tests in which it stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Canary {
    text: String,
    planted: String,
}

/// An empty folder for the logs of one run.
pub(crate) fn fresh_folder() -> Task<PathBuf> {
    let folder = folder();
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// One check for each canary, over the logs of the last run of the tests.
pub(crate) fn run() -> Task {
    let canaries: Canaries = serde_yaml::from_str(&fs::read_to_string(root().join("xtask/canaries.yaml"))?)?;
    let logs = logs()?;
    println!("{} logs, {} bytes", logs.len(), logs.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut counts = Counts::default();
    for canary in canaries.secrets.iter().chain(&canaries.plain) {
        let is_planted = fs::read_to_string(root().join(&canary.planted)).is_ok_and(|source| source.contains(&canary.text));
        counts += said(is_planted, &format!("{} stands in {}", canary.text, canary.planted));
    }
    for secret in &canaries.secrets {
        let place = forms(&secret.text).into_iter().find_map(|form| Some(format!("{} in {}", form, holder(&logs, &form)?)));
        counts += said(place.is_none(), &place.unwrap_or_else(|| format!("{} is in no log", secret.text)));
    }
    for plain in &canaries.plain {
        counts += said(holder(&logs, &plain.text).is_some(), &format!("{} is in a log", plain.text));
    }
    Ok(counts)
}

/// A secret as it may be written: as text, in base64, in hexadecimal digits, as a list of bytes.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    // Without the end, which depends on what follows.
    let base64 = STANDARD.encode(&bytes[..bytes.len() / 3 * 3]);
    vec![secret.to_owned(), base64, hex, list]
}

fn holder<'l>(logs: &'l [(String, String)], text: &str) -> Option<&'l str> {
    logs.iter().find(|(_, log)| log.contains(text)).map(|(name, _)| name.as_str())
}

fn logs() -> Task<Vec<(String, String)>> {
    let entries = fs::read_dir(folder()).map_err(|_| "no logs: run the step `test` before")?;
    entries
        .map(|entry| {
            let path = entry?.path();
            Ok((path.display().to_string(), String::from_utf8_lossy(&fs::read(&path)?).into_owned()))
        })
        .collect()
}

fn said(held: bool, what: &str) -> Counts {
    println!("{} {what}", if held { "ok  " } else { "FAIL" });
    Counts::of(held)
}

fn folder() -> PathBuf {
    root().join("target/test-log")
}
