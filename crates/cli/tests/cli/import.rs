//! `import`: what is carried over, what is left out and said, and that it then works.

mod others;
mod served;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::support::{Run, Scratch, countersign};

const KONG: &str = include_str!("import/kong.yml");

/// An import into a folder of the scratch.
struct Imported {
    run: Run,
    folder: std::path::PathBuf,
}

impl Imported {
    fn of(scratch: &Scratch, gateway: &str, text: &str, more: &[&str]) -> Self {
        let file = scratch.file("given.yaml", text);
        let folder = scratch.path().join("out");
        let _ = fs::remove_dir_all(&folder);
        let mut args = vec!["import", gateway, file.as_str(), "--out", folder.to_str().unwrap()];
        args.extend(more);
        Self { run: countersign(args), folder }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e} {}", self.run.stderr))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    /// Whether a setting was left out, with a reason that has this word, and a mend.
    #[track_caller]
    fn lost(&self, path: &str, word: &str) {
        let report = self.json("report.json");
        let all = report["left_out"].as_array().unwrap();
        let found = all.iter().find(|note| note["path"] == path && note["why"].as_str().unwrap().contains(word));
        assert!(found.is_some_and(|note| !note["mend"].as_str().unwrap().is_empty()), "{path} {word}: {report:#}");
        assert!(self.run.stderr.contains(path) && self.run.code == 3, "{} {}", self.run.code, self.run.stderr);
    }
}

#[test]
fn a_whole_file_is_carried_over() {
    let scratch = Scratch::new();
    let imported = Imported::of(&scratch, "kong", KONG, &[]);
    assert_eq!(imported.run.code, 0, "{}", imported.run.stderr);
    let apps = imported.json("apps.json");
    assert_eq!(apps["apps"][0]["name"], "alice");
    assert_eq!(apps["apps"][0]["labels"]["custom_id"], "42");
    assert_eq!(apps["apps"][0]["credentials"][0]["algorithms"], serde_json::json!(["hmac-sha256", "hmac-sha512"]));
    assert_eq!(imported.text("secrets/2"), "secret of bob, with a blank \n");
    let gateway = imported.text("gateway.toml");
    for line in
        ["host = \"api.example.com\"", "prefix = \"/orders\"", "window = \"120s\"", "require = [\"time\", \"method\", \"path\", \"query\"]"]
    {
        assert!(gateway.contains(line), "{line}: {gateway}");
    }
    assert!(!gateway.contains("waive") && !gateway.contains("keep_credentials"), "{gateway}");
}

