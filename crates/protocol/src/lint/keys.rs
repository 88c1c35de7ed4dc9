//! The sample credential of each family. Its keys are published here and protect nothing.

use crate::algorithm::{Algorithm, KeyFamily};
use crate::credential::Credential;
use crate::dialect::Dialect;

/// A text that is hexadecimal and base64 too, so that dialects which decode their secret can use it.
const SECRET: &str = "6c696e742d73616d706c652d7365637265742d6f662d33322d62797465732121";

/// The secret of somebody who does not know the sample's.
const NOBODY: &str = "6e6f626f64792d6b6e6f77732d7468652d73616d706c652773206f776e212121";

/// The key id of every sample.
pub(super) const KEY_ID: &str = "sample-key";

/// A credential with which this dialect can sign by this algorithm; `None` where this build has no such keys.
pub(super) fn of(dialects: &[&Dialect], algorithm: Option<Algorithm>) -> Option<Credential> {
    credential(dialects, algorithm, SECRET)
}

/// What somebody has who knows the key id and no secret.
pub(super) fn of_nobody(dialects: &[&Dialect], algorithm: Option<Algorithm>) -> Option<Credential> {
    credential(dialects, algorithm, NOBODY)
}

fn credential(dialects: &[&Dialect], algorithm: Option<Algorithm>, secret: &str) -> Option<Credential> {
    let family = algorithm.map_or(KeyFamily::Hmac, Algorithm::family);
    let mut credential = match family {
        KeyFamily::Hmac => Credential::hmac(KEY_ID, secret),
        #[cfg(feature = "asymmetric")]
        family => Credential::new(KEY_ID, crate::credential::KeyMaterial::Pair(pair(family)?)),
        #[cfg(not(feature = "asymmetric"))]
        _ => return None,
    };
    if let Some(algorithm) = algorithm {
        credential = credential.with_algorithm(algorithm);
    }
    for name in dialects.iter().flat_map(|dialect| dialect.secrets()) {
        credential = credential.with_part(name.clone(), secret);
    }
    Some(credential)
}

#[cfg(feature = "asymmetric")]
fn pair(family: KeyFamily) -> Option<crate::asymmetric::KeyPair> {
    let pem = match family {
        KeyFamily::Rsa => include_str!("keys/rsa.pem"),
        KeyFamily::Ec => include_str!("keys/ec.pem"),
        KeyFamily::Ed25519 => include_str!("keys/ed25519.pem"),
        KeyFamily::Hmac => return None,
    };
    crate::asymmetric::KeyPair::from_private_pem(pem).ok()
}
