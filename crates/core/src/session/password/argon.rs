//! Argon2id (RFC 9106), in memory that is wiped afterwards.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use super::{Hasher, OutOfMemory, Parameters};

/// Argon2id, version 1.3. Lanes are computed one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Argon2id;

impl Hasher for Argon2id {
    fn hash(&self, password: &[u8], salt: &[u8], parameters: Parameters, tag: &mut [u8]) -> Result<(), OutOfMemory> {
        let Parameters { memory_kib, passes, lanes } = parameters;
        // Parameters are within their bounds, salts and tags too: only memory can be missing.
        let params = Params::new(memory_kib, passes, lanes, Some(tag.len())).map_err(|_| OutOfMemory)?;
        let mut memory = Memory::reserve(params.block_count())?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into_with_memory(password, salt, tag, memory.0.as_mut_slice()).map_err(|_| OutOfMemory)
    }
}

/// What a hash is computed in. It could tell the password to whoever gets the memory next.
struct Memory(Vec<Block>);

impl Memory {
    fn reserve(count: usize) -> Result<Self, OutOfMemory> {
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(count).map_err(|_| OutOfMemory)?;
        blocks.resize(count, Block::new());
        Ok(Self(blocks))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
