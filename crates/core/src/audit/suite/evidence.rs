//! Evidence that openssl accepts, byte for byte and no other, and none where a shared secret was used.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Algorithm, Credential, Dialect, KeyMaterial, KeyPair, Request, Secret, SignOptions};

use super::super::record::{link_of_digest, sha256};
use super::super::{AuditFile, Bundle, Head, OnFailure};
use super::{World, audit};
use crate::admission::{Admission, RouteRules};
use crate::app::{App, NewCredential, Terms};
use crate::audit::head::from_hex;
use crate::random::to_hex;
use crate::replay::{Epoch, MemoryGuard, ReplayLimits};
use crate::store::{CredentialStore, MemoryStore};

const HOUSE: &str = r#"
countersign: 1
dialect: house
title: In-house
string_to_sign: "{method}\n{target}\n{time}\n{nonce}\n{body | sha256 | hex}"
algorithm: [rsa-sha256, rsa-pss-sha512, ecdsa-p256-sha256, ecdsa-p256-sha256-der, ed25519, hmac-sha256]
signature: base64
carry:
  header:
    X-House-Key: "{key_id}"
    X-House-Time: "{time}"
    X-House-Nonce: "{nonce}"
    X-House-Signature: "{signature}"
time: { format: unix, window: 5m }
"#;
const CANARY: &str = "canary-0123456789abcdef";

fn shell(folder: &Path, line: &str) -> bool {
    Command::new("sh").arg("-c").arg(line).current_dir(folder).output().unwrap().status.success()
}

/// A new private key, made by openssl.
fn private_key(kind: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    assert!(shell(folder.path(), &format!("openssl genpkey {kind} -out key.pem 2>/dev/null")), "{kind}");
    std::fs::read_to_string(folder.path().join("key.pem")).unwrap()
}

/// Admits one request that is signed with this key, and gives the number of its record.
async fn admit(world: &World, material: KeyMaterial, public: KeyMaterial, algorithm: Algorithm) -> u64 {
    let log = Arc::new(world.open());
    let store = MemoryStore::new().unwrap();
    store.add_app(App::new("shop", world.now())).await.unwrap();
    let mut credential = NewCredential::new("key-1", public, Terms::new(["house"]));
    credential.algorithms.push(algorithm);
    store.add_credential("shop", credential, world.now()).await.unwrap();
    let guard = MemoryGuard::new(ReplayLimits::default(), Epoch::begin(world.now(), true));
    let now = world.now();
    let admission = Admission::new(Arc::new(store), Arc::new(guard), Arc::new(move || now), &Secret::from("replay"))
        .with_audit(audit(&log, OnFailure::Refuse));
    let dialect = Dialect::from_yaml(HOUSE).unwrap();
    let credential = Credential::new("key-1", material).with_algorithm(algorithm);
    let request = Request::new("POST", format!("/pay?to={CANARY}")).with_header("Host", "a").with_body("{}");
    let signed = dialect.sign(request, &credential, &SignOptions::new(now).with_nonce("n-1")).unwrap();
    let rules = RouteRules { name: "/pay".to_owned(), ..RouteRules::new(vec![dialect]) };
    admission.run(&rules, &signed.into_message().into_request().unwrap()).await.unwrap().record().unwrap()
}

/// Writes the bundle's files as its own words say, and runs its own command.
fn openssl_accepts(bundle: &Bundle, message: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("message", message);
    write("signature", &STANDARD.decode(&bundle.openssl_signature_base64).unwrap());
    write("key.pem", bundle.public_key_pem.as_bytes());
    shell(folder.path(), &bundle.openssl_command)
}

/// From the record to the signed head, with nothing but SHA-256 and openssl.
fn chain_holds(bundle: &Bundle) -> bool {
    let chain = &bundle.chain;
    let later = chain.later_digests.iter().map(|digest| from_hex(digest).unwrap());
    let first = sha256(chain.record_line.as_bytes());
    let last =
        std::iter::once(first).chain(later).fold(from_hex(&chain.previous_link).unwrap(), |link, digest| link_of_digest(&link, &digest));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("head", chain.head.as_bytes());
    write("head.signature", &STANDARD.decode(&chain.head_signature_base64).unwrap());
    write("audit.pem", chain.audit_public_key_pem.as_bytes());
    let signed = shell(folder.path(), "openssl pkeyutl -verify -pubin -inkey audit.pem -rawin -in head -sigfile head.signature");
    signed && Head::from_text(&chain.head).is_some_and(|head| head.link == last)
}

