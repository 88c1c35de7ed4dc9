//! Length extension: from the digest of an unknown text of known length, the digest of that text with more behind it.

use sha2::Digest;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};

use crate::digest::DigestAlgorithm;

/// What an attacker appends, and the digest of the whole.
pub(super) struct Extended {
    /// The padding of the unknown text, then the text that was wanted.
    pub(super) behind: Vec<u8>,
    /// The digest of unknown text and `behind`.
    pub(super) digest: Vec<u8>,
}

/// Continues a digest of `length` unknown bytes with `more`; `None` where the digest does not show the whole state of the function.
pub(super) fn extend(algorithm: DigestAlgorithm, digest: &[u8], length: usize, more: &[u8]) -> Option<Extended> {
    let shape = Shape::of(algorithm)?;
    let padding = shape.padding(length)?;
    let done = length.checked_add(padding.len())?;
    let state = shape.state(digest, done)?;
    let digest = match algorithm {
        DigestAlgorithm::Md5 => resume::<md5::Md5>(&state, more),
        DigestAlgorithm::Sha1 => resume::<sha1::Sha1>(&state, more),
        DigestAlgorithm::Sha256 => resume::<sha2::Sha256>(&state, more),
        DigestAlgorithm::Sha512 => resume::<sha2::Sha512>(&state, more),
        DigestAlgorithm::Sm3 => resume::<sm3::Sm3>(&state, more),
        DigestAlgorithm::Sha384 => None,
    }?;
    Some(Extended { behind: [&padding[..], more].concat(), digest })
}

/// How a function of the Merkle-Damgard kind pads, and how its state is kept.
struct Shape {
    /// Bytes of a block, a word, and the count of bits.
    block: usize,
    word: usize,
    count: usize,
    little: bool,
}

impl Shape {
    /// `None` for a digest that is cut short: the rest of the state does not show.
    const fn of(algorithm: DigestAlgorithm) -> Option<Self> {
        Some(match algorithm {
            DigestAlgorithm::Md5 => Self { block: 64, word: 4, count: 8, little: true },
            DigestAlgorithm::Sha1 | DigestAlgorithm::Sha256 | DigestAlgorithm::Sm3 => Self { block: 64, word: 4, count: 8, little: false },
            DigestAlgorithm::Sha512 => Self { block: 128, word: 8, count: 16, little: false },
            DigestAlgorithm::Sha384 => return None,
        })
    }

    /// One bit, zeros, and the number of bits: what the function itself puts behind a text.
    fn padding(&self, length: usize) -> Option<Vec<u8>> {
        let bits = u128::try_from(length).ok()?.checked_mul(8)?;
        let mut out = vec![0x80];
        while !(length + out.len() + self.count).is_multiple_of(self.block) {
            out.push(0);
        }
        let count = if self.little { bits.to_le_bytes() } else { bits.to_be_bytes() };
        out.extend(if self.little { &count[..self.count] } else { &count[count.len() - self.count..] });
        Some(out)
    }

    /// The state after `done` bytes, as the crates of these functions keep it: words, the number of blocks, an empty buffer.
    fn state(&self, digest: &[u8], done: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for word in digest.chunks(self.word) {
            if self.little { out.extend(word) } else { out.extend(word.iter().rev()) }
        }
        let blocks = u128::try_from(done / self.block).ok()?.to_le_bytes();
        out.extend(&blocks[..self.count]);
        out.resize(out.len() + self.block, 0);
        Some(out)
    }
}

fn resume<D: Digest + SerializableState>(state: &[u8], more: &[u8]) -> Option<Vec<u8>> {
    let state: &SerializedState<D> = state.try_into().ok()?;
    let mut running = D::deserialize(state).ok()?;
    running.update(more);
    Some(running.finalize().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_is_the_digest_of_the_longer_text() {
        for algorithm in DigestAlgorithm::ALL {
            for length in [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 300] {
                let unknown = vec![b'u'; length];
                let extended = extend(algorithm, &algorithm.digest(&unknown), length, b"&admin=1");
                match extended {
                    None => assert_eq!(algorithm, DigestAlgorithm::Sha384),
                    Some(extended) => {
                        assert_eq!(extended.digest, algorithm.digest(&[&unknown[..], &extended.behind].concat()), "{algorithm:?} {length}");
                        assert!(extended.behind.ends_with(b"&admin=1"));
                    }
                }
            }
        }
    }
}
