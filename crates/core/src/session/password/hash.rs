//! A hash as it is stored: a PHC string, whose numbers are bounded before anything is computed with them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use countersign_protocol::Secret;

/// The most bytes of a PHC string.
const MOST_TEXT: usize = 256;
/// Bytes of a salt.
const SALTS: std::ops::RangeInclusive<usize> = 8..=64;
/// Bytes of a tag.
const TAGS: std::ops::RangeInclusive<usize> = 16..=64;

/// What a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// KiB of memory: at least 8 for each lane, at most 262,144.
    pub(super) memory_kib: u32,
    /// How often the memory is gone through: 1 to 10.
    pub(super) passes: u32,
    /// Lanes: 1 to 16.
    pub(super) lanes: u32,
}

impl Parameters {
    /// 19 MiB, 2 passes, 1 lane: the least that OWASP's cheat sheet of password storage names.
    pub const DEFAULT: Self = Self { memory_kib: 19_456, passes: 2, lanes: 1 };
    /// 64 MiB, 3 passes, 4 lanes: the second choice of RFC 9106, section 4. Several times the time of the default.
    pub const STRONG: Self = Self { memory_kib: 65_536, passes: 3, lanes: 4 };

    /// KiB of memory.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// How often the memory is gone through.
    #[must_use]
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// Lanes.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    /// `None` beyond what may be spent on one hash.
    #[must_use]
    pub const fn new(memory_kib: u32, passes: u32, lanes: u32) -> Option<Self> {
        let lanes_fit = lanes >= 1 && lanes <= 16 && memory_kib >= 8 * lanes;
        if lanes_fit && memory_kib <= 262_144 && passes >= 1 && passes <= 10 { Some(Self { memory_kib, passes, lanes }) } else { None }
    }
}

/// The hash of a password. `Debug` shows its cost only.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    parameters: Parameters,
    salt: Vec<u8>,
    tag: Secret,
}

impl PasswordHash {
    pub(super) const fn new(parameters: Parameters, salt: Vec<u8>, tag: Secret) -> Self {
        Self { parameters, salt, tag }
    }

    /// Reads `$argon2id$v=19$m=..,t=..,p=..$salt$tag`, in the one way in which it is written. `None` for another algorithm or version, and for
    /// numbers and lengths beyond what may be spent on one hash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MOST_TEXT {
            return None;
        }
        let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
        let mut numbers = parts.next()?.split(',');
        let mut number = |name: &str| decimal(numbers.next()?.strip_prefix(name)?);
        let parameters = Parameters::new(number("m=")?, number("t=")?, number("p=")?)?;
        let salt = STANDARD_NO_PAD.decode(parts.next()?).ok().filter(|salt| SALTS.contains(&salt.len()))?;
        let tag = STANDARD_NO_PAD.decode(parts.next()?).ok().filter(|tag| TAGS.contains(&tag.len()))?;
        let is_whole = numbers.next().is_none() && parts.next().is_none();
        is_whole.then(|| Self { parameters, salt, tag: Secret::new(tag) })
    }

    /// The PHC string. Whoever has it can guess at the password as fast as their machines allow.
    #[must_use]
    pub fn to_phc(&self) -> String {
        let Parameters { memory_kib, passes, lanes } = self.parameters;
        let (salt, tag) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(self.tag.expose()));
        format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${tag}")
    }

    /// What it costs.
    #[must_use]
    pub const fn parameters(&self) -> Parameters {
        self.parameters
    }

    pub(super) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(super) const fn tag(&self) -> &Secret {
        &self.tag
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

/// Digits without a sign or a leading zero.
fn decimal(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    is_plain.then(|| text.parse().ok())?
}
