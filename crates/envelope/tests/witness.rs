//! Others open what this crate seals, and this crate opens what others seal: OpenSSL's command line, run here, and vectors of
//! a Python implementation.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_envelope::{AnswerKey, Fields, Opener, PrivateKey, PublicKey, Scheme, Sealer};
use serde_json::Value;
use tempfile::TempDir;

const PRIVATE: &str = include_str!("keys/rsa2048.pem");
const PUBLIC: &str = include_str!("keys/rsa2048.pub.pem");
const PLAIN: &[u8] = b"{\"name\":\"\xe4\xbd\xa0\xe5\xa5\xbd\",\"amount\":12.5}";

fn opener(scheme: Scheme) -> Opener {
    Opener::allowing_legacy(scheme, vec![PrivateKey::from_pem(PRIVATE).unwrap()], Fields::default(), 1 << 16).unwrap()
}

fn sealed(scheme: Scheme) -> (Vec<u8>, Vec<u8>) {
    let sealer = Sealer::allowing_legacy(scheme, PublicKey::from_pem(PUBLIC).unwrap(), Fields::default()).unwrap();
    let body: Value = serde_json::from_slice(&sealer.seal(PLAIN).unwrap().body).unwrap();
    let member = |name: &str| STANDARD.decode(body[name].as_str().unwrap()).unwrap();
    (member("content"), member("encryptKey"))
}

fn envelope(content: &[u8], wrapped: &[u8]) -> Vec<u8> {
    format!("{{\"content\":\"{}\",\"encryptKey\":\"{}\"}}", STANDARD.encode(content), STANDARD.encode(wrapped)).into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// OpenSSL's command line, in a folder of its own.
struct OpenSsl(TempDir);

impl OpenSsl {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, words: &[&str], input: &[u8]) -> Vec<u8> {
        fs::write(self.0.path().join("in"), input).unwrap();
        let output = Command::new("openssl").args(words).args(["-in", "in", "-out", "out"]).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        fs::read(self.0.path().join("out")).unwrap()
    }

    /// Wraps or unwraps a content key.
    fn rsa(&self, direction: &str, scheme: Scheme, bytes: &[u8]) -> Vec<u8> {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        let key = keys.join(if direction == "-encrypt" { "rsa2048.pub.pem" } else { "rsa2048.pem" });
        let mut words = vec!["pkeyutl", direction, "-inkey", key.to_str().unwrap()];
        words.extend((direction == "-encrypt").then_some("-pubin"));
        let padding: &[&str] = match scheme {
            Scheme::OaepGcm => &["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256"],
            _ => &["-pkeyopt", "rsa_padding_mode:pkcs1"],
        };
        self.run(&[&words[..], padding].concat(), bytes)
    }

    fn cipher(&self, direction: &str, cipher: &str, key: &[u8], vector: &[u8], text: &[u8]) -> Vec<u8> {
        self.run(&["enc", direction, cipher, "-K", &hex(key), "-iv", &hex(vector)], text)
    }
}

const LEGACY: [(Scheme, usize, &str); 2] = [(Scheme::Pkcs1Aes128Cbc, 16, "-aes-128-cbc"), (Scheme::Pkcs1Aes256Cbc, 32, "-aes-256-cbc")];

#[test]
fn what_openssl_seals_in_a_legacy_scheme_is_opened() {
    let openssl = OpenSsl::new();
    for (scheme, length, cipher) in LEGACY {
        let (key, vector) = (vec![0x5a; length], [0xa5; 16]);
        let text = openssl.cipher("-e", cipher, &key, &vector, PLAIN);
        let body = envelope(&[&vector[..], &text].concat(), &openssl.rsa("-encrypt", scheme, &key));
        assert_eq!(opener(scheme).open(&body, None).unwrap().plain, PLAIN, "{scheme}");
    }
}

#[test]
fn openssl_opens_what_is_sealed_in_a_legacy_scheme() {
    let openssl = OpenSsl::new();
    for (scheme, length, cipher) in LEGACY {
        let (content, wrapped) = sealed(scheme);
        let key = openssl.rsa("-decrypt", scheme, &wrapped);
        assert_eq!(key.len(), length);
        assert_eq!(openssl.cipher("-d", cipher, &key, &content[..16], &content[16..]), PLAIN, "{scheme}");
    }
}

/// OpenSSL's command line knows no GCM, but its counter mode does everything of it but the tag (NIST SP 800-38D, section 7.1):
/// the first block of the text has the counter 2.
#[test]
fn openssl_unwraps_the_key_and_decrypts_the_text_of_the_default_scheme() {
    let openssl = OpenSsl::new();
    let (content, wrapped) = sealed(Scheme::OaepGcm);
    let key = openssl.rsa("-decrypt", Scheme::OaepGcm, &wrapped);
    let counter = [&content[..12], &[0, 0, 0, 2]].concat();
    let text = &content[12..content.len() - 16];
    assert_eq!(openssl.cipher("-d", "-aes-256-ctr", &key, &counter, text), PLAIN);
}

/// The content of a recorded envelope, its key wrapped anew by OpenSSL.
#[test]
fn a_key_that_openssl_wraps_is_unwrapped() {
    let openssl = OpenSsl::new();
    for case in vectors().iter().filter(|case| case["scheme"] == Scheme::OaepGcm.as_str()) {
        let body: Value = serde_json::from_str(case["body"].as_str().unwrap()).unwrap();
        let bytes = |name: &str| STANDARD.decode(body[name].as_str().unwrap()).unwrap();
        let key = openssl.rsa("-decrypt", Scheme::OaepGcm, &bytes("encryptKey"));
        let anew = openssl.rsa("-encrypt", Scheme::OaepGcm, &key);
        assert_ne!(anew, bytes("encryptKey"));
        let opened = opener(Scheme::OaepGcm).open(&envelope(&bytes("content"), &anew), None).unwrap();
        assert_eq!(opened.plain, STANDARD.decode(case["plain"].as_str().unwrap()).unwrap());
    }
}

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("witness/vectors.json")).unwrap()
}

#[test]
fn recorded_envelopes_are_opened_and_recorded_answers_too() {
    let (mut envelopes, mut answers) = (0, 0);
    for case in vectors() {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let scheme = Scheme::from_name(&text(&case["scheme"])).unwrap();
        let opened = opener(scheme).open(text(&case["body"]).as_bytes(), None).unwrap();
        assert_eq!(STANDARD.encode(&opened.plain), text(&case["plain"]), "{case}");
        envelopes += 1;
        for answer in case["answers"].as_array().unwrap() {
            let key = opened.answer_key.as_ref().unwrap();
            assert_eq!(*key.to_text(), text(&answer["key"]));
            let (status, media_type) = (answer["status"].as_u64().unwrap().try_into().unwrap(), text(&answer["media_type"]));
            for key in [key, &AnswerKey::from_text(&text(&answer["key"])).unwrap()] {
                let plain = key.open(status, &media_type, text(&answer["body"]).as_bytes(), &Fields::default(), 1 << 16).unwrap();
                assert_eq!(STANDARD.encode(plain), text(&answer["plain"]));
                answers += 1;
            }
        }
    }
    assert_eq!((envelopes, answers), (10, 16));
}
