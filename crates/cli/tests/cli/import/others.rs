//! The files of the other gateways: both generations of one, both plug-ins of the other.

use super::Imported;
use crate::support::Scratch;

const APISIX: &str = include_str!("apisix.yaml");
const OLDER: &str = include_str!("apisix-older.yaml");
const HIGRESS: &str = include_str!("higress.yaml");

#[test]
fn consumers_are_carried_over_although_their_dialect_is_not_known() {
    let scratch = Scratch::new();
    let cases = [(APISIX, "apisix", "routes[0]", 2), (OLDER, "apisix", "routes[0]", 1), (HIGRESS, "higress", "spec.matchRules[0]", 2)];
    for (text, gateway, path, apps) in cases {
        let imported = Imported::of(&scratch, gateway, text, &["--dialect", "in-house", "--upstream", "http://127.0.0.1:9000"]);
        imported.lost(path, "(in-house)");
        assert_eq!(imported.json("apps.json")["apps"].as_array().unwrap().len(), apps);
        assert!(!imported.text("gateway.toml").contains("[[route]]"));
    }
}

#[test]
fn each_plug_in_has_its_dialect() {
    let scratch = Scratch::new();
    let cases = [(APISIX, "apisix", "apisix-hmac"), (OLDER, "apisix", "apisix-hmac-old"), (HIGRESS, "higress", "x-ca-higress")];
    for (text, gateway, dialect) in cases {
        let imported = Imported::of(&scratch, gateway, text, &["--upstream", "http://127.0.0.1:9000"]);
        let written = imported.text("gateway.toml");
        assert!(written.contains(&format!("dialects = [\"{dialect}\"]")), "{dialect}: {written}");
    }
}

#[test]
fn a_standalone_file_is_carried_over() {
    let scratch = Scratch::new();
    let imported = Imported::of(&scratch, "apisix", APISIX, &[]);
    assert_eq!(imported.run.code, 0, "{}", imported.run.stderr);
    let (gateway, apps) = (imported.text("gateway.toml"), imported.json("apps.json"));
    for line in ["host = \"api.example.com\"", "prefix = \"/orders/\"", "upstream = \"http://127.0.0.1:9000\"", "window = \"300s\""] {
        assert!(gateway.contains(line), "{line}: {gateway}");
    }
    assert_eq!(apps["apps"][0]["credentials"][0]["key_id"], "john-key");
    assert_eq!(apps["apps"][0]["labels"]["team"], "shop");
    assert_eq!(apps["apps"][1]["credentials"][0]["algorithms"], serde_json::json!(["hmac-sha256"]));
}

#[test]
fn what_a_standalone_file_loses_is_said_by_its_path() {
    let scratch = Scratch::new();
    let cases = [
        ("    uri: /orders/*", "    uri: /orders", "routes[0]", "one path", false),
        ("    methods: [GET, POST]", "    vars: [[arg_a, ==, b]]", "routes[0].vars", "variables", false),
        ("    methods: [GET, POST]", "    remote_addr: 10.0.0.0/8", "routes[0].remote_addr", "addresses", false),
        ("    methods: [GET, POST]", "    novelty: 1", "routes[0].novelty", "not known", false),
        ("    methods: [GET, POST]", "    priority: 7", "routes[0].priority", "longest", true),
        (
            "    plugins:\n      hmac-auth:\n        allowed",
            "    plugins:\n      ip-restriction: { whitelist: [10.0.0.0/8] }\n      hmac-auth:\n        allowed",
            "routes[0].plugins.ip-restriction",
            "address",
            false,
        ),
        (
            "        clock_skew: 300",
            "        anonymous_consumer: guest",
            "routes[0].plugins.hmac-auth.anonymous_consumer",
            "nobody signed",
            true,
        ),
        ("        clock_skew: 300", "        _meta: { filter: [] }", "routes[0].plugins.hmac-auth._meta.filter", "every request", false),
        ("        clock_skew: 300", "        _meta: { disable: true }", "routes[0]", "nothing verifies", false),
        ("        allowed_algorithms: [hmac-sha256]\n", "", "routes[0].plugins.hmac-auth.allowed_algorithms", "hmac-sha1", true),
        ("upstream_id: backend", "upstream_id: none", "routes[0]", "no upstream", false),
        ("\"127.0.0.1:9000\": 1", "{ \"a:1\": 1, \"b:1\": 1 }", "upstreams[0]", "2 servers", false),
        ("    type: roundrobin", "    discovery_type: dns", "upstreams[0].discovery_type", "looked up", false),
        ("host: api.example.com", "host: \"*.example.com\"", "routes[0].hosts", "many", false),
        ("john-secret-key-0123456789", "$secret://vault/1/john/key", "consumers[1].plugins.hmac-auth.secret_key", "reference", true),
        ("john-secret-key-0123456789", "$env://JOHN", "consumers[1].plugins.hmac-auth.secret_key", "reference", true),
        ("id: john/credentials/first", "id: nobody/credentials/first", "consumers[1]", "does not stand before it", true),
        (
            "#END",
            "global_rules: [{ id: 1, plugins: { proxy-rewrite: { uri: /x } } }]\n#END",
            "global_rules[0].plugins.proxy-rewrite",
            "as it was signed",
            false,
        ),
        ("#END", "ssls: [{ cert: a }]\n#END", "ssls", "TLS", true),
    ];
    for (good, bad, path, word, keeps_route) in cases {
        assert!(APISIX.contains(good), "{good}");
        let text = if bad.starts_with('{') {
            APISIX.replacen("\n      \"127.0.0.1:9000\": 1", &format!(" {bad}"), 1)
        } else {
            APISIX.replacen(good, bad, 1)
        };
        let imported = Imported::of(&scratch, "apisix", &text, &[]);
        imported.lost(path, word);
        assert_eq!(imported.text("gateway.toml").contains("[[route]]"), keeps_route, "{bad}: {}", imported.text("report.json"));
    }
}

