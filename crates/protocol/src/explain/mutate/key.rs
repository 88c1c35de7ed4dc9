//! The key made otherwise, and what is computed with it: the secret's own spelling, its derivation, the algorithm.

use std::rc::Rc;

use super::super::process::{Keying, Process};
use super::Mutation;
use crate::algorithm::Algorithm;
use crate::credential::{Credential, KeyMaterial, SigningKey};
use crate::dialect::plan::{Op, Program, SignatureEncoding, Source};
use crate::digest::DigestAlgorithm;
use crate::encoding::{self, Decoding};

pub(super) fn mutations(base: &Process) -> Vec<Mutation> {
    let shared = base.credential.as_ref().is_some_and(|c| c.material().shared().is_some());
    if !shared || !base.plan().signs() {
        return Vec::new();
    }
    let mut all = secret(false);
    if base.plan().text.as_ref().is_some_and(|text| text.tainted) {
        all.extend(secret(true));
    }
    all.extend(derivation(base));
    all.extend(algorithm(base));
    all
}

/// How a secret's text may be changed before it is used.
type Spelling = (&'static str, u8, &'static str, fn(&[u8]) -> Option<Vec<u8>>);

const SPELLINGS: [Spelling; 19] = [
    ("secret-base64-decoded", 1, "the signer decoded the secret as base64", |s| {
        encoding::from_loose_base64(s).or_else(|| encoding::from_base64url(s))
    }),
    ("secret-hex-decoded", 1, "the signer decoded the secret as hexadecimal", encoding::from_hex),
    ("secret-with-line-end", 1, "the signer's secret had a line feed at its end", |s| Some([s, b"\n"].concat())),
    ("secret-with-line-end", 1, "the signer's secret had CR LF at its end", |s| Some([s, b"\r\n"].concat())),
    ("secret-with-blank", 1, "the signer's secret had a blank at its end", |s| Some([s, b" "].concat())),
    ("secret-with-blank", 1, "the signer's secret had a tab at its end", |s| Some([s, b"\t"].concat())),
    ("secret-base64-decoded", 1, "the signer left out the secret's prefix and decoded the rest as base64", |s| {
        let rest = &s[s.iter().position(|b| matches!(b, b'_' | b':'))? + 1..];
        encoding::from_loose_base64(rest).or_else(|| encoding::from_base64url(rest))
    }),
    ("secret-with-blank", 2, "the signer's secret had a blank before it", |s| Some([b" ", s].concat())),
    ("secret-trimmed", 1, "the signer's secret has no blanks or line ends around it, and the one here has", |s| {
        Some(s.trim_ascii().to_vec())
    }),
    ("secret-without-prefix", 1, "the signer left out the secret's prefix", |s| {
        let end = s.iter().position(|b| matches!(b, b'_' | b':'))?;
        Some(s[end + 1..].to_vec())
    }),
    ("secret-base64-encoded", 2, "the signer encoded the secret as base64", |s| Some(encoding::base64(s))),
    ("secret-hex-encoded", 2, "the signer encoded the secret as hexadecimal", |s| Some(encoding::hex(s))),
    ("secret-percent-encoded", 2, "the signer percent-encoded the secret", |s| {
        let mut out = Vec::new();
        encoding::percent(s, b"", &mut out);
        Some(out)
    }),
    ("secret-percent-decoded", 2, "the signer percent-decoded the secret", |s| Some(encoding::decode(s, Decoding::Form))),
    ("secret-quoted", 2, "the signer's secret stood in quotes", |s| Some([b"\"", s, b"\""].concat())),
    ("secret-quoted", 2, "the signer's secret stood in single quotes", |s| Some([b"'", s, b"'"].concat())),
    ("secret-lower-case", 2, "the signer's secret was in lower case", |s| Some(s.to_ascii_lowercase())),
    ("secret-upper-case", 2, "the signer's secret was in upper case", |s| Some(s.to_ascii_uppercase())),
    ("secret-empty", 2, "the signer's secret was empty", |_| Some(Vec::new())),
];

