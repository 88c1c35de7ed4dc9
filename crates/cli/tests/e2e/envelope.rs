//! An encrypted request and its encrypted answer, with the command line and curl at one end and the gateway at the other.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::gateway::{Gateway, Registration, countersign, private_file};
use crate::program::{Output, run};

const SECRET: &str = "f2c1a6f0d9e84b7c8a35d1e0b6c79423";
const PLAIN: &str = "{\"amount\":12.5}";

#[test]
fn encrypted_both_ways() {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envelope/tests/keys");
    let folder = tempfile::tempdir().unwrap();
    let private = private_file(folder.path(), "private.pem", fs::read(keys.join("rsa2048.pem")).unwrap());
    let gateway = Gateway::with_routes(&format!(
        "[[route]]\nprefix = \"/pay\"\nupstream = \"echo\"\ndialects = [\"x-ca-labelled\"]\n[route.envelope]\nprivate_key = [\"{}\"]\n\
         mark = \"X-Enc-Encrypted\"\ninput = \"encrypted\"\nanswer = \"encrypted\"\n",
        private.display()
    ));
    gateway.register(
        &Registration { dialect: "x-ca-labelled", key_id: "shop", secret: SECRET, parts: &[], inputs: &[], algorithm: None },
        None,
    );
    let (secret, kept) = (private_file(folder.path(), "secret", SECRET), folder.path().join("kept"));
    let own = countersign();
    let own = own.get_program().display();
    for (mark, method) in [("--envelope-mark X-Enc-Encrypted", "POST"), ("--envelope-unmarked --set encrypted=true", "PUT")] {
        let line = format!(
            "set -e; {own} sign -d x-ca-labelled -k shop --secret-file {} --url http://{}/pay/1 --method {method} --data '{PLAIN}' \
             --encrypt-to {} --envelope-key-file {kept} {mark} -o curl > line; sh -c \"$(cat line) -i\" > answer; \
             {own} open-answer --key-file {kept} -i answer; rm {kept}",
            secret.display(),
            gateway.address(),
            keys.join("rsa2048.pub.pem").display(),
            kept = kept.display(),
        );
        let Output { ok, text } = run(Command::new("sh").args(["-c", &line]).current_dir(folder.path()));
        let wire = String::from_utf8_lossy(&fs::read(folder.path().join("answer")).unwrap()).into_owned();
        assert!(ok, "{text}\n{wire}");
        let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!((told["method"].as_str(), told["target"].as_str(), told["body"].as_str()), (Some(method), Some("/pay/1"), Some(PLAIN)));
        assert!(!wire.contains("amount") && wire.to_ascii_lowercase().contains("x-enc-encrypted: true"), "{wire}");
    }
}
