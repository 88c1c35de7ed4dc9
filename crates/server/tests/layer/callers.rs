//! What handlers learn of their callers, and when a request is used up.

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use countersign_core::admission::Admitted;
use countersign_core::app::App;
use countersign_protocol::{Part, ReplayMode};
use countersign_server::layer::{Caller, OptionalCaller, Rejection, SignatureLayer};
use http::StatusCode;
use tower::ServiceExt;

use crate::fixture::{KEY, NOW, at};
use crate::stand::{Count, HOST, Stand, as_http, text, told};

async fn tell(caller: Caller) -> String {
    assert_eq!((caller.key_id(), caller.dialect(), caller.time()), (KEY, "house", Some(at(NOW))));
    assert_eq!(caller.replay(), ReplayMode::Nonce);
    assert!(caller.covers(&Part::Path) && caller.covers(&Part::Body) && !caller.covers(&Part::Header("x-other".to_owned())));
    caller.app().name.clone()
}

async fn perhaps(OptionalCaller(caller): OptionalCaller) -> String {
    caller.map_or("nobody".to_owned(), |caller| caller.app().name.clone())
}

fn unsigned(target: &str) -> http::Request<axum::body::Body> {
    http::Request::get(target).header("host", HOST).body(axum::body::Body::empty()).unwrap()
}

#[tokio::test]
async fn a_handler_is_told_who_called_and_a_replay_is_refused() {
    let stand = Stand::new().await;
    let app = Router::new().route("/", get(tell)).layer(stand.layer());
    let signed = stand.sign("house", "GET", "/", "");
    assert_eq!(told(app.clone().oneshot(as_http(&signed)).await.unwrap()).await, (200, "shop".to_owned()));
    assert_eq!(told(app.clone().oneshot(as_http(&signed)).await.unwrap()).await, (409, "replayed".to_owned()));
    let answer = app.oneshot(unsigned("/")).await.unwrap();
    assert!(answer.headers().contains_key("www-authenticate") && answer.headers().contains_key("x-request-id"));
    assert_eq!(told(answer).await, (401, "missing_signature".to_owned()));
}

#[tokio::test]
async fn a_broken_or_begun_signature_is_never_anonymous() {
    let stand = Stand::new().await;
    let app = Router::new().route("/", get(perhaps)).layer(stand.layer().optional());
    let send = |request| app.clone().oneshot(request);
    assert_eq!(told(send(unsigned("/")).await.unwrap()).await, (200, "nobody".to_owned()));
    assert_eq!(told(send(as_http(&stand.sign("house", "GET", "/", ""))).await.unwrap()).await, (200, "shop".to_owned()));
    for name in ["x-house-key", "x-house-time", "x-house-nonce", "x-house-signature", "x-house-digest"] {
        let mut broken = as_http(&stand.sign("house", "GET", "/", ""));
        broken.headers_mut().remove(name);
        assert_ne!(send(broken).await.unwrap().status(), 200, "without {name}");
        let mut broken = as_http(&stand.sign("house", "GET", "/", ""));
        broken.headers_mut().insert(name, "1".parse().unwrap());
        assert_ne!(send(broken).await.unwrap().status(), 200, "with another {name}");
        let mut begun = unsigned("/");
        begun.headers_mut().insert(name, "1".parse().unwrap());
        assert_ne!(send(begun).await.unwrap().status(), 200, "{name} alone");
    }
    // Another scheme of Authorization is nobody's claim here, a misshapen one of ours is.
    let app =
        Router::new().route("/", get(perhaps)).layer(SignatureLayer::new(stand.admission.clone(), stand.rules("hmac-sha256")).optional());
    let with = |value: &str| {
        let mut request = unsigned("/");
        request.headers_mut().insert("authorization", value.parse().unwrap());
        app.clone().oneshot(request)
    };
    assert_eq!(told(with("Bearer token").await.unwrap()).await, (200, "nobody".to_owned()));
    assert_eq!(with("HMAC-SHA256 Credential=key-1").await.unwrap().status(), 400);
}

#[tokio::test]
async fn without_the_layer_nobody_is_anonymous() {
    for app in [Router::new().route("/", get(tell)), Router::new().route("/", get(perhaps))] {
        assert_eq!(told(app.oneshot(unsigned("/")).await.unwrap()).await, (500, "internal".to_owned()));
    }
    let stand = Stand::new().await;
    // A caller that an outer layer put there is not believed by an inner one.
    let app = Router::new().route("/", get(perhaps)).layer(stand.layer().optional()).layer(Extension(forged()));
    assert_eq!(told(app.oneshot(unsigned("/")).await.unwrap()).await, (200, "nobody".to_owned()));
    let app = Router::new().route("/", get(tell)).layer(stand.layer().optional());
    assert_eq!(told(app.oneshot(unsigned("/")).await.unwrap()).await, (401, "missing_signature".to_owned()));
}

