//! The API gateways' own clients, OAuth and webhooks.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::answer::Seen;
use crate::gateway::{Registration, private_file};
use crate::program::{pinned, script};
use crate::relay::Change;
use crate::trial::{Trial, Twice};

const SECRET: &str = "f2c1a6f0d9e84b7c8a35d1e0b6c79423";

const fn registration<'a>(dialect: &'a str, key_id: &'a str) -> Registration<'a> {
    Registration { dialect, key_id, secret: SECRET, parts: &[], inputs: &[], algorithm: None }
}

fn python(name: &str, home: &Path, args: &[&str]) -> Command {
    let mut command = pinned("python", home);
    command.arg(script(name)).args(args);
    command
}

const XCA_KEY: &str = "203753385";
const XCA_ROUTE: &str = "host = \"127.0.0.1\"\nprefix = \"/orders\"\n";

fn aliyun(relay: SocketAddr, home: &Path, call: &str) -> Command {
    python("aliyun_client.py", home, &[&format!("http://{relay}"), XCA_KEY, SECRET, call])
}

#[test]
fn aliyun_api_gateway_get() {
    Trial {
        name: "aliyun-api-gateway-python, GET",
        route: XCA_ROUTE,
        registration: registration("x-ca", XCA_KEY),
        client: &|relay, home| aliyun(relay, home, "get"),
        takes_json: true,
        seen: Seen { method: "GET", target: "/orders?colour=green&empty=", body: "" },
        changes: &[
            (Change { from: "colour=green", to: "colour=grein" }, "signature_mismatch"),
            (Change { from: "GET /", to: "PET /" }, "signature_mismatch"),
        ],
        unsigned: &[Change { from: "Accept-Encoding: identity", to: "Accept-Encoding: identitx" }],
        twice: Twice::Replayed,
    }
    .run();
}

#[test]
fn aliyun_api_gateway_form() {
    Trial {
        name: "aliyun-api-gateway-python, form",
        route: XCA_ROUTE,
        registration: registration("x-ca", XCA_KEY),
        client: &|relay, home| aliyun(relay, home, "form"),
        takes_json: true,
        seen: Seen { method: "POST", target: "/orders?page=1", body: "name=xiaoming&note=a+b" },
        changes: &[
            (Change { from: "name=xiaoming", to: "name=xiaomino" }, "signature_mismatch"),
            (Change { from: "?page=1", to: "?page=2" }, "signature_mismatch"),
        ],
        unsigned: &[],
        twice: Twice::Replayed,
    }
    .run();
}

