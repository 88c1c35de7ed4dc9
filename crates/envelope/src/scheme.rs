//! The schemes: how the content key is wrapped, and how the body is encrypted.

use std::fmt;

/// How an envelope is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scheme {
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256 (RFC 8017, section 7.1), AES-256-GCM (NIST SP 800-38D).
    #[default]
    OaepGcm,
    /// RSAES-PKCS1-v1_5 (RFC 8017, section 7.2), AES-128-CBC with the padding of PKCS#7. For systems that can do nothing else.
    Pkcs1Aes128Cbc,
    /// RSAES-PKCS1-v1_5 (RFC 8017, section 7.2), AES-256-CBC with the padding of PKCS#7. For systems that can do nothing else.
    Pkcs1Aes256Cbc,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 3] = [Self::OaepGcm, Self::Pkcs1Aes128Cbc, Self::Pkcs1Aes256Cbc];

    /// The name, as it stands in configurations and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OaepGcm => "rsa-oaep-sha256+a256gcm",
            Self::Pkcs1Aes128Cbc => "rsa-pkcs1+a128cbc",
            Self::Pkcs1Aes256Cbc => "rsa-pkcs1+a256cbc",
        }
    }

    /// The scheme with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == name)
    }

    /// Whether the scheme is kept for old systems only: its body is not authenticated, and a failure to open it may tell by its
    /// time what failed.
    #[must_use]
    pub const fn is_legacy(self) -> bool {
        !matches!(self, Self::OaepGcm)
    }

    /// The bytes of a content key.
    pub(crate) const fn key_bytes(self) -> usize {
        match self {
            Self::Pkcs1Aes128Cbc => 16,
            Self::OaepGcm | Self::Pkcs1Aes256Cbc => 32,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for scheme in Scheme::ALL {
            assert_eq!(Scheme::from_name(scheme.as_str()), Some(scheme));
        }
        assert_eq!(Scheme::from_name("rsa-oaep-sha1+a256gcm"), None);
        assert!(!Scheme::default().is_legacy());
    }
}