/// The secret spelled otherwise, everywhere or in the key alone.
fn secret(key_alone: bool) -> Vec<Mutation> {
    let mut all: Vec<Mutation> =
        SPELLINGS.iter().map(|(id, cost, what, change)| respelled(id, *cost, what, key_alone, |s, _| change(s))).collect();
    let what = "the signer used the key id as the secret";
    all.push(respelled("key-id-as-secret", 2, what, key_alone, |_, key_id| Some(key_id.as_bytes().to_vec())));
    all
}

fn respelled(
    id: &'static str,
    cost: u8,
    what: &str,
    key_alone: bool,
    change: impl Fn(&[u8], &str) -> Option<Vec<u8>> + 'static,
) -> Mutation {
    Mutation::new(id, cost, "key.from", what, move |process| {
        let credential = process.credential.as_ref()?;
        let now = credential.material().shared()?.expose();
        let changed = change(now, credential.key_id())?;
        if changed == now {
            return None;
        }
        let changed = Some(Rc::new(with_secret(credential, changed)));
        if key_alone {
            process.key_credential = changed;
        } else {
            process.credential = changed;
        }
        Some(())
    })
    .on_axis("secret")
}

/// The same credential with another secret.
fn with_secret(credential: &Credential, secret: Vec<u8>) -> Credential {
    credential.clone().with_material(KeyMaterial::Hmac(crate::secret::Secret::new(secret)))
}

fn derivation(base: &Process) -> Vec<Mutation> {
    let put = |id, cost, rule: &str, what: &str, change: fn(&mut crate::dialect::plan::KeyRule) -> Option<()>| {
        Mutation::new(id, cost, rule, what, move |process| change(&mut process.plan_mut().key)).on_axis("derivation")
    };
    let mut all = vec![
        put("key-not-derived", 1, "key.from", "the signer used the secret itself as the key", |key| {
            let plain = [Op::Put { source: Source::Secret, filters: Vec::new() }];
            let is_plain = matches!(&key.from.ops[..], [Op::Put { source: Source::Secret, filters }] if filters.is_empty());
            (!is_plain || !key.chain.is_empty() || key.encode.is_some()).then(|| {
                key.from = Program { ops: plain.to_vec(), needs: Vec::new(), tainted: true };
                key.chain.clear();
                key.encode = None;
            })
        }),
        put("key-not-derived", 1, "key.hmac", "the signer used the first text of the key, without the MACs that follow", |key| {
            (!key.chain.is_empty()).then(|| key.chain.clear())
        }),
        put("key-prefix-left-out", 1, "key.from", "the signer left out what stands beside the secret in the key", |key| {
            let before = key.from.ops.len();
            key.from.ops.retain(|op| !matches!(op, Op::Literal(_)));
            (key.from.ops.len() != before).then_some(())
        }),
        put("key-steps-exchanged", 3, "key.hmac", "the signer ran the steps of the key in reverse order", |key| {
            (key.chain.len() > 1).then(|| key.chain.reverse())
        }),
        put("key-in-hex", 1, "key.as", "the signer used the key's hexadecimal text, not its bytes", |key| {
            (key.encode != Some(SignatureEncoding::Hex) && !key.chain.is_empty()).then(|| key.encode = Some(SignatureEncoding::Hex))
        }),
        put("key-in-bytes", 1, "key.as", "the signer used the key's bytes, not their text", |key| key.encode.take().map(|_| ())),
    ];
    let steps = base.plan().key.chain.len();
    all.extend((0..steps).flat_map(|one| (one + 1..steps).map(move |other| (one, other))).filter(|_| steps > 2).map(|(one, other)| {
        let what = format!("the signer exchanged the steps {one} and {other} of the key");
        let put = Mutation::new("key-steps-exchanged", 2, format!("key.hmac[{one}]"), what, move |process| {
            let chain = &mut process.plan_mut().key.chain;
            (other < chain.len()).then(|| chain.swap(one, other))
        });
        put.on_axis("derivation")
    }));
    all.extend(spelled(base));
    for step in 0..steps {
        let rule = format!("key.hmac[{step}]");
        let what = format!("the signer left out step {step} of the key");
        let put = Mutation::new("key-step-left-out", 2, rule, what, move |process| {
            let chain = &mut process.plan_mut().key.chain;
            (step < chain.len()).then(|| drop(chain.remove(step)))
        });
        all.push(put.on_axis("derivation"));
    }
    for (index, name) in base.plan().secrets.iter().enumerate() {
        let what = format!("the signer left out the further secret {name}");
        all.push(
            Mutation::new("secret-part-left-out", 1, "key.from", what, move |process| {
                let part = Source::SecretPart(index);
                let ops = &mut process.plan_mut().key.from.ops;
                let before = ops.len();
                ops.retain(|op| !matches!(op, Op::Put { source, .. } if *source == part));
                (ops.len() != before).then_some(())
            })
            .on_axis("derivation"),
        );
    }
    all
}

