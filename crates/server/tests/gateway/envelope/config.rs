//! Envelopes of a configuration that make no sense.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use countersign_protocol::Dialects;
use countersign_server::config::{Config, ConfigError};

use super::Keys;
use crate::fixture::house;

fn refused(keys: &Keys, table: &str) -> ConfigError {
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", crate::fixture::HOUSE).unwrap();
    let text = house(table).replace("UPSTREAM", "127.0.0.1:1").replace("KEYS", &keys.0.path().display().to_string());
    Config::parse("gateway.toml", &text).and_then(|config| config.compile(&dialects)).err().unwrap_or_else(|| panic!("accepted: {table}"))
}

#[test]
fn an_envelope_that_makes_no_sense_is_refused_with_its_line() {
    let keys = Keys::new();
    fs::write(keys.0.path().join("open.pem"), "").unwrap();
    fs::write(keys.0.path().join("large.pem"), vec![b'A'; 64 * 1024 + 1]).unwrap();
    fs::set_permissions(keys.0.path().join("open.pem"), Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(keys.0.path().join("large.pem"), Permissions::from_mode(0o600)).unwrap();
    let usual = "private_key = [\"KEYS/rsa2048.pem\"]";
    for (lines, line, word) in [
        ("private_key = [\"KEYS/rsa1024.pem\"]", 8, "1024 bits is too short; use 2048 bits or more"),
        ("private_key = [\"KEYS/none.pem\"]", 8, "No such file"),
        ("private_key = [\"KEYS/open.pem\"]", 8, "chmod 600"),
        ("private_key = [\"KEYS/large.pem\"]", 8, "more than 65536 bytes"),
        ("private_key = []", 7, "no key"),
        ("private_key = [{ id = \"a\", file = \"KEYS/rsa2048.pem\" }, { id = \"a\", file = \"KEYS/rsa2048.pem\" }]", 7, "same id"),
        (&format!("{usual}\nscheme = \"rsa-oaep\""), 9, "rsa-oaep-sha256+a256gcm"),
        (&format!("{usual}\nscheme = \"rsa-pkcs1+a128cbc\""), 9, "legacy = true"),
        (&format!("{usual}\nscheme = \"rsa-pkcs1+a128cbc\"\nlegacy = true\nanswer = \"encrypted\""), 11, "legacy scheme"),
        (&format!("{usual}\nanswer = \"both\""), 9, "plain or encrypted"),
        (&format!("{usual}\ninput = \"encrypted\""), 9, "no dialect of this route has the input"),
        (&format!("{usual}\nmark = \"a b\""), 9, "no name of a header"),
        (&format!("{usual}\nmark = \"Content-Type\""), 9, "another meaning"),
        (&format!("{usual}\nkey_id_header = \"X-Countersign-App\""), 9, "another meaning"),
        (&format!("{usual}\ncontent_type = \"a\""), 9, "media type"),
        (&format!("{usual}\nfields = {{ key = \"content\" }}"), 7, "three different names"),
        (&format!("{usual}\nmax_plain = 0"), 9, "nonzero"),
        (&format!("{usual}\nmax = 1"), 9, "unknown field"),
    ] {
        let error = refused(&keys, &format!("[route.envelope]\n{lines}"));
        assert!(error.to_string().contains(word), "{lines}: {error}");
        assert_eq!(error.line(), Some(line), "{lines}: {error}");
    }
    let table = format!("[route.envelope]\n{usual}").replace("KEYS", &keys.0.path().display().to_string());
    let text = house(&table).replace("[\"house\"]", "[\"hmac-sha256-body\"]").replace("UPSTREAM", "127.0.0.1:1");
    let in_body = Config::parse("gateway.toml", &text).unwrap().compile(&Dialects::builtin().unwrap()).unwrap_err();
    assert!(in_body.to_string().contains("carries its signature in the body"), "{in_body}");
    let kept = refused(&keys, &format!("keep_credentials = true\n[route.envelope]\n{usual}"));
    assert!(kept.to_string().contains("keep_credentials"), "{kept}");
}
