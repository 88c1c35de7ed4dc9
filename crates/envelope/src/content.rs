//! The encrypted body of the authenticated scheme: nonce, ciphertext and tag of AES-256-GCM, in this order.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Bytes of the nonce, before the ciphertext.
pub(crate) const NONCE: usize = NONCE_LEN;
/// Bytes of the tag, after the ciphertext.
pub(crate) const TAG: usize = 16;

/// Encrypts with a new random nonce; `None` without randomness.
pub(crate) fn encrypt(key: &[u8], plain: &[u8], additional: &[u8]) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    encrypt_with(key, nonce, plain, additional)
}

fn encrypt_with(key: &[u8], nonce: [u8; NONCE], plain: &[u8], additional: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(NONCE + plain.len() + TAG);
    content.extend_from_slice(&nonce);
    content.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = gcm(key)?.seal_in_place_separate_tag(nonce, Aad::from(additional), &mut content[NONCE..]).ok()?;
    content.extend_from_slice(tag.as_ref());
    Some(content)
}

/// Decrypts, if and only if the tag holds.
pub(crate) fn decrypt(key: &[u8], content: Vec<u8>, additional: &[u8]) -> Option<Vec<u8>> {
    let mut content = content;
    let (nonce, sealed) = content.split_first_chunk_mut::<NONCE>()?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = gcm(key)?.open_in_place(nonce, Aad::from(additional), sealed).ok()?.len();
    content.drain(..NONCE);
    content.truncate(length);
    Some(content)
}

fn gcm(key: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// Test cases 13 to 16 of "The Galois/Counter Mode of Operation (GCM)", McGrew and Viega, appendix B: AES-256, nonces of
    /// 96 bits. Key, nonce, plaintext, additional data, ciphertext, tag.
    const PUBLISHED: [[&str; 6]; 4] = [
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            "",
            "",
            "",
            "530f8afbc74536b9a963b4f1c4cb738b",
        ],
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            "00000000000000000000000000000000",
            "",
            "cea7403d4d606b6e074ec5d3baf39d18",
            "d0d1c8a799996bf0265b98b5d48ab919",
        ],
        [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
            "",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
            "b094dac5d93471bdec1a502270e3cc6c",
        ],
        [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b",
        ],
    ];

    #[test]
    fn published_vectors_hold_in_both_directions() {
        for [key, nonce, plain, additional, cipher, tag] in PUBLISHED.map(|row| row.map(hex)) {
            let whole = [&nonce[..], &cipher, &tag].concat();
            let nonce = <[u8; NONCE]>::try_from(nonce).unwrap();
            assert_eq!(encrypt_with(&key, nonce, &plain, &additional).unwrap(), whole);
            assert_eq!(decrypt(&key, whole, &additional).unwrap(), plain);
        }
    }

    #[test]
    fn every_changed_bit_is_seen() {
        let (key, content) = ([7; 32], encrypt(&[7; 32], b"plain", b"context").unwrap());
        for at in 0..content.len() * 8 {
            let mut changed = content.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert_eq!(decrypt(&key, changed, b"context"), None, "bit {at}");
        }
        assert_eq!(decrypt(&key, content.clone(), b"other"), None);
        assert_eq!(decrypt(&[8; 32], content.clone(), b"context"), None);
        assert_eq!(decrypt(&key[..16], content.clone(), b"context"), None);
        for length in 0..content.len() {
            assert_eq!(decrypt(&key, content[..length].to_vec(), b"context"), None, "{length} bytes");
        }
    }

    #[test]
    fn nonces_are_new() {
        assert_ne!(encrypt(&[7; 32], b"", b"").unwrap()[..NONCE], encrypt(&[7; 32], b"", b"").unwrap()[..NONCE]);
    }
}
