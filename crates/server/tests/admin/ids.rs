//! The ids by which a request is known before, here and behind.

use crate::fixture::{Fixture, Setup, house};

#[tokio::test]
async fn a_trusted_proxy_names_the_request_here_and_upstream() {
    let config = format!("{}[log]\nrequest_ids_from = [\"127.0.0.1\"]\n", house(""));
    let gateway = Fixture::start(&config, Setup::default()).await;
    let named = gateway.request("GET", "/").with_header("X-Request-Id", "edge-7f");
    let answer = gateway.send(&gateway.sign("house", named.clone())).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("edge-7f")));
    let seen = gateway.upstream.only().to_lowercase();
    assert_eq!(seen.matches("x-request-id: ").count(), 1);
    assert!(seen.contains("x-request-id: edge-7f\r\n"), "{seen}");
    let refused = gateway.send(&named).await;
    assert_eq!((refused.status, refused.json()["instance"].as_str()), (401, Some("urn:countersign:request:edge-7f")));
}

#[tokio::test]
async fn nobody_else_does() {
    let gateway = Fixture::house().await;
    let named = gateway.request("GET", "/").with_header("X-Request-Id", "forged");
    let answer = gateway.send(&gateway.sign("house", named)).await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("x-request-id"), Some("forged"));
    assert!(!gateway.upstream.only().contains("forged"));
}

#[tokio::test]
async fn the_trace_of_a_caller_goes_on_upstream() {
    let gateway = Fixture::house().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = gateway.request("GET", "/").with_header("traceparent", trace).with_header("tracestate", "a=b");
    assert_eq!(gateway.send(&gateway.sign("house", traced)).await.status, 200);
    let seen = gateway.upstream.only();
    assert!(seen.contains(&format!("traceparent: {trace}\r\n")) && seen.contains("tracestate: a=b\r\n"), "{seen}");
}

#[test]
fn a_log_that_makes_no_sense_is_refused_with_its_line() {
    let refused = |log: &str| {
        let text = house("").replace("UPSTREAM", "127.0.0.1:1") + log;
        let mut dialects = countersign_protocol::Dialects::builtin().unwrap();
        dialects.add_yaml("house", crate::fixture::HOUSE).unwrap();
        let config = countersign_server::config::Config::parse("gateway.toml", &text);
        config.and_then(|config| config.compile(&dialects)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(
        refused("[log]\nformat = \"text\"\naccess = false\none_success_in = 100\nrequest_ids_from = [\"::1\", \"10.0.0.0/8\"]\n"),
        ""
    );
    assert!(refused("[log]\nrequest_ids_from = [\"proxy\"]\n").starts_with("gateway.toml:9: `proxy` is no range of addresses"));
    for wrong in ["format = \"xml\"", "one_success_in = 0", "colour = true"] {
        assert!(refused(&format!("[log]\n{wrong}\n")).starts_with("gateway.toml:9: "), "{wrong}");
    }
}
