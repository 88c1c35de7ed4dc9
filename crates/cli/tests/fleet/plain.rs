//! Users of apps that do not sign: tokens in bodies, headers and cookies, and what nobody may do with them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_client::Session;
use countersign_protocol::{Credential, Request};
use countersign_testbed::Answer;
use serde_json::{Value, json};

use crate::keeper::{Hand, ada, client};
use crate::load::code;
use crate::sessions::{Home, PASSWORD, get, granted, post, run, send, signed, token, told, with_token};
use crate::site::private;

/// `DELIVER` is how tokens are given. What the proxy in front tells of a request is believed.
const CONFIG: &str = r#"
listen = ["127.0.0.1:0"]
workers = 1
trusted_proxies = ["127.0.0.0/8"]

[session]
issuer = "https://api.example.com"
dialects = ["hmac-sha256"]
origins = ["https://app.example.com"]
deliver = "header"

[session.plain]
apps = ["web"]
deliver = "DELIVER"

[session.throttle]
waits = [[2, "30s"]]

[[route]]
prefix = "/open"
upstream = "echo"
dialects = ["hmac-sha256"]

[[route]]
prefix = "/own"
upstream = "echo"
dialects = ["hmac-sha256"]
session = "required"

[[route]]
prefix = "/plain"
upstream = "echo"
dialects = ["hmac-sha256"]
session = "required"
bearer = true
authority = { scheme = "https" }
"#;

/// A route for cookies.
const PAGE: &str = "[[route]]\nprefix = \"/page\"\nupstream = \"echo\"\ndialects = [\"hmac-sha256\"]\nsession = \"required\"\ncookie = true\n\
                    authority = { scheme = \"https\" }\n";
const ORIGIN: (&str, &str) = ("Origin", "https://api.example.com");
const ACCESS: &str = "__Host-session";
const REFRESH: &str = "__Secure-session-refresh";

/// A gateway with the apps `shop`, which signs, and `web` and `other`, which need not; only `web` is listed.
fn home(deliver: &str) -> Home {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let page = if deliver == "cookie" { PAGE } else { "" };
    let home = Home::with(folder, &(CONFIG.replace("DELIVER", deliver) + page), vec!["--data".to_owned(), data]);
    for app in ["web", "other"] {
        let secret = private(home.folder.path(), "secret", &format!("the secret of {app}"));
        run(&home.stores, &["app", "add", app, "--dialect", "hmac-sha256", "--key-id", app, "--secret-file", secret.to_str().unwrap()]);
    }
    home
}

fn with(mut request: Request, headers: &[(&str, &str)]) -> Request {
    request.headers.extend(headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
    request
}

fn of_web(extra: &Value) -> Request {
    let mut body = json!({ "username": "ada", "password": PASSWORD, "app": "web" });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    post("/session/login", &body)
}

impl Home {
    fn ask(&self, request: Request, headers: &[(&str, &str)]) -> Answer {
        send(self.gateway.address(), &with(request, headers))
    }

    fn refused(&self, request: Request, headers: &[(&str, &str)]) -> String {
        let answer = self.ask(request, headers);
        assert!(answer.status >= 400, "{}", answer.text());
        assert!(cookies(&answer).is_empty(), "{}", answer.head);
        code(&answer)
    }
}

/// What an answer sets: name, value, attributes.
fn cookies(answer: &Answer) -> Vec<(String, String, String)> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": ")).filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let read = lines.filter_map(|(_, line)| {
        let (pair, attributes) = line.split_once("; ")?;
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), value.to_owned(), attributes.to_owned()))
    });
    read.collect()
}

/// A page that is logged in.
struct Page {
    access: String,
    refresh: String,
    csrf: String,
    told: Value,
}

impl Page {
    fn of(answer: &Answer) -> Self {
        let told = granted(answer);
        let set = cookies(answer);
        let [(access_name, access, _), (refresh_name, refresh, _)] = &set[..] else { panic!("{set:?}") };
        assert_eq!((access_name.as_str(), refresh_name.as_str()), (ACCESS, REFRESH));
        let csrf = told["csrf_token"].as_str().unwrap().to_owned();
        Self { access: format!("{ACCESS}={access}"), refresh: format!("{REFRESH}={refresh}"), csrf, told }
    }