fn forged() -> Caller {
    let mut app = App::new("minted", at(0));
    app.scopes.push("read".to_owned());
    Caller::of(&Admitted::for_testing(app, "key", "house"))
}

#[tokio::test]
async fn the_tests_of_a_handler_mint_their_caller_and_scopes_are_asked() {
    async fn read(caller: Caller) -> Result<String, Rejection> {
        caller.require("read")?;
        Ok(caller.app().name.clone())
    }
    async fn write(caller: Caller) -> Result<String, Rejection> {
        caller.require("write")?;
        Ok("written".to_owned())
    }
    let app = Router::new().route("/read", get(read)).route("/write", get(write)).layer(Extension(forged()));
    assert_eq!(told(app.clone().oneshot(unsigned("/read")).await.unwrap()).await, (200, "minted".to_owned()));
    let refused = app.oneshot(unsigned("/write")).await.unwrap();
    assert!(refused.headers().contains_key("x-request-id"));
    assert_eq!(told(refused).await, (403, "insufficient_scope".to_owned()));
    let stand = Stand::new().await;
    let app = Router::new().route("/write", get(write)).layer(stand.layer());
    assert_eq!(
        told(app.oneshot(as_http(&stand.sign("house", "GET", "/write", ""))).await.unwrap()).await,
        (403, "insufficient_scope".to_owned())
    );
}

#[tokio::test]
async fn a_nested_router_verifies_what_was_signed() {
    let stand = Stand::new().await;
    let inner = Router::new().route("/items", get(async |request: Request| request.uri().to_string())).layer(stand.layer());
    let app = Router::new().nest("/api", inner);
    let signed = stand.sign("house", "GET", "/api/items?a=b", "");
    assert_eq!(text(app.clone().oneshot(as_http(&signed)).await.unwrap()).await, "/items?a=b");
    let other = stand.sign("house", "GET", "/items?a=b", "");
    let mut moved = as_http(&other);
    *moved.uri_mut() = "/api/items?a=b".parse().unwrap();
    assert_eq!(app.oneshot(moved).await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_request_is_used_up_before_its_handler_runs() {
    async fn fail(State(count): State<Count>) -> StatusCode {
        count.add();
        StatusCode::INTERNAL_SERVER_ERROR
    }
    let (stand, count) = (Stand::new().await, Count::default());
    let app = Router::new().route("/", post(fail)).with_state(count.clone()).layer(stand.layer());
    let signed = stand.sign("house", "POST", "/", "order");
    assert_eq!(app.clone().oneshot(as_http(&signed)).await.unwrap().status(), 500);
    assert_eq!(told(app.oneshot(as_http(&signed)).await.unwrap()).await, (409, "replayed".to_owned()));
    assert_eq!(count.get(), 1);
}

#[tokio::test]
async fn an_event_is_used_up_when_its_handler_succeeded() {
    async fn fail_once(State(count): State<Count>) -> StatusCode {
        count.add();
        if count.get() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
    }
    let (stand, count) = (Stand::new().await, Count::default());
    let mut rules = stand.rules("event");
    rules.replay = Some(ReplayMode::Event);
    let app =
        Router::new().route("/", post(fail_once)).with_state(count.clone()).layer(SignatureLayer::new(stand.admission.clone(), rules));
    let signed = stand.sign("event", "POST", "/", "paid");
    let statuses = [503, 204, 200, 200];
    for status in statuses {
        assert_eq!(app.clone().oneshot(as_http(&signed)).await.unwrap().status(), status);
    }
    assert_eq!(count.get(), 2);
}

#[tokio::test]
async fn layers_outside_may_stand_in_any_order() {
    async fn pass(request: Request, next: Next) -> Response {
        next.run(request).await.into_response()
    }
    let stand = Stand::new().await;
    let signed = || as_http(&stand.sign("house", "POST", "/", "hello"));
    let handler = || Router::new().route("/", post(async |body: String| body));
    let inside = handler().layer(stand.layer()).layer(from_fn(pass));
    let outside = handler().layer(from_fn(pass)).layer(stand.layer());
    assert_eq!(text(inside.oneshot(signed()).await.unwrap()).await, "hello");
    assert_eq!(text(outside.oneshot(signed()).await.unwrap()).await, "hello");
}
