//! Which passwords may be chosen: by their length, and by how often others have chosen them. There is no rule about kinds of characters.

use std::fmt;

use countersign_protocol::Secret;

/// The fewest bytes of a password.
const FEWEST_BYTES: usize = 8;
/// The most bytes of a password. Longer ones are refused, never cut off.
pub const MOST_BYTES: usize = 1_024;

/// Passwords that are tried first wherever passwords are guessed, one a line. Where they are from is told at its top.
const COMMON: &str = include_str!("common.txt");

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Weakness {
    /// It has fewer than 8 bytes.
    TooShort,
    /// It has more than 1,024 bytes.
    TooLong,
    /// It is one of those that are tried first.
    Common,
    /// It is the user's name.
    UserName,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "the password has fewer than 8 bytes; choose a longer one",
            Self::TooLong => "the password has more than 1,024 bytes; choose a shorter one",
            Self::Common => "the password is one of those that are guessed first; choose another one",
            Self::UserName => "the password is the user's name; choose another one",
        })
    }
}

/// What is against this password, if anything is. Bytes count as they are; only the comparisons ignore the case of ASCII letters.
#[must_use]
pub fn weakness(password: &Secret, user_name: &str) -> Option<Weakness> {
    let bytes = password.expose();
    match bytes.len() {
        0..FEWEST_BYTES => return Some(Weakness::TooShort),
        FEWEST_BYTES..=MOST_BYTES => {}
        _ => return Some(Weakness::TooLong),
    }
    if bytes.eq_ignore_ascii_case(user_name.as_bytes()) {
        return Some(Weakness::UserName);
    }
    let mut common = COMMON.lines().skip_while(|line| line.starts_with('#'));
    common.any(|line| bytes.eq_ignore_ascii_case(line.as_bytes())).then_some(Weakness::Common)
}