#[test]
fn secrets_are_for_their_owner_only_and_never_shown() {
    let scratch = Scratch::new();
    let imported = Imported::of(&scratch, "kong", KONG, &["--json"]);
    for folder in ["", "secrets"] {
        assert_eq!(fs::metadata(imported.folder.join(folder)).unwrap().permissions().mode() & 0o077, 0);
    }
    for name in ["secrets/1", "secrets/2", "apps.json", "gateway.toml", "report.json"] {
        assert_eq!(fs::metadata(imported.folder.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    let shown = imported.run.text() + &imported.run.stderr + &imported.text("apps.json") + &imported.text("gateway.toml");
    assert!(!shown.contains("secret-of-alice") && shown.contains("alice"), "{shown}");
    assert!(!imported.text("report.json").contains("secret-of-alice"));
}

#[test]
fn groups_become_scopes_and_a_name_is_no_group() {
    let scratch = Scratch::new();
    let text = KONG.replacen("_transform: true", "plugins: [{ name: acl, config: { allow: [admin] } }]", 1);
    let text =
        text.replacen("  custom_id: \"42\"", "  acls: [{ group: admin }]", 1).replacen("- username: bob\n", "- username: group admin\n", 1);
    let imported = Imported::of(&scratch, "kong", &text, &[]);
    assert_eq!(imported.run.code, 0, "{}", imported.run.stderr);
    let apps = imported.json("apps.json");
    assert!(imported.text("gateway.toml").contains("scopes = [\"allow: group admin\"]"));
    assert_eq!(apps["apps"][0]["scopes"], serde_json::json!(["allow: group admin"]));
    assert_eq!(apps["apps"][1]["scopes"], serde_json::json!([]), "{apps}");
}

#[test]
fn names_of_the_file_do_not_reach_the_terminal_as_commands() {
    let scratch = Scratch::new();
    let imported = Imported::of(&scratch, "kong", &KONG.replacen("_transform: true", "\"evil\\e[2Jkey\": 1", 1), &[]);
    assert!(
        imported.run.code == 3 && !imported.run.stderr.contains('\u{1b}') && imported.run.stderr.contains("evil"),
        "{}",
        imported.run.stderr
    );
}

#[test]
fn nothing_is_overwritten() {
    let scratch = Scratch::new();
    let file = scratch.file("kong.yml", KONG);
    let out = scratch.path().join("out");
    let args = ["import", "kong", &file, "--out", out.to_str().unwrap()];
    assert_eq!(countersign(args).code, 0);
    fs::write(out.join("gateway.toml"), "mine").unwrap();
    let again = countersign(args);
    assert!(again.code == 2 && again.stderr.contains("--out"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(out.join("gateway.toml")).unwrap(), "mine");
}

#[test]
fn imported_apps_are_registered_once() {
    let scratch = Scratch::new();
    let imported = Imported::of(&scratch, "kong", KONG, &[]);
    let data = scratch.path().join("data");
    let list = imported.folder.join("apps.json");
    let import = |list: &Path| countersign(["app", "--data", data.to_str().unwrap(), "import", list.to_str().unwrap()]);
    assert!(import(&list).ok().text().starts_with("2 apps and 2 credentials"));
    assert!(import(&list).ok().text().starts_with("0 apps and 0 credentials registered, 2"));
    let listed = countersign(["app", "--data", data.to_str().unwrap(), "list"]).ok().text();
    assert!(listed.contains("alice (active)  alice123 (active)  hmac  kong-hmac"), "{listed}");
}

#[test]
fn a_list_of_apps_that_makes_no_sense_registers_nothing() {
    let scratch = Scratch::new();
    scratch.file("secret", "0123456789abcdef\n");
    let good = r#"{"name":"first","credentials":[{"key_id":"k","secret_file":"secret","dialects":["hmac-sha256"]}]}"#;
    let cases = [
        ("{", "no list"),
        (r#"{"countersign_apps":2,"apps":[]}"#, "countersign_apps"),
        (r#"{"countersign_apps":1,"apps":[],"more":1}"#, "more"),
        (r#"{"countersign_apps":1,"apps":[GOOD,{"name":"a","credentials":[{"key_id":"k2","dialects":["hmac-sha256"]}]}]}"#, "secret_file"),
        (
            r#"{"countersign_apps":1,"apps":[GOOD,{"name":"a","credentials":[{"key_id":"k2","secret_file":"none","dialects":["hmac-sha256"]}]}]}"#,
            "none",
        ),
        (
            r#"{"countersign_apps":1,"apps":[GOOD,{"name":"a","credentials":[{"key_id":"k2","secret_file":"secret","dialects":["hmac-sha256"],"algorithms":["md9"]}]}]}"#,
            "md9",
        ),
        (
            r#"{"countersign_apps":1,"apps":[GOOD,{"name":"a","credentials":[{"key_id":"k2","secret_file":"secret","dialects":["hmac-sha256"],"inputs":{"region":"x"}}]}]}"#,
            "region",
        ),
    ];
    let data = scratch.path().join("data");
    for (text, words) in cases {
        let list = scratch.file("apps.json", text.replace("GOOD", good));
        let run = countersign(["app", "--data", data.to_str().unwrap(), "import", &list]);
        assert!(run.code == 2 && run.stderr.contains(words), "{text}: {} {}", run.code, run.stderr);
        assert_eq!(countersign(["app", "--data", data.to_str().unwrap(), "list"]).ok().text(), "", "{text}");
    }
}

#[test]
fn what_cannot_be_carried_over_is_said_by_its_path() {
    let scratch = Scratch::new();
    let route = "services[0].routes[0]";
    let config = "services[0].plugins[0].config";
    let cases = [
        ("    methods: [GET, POST]", "    headers: { x-version: [v1] }", format!("{route}.headers"), "chosen by headers", false),
        ("    methods: [GET, POST]", "    snis: [api.example.com]", format!("{route}.snis"), "TLS", false),
        ("    methods: [GET, POST]", "    sources: [{ ip: 10.0.0.0/8 }]", format!("{route}.sources"), "addresses", false),
        ("    methods: [GET, POST]", "    frobnicate: 1", format!("{route}.frobnicate"), "not known", false),
        ("    methods: [GET, POST]", "    regex_priority: 9", format!("{route}.regex_priority"), "pattern", true),
        ("strip_path: false", "strip_path: true", format!("{route}.strip_path"), "taken off", false),
        ("    strip_path: false\n", "", format!("{route}.strip_path"), "taken off", false),
        ("[/orders]", "[\"~/orders/\\\\d+$\"]", format!("{route}.paths"), "pattern", false),
        ("[api.example.com]", "[\"*.example.com\"]", format!("{route}.hosts"), "many", false),
        ("[http, https]", "[grpc]", format!("{route}.protocols"), "HTTP", false),
        ("127.0.0.1:9000", "127.0.0.1:9000/base", "services[0]".to_owned(), "/base", false),
        ("  tags: [shop]", "  retries: 5", "services[0].retries".to_owned(), "once", true),
        ("hide_credentials: true", "anonymous: guest", format!("{config}.anonymous"), "nobody signed", true),
        ("hide_credentials: true", "realm: shop", format!("{config}.realm"), "realm", true),
        ("hide_credentials: true", "novelty: true", format!("{config}.novelty"), "not known", false),
        ("      algorithms: [hmac-sha256, hmac-sha512]\n", "", format!("{config}.algorithms"), "hmac-sha1", true),
        ("clock_skew: 120", "clock_skew: often", format!("{config}.clock_skew"), "number", true),
        (
            "secret: secret-of-alice-0123456789",
            "secret: \"{vault://env/alice}\"",
            "consumers[0].hmacauth_credentials[0].secret".to_owned(),
            "reference",
            true,
        ),
        ("    secret: secret-of-alice-0123456789\n", "", "consumers[0].hmacauth_credentials[0].secret".to_owned(), "no such", true),
        ("secret: secret-of-alice-0123456789", "secret: 12345", "consumers[0].hmacauth_credentials[0].secret".to_owned(), "quotes", true),
        ("  - username: bob456", "  - username: alice123", "consumers[1].hmacauth_credentials[0]".to_owned(), "same key id", true),
        (
            "secret of bob, with a blank ",
            "secret-of-alice-0123456789",
            "consumers[1].hmacauth_credentials[0]".to_owned(),
            "same secret",
            true,
        ),
        ("  tags: [gold]", "  keyauth_credentials: [{ key: k }]", "consumers[0].keyauth_credentials".to_owned(), "no signatures", true),
        ("_transform: true", "certificates: [{ cert: a, key: b }]", "certificates".to_owned(), "TLS", true),
        (
            "_transform: true",
            "plugins: [{ name: ip-restriction, config: { allow: [10.0.0.0/8] } }]",
            "plugins[0]".to_owned(),
            "address",
            false,
        ),
        ("_transform: true", "plugins: [{ name: rate-limiting, config: { minute: 5 } }]", "plugins[0]".to_owned(), "limits", true),
        ("_transform: true", "plugins: [{ name: my-own }]", "plugins[0]".to_owned(), "my-own", false),
        ("  - name: hmac-auth", "  - name: prometheus", route.to_owned(), "nothing verifies", false),
    ];
    for (good, bad, path, word, keeps_route) in cases {
        assert!(KONG.contains(good), "{good}");
        let imported = Imported::of(&scratch, "kong", &KONG.replacen(good, bad, 1), &[]);
        imported.lost(&path, word);
        assert_eq!(imported.text("gateway.toml").contains("[[route]]"), keeps_route, "{bad}: {}", imported.text("report.json"));
    }
}

#[test]
fn a_file_that_is_broken_is_refused_and_nothing_is_written() {
    let scratch = Scratch::new();
    let deep = "[".repeat(60);
    let aliases = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    let end = "consumers: []\n";
    let cases: [(&str, &str, &str); 20] = [
        ("kong", "", "map"),
        ("kong", "- a\n- b\n", "map"),
        ("kong", "a: [", "YAML"),
        ("kong", "_format_version: \"3.0\"\n_format_version: \"3.0\"\n", "twice"),
        ("kong", "consumers: []\n", "_format_version"),
        ("kong", "_format_version: \"9.0\"\n", "_format_version"),
        ("kong", "_format_version: \"3.0\"\nconsumers:\n- username: a\n   secret: s3cr3t-value\n", "YAML"),
        ("kong", "a: !!binary aGVsbG8=\nb: *nowhere\n", "YAML"),
        ("kong", &deep, ""),
        ("kong", aliases, ""),
        ("kong", "%YAML 9.9\n---\n\ta: b\n", "YAML"),
        ("kong", "a: \"\\x\"\n", "YAML"),
        ("kong", "a: b\n---\nc: d\n", ""),
        ("apisix", end, "#END"),
        ("apisix", "routes: []\n#EN", "#END"),
        ("apisix", "", "map"),
        ("higress", "a: b\n", "consumers"),
        ("higress", "spec:\n  url: oci://x\n", "defaultConfig"),
        ("higress", "consumers: {}\n", "consumers"),
        ("higress", "\u{0}", ""),
    ];
    for (gateway, text, words) in cases {
        let imported = Imported::of(&scratch, gateway, text, &[]);
        assert!(imported.run.code == 2 && imported.run.stderr.contains(words), "{text:?}: {} {}", imported.run.code, imported.run.stderr);
        assert!(!imported.run.stderr.contains("s3cr3t") && !imported.folder.exists(), "{text:?}: {}", imported.run.stderr);
    }
    let huge = scratch.file("huge.yml", vec![b'#'; (8 << 20) + 1]);
    let run = countersign(["import", "kong", &huge]);
    assert!(run.code == 2 && run.stderr.contains("split"), "{}", run.stderr);
    let binary = scratch.file("binary.yml", [0xff, 0xfe, b'a']);
    assert!(countersign(["import", "kong", &binary]).stderr.contains("UTF-8"));
}
