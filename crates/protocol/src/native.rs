//! Dialects that the language cannot express: code behind the same trait as a compiled file.
//!
//! Each is a file of `native/`, the only Rust of this crate in which a vendor's names may stand. It implements
//! [`Rules`](crate::rules::Rules), of which it may leave any stage to the rules of a compiled file, and is listed in [`dialects`]. There is none yet.

use crate::dialect::Dialect;

/// Every native dialect.
pub(crate) const fn dialects() -> Vec<Dialect> {
    Vec::new()
}

#[cfg(test)]
mod sample;
