//! The secret half of a credential as bytes: kind, key and further parts, sealed together for one row.
//!
//! The kind is inside the seal, so that whoever can write the database cannot turn a public key into a shared secret.

use countersign_protocol::{KeyFamily, KeyMaterial, KeyPair, Secret};
use zeroize::Zeroizing;

use crate::app::NewCredential;
use crate::error::StoreError;
use crate::master_key::{MasterKey, Place};

const SHARED: u8 = 1;
const RSA: u8 = 2;
const EC: u8 = 3;
const ED25519: u8 = 4;

/// The kind and the key's bytes, as they are fingerprinted: the same secret gives the same bytes.
pub(super) fn key_bytes(material: &KeyMaterial) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (kind, bytes) = match material {
        KeyMaterial::Hmac(secret) => (SHARED, secret.expose()),
        KeyMaterial::Pair(pair) => (kind_of(pair.family())?, pair.public_der()),
        _ => return Err(unsupported()),
    };
    let mut out = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    out.push(kind);
    out.extend_from_slice(bytes);
    Ok(out)
}

pub(super) fn seal(key: &MasterKey, app: &str, new: &NewCredential) -> Result<Vec<u8>, StoreError> {
    seal_parts(key, app, &new.key_id, &new.material, &new.parts)
}

pub(super) fn seal_parts(
    key: &MasterKey,
    app: &str,
    key_id: &str,
    material: &KeyMaterial,
    parts: &[(String, Secret)],
) -> Result<Vec<u8>, StoreError> {
    let material = key_bytes(material)?;
    let items = std::iter::once(material.as_slice()).chain(parts.iter().flat_map(|(name, secret)| [name.as_bytes(), secret.expose()]));
    // Reserved whole, so that no copy of a secret is left behind by a growing buffer.
    let mut plain = Zeroizing::new(Vec::with_capacity(items.clone().map(|item| item.len() + 4).sum()));
    for item in items {
        plain.extend_from_slice(&u32::try_from(item.len()).map_err(|_| unsupported())?.to_be_bytes());
        plain.extend_from_slice(item);
    }
    key.seal(&place(app, key_id), &plain)
}

/// Opens what [`seal`] made for this app and key id; `None` for anything else.
pub(super) fn unseal(key: &MasterKey, app: &str, key_id: &str, sealed: &[u8]) -> Option<(KeyMaterial, Vec<(String, Secret)>)> {
    let plain = key.open_sealed(&place(app, key_id), sealed)?;
    let mut rest = plain.as_slice();
    let (kind, bytes) = take(&mut rest)?.split_first()?;
    let material = match *kind {
        SHARED => KeyMaterial::Hmac(Secret::new(bytes)),
        kind => {
            // How short a key may be was asked when it was registered, and is asked by each dialect.
            let pair = KeyPair::from_short_public_der(bytes).ok()?;
            (kind_of(pair.family()).ok()? == kind).then_some(KeyMaterial::Pair(pair))?
        }
    };
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let name = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        parts.push((name, Secret::new(take(&mut rest)?)));
    }
    Some((material, parts))
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (item, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(item)
}

const fn place<'a>(app: &'a str, credential: &'a str) -> Place<'a> {
    Place { table: "credential", app, credential }
}

fn kind_of(family: KeyFamily) -> Result<u8, StoreError> {
    match family {
        KeyFamily::Rsa => Ok(RSA),
        KeyFamily::Ec => Ok(EC),
        KeyFamily::Ed25519 => Ok(ED25519),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> StoreError {
    StoreError::Invalid {
        field: "key",
        fault: "this kind of key is not stored".to_owned(),
        mend: "use a shared secret or an RSA, EC or Ed25519 public key",
    }
}
