//! `sign --encrypt-to` and `open-answer`, against OpenSSL and against recorded answers.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::{Scratch, countersign, with_input};

const PLAIN: &str = "{\"amount\":12.5}";

fn key_file(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envelope/tests/keys").join(name).display().to_string()
}

/// The arguments that sign a request with this body for the usual recipient.
fn sign<'a>(secret: &'a str, recipient: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["sign", "-d", "hmac-sha256", "-k", "k", "--secret-file", secret, "--url", "http://h/pay", "--encrypt-to", recipient];
    [&usual, more].concat()
}

fn body_of(message: &str) -> Value {
    serde_json::from_str(message.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn member(body: &Value, name: &str) -> Vec<u8> {
    STANDARD.decode(body[name].as_str().unwrap()).unwrap()
}

/// Runs OpenSSL's command line over a file in the folder.
fn openssl(scratch: &Scratch, words: &[&str], input: &[u8]) -> Vec<u8> {
    let file = scratch.file("in", input);
    let output = Command::new("openssl").args(words).args(["-in", &file]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_body_is_encrypted_before_it_is_signed() {
    let scratch = Scratch::new();
    let secret = scratch.file("secret", "a secret of some length");
    let (recipient, private, kept) = (key_file("rsa2048.cert.pem"), key_file("rsa2048.pem"), scratch.path().join("kept"));
    let more = ["--data", PLAIN, "--header", "Content-Type: text/plain", "--envelope-key-file", kept.to_str().unwrap()];
    let signed = countersign(sign(&secret, &recipient, &more)).ok().text();
    assert!(signed.contains("X-Encrypted-Body: true\r\n") && signed.contains("Content-Type: application/json\r\n"), "{signed}");
    assert!(!signed.contains("text/plain") && !signed.contains("amount"), "{signed}");

    let padding = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256"];
    let (content, wrapped) = (member(&body_of(&signed), "content"), member(&body_of(&signed), "encryptKey"));
    let key = openssl(&scratch, &[&["pkeyutl", "-decrypt", "-inkey", &private][..], &padding].concat(), &wrapped);
    let counter = hex(&[&content[..12], &[0, 0, 0, 2]].concat());
    let plain = openssl(&scratch, &["enc", "-d", "-aes-256-ctr", "-K", &hex(&key), "-iv", &counter], &content[12..content.len() - 16]);
    assert_eq!(plain, PLAIN.as_bytes());

    let require = ["verify", "-d", "hmac-sha256", "-k", "k", "--secret-file", &secret, "-i", "-", "--require", "header.x-encrypted-body"];
    with_input(require, signed.as_bytes()).ok();
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    // A key that is still needed is not written over.
    let again = countersign(sign(&secret, &recipient, &more));
    assert!(again.code == 2 && again.stderr.contains("exists"), "{}", again.stderr);
}

#[test]
fn a_legacy_scheme_is_for_those_who_ask() {
    let scratch = Scratch::new();
    let (secret, recipient, private) = (scratch.file("secret", "s"), key_file("rsa2048.pub.pem"), key_file("rsa2048.pem"));
    let more =
        ["--data", PLAIN, "--envelope", "rsa-pkcs1+a128cbc", "--envelope-legacy", "--content-member", "data", "--key-member", "dataKey"];
    let refused = countersign(sign(&secret, &recipient, &more[..4]));
    assert!(refused.code == 2 && refused.stderr.contains("--envelope-legacy"), "{}", refused.stderr);
    let body = body_of(&countersign(sign(&secret, &recipient, &more)).ok().text());
    let (content, wrapped) = (member(&body, "data"), member(&body, "dataKey"));
    let key = openssl(&scratch, &["pkeyutl", "-decrypt", "-inkey", &private, "-pkeyopt", "rsa_padding_mode:pkcs1"], &wrapped);
    let plain = openssl(&scratch, &["enc", "-d", "-aes-128-cbc", "-K", &hex(&key), "-iv", &hex(&content[..16])], &content[16..]);
    assert_eq!(plain, PLAIN.as_bytes());
}

#[test]
fn a_raw_message_keeps_its_length_right_and_its_mark_away_where_asked() {
    let scratch = Scratch::new();
    let (secret, recipient) = (scratch.file("secret", "s"), key_file("rsa2048.pub.pem"));
    let raw = format!("POST /pay HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{PLAIN}", PLAIN.len());
    let args = [
        "sign",
        "-d",
        "x-ca-labelled",
        "-k",
        "k",
        "--secret-file",
        &secret,
        "--set",
        "encrypted=true",
        "-i",
        "-",
        "--encrypt-to",
        &recipient,
    ];
    let signed =
        with_input(args.into_iter().chain(["--envelope-unmarked", "--envelope-mark", "X-Enc-Encrypted"]), raw.as_bytes()).ok().text();
    let (head, body) = signed.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("Content-Length: {}", body.len())) && !head.to_ascii_lowercase().contains("x-enc-"), "{head}");
    let verify = ["verify", "-d", "x-ca-labelled", "-k", "k", "--secret-file", &secret, "--set", "encrypted=true", "-i", "-"];
    with_input(verify, signed.as_bytes()).ok();
}

#[test]
fn what_cannot_be_encrypted_is_refused() {
    let scratch = Scratch::new();
    let secret = scratch.file("secret", "s");
    for (recipient, more, word) in [
        ("rsa1024.pub.pem", &["--data", "{}"][..], "1024 bits is too short; use 2048 bits or more"),
        ("ec.pub.pem", &["--data", "{}"], "no RSA key"),
        ("rsa2048.pem", &["--data", "{}"], "PUBLIC KEY or CERTIFICATE"),
        ("none.pem", &["--data", "{}"], "No such file"),
        ("rsa2048.pub.pem", &[], "no body"),
        ("rsa2048.pub.pem", &["--data", "{}", "--envelope", "rsa"], "rsa-oaep-sha256+a256gcm"),
        ("rsa2048.pub.pem", &["--data", "a", "--envelope", "rsa-pkcs1+a256cbc", "--envelope-legacy"], "JSON bodies only"),
        ("rsa2048.pub.pem", &["--data", "{}", "--envelope-mark", "a b"], "no name of a header"),
        ("rsa2048.pub.pem", &["--data", "{}", "--key-member", "content"], "different names"),
    ] {
        let run = countersign(sign(&secret, &key_file(recipient), more));
        assert!(run.code == 2 && run.stderr.contains(word) && run.stdout.is_empty(), "{recipient} {more:?}: {}", run.stderr);
    }
}

/// Answers that the Python witness of the envelope recorded.
#[test]
fn an_answer_is_opened_with_the_kept_key() {
    let scratch = Scratch::new();
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../../../envelope/tests/witness/vectors.json")).unwrap();
    let answers: Vec<&Value> = vectors.iter().flat_map(|case| case["answers"].as_array().unwrap()).collect();
    assert_eq!(answers.len(), 8);
    for (at, answer) in answers.iter().enumerate() {
        let text = |name: &str| answer[name].as_str().unwrap();
        let kept = scratch.file("kept", text("key"));
        let media_type = text("media_type");
        let message = |status: &str| {
            format!("HTTP/1.1 {status}\r\nX-Encrypted-Body: true\r\nX-Countersign-Envelope-Type: {media_type}\r\n\r\n{}", text("body"))
        };
        let open = |kept: &str, message: &str| with_input(["open-answer", "--key-file", kept, "-i", "-"], message.as_bytes());
        let right = message(&answer["status"].to_string());
        assert_eq!(STANDARD.encode(open(&kept, &right).ok().stdout), text("plain"));
        let other = scratch.file("other", answers[(at + 2) % answers.len()]["key"].as_str().unwrap());
        for (kept, message) in [(&kept, message("299")), (&other, right.clone())] {
            let run = open(kept, &message);
            assert!(run.code == 1 && run.stdout.is_empty() && run.stderr.contains("cannot be opened"), "{}", run.stderr);
        }
        let plain = open(&kept, "HTTP/1.1 200\r\n\r\n{}");
        assert!(plain.code == 2 && plain.stderr.contains("not encrypted"), "{}", plain.stderr);
    }
}
