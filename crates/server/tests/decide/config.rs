//! Configurations of decide mode: what makes no sense is refused with its line and mend.

use countersign_protocol::Dialects;
use countersign_server::config::{Config, ConfigError, Settings};
use countersign_server::decide::Proxy;

use crate::fixture::HOUSE;

const GOOD: &str = r#"mode = "decide"
listen = ["127.0.0.1:0"]

[decide]
proxy = "envoy"
trusted = ["10.0.0.0/8", "::1"]
path_prefix = "/decide"

[[route]]
prefix = "/V1"
dialects = ["house"]
decide_body = "given"

[[route]]
prefix = "/V2"
dialects = ["hmac-sha256"]
"#;

fn compile(text: &str) -> Result<Settings, ConfigError> {
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", HOUSE).unwrap();
    Config::parse("decide.toml", text)?.compile(&dialects)
}

#[test]
fn a_good_one_is_taken() {
    let decide = compile(GOOD).unwrap().decide.unwrap();
    assert_eq!(decide.proxy, Proxy::Envoy { path_prefix: "/decide".to_owned() });
    assert_eq!(decide.trusted.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
    // Without a list, only this machine may ask.
    let decide = compile(&GOOD.replace("trusted = [\"10.0.0.0/8\", \"::1\"]", "")).unwrap().decide.unwrap();
    assert_eq!(decide.trusted.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.0/8", "::1/128"]);
}

#[test]
fn each_fault_has_its_line_and_mend() {
    let cases = [
        ("mode = \"decide\"", "mode = \"judge\"", 1, "`judge` is no mode"),
        ("mode = \"decide\"", "mode = \"gateway\"", 4, "the mode is gateway"),
        ("mode = \"decide\"\n", "", 3, "the mode is gateway"),
        (
            "[decide]\nproxy = \"envoy\"\ntrusted = [\"10.0.0.0/8\", \"::1\"]\npath_prefix = \"/decide\"\n",
            "",
            1,
            "without a [decide] table",
        ),
        ("\"envoy\"", "\"haproxy\"", 5, "no proxy known here"),
        ("\"envoy\"", "\"traefik\"", 7, "for envoy only"),
        ("proxy = ", "proxies = ", 5, "proxies"),
        ("\"::1\"", "\"localhost\"", 6, "no range of addresses"),
        ("\"/decide\"", "\"/decide/\"", 7, "no prefix"),
        ("\"/decide\"", "\"decide\"", 7, "no prefix"),
        ("\"given\"", "\"skipped\"", 12, "no way with bodies"),
        ("[\"house\"]\n", "[\"house\"]\nupstream = \"echo\"\n", 12, "forwards nothing"),
        ("[\"house\"]\n", "[\"house\"]\nauthority = \"wire\"\n", 12, "the proxy tells"),
        ("[\"hmac-sha256\"]", "[\"hmac-sha256-body\"]", 14, "needs the body"),
        ("[\"hmac-sha256\"]", "[\"hmac-sha256\"]\ndecide_body = \"unchecked\"\nrequire = [\"body\"]", 14, "required and unchecked"),
        (
            "listen = [\"127.0.0.1:0\"]\n",
            "listen = [\"127.0.0.1:0\"]\nlimits = { address_rate = { per_second = 1, burst = 1 } }\n",
            3,
            "address_rate",
        ),
        (
            "listen = [\"127.0.0.1:0\"]\n",
            "listen = [\"127.0.0.1:0\"]\n[[route]]\nprefix = \"/V3\"\ndialects = [\"house\"]\nsign_response = { dialect = \"a\", key_id = \"b\", secret_file = \"c\" }\n",
            6,
            "sign_response",
        ),
    ];
    for (old, new, line, told) in cases {
        let changed = GOOD.replacen(old, new, 1);
        assert_ne!(changed, GOOD, "{old}");
        let error = compile(&changed).unwrap_err();
        assert_eq!(error.line(), Some(line), "{new}: {error}");
        assert!(error.fault().contains(told) && !error.mend().is_empty(), "{new}: {error}");
    }
    for proxy in ["nginx", "caddy"] {
        let unable = GOOD.replace("\"envoy\"", &format!("\"{proxy}\"")).replace("path_prefix = \"/decide\"", "");
        assert!(compile(&unable).unwrap_err().fault().contains("never gives a body"), "{proxy}");
    }
}

#[test]
fn what_needs_decide_mode_is_refused_without_it() {
    let gateway = "listen = [\"127.0.0.1:0\"]\n[[route]]\nprefix = \"/\"\ndialects = [\"house\"]\n";
    let error = compile(gateway).unwrap_err();
    assert_eq!((error.line(), error.fault()), (Some(2), "the route has no upstream"));
    let error = compile(&format!("{gateway}upstream = \"echo\"\ndecide_body = \"refuse\"\n")).unwrap_err();
    assert_eq!((error.line(), error.fault()), (Some(6), "decide_body, and the mode is gateway"));
    assert!(compile(&format!("{gateway}upstream = \"echo\"\n")).unwrap().decide.is_none());
}

#[test]
fn events_in_decide_mode_are_warned_of() {
    let events = GOOD.replace("[\"hmac-sha256\"]", "[\"hmac-sha256\"]\nreplay = \"event\"");
    assert!(compile(&events).unwrap().warnings.iter().any(|warning| warning.contains("/V2: in decide mode an event")));
}

#[test]
fn the_documents_configuration_is_taken() {
    let document = include_str!("../../DECIDE.md");
    let (_, block) = document.split_once("```toml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert_eq!(compile(block).unwrap().decide.unwrap().proxy, Proxy::Nginx);
}
