//! Keys that stand in for one that is not there, so that the time of a refusal does not tell which keys exist.
//!
//! The public keys are published ones, and nothing that holds under a stand-in is ever accepted.

use std::sync::LazyLock;

use crate::algorithm::KeyFamily;
#[cfg(feature = "asymmetric")]
use crate::asymmetric::KeyPair;
use crate::credential::Credential;
#[cfg(feature = "asymmetric")]
use crate::credential::KeyMaterial;

static STAND_INS: LazyLock<Vec<Credential>> = LazyLock::new(all);

/// The stand-ins of those families that were not tried.
pub(crate) fn missing(families: &[KeyFamily], tried: &[KeyFamily]) -> impl Iterator<Item = &'static Credential> {
    let wanted = move |credential: &&Credential| {
        let family = credential.material().family();
        families.contains(&family) && !tried.contains(&family)
    };
    STAND_INS.iter().filter(wanted)
}

#[cfg(not(feature = "asymmetric"))]
fn all() -> Vec<Credential> {
    vec![secret()]
}

#[cfg(feature = "asymmetric")]
fn all() -> Vec<Credential> {
    let pair = |pem: &&str| KeyPair::from_public_pem(pem).ok().map(|pair| Credential::new("", KeyMaterial::Pair(pair)));
    std::iter::once(secret()).chain(PUBLIC.iter().filter_map(pair)).collect()
}

fn secret() -> Credential {
    Credential::hmac("", "0".repeat(64).as_str())
}

/// The key of the recorded vectors; RFC 6979, appendix A.2.5; RFC 8032, section 7.1.
#[cfg(feature = "asymmetric")]
const PUBLIC: [&str; 3] = [
    "-----BEGIN PUBLIC KEY-----\n\
     MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqO+Yzzk9rLuS84AvTssp\n\
     rsnqQb9VfkYl9//MkaRhNSdnjgHi8lyg8CbyutT+YUyCr/wwhXw+TljA4oFfEmkX\n\
     KK/oZSaPAQ+RsGbD9lxYPXNbJq4FYsbHCftn/WMCOlO7lYAelHyt7TFqnzIsSm0L\n\
     RHrtwVokur2zetQ6oIaCBsLcZ3Yjqy3pjTe9/fakm/sjjhsWwpzkA3Ln9yHluZ6E\n\
     ZBGSjLZd5ruKiswAjeLJGtS7m4UkXENlxcB1BcrGu3/fYzoBwrRJ05OExN4FKQKl\n\
     +XkUqjS3iUBtomDejtbop9Exvp+k/urtbRtuxDvxVnPp8hv5mq+C7l8NGoEEnuFp\n\
     1wIDAQAB\n\
     -----END PUBLIC KEY-----\n",
    "-----BEGIN PUBLIC KEY-----\n\
     MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7\n\
     Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==\n\
     -----END PUBLIC KEY-----\n",
    "-----BEGIN PUBLIC KEY-----\n\
     MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
     -----END PUBLIC KEY-----\n",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_is_tried_on_a_stand_in() {
        let families = |all: &[KeyFamily], tried: &[KeyFamily]| missing(all, tried).map(|c| c.material().family()).collect::<Vec<_>>();
        assert_eq!(families(&[KeyFamily::Hmac], &[]), [KeyFamily::Hmac]);
        assert_eq!(families(&[KeyFamily::Hmac], &[KeyFamily::Hmac]), []);
        #[cfg(feature = "asymmetric")]
        {
            let all = [KeyFamily::Hmac, KeyFamily::Rsa, KeyFamily::Ec, KeyFamily::Ed25519];
            assert_eq!(families(&all, &[]), all, "each kind of key has a stand-in");
            assert_eq!(families(&all, &[KeyFamily::Rsa]), [KeyFamily::Hmac, KeyFamily::Ec, KeyFamily::Ed25519]);
            assert_eq!(families(&[KeyFamily::Ed25519], &[KeyFamily::Hmac]), [KeyFamily::Ed25519]);
        }
    }
}
