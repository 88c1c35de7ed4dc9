//! `user`: who may log in, in the embedded store.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Run, Scratch, countersign, with_input};

fn user(data: &Path, args: &[&str]) -> Run {
    let data = ["user", "--data", data.to_str().unwrap()];
    countersign([&data[..], args].concat())
}

/// No file of the store holds it.
fn is_kept_nowhere(data: &Path, secret: &str) {
    for entry in fs::read_dir(data).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|w| w == secret.as_bytes()));
    }
}

#[test]
fn the_first_users_password_is_made_and_shown_once() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let added = user(&data, &["add", "admin", "--role", "admin", "--json"]).ok();
    let value = added.json();
    let password = value["password"].as_str().unwrap().to_owned();
    assert!(password.len() >= 32 && added.stderr.contains("once"), "{value}");
    let listed = user(&data, &["list"]).ok().text();
    assert_eq!(listed, "admin (active)  password  scopes -  roles admin\n");
    assert!(!user(&data, &["list", "--json"]).ok().text().contains(&password));
    is_kept_nowhere(&data, &password);
    // The second one's is not: nobody would notice it in a script.
    let refused = user(&data, &["add", "bob"]);
    assert!(refused.code == 2 && refused.stderr.contains("--password-file") && refused.stderr.contains("--generate"), "{}", refused.stderr);
    let generated = user(&data, &["add", "bob", "--generate"]).ok();
    assert!(generated.text().contains("password: ") && generated.stderr.contains("once"));
    assert_ne!(user(&data, &["passwd", "bob", "--generate", "--json"]).ok().json()["password"], value["password"]);
}

#[test]
fn a_password_comes_from_a_file_or_stdin_and_is_not_shown() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let file = scratch.file("password", "correct horse\n");
    let added = user(&data, &["add", "ann", "--password-file", &file, "--scope", "read", "--display-name", "Änn", "--json"]).ok();
    assert!(added.json()["password"].is_null() && !added.text().contains("horse") && !added.stderr.contains("horse"));
    assert_eq!(added.json()["display_name"], "Änn");
    let args = ["user", "--data", data.to_str().unwrap(), "passwd", "ann", "--password-file", "-"];
    assert!(with_input(args, b"another horse\n").ok().text().is_empty());
    is_kept_nowhere(&data, "another horse");
    for (password, words) in [("1234567", "8 bytes"), ("password1", "guessed first"), ("AnnAnn@ann", "user's name"), ("", "no secret")] {
        let args = ["user", "--data", data.to_str().unwrap(), "add", "annann@ann", "--password-file", "-"];
        let refused = with_input(args, password.as_bytes());
        assert!(refused.code == 2 && refused.stderr.contains(words), "{password}: {}", refused.stderr);
    }
    assert_eq!(user(&data, &["list", "--json"]).ok().json().as_array().unwrap().len(), 1);
}

#[test]
fn users_are_switched_changed_and_enrolled() {
    let scratch = Scratch::new();
    let data = scratch.path();
    user(data, &["add", "ann", "--scope", "read", "--role", "clerk"]).ok();
    user(data, &["disable", "ann"]).ok();
    assert!(user(data, &["list"]).ok().text().starts_with("ann (disabled)"));
    user(data, &["enable", "ann"]).ok();
    user(data, &["set", "ann", "--scope", "write"]).ok();
    let told = user(data, &["totp", "ann", "--issuer", "Our shop", "--json"]).ok();
    let (value, secret) = (told.json(), told.json()["secret"].as_str().unwrap().to_owned());
    assert!(secret.len() == 32 && told.stderr.contains("once"));
    let uri = value["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Our%20shop:ann?secret=") && uri.contains(&secret), "{uri}");
    assert_eq!(user(data, &["list"]).ok().text(), "ann (active)  password and code  scopes write  roles clerk\n");
    is_kept_nowhere(data, &secret);
    user(data, &["totp", "ann", "--off"]).ok();
    assert!(user(data, &["list"]).ok().text().contains("  password  "));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let scratch = Scratch::new();
    let data = scratch.path();
    user(data, &["add", "ann"]).ok();
    for (args, words) in [
        (&["add", "ann", "--generate"][..], "already"),
        (&["add", "ANN", "--generate"], "already"),
        (&["add", "änn", "--generate"], "ASCII"),
        (&["add", "bob", "--generate", "--scope", "a b"], "scopes"),
        (&["add", "bob", "--password", "correct horse"], "--password"),
        (&["add", "bob", "correct horse"], "correct horse"),
        (&["disable", "nobody"], "nobody"),
        (&["passwd", "nobody", "--generate"], "nobody"),
        (&["totp", "nobody"], "nobody"),
        (&["logout", "nobody"], "nobody"),
        (&["set", "nobody", "--role", "x"], "nobody"),
    ] {
        let run = user(data, args);
        assert!(run.code == 2 && run.stderr.contains(words), "{args:?}: {} {}", run.code, run.stderr);
    }
}

#[test]
fn the_cost_of_a_hash_is_that_of_the_configuration() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let session = "[session]\nissuer = \"https://api.example.com\"\ndialects = [\"hmac-sha256\"]\n";
    let config = |cost: &str| scratch.file("gateway.toml", &format!("listen = [\"127.0.0.1:0\"]\n{session}[session.password]\n{cost}\n"));
    let add = |config: &str, name: &str| {
        countersign(["user", "--data", data.to_str().unwrap(), "--config", config, "add", name, "--generate", "--scope", "read"])
    };
    add(&config("memory_kib = 8192\npasses = 3\nlanes = 2"), "ann").ok();
    let kept: Vec<u8> = fs::read_dir(&data).unwrap().flat_map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    let cost = b"$argon2id$v=19$m=8192,t=3,p=2$";
    assert!(kept.windows(cost.len()).any(|bytes| bytes == cost));
    let refused = add(&config("memory_kib = 1024"), "bob");
    assert!(refused.code == 2 && refused.stderr.contains("cost too little or too much"), "{}", refused.stderr);
}

/// At a real terminal: `script` gives the program one, and shows what is seen there.
#[test]
fn what_is_typed_is_not_seen() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    user(&data, &["add", "admin"]).ok();
    let typed = |second: &str| {
        let line = format!("'{}' user --data '{}' add ann", env!("CARGO_BIN_EXE_countersign"), data.display());
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-E", "never", "-c", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut seen = Vec::new();
        for (question, answer) in [("password: ", "correct horse"), ("again: ", second)] {
            // Written when it is asked for, and not before.
            let mut byte = [0];
            while !String::from_utf8_lossy(&seen).ends_with(question) {
                assert_eq!(stdout.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
                seen.push(byte[0]);
            }
            stdin.write_all(format!("{answer}\n").as_bytes()).unwrap();
        }
        stdout.read_to_end(&mut seen).unwrap();
        let seen = String::from_utf8(seen).unwrap();
        assert!(!seen.contains("horse"), "{seen}");
        (child.wait().unwrap().code(), seen)
    };
    let (code, seen) = typed("another horse");
    assert!(code == Some(2) && seen.contains("differ"), "{seen}");
    let (code, seen) = typed("correct horse");
    assert!(code == Some(0) && seen.contains("user: ann") && !seen.contains("password: c"), "{seen}");
    assert!(user(&data, &["list"]).ok().text().contains("ann (active)  password"));
}
