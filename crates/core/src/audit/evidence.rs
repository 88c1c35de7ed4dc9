//! Evidence of one record for a third party, who needs nothing but openssl and SHA-256 to check it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::Algorithm;
use serde::Serialize;

use super::anchor::Line;
use super::head::SignedHead;
use super::key::{AuditKey, pem};
use super::record::{Record, sha256};
use super::verify::Row;
use crate::error::StoreError;
use crate::random::to_hex;

/// How the rest is checked, by hand or by a few lines of any language.
const STEPS: [&str; 5] = [
    "Decode message_base64 into the file message, openssl_signature_base64 into the file signature, and write public_key_pem into the file key.pem.",
    "Run openssl_command: it says whether the holder of the private key signed exactly this message.",
    "The SHA-256 of the four lines algorithm, public_key_base64, signature_base64, message_base64, each ended by a line feed, is the field evidence of the record.",
    "link = SHA-256 of the three lines 'countersign audit link 1', the link before, the SHA-256 of the record's line (all hexadecimal, each ended by a line feed). Begin with previous_link and record_line, go on with each of later_digests: the last link is the one after 'last' in the head.",
    "The head's text is signed by audit_public_key_pem with Ed25519: openssl pkeyutl -verify -pubin -inkey audit.pem -rawin -in head -sigfile head.signature. Whether that key is the gateway's is known from where it was pinned.",
];

/// What is handed to a third party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Bundle {
    /// The version of this form: 1.
    pub countersign_evidence: u32,
    /// The record.
    pub record: Record,
    /// The algorithm's name.
    pub algorithm: String,
    /// The string to sign, byte for byte.
    pub message_base64: String,
    /// The signature as it was sent.
    pub signature_base64: String,
    /// The same as openssl reads it.
    pub openssl_signature_base64: String,
    /// The public key: DER, SubjectPublicKeyInfo.
    pub public_key_base64: String,
    /// The public key: PEM.
    pub public_key_pem: String,
    /// The command that checks the signature over the files `message`, `signature` and `key.pem`.
    pub openssl_command: String,
    /// How to check the rest.
    pub how_to_verify: Vec<String>,
    /// What binds the record to the log.
    pub chain: ChainProof,
}

/// The way from a record to a signed head. Other records are not shown: only their digests are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChainProof {
    /// The link before the record: hexadecimal.
    pub previous_link: String,
    /// The record's line as it was hashed.
    pub record_line: String,
    /// The SHA-256 of each later record's line, up to the head: hexadecimal.
    pub later_digests: Vec<String>,
    /// The text of the next head; empty when none holds the record yet.
    pub head: String,
    /// Its Ed25519 signature.
    pub head_signature_base64: String,
    /// The public key of the log: PEM.
    pub audit_public_key_pem: String,
}

impl Bundle {
    pub(super) fn new(
        row: &Row,
        previous: &[u8],
        later: &[[u8; 32]],
        head: Option<SignedHead>,
        key: &AuditKey,
    ) -> Result<Self, StoreError> {
        let damaged = |fault| StoreError::Corrupt { row: format!("audit record {}", row.sequence), fault };
        let record = Record::from_line(&row.line).ok_or_else(|| damaged("it was changed"))?;
        let sealed = row.evidence.as_deref().ok_or_else(|| none(&record))?;
        let lines = key.open_evidence(row.sequence, sealed).ok_or_else(|| damaged("its evidence does not open under this key"))?;
        if to_hex(&sha256(lines.as_bytes())) != record.evidence {
            return Err(damaged("its evidence is another record's"));
        }
        let mut parts = lines.lines();
        let mut next = || parts.next().map(str::to_owned).ok_or_else(|| damaged("its evidence is not whole"));
        let (algorithm, public_key_base64, signature_base64, message_base64) = (next()?, next()?, next()?, next()?);
        let known = Algorithm::from_name(&algorithm).ok_or_else(|| damaged("its algorithm is not known"))?;
        let decoded = |text: &str| STANDARD.decode(text).map_err(|_| damaged("its evidence is not whole"));
        let openssl_signature_base64 = STANDARD.encode(as_openssl_reads(known, decoded(&signature_base64)?));
        let head = head.map_or(Line { head: String::new(), signature: String::new() }, |head| Line {
            signature: STANDARD.encode(&head.signature),
            head: head.text,
        });
        Ok(Self {
            countersign_evidence: 1,
            record,
            algorithm,
            public_key_pem: pem("PUBLIC KEY", &decoded(&public_key_base64)?),
            public_key_base64,
            message_base64,
            signature_base64,
            openssl_signature_base64,
            openssl_command: command(known).to_owned(),
            how_to_verify: STEPS.map(str::to_owned).to_vec(),
            chain: ChainProof {
                previous_link: to_hex(if previous.is_empty() { &[0; 32] } else { previous }),
                record_line: row.line.clone(),
                later_digests: later.iter().map(|digest| to_hex(digest)).collect(),
                head: head.head,
                head_signature_base64: head.signature,
                audit_public_key_pem: key.pinned().to_pem(),
            },
        })
    }
}

/// Why a record has no evidence.
fn none(record: &Record) -> StoreError {
    let (fault, mend) = match record.proof.as_str() {
        "shared_secret" => (
            "the credential has a shared secret: whoever can check its signature could have made it, so it proves nothing to a third party",
            "register a public key for callers whose requests must be provable",
        ),
        "too_long" => ("the string to sign was longer than the log keeps", "raise `evidence_bytes` in [audit] for the future"),
        "no_text" => ("a secret stands in the signed text, or nothing was signed", "use a dialect whose string to sign holds no secret"),
        _ => ("it is no call", "take the sequence number of an admitted or refused call"),
    };
    StoreError::Invalid { field: "evidence", fault: format!("record {} has none: {fault}", record.sequence), mend }
}

/// An elliptic signature as `r || s` becomes DER (RFC 3279, section 2.2.3).
fn as_openssl_reads(algorithm: Algorithm, signature: Vec<u8>) -> Vec<u8> {
    if algorithm != Algorithm::EcdsaP256Sha256 || signature.len() != 64 {
        return signature;
    }
    let (r, s) = signature.split_at(32);
    let numbers = [integer(r), integer(s)].concat();
    // Two numbers of at most 35 bytes: the length fits into one byte.
    [&[0x30, u8::try_from(numbers.len()).unwrap_or(0)], &numbers[..]].concat()
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
    let digits = &bytes[first..];
    let sign: &[u8] = if digits[0] & 0x80 == 0 { &[] } else { &[0] };
    let length = u8::try_from(sign.len() + digits.len()).unwrap_or(0);
    [&[0x02, length], sign, digits].concat()
}

const fn command(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RsaSha256 | Algorithm::EcdsaP256Sha256 | Algorithm::EcdsaP256Sha256Der => {
            "openssl dgst -sha256 -verify key.pem -signature signature message"
        }
        Algorithm::RsaPssSha512 => {
            "openssl dgst -sha512 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:64 -verify key.pem -signature signature message"
        }
        Algorithm::Ed25519 => "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in message -sigfile signature",
        _ => "",
    }
}
