//! Which protection against replays a dialect or route asks for.

use std::fmt;

/// How a repeated request is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplayMode {
    /// By the signed nonce, per app.
    Nonce,
    /// By key id and string to sign: two honest requests that are identical within the time's unit are refused too.
    Signature,
    /// As [`ReplayMode::Signature`], but methods that change nothing (RFC 9110, section 9.2.1) may be repeated.
    SafeMethodsExempt,
    /// Not until the claim's own expiry: reuse is the purpose of a presigned URL.
    UntilExpiry,
    /// By the event that a webhook announces: a repeat is answered and not delivered again.
    Event,
    /// Not at all.
    None,
}

impl ReplayMode {
    const NAMED: [(&'static str, Self); 6] = [
        ("nonce", Self::Nonce),
        ("signature", Self::Signature),
        ("safe-methods-exempt", Self::SafeMethodsExempt),
        ("until-expiry", Self::UntilExpiry),
        ("event", Self::Event),
        ("none", Self::None),
    ];

    /// The name in dialect files and configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMED.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }

    /// The mode of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(n, _)| *n == name).map(|(_, mode)| *mode)
    }
}

impl fmt::Display for ReplayMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