    fn login(home: &Home) -> Self {
        Self::of(&home.ask(of_web(&json!({})), &[ORIGIN]))
    }

    /// What a browser sends to the API.
    fn both(&self) -> String {
        format!("{}; {}", self.access, self.refresh)
    }
}

#[test]
fn a_page_keeps_its_session_in_cookies() {
    let home = home("cookie");
    let login = home.ask(of_web(&json!({})), &[ORIGIN, ("Sec-Fetch-Site", "same-origin")]);
    let page = Page::of(&login);
    for part in ["access_token", "refresh_token", "header"] {
        assert!(page.told[part].is_null(), "{part}: {}", page.told);
    }
    assert_eq!((page.told["binding"].as_str(), page.told["token_type"].as_str()), (Some("bearer"), Some("Bearer")));
    let attributes: Vec<_> = cookies(&login).into_iter().map(|(_, _, attributes)| attributes).collect();
    assert_eq!(attributes, ["/", "/session"].map(|path| format!("Path={path}; Max-Age=43200; Secure; HttpOnly; SameSite=Strict")));

    let answer = home.ask(get("/page"), &[("Cookie", &format!("theme=dark; {}; lang=en", page.access))]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told_of = |name: &str| told(&answer, name);
    assert_eq!((told_of("x-countersign-user-name").as_deref(), told_of("x-countersign-app").as_deref()), (Some("ada"), Some("web")));
    assert_eq!((told_of("x-countersign-dialect").as_deref(), told_of("cookie").as_deref()), (Some("bearer"), Some("theme=dark; lang=en")));
    let changed = home.ask(post("/page", &json!({ "n": 1 })), &[ORIGIN, ("Cookie", &page.access), ("X-CSRF-Token", &page.csrf)]);
    assert_eq!(changed.status, 200, "{}", changed.text());
    let listed =
        [("Origin", "https://app.example.com"), ("Sec-Fetch-Site", "same-site"), ("Cookie", &page.access), ("X-CSRF-Token", &page.csrf)];
    let listed = home.ask(post("/page", &json!({})), &listed);
    assert_eq!((listed.status, listed.header("access-control-allow-credentials")), (200, Some("true")));
    let signed_route = home.call(with(get("/open"), &[("Cookie", &page.access)]), &home.shop);
    assert_eq!((signed_route.status, told(&signed_route, "cookie")), (200, None), "no upstream is shown a token");

    // A page that was loaded anew learns its CSRF token, and refreshes.
    let known = granted(&home.ask(get("/session/csrf"), &[("Cookie", &page.both())]));
    assert_eq!(known["csrf_token"].as_str(), Some(page.csrf.as_str()));
    let refreshed = home.ask(post("/session/refresh", &json!({})), &[ORIGIN, ("Cookie", &page.both()), ("X-CSRF-Token", &page.csrf)]);
    let next = Page::of(&refreshed);
    assert_eq!((next.csrf == page.csrf, next.refresh == page.refresh), (true, false));
    let who = granted(&home.ask(get("/session/whoami"), &[("Cookie", &next.both())]));
    assert_eq!((who["user"]["name"].as_str(), who["binding"].as_str()), (Some("ada"), Some("bearer")));

    let out = home.ask(post("/session/logout", &json!({})), &[ORIGIN, ("Cookie", &next.both()), ("X-CSRF-Token", &next.csrf)]);
    assert_eq!(out.status, 204, "{}", out.text());
    let gone: Vec<_> = cookies(&out).into_iter().map(|(name, value, attributes)| (name, value, attributes.contains("Max-Age=0"))).collect();
    assert_eq!(gone, [ACCESS, REFRESH].map(|name| (name.to_owned(), String::new(), true)));
    assert_eq!(home.refused(get("/page"), &[("Cookie", &next.access)]), "session_revoked");
}

#[test]
fn what_no_page_of_ours_asks_for_is_refused() {
    let home = home("cookie");
    let (page, other) = (Page::login(&home), Page::login(&home));
    let (cookie, csrf) = (("Cookie", page.access.as_str()), ("X-CSRF-Token", page.csrf.as_str()));
    let evil = ("Origin", "https://evil.example");
    let twice = format!("{}; {}", page.access, other.access);
    let change = || post("/page", &json!({ "n": 1 }));
    let cross_site: [(&str, Vec<(&str, &str)>); 9] = [
        ("no CSRF token", vec![ORIGIN, cookie]),
        ("an empty one", vec![ORIGIN, cookie, ("X-CSRF-Token", "")]),
        ("one of another session", vec![ORIGIN, cookie, ("X-CSRF-Token", &other.csrf)]),
        ("two", vec![ORIGIN, cookie, csrf, csrf]),
        ("a page of another site", vec![evil, cookie, csrf]),
        ("a page without an origin", vec![("Origin", "null"), cookie, csrf]),
        ("no page", vec![cookie, csrf]),
        ("another site, by the browser's word", vec![ORIGIN, cookie, csrf, ("Sec-Fetch-Site", "cross-site")]),
        ("another host of the site", vec![ORIGIN, cookie, csrf, ("Sec-Fetch-Site", "same-site")]),
    ];
    for (what, headers) in &cross_site {
        assert_eq!(home.refused(change(), headers), "cross_site_request", "{what}");
    }
    let bearer = format!("Bearer {}", page.access.split_once('=').unwrap().1);
    let doubled: [(&str, Vec<(&str, &str)>); 4] = [
        ("the cookie twice", vec![ORIGIN, csrf, ("Cookie", &twice)]),
        ("in two lines", vec![ORIGIN, csrf, cookie, ("Cookie", &other.access)]),
        ("beside a header", vec![ORIGIN, csrf, cookie, ("X-Access-Token", "x")]),
        ("beside Authorization", vec![ORIGIN, csrf, cookie, ("Authorization", &bearer)]),
    ];
    for (what, headers) in &doubled {
        assert_eq!(home.refused(change(), headers), "malformed_request", "{what}");
    }
    // Routes that do not take it, and a signature, which cannot be about it.
    for path in ["/own", "/plain", "/open"] {
        assert_eq!(home.refused(get(path), &[cookie]), "missing_signature", "{path}");
    }
    let of_shop = home.session("/login", &json!({ "username": "ada", "password": PASSWORD }), &home.shop, None);
    let shops = of_shop.header("x-access-token").unwrap().to_owned();
    let beside = with(signed(with_token(get("/page"), Some(&shops)), &home.shop), &[cookie]);
    assert_eq!(code(&send(home.gateway.address(), &beside)), "token_not_signed");
    let only = with(get("/page"), &[cookie]);
    assert_eq!(code(&home.call(only, &home.shop)), "token_not_signed", "also where the line is signed");
    assert_eq!(home.refused(get("/page"), &[("Cookie", &format!("{ACCESS}={shops}"))]), "token_binding_mismatch");
    assert_eq!(home.refused(get("/page"), &[("Cookie", &format!("{ACCESS}=x"))]), "token_malformed");

    // The API itself.
    let both = page.both();
    for (method, path) in [("POST", "/refresh"), ("POST", "/logout"), ("POST", "/logout-all"), ("DELETE", "/AAAAAAAAAAAAAAAAAAAAAA")] {
        let call = || Request { method: method.to_owned(), ..post(&format!("/session{path}"), &json!({})) };
        let ask = |headers: &[(&str, &str)]| home.refused(call(), &[&[("Cookie", both.as_str())], headers].concat());
        assert_eq!(ask(&[ORIGIN]), "cross_site_request", "{path}");
        assert_eq!(ask(&[ORIGIN, ("X-CSRF-Token", &other.csrf)]), "cross_site_request", "{path}");
        assert_eq!(ask(&[evil, csrf]), "cross_site_request", "{path}");
        assert_eq!(ask(&[ORIGIN, csrf, ("Authorization", &bearer)]), "malformed_request", "{path}");
    }
    // A stranger's page logs nobody in as the stranger.
    for headers in [&[evil][..], &[], &[ORIGIN, ("Sec-Fetch-Site", "cross-site")]] {
        assert_eq!(home.refused(of_web(&json!({})), headers), "cross_site_request", "{headers:?}");
    }
    assert_eq!(home.ask(get("/page"), &[cookie]).status, 200, "and the session goes on");
}

#[test]
fn an_app_that_does_not_sign_logs_in_refreshes_and_logs_out() {
    let home = home("body");
    let login = granted(&home.ask(of_web(&json!({ "bind": "bearer" })), &[]));
    assert_eq!((login["binding"].as_str(), login["token_type"].as_str(), login["header"].as_str()), (Some("bearer"), Some("Bearer"), None));
    let payload = URL_SAFE_NO_PAD.decode(token(&login).split('.').nth(1).unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!((payload["bind"].as_str(), payload["cnf"].is_null()), (Some("bearer"), true), "the token says so");
    let bearer = |login: &Value| format!("Bearer {}", token(login));
    let answer = home.ask(get("/plain"), &[("Authorization", &bearer(&login))]);
    assert_eq!((answer.status, told(&answer, "x-countersign-app").as_deref()), (200, Some("web")), "{}", answer.text());

    // It rides no signed request, whoever signs, and is taken on no other route.
    let web = Credential::hmac("web", "the secret of web");
    for path in ["/own", "/plain"] {
        for key in [&home.shop, &web] {
            assert_eq!(home.get(path, Some(token(&login)), key), (401, "token_binding_mismatch".to_owned()), "{path}");
        }
    }
    assert_eq!(home.refused(get("/own"), &[("Authorization", &bearer(&login))]), "missing_signature");
    assert_eq!(home.refused(get("/own"), &[("X-Access-Token", token(&login))]), "missing_signature");
    assert_eq!(home.refused(get("/plain"), &[("Cookie", &format!("{ACCESS}={}", token(&login)))]), "missing_signature");

    let renew = |login: &Value| home.ask(post("/session/refresh", &json!({ "refresh_token": login["refresh_token"] })), &[]);
    let next = granted(&renew(&login));
    assert_eq!(granted(&renew(&login))["refresh_token"], next["refresh_token"], "an answer that was lost is given again");
    let last = granted(&renew(&next));
    // Nobody refreshes with a signature what belongs to no key.
    assert_eq!(code(&home.session("/refresh", &json!({ "refresh_token": last["refresh_token"] }), &web, None)), "invalid_grant");
    assert_eq!(home.ask(get("/session/whoami"), &[("Authorization", &bearer(&last))]).status, 200);
    // Whoever comes with one that was replaced is a thief, or was robbed.
    assert_eq!(code(&renew(&login)), "invalid_grant");
    assert_eq!(code(&renew(&last)), "invalid_grant");
    assert_eq!(home.refused(get("/plain"), &[("Authorization", &bearer(&last))]), "session_revoked");

    let again = granted(&home.ask(of_web(&json!({})), &[]));
    assert_eq!(home.ask(post("/session/logout", &json!({})), &[("Authorization", &bearer(&again))]).status, 204);
    assert_eq!(home.refused(get("/plain"), &[("Authorization", &bearer(&again))]), "session_revoked");
    assert_eq!(home.ask(post("/session/logout", &json!({})), &[("Authorization", &bearer(&again))]).status, 204, "as often as one likes");
}

#[test]
fn who_does_not_sign_is_listed_near_and_throttled() {
    let home = home("body");
    let others = post("/session/login", &json!({ "username": "ada", "password": PASSWORD, "app": "other" }));
    assert_eq!(home.refused(others, &[]), "missing_signature");
    assert_eq!(home.refused(post("/session/login", &json!({ "username": "ada", "password": PASSWORD })), &[]), "missing_signature");
    for bind in [json!({ "bind": "app" }), json!({ "bind": "client", "public_key": "x" }), json!({ "public_key": "x" })] {
        assert_eq!(home.refused(of_web(&bind), &[]), "invalid_request", "{bind}");
    }
    let web = Credential::hmac("web", "the secret of web");
    let signed_login = json!({ "username": "ada", "password": PASSWORD, "bind": "bearer" });
    assert_eq!(code(&home.session("/login", &signed_login, &web, None)), "invalid_request");

    // From afar over an open wire, as a proxy tells it.
    let afar = [("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "http")];
    assert_eq!(home.refused(of_web(&json!({})), &afar), "insecure_transport");
    let login = granted(&home.ask(of_web(&json!({})), &[("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded-Proto", "https")]));
    let bearer = format!("Bearer {}", token(&login));
    let refresh = || post("/session/refresh", &json!({ "refresh_token": login["refresh_token"] }));
    assert_eq!(home.refused(refresh(), &afar), "insecure_transport");
    assert_eq!(home.refused(get("/session/whoami"), &[&afar[..], &[("Authorization", &bearer)]].concat()), "insecure_transport");

    // The API takes a session's token without a signature only if nothing has to sign for it.
    let of_shop = home.session("/login", &json!({ "username": "ada", "password": PASSWORD }), &home.shop, None);
    let body: Value = serde_json::from_slice(&of_shop.body).unwrap();
    assert_eq!((body["access_token"].is_null(), body["refresh_token"].is_null()), (true, true), "they are in the headers: {body}");
    let (access, shops) = (of_shop.header("x-access-token").unwrap(), of_shop.header("x-refresh-token").unwrap());
    assert_eq!(home.get("/own", Some(access), &home.shop).0, 200);
    assert_eq!(home.refused(get("/session/whoami"), &[("Authorization", &format!("Bearer {access}"))]), "token_binding_mismatch");
    assert_eq!(home.refused(post("/session/refresh", &json!({ "refresh_token": shops })), &[]), "invalid_grant");
    for path in ["/session/introspect", "/session/revoke"] {
        assert_eq!(home.refused(post(path, &json!({})), &[("Authorization", &bearer)]), "missing_signature", "{path}");
    }

    run(&home.stores, &["app", "disable", "web"]);
    assert_eq!(home.refused(refresh(), &[]), "key_disabled");
    assert_eq!(home.refused(of_web(&json!({})), &[]), "key_disabled");
    run(&home.stores, &["app", "enable", "web"]);
    for _ in 0..2 {
        assert_eq!(home.refused(of_web(&json!({ "password": "wrong horse battery" })), &[]), "invalid_credentials");
    }
    assert_eq!(home.refused(of_web(&json!({})), &[]), "invalid_credentials", "the account waits, and the right password is refused too");
}

#[test]
fn tokens_in_headers_stand_in_no_body() {
    let home = home("header");
    let answer = home.ask(of_web(&json!({})), &[("Origin", "https://app.example.com")]);
    let told = granted(&answer);
    assert!(told["access_token"].is_null() && told["refresh_token"].is_null() && cookies(&answer).is_empty());
    let exposed: Vec<_> = answer.header("access-control-expose-headers").unwrap().split(", ").collect();
    assert!(exposed.contains(&"x-access-token") && exposed.contains(&"x-refresh-token"), "{exposed:?}");
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let access = answer.header("x-access-token").unwrap();
    assert_eq!(home.ask(get("/plain"), &[("Authorization", &format!("Bearer {access}"))]).status, 200);
    let renewal = json!({ "refresh_token": answer.header("x-refresh-token").unwrap() });
    let next = home.ask(post("/session/refresh", &renewal), &[]);
    assert!(next.status == 200 && next.header("x-access-token").is_some_and(|next| next != access));
}

/// The client takes them there, and goes on as ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_keeps_a_session_whose_tokens_come_in_headers() {
    let (home, hand) = (home("body"), Hand::default());
    let url = format!("http://{}", home.gateway.address());
    let session = Session::login(&client(&home), &url, ada(), hand.keeping()).await.unwrap();
    let status = async || session.request(http::Method::GET, format!("{url}/own")).send().await.unwrap().status().as_u16();
    assert_eq!(status().await, 200);
    hand.over();
    assert_eq!(status().await, 200, "refreshed");
    session.logout().await.unwrap();
}

#[test]
fn an_operator_ends_every_session_of_a_user() {
    let home = home("body");
    let (one, other) = (granted(&home.ask(of_web(&json!({})), &[])), granted(&home.ask(of_web(&json!({})), &[])));
    let logout = |name: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(["--json", "user"]).args(&home.stores).args(["logout", name]).output().unwrap();
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    assert_eq!(logout("ada"), (Some(0), json!({ "user": "ada", "sessions_ended": 2 })));
    for login in [&one, &other] {
        assert_eq!(home.refused(get("/plain"), &[("Authorization", &format!("Bearer {}", token(login)))]), "session_revoked");
    }
    assert_eq!(logout("ada"), (Some(0), json!({ "user": "ada", "sessions_ended": 0 })), "they are over");
    assert_eq!(home.ask(of_web(&json!({})), &[]).status, 200, "the user logs in again");
    assert_eq!(logout("nobody").0, Some(2));
}
