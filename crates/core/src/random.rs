//! Random key ids, secrets and owner tokens, from the operating system.

use countersign_protocol::Secret;
use zeroize::Zeroize;

use crate::error::StoreError;

/// The random bytes of a generated secret: 256 bits, twice what an API key needs.
const SECRET_BYTES: usize = 32;
/// The random bytes of a generated key id.
const KEY_ID_BYTES: usize = 10;

/// A new secret: 64 hexadecimal digits, so that it passes every header, query and shell unchanged.
///
/// # Errors
/// When the operating system has no randomness.
pub fn generate_secret() -> Result<Secret, StoreError> {
    hex(SECRET_BYTES).map(Secret::new)
}

/// A new key id: `ck_` and 20 hexadecimal digits.
///
/// # Errors
/// When the operating system has no randomness.
pub fn generate_key_id() -> Result<String, StoreError> {
    Ok(format!("ck_{}", hex(KEY_ID_BYTES)?))
}

pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(bytes).map_err(|error| StoreError::Unavailable(format!("no randomness: {error}")))
}

pub(crate) fn hex(count: usize) -> Result<String, StoreError> {
    let mut bytes = vec![0; count];
    fill(&mut bytes)?;
    let text = to_hex(&bytes);
    bytes.zeroize();
    Ok(text)
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_generated_is_long_and_new() {
        let (a, b) = (generate_secret().unwrap(), generate_secret().unwrap());
        assert_eq!(a.expose().len(), 64);
        assert_ne!(a, b);
        assert_eq!(generate_key_id().unwrap().len(), 23);
        assert_eq!(to_hex(&[0, 0xfe]), "00fe");
    }
}