/// Keys of which a text is used in the place of the bytes: of each step, or of the last one in capitals.
fn spelled(base: &Process) -> Vec<Mutation> {
    let steps = base.plan().key.chain.len();
    let in_hex =
        Mutation::new("key-in-hex", 2, "key.hmac", "the signer used the hexadecimal text of the key after each step", move |process| {
            let chain = process.plan().key.chain.clone();
            (chain.len() > 1).then_some(())?;
            chain.into_iter().try_for_each(|step| make_key(process, vec![step], <[u8]>::to_vec))
        });
    let upper = Mutation::new("key-in-hex", 2, "key.as", "the signer used the key's text in upper-case hexadecimal", move |process| {
        let chain = process.plan().key.chain.clone();
        make_key(process, chain, <[u8]>::to_ascii_uppercase)
    });
    let all = if steps == 0 { Vec::new() } else { vec![in_hex, upper] };
    all.into_iter().map(|mutation| mutation.on_axis("derivation")).collect()
}

/// Runs steps of the key, and puts their hexadecimal text in the place of what the key is made from.
fn make_key(process: &mut Process, steps: Vec<Program>, spell: fn(&[u8]) -> Vec<u8>) -> Option<()> {
    let key = &mut process.plan_mut().key;
    key.chain = steps;
    key.encode = Some(SignatureEncoding::Hex);
    let SigningKey::Shared(made) = process.key()? else { return None };
    let text = spell(made.expose());
    let key = &mut process.plan_mut().key;
    key.from = Program { ops: vec![Op::Literal(text)], needs: Vec::new(), tainted: true };
    key.chain.clear();
    key.encode = None;
    Some(())
}

fn algorithm(base: &Process) -> Vec<Mutation> {
    let (own, is_keyed) = match base.algorithm {
        Some(Algorithm::Hmac(own)) => (own, true),
        Some(Algorithm::Plain(own)) => (own, false),
        _ => return Vec::new(),
    };
    let mut all = Vec::new();
    for other in DigestAlgorithm::ALL.into_iter().filter(|d| *d != own) {
        let algorithm = if is_keyed { Algorithm::Hmac(other) } else { Algorithm::Plain(other) };
        let what = format!("the signer used {algorithm}, not {}", base.algorithm.map_or("", Algorithm::as_str));
        let common = matches!(other, DigestAlgorithm::Sha1 | DigestAlgorithm::Sha256 | DigestAlgorithm::Sha512 | DigestAlgorithm::Md5);
        let put = Mutation::new("other-hash", if common { 1 } else { 2 }, "algorithm", what, move |process| {
            process.algorithm = Some(algorithm);
            Some(())
        });
        all.push(put.on_axis("algorithm"));
    }
    if is_keyed {
        for (id, what, keying) in [
            ("hash-not-keyed", "the signer hashed key and text in the place of a MAC", Keying::KeyThenText),
            ("hash-not-keyed", "the signer hashed text and key in the place of a MAC", Keying::TextThenKey),
            ("hash-not-keyed", "the signer hashed the text without any key", Keying::NoKey),
            ("mac-exchanged", "the signer gave key and text to the MAC in the wrong order", Keying::Exchanged),
        ] {
            let put = Mutation::new(id, 2, "algorithm", what, move |process| {
                process.keying = keying;
                Some(())
            });
            all.push(put.on_axis("keying"));
        }
    }
    all
}