#[test]
fn aliyun_api_gateway_json() {
    Trial {
        name: "aliyun-api-gateway-python, JSON",
        route: XCA_ROUTE,
        registration: registration("x-ca", XCA_KEY),
        client: &|relay, home| aliyun(relay, home, "json"),
        takes_json: true,
        seen: Seen { method: "POST", target: "/orders", body: r#"{"name":"xiaoming"}"# },
        changes: &[(Change { from: "xiaoming", to: "xiaomino" }, "body_digest_mismatch")],
        unsigned: &[],
        twice: Twice::Replayed,
    }
    .run();
}

const KONG_ROUTE: &str = "host = \"127.0.0.1\"\nprefix = \"/shop\"\n";

/// The real `http` command with its Kong plugin. Its settings keep it from asking the network for updates.
fn httpie(relay: SocketAddr, home: &Path, rest: &[&str]) -> Command {
    private_file(home, "config.json", r#"{"disable_update_warnings":true}"#);
    let mut command = pinned("http", home);
    command.env("HTTPIE_CONFIG_DIR", home).args(["--ignore-stdin", "--check-status", "--auth-type=kong-hmac"]);
    command.arg(format!("--auth=alice:{SECRET}")).arg(rest[0]).arg(format!("http://{relay}{}", rest[1])).args(&rest[2..]);
    command
}

#[test]
fn httpie_kong_hmac_get() {
    Trial {
        name: "httpie-kong-hmac, GET",
        route: KONG_ROUTE,
        registration: registration("kong-hmac", "alice"),
        client: &|relay, home| httpie(relay, home, &["GET", "/shop/apples", "colour==green"]),
        takes_json: true,
        seen: Seen { method: "GET", target: "/shop/apples?colour=green", body: "" },
        changes: &[
            (Change { from: "/shop/apples", to: "/shop/applez" }, "signature_mismatch"),
            (Change { from: "colour=green", to: "colour=grein" }, "signature_mismatch"),
        ],
        unsigned: &[Change { from: "User-Agent: HTTPie/", to: "User-Agent: HTTPie-" }],
        twice: Twice::Accepted,
    }
    .run();
}

#[test]
fn httpie_kong_hmac_post() {
    Trial {
        name: "httpie-kong-hmac, POST",
        route: KONG_ROUTE,
        registration: registration("kong-hmac", "alice"),
        client: &|relay, home| httpie(relay, home, &["POST", "/shop/apples", "colour=green"]),
        takes_json: true,
        seen: Seen { method: "POST", target: "/shop/apples", body: r#"{"colour": "green"}"# },
        changes: &[
            (Change { from: "\"green\"", to: "\"greem\"" }, "body_digest_mismatch"),
            (Change { from: "/shop/apples", to: "/shop/applez" }, "signature_mismatch"),
        ],
        unsigned: &[],
        twice: Twice::Replayed,
    }
    .run();
}

const TC3_KEY: &str = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE";
const TC3_ROUTE: &str = "host = \"127.0.0.1\"\nprefix = \"/\"\ninputs = { service = \"cvm\" }\n";

fn tencent(relay: SocketAddr, home: &Path, call: &str) -> Command {
    python("tencent_client.py", home, &[&relay.to_string(), TC3_KEY, SECRET, call])
}

#[test]
fn tencent_cloud_sdk_get() {
    Trial {
        name: "tencentcloud-sdk-python-common, GET",
        route: TC3_ROUTE,
        registration: registration("tencent-tc3", TC3_KEY),
        client: &|relay, home| tencent(relay, home, "get"),
        // It wants its own envelope, {"Response": ..}, back.
        takes_json: false,
        seen: Seen { method: "GET", target: "/?Limit=5&Offset=0", body: "" },
        changes: &[
            (Change { from: "Limit=5", to: "Limit=9" }, "signature_mismatch"),
            (Change { from: "application/x-www-form-urlencoded", to: "application/x-www-form-urlencodef" }, "signature_mismatch"),
        ],
        unsigned: &[Change { from: "X-TC-Action: DescribeZones", to: "X-TC-Action: DescribeZonez" }],
        twice: Twice::Accepted,
    }
    .run();
}

#[test]
fn tencent_cloud_sdk_post() {
    Trial {
        name: "tencentcloud-sdk-python-common, POST",
        route: TC3_ROUTE,
        registration: registration("tencent-tc3", TC3_KEY),
        client: &|relay, home| tencent(relay, home, "post"),
        takes_json: false,
        seen: Seen { method: "POST", target: "/", body: r#"{"Limit": "5", "Offset": "0"}"# },
        changes: &[
            (Change { from: "\"5\"", to: "\"9\"" }, "signature_mismatch"),
            (Change { from: "application/json", to: "application/jsom" }, "signature_mismatch"),
        ],
        unsigned: &[],
        twice: Twice::Replayed,
    }
    .run();
}

const OAUTH_KEY: &str = "xvz1evFS4wEEPTGEFPHBog";
const TOKEN: &str = "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb";
const TOKEN_SECRET: &str = "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE";
const OAUTH: Registration<'static> = Registration {
    dialect: "oauth1",
    key_id: OAUTH_KEY,
    secret: SECRET,
    parts: &[("token_secret", TOKEN_SECRET)],
    inputs: &[("token", TOKEN)],
    // The library's default; here only for credentials that are registered for it.
    algorithm: Some("hmac-sha1"),
};
const OAUTH_ROUTE: &str = "host = \"127.0.0.1\"\nprefix = \"/statuses\"\n";

fn oauth(relay: SocketAddr, home: &Path, call: &str) -> Command {
    python("oauth_client.py", home, &[&format!("http://{relay}"), OAUTH_KEY, SECRET, TOKEN, TOKEN_SECRET, call])
}

#[test]
fn requests_oauthlib_get() {
    Trial {
        name: "requests-oauthlib, GET",
        route: OAUTH_ROUTE,
        registration: OAUTH,
        client: &|relay, home| oauth(relay, home, "get"),
        takes_json: true,
        seen: Seen { method: "GET", target: "/statuses?colour=green&q=a+b", body: "" },
        changes: &[
            (Change { from: "colour=green", to: "colour=grein" }, "signature_mismatch"),
            (Change { from: "GET /", to: "PET /" }, "signature_mismatch"),
        ],
        unsigned: &[Change { from: "User-Agent: python-requests/", to: "User-Agent: python-requests-" }],
        twice: Twice::Replayed,
    }
    .run();
}

#[test]
fn requests_oauthlib_form() {
    Trial {
        name: "requests-oauthlib, form",
        route: OAUTH_ROUTE,
        registration: OAUTH,
        client: &|relay, home| oauth(relay, home, "form"),
        takes_json: true,
        seen: Seen { method: "POST", target: "/statuses", body: "status=Hello+Ladies+%2B+Gentlemen" },
        changes: &[(Change { from: "Ladies", to: "Ladles" }, "signature_mismatch")],
        unsigned: &[],
        twice: Twice::Replayed,
    }
    .run();
}

#[test]
fn standardwebhooks_delivery() {
    const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    Trial {
        name: "standardwebhooks, requests",
        route: "host = \"127.0.0.1\"\nprefix = \"/hooks\"\nmethods = [\"POST\"]\nkeys = [\"endpoint-1\"]\n",
        registration: Registration {
            dialect: "standard-webhooks",
            key_id: "endpoint-1",
            secret: WEBHOOK_SECRET,
            parts: &[],
            inputs: &[],
            algorithm: None,
        },
        client: &|relay, home| {
            python("webhook_sender.py", home, &[&format!("http://{relay}"), WEBHOOK_SECRET, "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"])
        },
        takes_json: true,
        seen: Seen { method: "POST", target: "/hooks", body: r#"{"type":"order.paid","order":17}"# },
        changes: &[
            (Change { from: "\"order\":17", to: "\"order\":97" }, "signature_mismatch"),
            (Change { from: "msg_2KWP", to: "msg_2KWQ" }, "signature_mismatch"),
        ],
        unsigned: &[],
        twice: Twice::Duplicate,
    }
    .run();
}
