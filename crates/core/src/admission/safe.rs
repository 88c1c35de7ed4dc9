//! Which requests change nothing.

/// Methods that change nothing (RFC 9110, section 9.2.1).
const SAFE_METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/// Whether a request with this method and headers of these names changes nothing. One that asks for another protocol may do anything: nobody
/// knows what comes after the upgrade.
pub fn changes_nothing<'n>(method: &str, mut names: impl Iterator<Item = &'n str>) -> bool {
    SAFE_METHODS.contains(&method) && !names.any(|name| name.eq_ignore_ascii_case("upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_method_changes_nothing_unless_it_asks_for_an_upgrade() {
        for method in SAFE_METHODS {
            assert!(changes_nothing(method, ["Host", "Connection"].into_iter()));
            assert!(!changes_nothing(method, ["Host", "UPGRADE"].into_iter()));
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "get", "REPORT", ""] {
            assert!(!changes_nothing(method, ["Host"].into_iter()), "{method}");
        }
    }
}