#[tokio::test]
async fn openssl_accepts_the_evidence_of_every_kind_of_key_and_no_other_message() {
    let kinds = [
        ("-algorithm RSA -pkeyopt rsa_keygen_bits:2048", &[Algorithm::RsaSha256, Algorithm::RsaPssSha512][..]),
        ("-algorithm EC -pkeyopt ec_paramgen_curve:P-256", &[Algorithm::EcdsaP256Sha256, Algorithm::EcdsaP256Sha256Der]),
        ("-algorithm ED25519", &[Algorithm::Ed25519]),
    ];
    for (kind, algorithms) in kinds {
        let pair = KeyPair::from_private_pem(&private_key(kind)).unwrap();
        let public = KeyPair::from_public_der(pair.public_der()).unwrap();
        for algorithm in algorithms {
            let world = World::with_records(2).await;
            let sequence = admit(&world, KeyMaterial::Pair(pair.clone()), KeyMaterial::Pair(public.clone()), *algorithm).await;
            let log = world.open();
            world.append(&log, 3).await;
            drop(log);
            world.verify().unwrap();
            let bundle = AuditFile::open(&world.paths().log).unwrap().evidence(sequence, &world.key()).unwrap();
            let mut message = STANDARD.decode(&bundle.message_base64).unwrap();
            assert!(message.starts_with(format!("POST\n/pay?to={CANARY}\n").as_bytes()));
            assert!(openssl_accepts(&bundle, &message), "{algorithm}");
            let lines = [&bundle.algorithm, &bundle.public_key_base64, &bundle.signature_base64, &bundle.message_base64];
            let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
            assert_eq!(to_hex(&sha256(lines.as_bytes())), bundle.record.evidence);
            assert!(chain_holds(&bundle), "{algorithm}");
            message[5] ^= 1;
            assert!(!openssl_accepts(&bundle, &message), "{algorithm}: another message");
            let mut other = bundle.clone();
            other.chain.record_line = other.chain.record_line.replace("/pay", "/pax");
            assert!(!chain_holds(&other), "{algorithm}: another record");
        }
    }
}

#[tokio::test]
async fn evidence_is_sealed_for_its_own_record() {
    let world = World::with_records(2).await;
    let pair = KeyPair::from_private_pem(&private_key("-algorithm ED25519")).unwrap();
    let sequence = admit(&world, KeyMaterial::Pair(pair.clone()), KeyMaterial::Pair(pair), Algorithm::Ed25519).await;
    assert_no_file_holds(&world, CANARY);
    let file = || AuditFile::open(&world.paths().log).unwrap();
    assert!(file().evidence(sequence, &world.key()).is_ok());
    world.tamper(&format!("UPDATE record SET evidence = (SELECT evidence FROM record WHERE sequence = {sequence}) WHERE sequence = 1"));
    assert!(file().evidence(1, &world.key()).is_err());
    world.tamper(&format!("UPDATE record SET evidence = zeroblob(64) WHERE sequence = {sequence}"));
    assert!(file().evidence(sequence, &world.key()).is_err());
    world.tamper("UPDATE record SET evidence = NULL WHERE sequence = 1");
    assert_eq!(world.verify().unwrap_err().sequence, sequence);
    let unknown = file().evidence(99, &world.key()).unwrap_err().to_string();
    assert!(unknown.contains("no record 99"), "{unknown}");
}

#[tokio::test]
async fn a_shared_secret_gives_no_evidence_and_leaves_no_text() {
    let world = World::new();
    let secret = || KeyMaterial::Hmac(Secret::from(CANARY));
    let sequence = admit(&world, secret(), secret(), Algorithm::from_name("hmac-sha256").unwrap()).await;
    assert_no_file_holds(&world, CANARY);
    let refused = AuditFile::open(&world.paths().log).unwrap().evidence(sequence, &world.key()).unwrap_err().to_string();
    assert!(refused.contains("shared secret") && refused.contains("public key"), "{refused}");
    let held: i64 = rusqlite::Connection::open(world.paths().log)
        .unwrap()
        .query_row("SELECT count(*) FROM record WHERE evidence IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(held, 0);
}

fn assert_no_file_holds(world: &World, canary: &str) {
    let mut read = 0;
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        read += bytes.len();
        assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()));
    }
    assert!(read > 1_000, "the files are not empty");
}
