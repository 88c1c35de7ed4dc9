//! Behind Debian's Caddy, with the configuration of the document.

use countersign_testbed::Caddy;

use crate::checks;
use crate::fixture::{Client, raw};
use crate::front::{Front, decider, documented, request, values};

const PASS: [&str; 5] = ["/", "/a%2Fb", "/?q=+%20%2b&z&=&&", "/%e4%bd%a0?%ff", "/a(b)*;c=d:@!$,~"];
const ODD: [&str; 10] = ["/?", "//", "/a//b", "/a/../b", "/a/%2e%2e/b", "/{a}|b?c={d}", "/a?b?c/d", "/a?\"b\"", "/a'b", "/a/./b/."];

async fn caddy(further: &str) -> Front<Caddy> {
    let decider = decider("\"caddy\"", further).await;
    let proxy = Caddy::start(&documented("caddyfile", decider.address, decider.upstream.address));
    Front { address: proxy.address(), decider, proxy }
}

#[tokio::test]
async fn a_signed_request_passes_with_our_identity() {
    checks::accepted_with_identity(&caddy("").await).await;
}

#[tokio::test]
async fn a_tampered_request_is_refused() {
    checks::tampered_is_refused(&caddy("").await).await;
}

#[tokio::test]
async fn a_replay_is_refused_in_our_own_words() {
    let front = caddy("").await;
    checks::replay_is_refused(&front, 409).await;
    let signed = front.sign(request("GET", "/"));
    assert_eq!(front.send(&signed).await.status, 200);
    let refused = front.send(&signed).await;
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_eq!(refused.json()["code"], "replayed");
}

#[tokio::test]
async fn spoofed_names_have_no_effect() {
    checks::spoofed_names_have_no_effect(&caddy("").await).await;
}

#[tokio::test]
async fn odd_targets_pass_as_signed_or_are_refused() {
    checks::odd_targets_pass_as_signed_or_are_refused(&caddy("").await, &PASS, &ODD).await;
}

#[tokio::test]
async fn targets_that_are_none_are_refused() {
    let front = caddy("").await;
    for target in ["/a b", "/%", "/%zz", "/a#b", "/\u{e9}"] {
        checks::a_raw_target_is_refused(&front, target).await;
    }
}

#[tokio::test]
async fn a_body_that_was_signed_and_is_not_seen_is_refused() {
    let front = caddy("").await;
    let answer = front.send(&front.sign(request("POST", "/").with_body("hello"))).await;
    assert_eq!((answer.status, answer.header("x-countersign-reason")), (413, Some("body_too_large")));
    assert_eq!(front.seen(), Vec::<String>::new());
    // One that was put in on the way does not show to the decider; what the upstream is told does not claim it.
    let mut injected = front.sign(request("POST", "/"));
    injected.body = b"injected".to_vec();
    if front.send(&injected).await.status == 200 {
        let seen = front.decider.upstream.only();
        assert_eq!(values(&seen, "x-countersign-body"), ["empty"]);
        assert!(!values(&seen, "x-countersign-covers")[0].split(',').any(|part| part == "body"));
    }
}

#[tokio::test]
async fn a_body_that_is_declared_unchecked_passes_and_is_told_as_such() {
    let front = caddy("decide_body = \"unchecked\"").await;
    assert_eq!(front.send(&front.sign(request("POST", "/").with_body("hello"))).await.status, 200);
    let seen = front.decider.upstream.only();
    assert!(seen.ends_with("\r\n\r\nhello"), "{seen}");
    assert_eq!(values(&seen, "x-countersign-body"), ["unchecked"]);
}

#[tokio::test]
async fn without_a_decider_nothing_passes() {
    let front = caddy("").await;
    let signed = front.sign(request("GET", "/"));
    let Front { address, decider, proxy } = front;
    decider.stop().await.unwrap();
    let mut client = Client::connect(address).await;
    client.write(&raw(&signed)).await;
    assert_eq!(client.answer().await.unwrap().status, 502, "{}", proxy.log());
}