#[test]
fn a_switched_off_route_is_left_out_and_no_loss() {
    let scratch = Scratch::new();
    let imported = Imported::of(&scratch, "apisix", &APISIX.replacen("    uri:", "    status: 0\n    uri:", 1), &[]);
    assert_eq!(imported.run.code, 0, "{}", imported.run.stderr);
    assert!(!imported.text("gateway.toml").contains("[[route]]"));
}

#[test]
fn who_may_call_a_domain_becomes_a_scope() {
    let scratch = Scratch::new();
    let imported = Imported::of(&scratch, "higress", HIGRESS, &["--upstream", "http://127.0.0.1:9000"]);
    imported.lost("spec.defaultConfig.algorithms", "hmac-sha1");
    let (gateway, apps) = (imported.text("gateway.toml"), imported.json("apps.json"));
    assert!(gateway.contains("host = \"api.example.com\"") && gateway.contains("scopes = [\"allow: consumer-1\"]"), "{gateway}");
    assert!(gateway.contains("window = \"600s\"") && !gateway.contains("host = \"\""), "{gateway}");
    assert_eq!(apps["apps"][0]["scopes"], serde_json::json!(["allow: consumer-1", "allow: consumer-1 | consumer-2"]));
    assert_eq!(apps["apps"][1]["scopes"], serde_json::json!(["allow: consumer-1 | consumer-2"]));
}

#[test]
fn what_a_plug_in_configuration_loses_is_said_by_its_path() {
    let scratch = Scratch::new();
    let cases = [
        ("[api.example.com]", "[\"*.example.com\"]", "spec.matchRules[0]", "many hosts", 1),
        ("  - domain: [api.example.com]", "  - ingress: [default/foo]", "spec.matchRules[0].ingress", "another resource", 1),
        ("  - domain: [api.example.com]", "  - domain: [api.example.com]\n    configDisable: true", "spec.matchRules[0]", "unsigned", 1),
        ("      allow: [consumer-1]\n", "      permit: [consumer-1]\n", "spec.matchRules[0].config.permit", "not known", 1),
        ("global_auth: false", "global_auth: false\n    strict: true", "spec.defaultConfig.strict", "not known", 0),
    ];
    for (good, bad, path, word, routes) in cases {
        assert!(HIGRESS.contains(good), "{good}");
        let text = HIGRESS.replacen(good, bad, 1);
        let imported = Imported::of(&scratch, "higress", &text, &["--upstream", "http://127.0.0.1:9000"]);
        imported.lost(path, word);
        assert_eq!(imported.text("gateway.toml").matches("[[route]]").count(), routes, "{bad}: {}", imported.text("report.json"));
    }
    Imported::of(&scratch, "higress", HIGRESS, &[]).lost("spec.matchRules[0]", "--upstream".trim_start_matches("--"));
}

#[test]
fn another_dialect_can_be_named() {
    let scratch = Scratch::new();
    let imported = Imported::of(&scratch, "higress", HIGRESS, &["--dialect", "x-ca", "--upstream", "http://127.0.0.1:9000"]);
    assert!(imported.text("gateway.toml").contains("dialects = [\"x-ca\"]"));
    assert_eq!(imported.json("apps.json")["apps"][0]["credentials"][0]["dialects"][0], "x-ca");
}
