//! The legacy schemes: RSAES-PKCS1-v1_5 and AES-CBC, opened so that every failure is one failure, at the same work.
//!
//! Each step is done whatever the step before gave: a key that cannot be unwrapped is replaced by one that only this recipient
//! could know, a text of an impossible length by another text. The outcome of every step is joined at the end. What this
//! cannot hide is in `ENVELOPE.md`.

use aws_lc_rs::cipher::{AES_128, AES_256, Algorithm, DecryptingKey, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

use crate::key::PrivateKey;
use crate::scheme::Scheme;

/// Bytes of a block, and of the initialisation vector before the ciphertext.
pub(crate) const BLOCK: usize = 16;

/// How often each step was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) unwrapped: u32,
    pub(crate) rejection_keys: u32,
    pub(crate) decrypted: u32,
    pub(crate) paddings: u32,
    pub(crate) read_as_json: u32,
}

/// One envelope under the key that it is for. `sound` says whether everything before was as it must be.
pub(crate) struct LegacyEnvelope<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) key: &'a PrivateKey,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) content: Vec<u8>,
    pub(crate) sound: bool,
}

impl LegacyEnvelope<'_> {
    /// The plain body, which must be JSON; `None` for every failure.
    pub(crate) fn open(self, work: &mut Work) -> Option<Vec<u8>> {
        let (wrapped, fits) = fitting(self.wrapped, self.key.wrapped_bytes());
        let (content, whole) = blocks(self.content);
        let (key, unwrapped) = content_key(self.scheme, self.key, &wrapped, work);
        let (mut plain, decrypted) = decrypt(self.scheme, &key, content, work);
        let (length, padded) = unpadded_length(&plain, work);
        plain.truncate(length);
        work.read_as_json += 1;
        let read = serde_json::from_slice::<serde::de::IgnoredAny>(&plain).is_ok();
        let good = [self.sound, fits, whole, decrypted, read].into_iter().fold(unwrapped & padded, |good, step| good & choice(step));
        bool::from(good).then_some(plain)
    }
}

/// The wrapped key if it has the length of the modulus, else another text of that length.
fn fitting(wrapped: Vec<u8>, length: usize) -> (Vec<u8>, bool) {
    if wrapped.len() == length {
        return (wrapped, true);
    }
    // Less than any modulus, so that it is worked on as a real one is.
    let mut other = vec![2; length];
    other[0] = 0;
    (other, false)
}

/// The text if it can be a vector and whole blocks, else another one.
fn blocks(content: Vec<u8>) -> (Vec<u8>, bool) {
    if content.len() >= 2 * BLOCK && content.len().is_multiple_of(BLOCK) { (content, true) } else { (vec![0; 2 * BLOCK], false) }
}

/// The content key, or the one that takes its place, chosen without a branch.
fn content_key(scheme: Scheme, key: &PrivateKey, wrapped: &[u8], work: &mut Work) -> (Zeroizing<Vec<u8>>, Choice) {
    work.unwrapped += 1;
    let (room, length) = key.unwrap_pkcs1(wrapped);
    work.rejection_keys += 1;
    let rejection = key.rejection_key(wrapped);
    let right = choice(length == Some(scheme.key_bytes()));
    let chosen = rejection.as_ref().iter().zip(room.iter()).map(|(other, own)| u8::conditional_select(other, own, right));
    let mut content_key = Zeroizing::new(Vec::with_capacity(scheme.key_bytes()));
    content_key.extend(chosen.take(scheme.key_bytes()));
    (content_key, right)
}

/// The padded plain body.
fn decrypt(scheme: Scheme, key: &[u8], mut content: Vec<u8>, work: &mut Work) -> (Vec<u8>, bool) {
    work.decrypted += 1;
    let mut vector = [0; BLOCK];
    vector.copy_from_slice(&content[..BLOCK]);
    content.drain(..BLOCK);
    let context = DecryptionContext::Iv128(FixedLength::from(vector));
    let opened = UnboundCipherKey::new(algorithm(scheme), key)
        .and_then(DecryptingKey::cbc)
        .and_then(|key| key.decrypt(&mut content, context).map(|_| ()));
    (content, opened.is_ok())
}

/// The length without the padding (RFC 5652, section 6.3), looked for in every byte of the last block; all of it when there is
/// none.
fn unpadded_length(plain: &[u8], work: &mut Work) -> (usize, Choice) {
    work.paddings += 1;
    let last = plain.last().copied().unwrap_or_default();
    let mut good = !last.ct_eq(&0) & !last.ct_gt(&16);
    for (distance, byte) in (0_u8..16).zip(plain.iter().rev()) {
        let inside = last.ct_gt(&distance);
        good &= !inside | byte.ct_eq(&last);
    }
    let padding = u8::conditional_select(&0, &last, good);
    (plain.len() - usize::from(padding), good)
}

fn choice(holds: bool) -> Choice {
    Choice::from(u8::from(holds))
}

fn algorithm(scheme: Scheme) -> &'static Algorithm {
    if scheme.key_bytes() == 16 { &AES_128 } else { &AES_256 }
}

/// Encrypts with a new random vector, which stands before the ciphertext.
pub(crate) fn encrypt(scheme: Scheme, key: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(algorithm(scheme), key).ok()?).ok()?;
    let mut text = plain.to_vec();
    let context = key.encrypt(&mut text).ok()?;
    match context {
        DecryptionContext::Iv128(vector) => Some([&vector.as_ref()[..], &text].concat()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpadded(plain: &[u8]) -> Option<usize> {
        let (length, good) = unpadded_length(plain, &mut Work::default());
        assert!(bool::from(good) || length == plain.len());
        bool::from(good).then_some(length)
    }

    #[test]
    fn every_byte_of_a_padding_counts() {
        for padding in 1..=16_u8 {
            let mut text = vec![0x41; 32 - usize::from(padding)];
            text.extend(vec![padding; usize::from(padding)]);
            assert_eq!(unpadded(&text), Some(32 - usize::from(padding)));
            for at in 32 - usize::from(padding)..31 {
                let mut changed = text.clone();
                changed[at] ^= 1;
                assert_eq!(unpadded(&changed), None, "{padding}, byte {at}");
            }
        }
    }

    #[test]
    fn no_padding_is_empty_or_longer_than_a_block() {
        for last in [0, 17, 32, 255] {
            assert_eq!(unpadded(&[last; 48]), None, "{last}");
        }
        assert_eq!(unpadded(&[]), None);
    }
}
