//! Sessions end to end over a real store: each binding, each way in which a token gives nothing.

mod model;

use std::num::NonZeroU32;
use std::path::Path;

use countersign_protocol::Reason;

use super::*;
use crate::admission::{Csrf, SentBy};
use crate::limit::Rate;
use crate::master_key::MasterKey;
use crate::session::client_key_id;
use crate::session::signing::{RotationPolicy, rotate};
use crate::session::user::{NewUser, UserStatus};
use crate::store::SqliteStore;

const NOW: i64 = 1_739_437_548;
/// An Ed25519 key of RFC 8037, appendix A.2, whose thumbprint is in appendix A.3.
const CLIENT_JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const CLIENT_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

pub(super) fn parties() -> Parties {
    Parties { issuer: "https://api.example.com".to_owned(), audience: "api".to_owned() }
}

fn caller<'a>(app: &'a str, key_id: &'a str) -> Caller<'a> {
    Caller { app, key_id: Some(key_id), address: "192.0.2.1".parse().ok(), agent: Some("test/1\n\u{7}") }
}

pub(super) fn open(folder: &Path) -> SqliteStore {
    let key = Arc::new(MasterKey::open_or_create(&folder.join("master.key")).unwrap());
    SqliteStore::open(&folder.join("store.db"), key).unwrap()
}

struct Site {
    store: Arc<SqliteStore>,
    sessions: Sessions,
    user: User,
    _folder: tempfile::TempDir,
}

impl Site {
    /// A user `ada`, who has two scopes, and a key that signs.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(open(folder.path()));
        let new =
            NewUser { scopes: vec!["orders".to_owned(), "admin".to_owned()], roles: vec!["clerk".to_owned()], ..NewUser::new("ada", None) };
        let user = store.add_user(new, at(NOW)).await.unwrap();
        let policy = SessionPolicy::default();
        rotate(&*store, at(NOW - 1_000), &RotationPolicy::new(policy.access, policy.skew)).await.unwrap();
        let sessions = Sessions::new(Arc::clone(&store), parties(), policy);
        Self { store, sessions, user, _folder: folder }
    }

    async fn login(&self, binding: Binding) -> Grant {
        let who = Authenticated { user: self.user.clone(), methods: vec!["pwd"], external: false };
        self.sessions.begin(&who, Wanted { scopes: None, binding }, &caller("shop", "k"), at(NOW)).await.unwrap()
    }

    async fn check(&self, grant: &Grant, caller: &Caller<'_>, now: i64) -> Result<UserSession, SessionFault> {
        self.sessions.check(text(&grant.access_token), caller, at(now)).await
    }

    async fn refresh(&self, grant: &Grant, caller: &Caller<'_>, now: i64) -> Result<Grant, SessionFault> {
        self.sessions.refresh(grant.refresh_token.expose(), None, caller, at(now)).await
    }
}

fn text(secret: &Secret) -> &str {
    std::str::from_utf8(secret.expose()).unwrap()
}

fn reason<T: fmt::Debug>(result: Result<T, SessionFault>) -> Reason {
    result.unwrap_err().refusal().reason()
}

fn client() -> Binding {
    Binding::Client(jwk::public_key(CLIENT_JWK).unwrap().public_der().to_vec())
}

#[tokio::test]
async fn a_token_says_who_the_user_is_and_is_refused_to_other_apps() {
    let site = Site::new().await;
    let grant = site.login(Binding::App).await;
    let found = site.check(&grant, &caller("shop", "another-key"), NOW + 1).await.unwrap();
    let token = &found.token;
    assert_eq!((token.sub, token.u.name.as_str(), token.scope.as_str()), (site.user.id, "ada", "orders admin"));
    assert_eq!((token.u.roles.join(","), token.amr.join(","), token.cnf.clone()), ("clerk".to_owned(), "pwd".to_owned(), None));
    assert_eq!(found.session.agent.as_deref(), Some("test/1"));
    assert_eq!(reason(site.check(&grant, &caller("other", "k"), NOW + 1).await), Reason::TokenBindingMismatch);
    assert!(grant.request_key.is_none());
}

#[tokio::test]
async fn a_token_lives_as_long_as_it_says() {
    let site = Site::new().await;
    let grant = site.login(Binding::App).await;
    let ends = grant.access_ends.seconds();
    assert!((NOW + 570..=NOW + 600).contains(&ends), "{ends}");
    let shop = caller("shop", "k");
    assert!(site.check(&grant, &shop, ends - 1).await.is_ok());
    assert_eq!(reason(site.check(&grant, &shop, ends + 31).await), Reason::TokenExpired);
    assert_eq!(reason(site.check(&grant, &shop, NOW - 31).await), Reason::TokenNotYetValid);
}

#[tokio::test]
async fn a_session_key_signs_for_its_session_only() {
    let site = Site::new().await;
    let (one, other) = (site.login(Binding::Session).await, site.login(Binding::Session).await);
    let (key_id, _) = one.request_key.clone().unwrap();
    let (other_id, _) = other.request_key.clone().unwrap();
    assert!(site.check(&one, &caller("shop", &key_id), NOW + 1).await.is_ok());
    for key_id in ["k", other_id.as_str(), &client_key_id(one.session.sid)] {
        assert_eq!(reason(site.check(&one, &caller("shop", key_id), NOW + 1).await), Reason::TokenBindingMismatch, "{key_id}");
        assert_eq!(reason(site.refresh(&one, &caller("shop", key_id), NOW + 1).await), Reason::InvalidGrant, "{key_id}");
    }
    // A token that rides on the app's own key is not one for the key of another session.
    let plain = site.login(Binding::App).await;
    assert_eq!(reason(site.check(&plain, &caller("shop", &key_id), NOW + 1).await), Reason::TokenBindingMismatch);
    assert_eq!(site.refresh(&one, &caller("shop", &key_id), NOW + 1).await.unwrap().session.generation, 1);
}

#[tokio::test]
async fn a_token_of_the_callers_own_key_names_its_thumbprint() {
    let site = Site::new().await;
    let grant = site.login(client()).await;
    let key_id = client_key_id(grant.session.sid);
    let found = site.check(&grant, &caller("shop", &key_id), NOW + 1).await.unwrap();
    assert_eq!(found.token.cnf, Some(Confirmation::Jkt(CLIENT_THUMBPRINT.to_owned())));
    for key_id in ["k", &session_key_id(grant.session.sid)] {
        assert_eq!(reason(site.check(&grant, &caller("shop", key_id), NOW + 1).await), Reason::TokenBindingMismatch);
    }
}

#[tokio::test]
async fn a_session_without_a_key_is_for_requests_without_a_signature() {
    let site = Site::new().await;
    let (grant, other) = (site.login(Binding::Bearer).await, site.login(Binding::Bearer).await);
    let unsigned = Caller { key_id: None, ..caller("shop", "") };
    let found = site.check(&grant, &unsigned, NOW + 1).await.unwrap();
    assert!(found.token.bearer && found.token.cnf.is_none() && grant.request_key.is_none());
    for key_id in ["k", &session_key_id(grant.session.sid), &client_key_id(grant.session.sid)] {
        assert_eq!(reason(site.check(&grant, &caller("shop", key_id), NOW + 1).await), Reason::TokenBindingMismatch, "{key_id}");
        assert_eq!(reason(site.refresh(&grant, &caller("shop", key_id), NOW + 1).await), Reason::InvalidGrant, "{key_id}");
    }
    assert_eq!(reason(site.check(&grant, &Caller { app: "other", ..unsigned }, NOW + 1).await), Reason::TokenBindingMismatch);
    for binding in [Binding::App, Binding::Session, client()] {
        let bound = site.login(binding).await;
        assert_eq!(reason(site.check(&bound, &unsigned, NOW + 1).await), Reason::TokenBindingMismatch);
        assert_eq!(reason(site.refresh(&bound, &unsigned, NOW + 1).await), Reason::InvalidGrant);
        for presented in [Presented::Access(text(&bound.access_token)), Presented::Refresh(bound.refresh_token.expose())] {
            assert!(site.sessions.unsigned_session(presented, at(NOW + 1)).await.is_err(), "{presented:?}");
        }
    }
    for presented in [Presented::Access(text(&grant.access_token)), Presented::Refresh(grant.refresh_token.expose())] {
        let found = site.sessions.unsigned_session(presented, at(NOW + 9_000)).await.unwrap();
        assert_eq!(found.sid, grant.session.sid, "also where the token is over: {presented:?}");
    }
    assert_eq!(site.refresh(&grant, &unsigned, NOW + 1).await.unwrap().session.generation, 1);
    assert_ne!(site.sessions.csrf_token(&grant.session), site.sessions.csrf_token(&other.session));
}

#[tokio::test]
async fn a_token_in_a_cookie_comes_with_the_csrf_token_of_its_session() {
    let site = Site::new().await;
    let (grant, other) = (site.login(Binding::Bearer).await, site.login(Binding::Bearer).await);
    let token = text(&grant.access_token);
    let check = async |token: &str, by: SentBy<'_>| site.sessions.check_bearer(BearerSent { token, by }, at(NOW + 1)).await;
    let (own, others) = (site.sessions.csrf_token(&grant.session).unwrap(), site.sessions.csrf_token(&other.session).unwrap());
    assert!(check(token, SentBy::Cookie(Csrf::Shown(own.expose()))).await.is_ok());
    assert!(check(token, SentBy::Cookie(Csrf::NotNeeded)).await.is_ok() && check(token, SentBy::Header).await.is_ok());
    for shown in [others.expose(), b"", &own.expose()[1..], b"null"] {
        assert_eq!(reason(check(token, SentBy::Cookie(Csrf::Shown(shown))).await), Reason::CrossSiteRequest);
    }
    // A session that is bound to a key is in no cookie; one that is bound to its app may come in a header.
    let (of_app, of_key) = (site.login(Binding::App).await, site.login(Binding::Session).await);
    assert!(check(text(&of_app.access_token), SentBy::Header).await.is_ok());
    for (grant, by) in [(&of_app, SentBy::Cookie(Csrf::NotNeeded)), (&of_key, SentBy::Cookie(Csrf::NotNeeded)), (&of_key, SentBy::Header)] {
        assert_eq!(reason(check(text(&grant.access_token), by).await), Reason::TokenBindingMismatch);
    }
}

#[tokio::test]
async fn an_operator_is_told_how_many_sessions_ended() {
    let site = Site::new().await;
    let (one, over) = (site.login(Binding::App).await, site.login(Binding::Bearer).await);
    assert!(site.sessions.end(over.session.sid, Ended::Logout, at(NOW)).await.unwrap());
    assert_eq!(site.store.end_sessions(site.user.id, at(NOW + 1)).await, Ok(1));
    assert_eq!(reason(site.check(&one, &caller("shop", "k"), NOW + 1).await), Reason::SessionRevoked);
    assert_eq!(site.store.end_sessions(site.user.id, at(NOW + 1)).await, Ok(0));
}

#[tokio::test]
async fn a_p256_key_has_its_thumbprint_too() {
    // By hashlib over the members as RFC 7638 orders them, of the key of RFC 7517, appendix A.1.
    let key = jwk::public_key(
        r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#,
    );
    assert_eq!(jwk::thumbprint(&key.unwrap()).unwrap(), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
}

#[tokio::test]
async fn a_session_has_the_key_of_its_binding_and_no_other() {
    let site = Site::new().await;
    let grants = [site.login(Binding::App).await, site.login(Binding::Session).await, site.login(client()).await];
    let find = async |id: String| site.sessions.session_key(&id).await.unwrap();
    for (n, grant) in grants.iter().enumerate() {
        let (session, client) = (find(session_key_id(grant.session.sid)).await, find(client_key_id(grant.session.sid)).await);
        assert_eq!((session.is_some(), client.is_some()), (n == 1, n == 2));
    }
    let (key_id, secret) = grants[1].request_key.clone().unwrap();
    let found = find(key_id).await.unwrap();
    assert_eq!((found.app.as_str(), found.created), ("shop", at(NOW)));
    assert!(matches!(found.material, countersign_protocol::KeyMaterial::Hmac(found) if found == secret));
    assert!(find("sk_unknown".to_owned()).await.is_none());
    assert!(find(session_key_id(SessionId::from_bytes([0; 16]))).await.is_none());
}

#[tokio::test]
async fn what_ends_a_session_is_seen_by_the_next_request() {
    let site = Site::new().await;
    let shop = caller("shop", "k");
    let grant = site.login(Binding::App).await;
    assert!(site.sessions.end(grant.session.sid, Ended::Logout, at(NOW + 1)).await.unwrap());
    assert_eq!(reason(site.check(&grant, &shop, NOW + 1).await), Reason::SessionRevoked);
    assert_eq!(reason(site.refresh(&grant, &shop, NOW + 1).await), Reason::InvalidGrant);
    assert_eq!(site.sessions.of_ended(text(&grant.access_token), &shop, at(NOW + 9_000)).await, Ok(grant.session.sid));

    let grant = site.login(Binding::App).await;
    site.store.raise_epoch(site.user.id).await.unwrap();
    assert_eq!(reason(site.check(&grant, &shop, NOW + 1).await), Reason::SessionRevoked);
    assert_eq!(reason(site.refresh(&grant, &shop, NOW + 1).await), Reason::InvalidGrant);

    let site = Site::new().await;
    let grant = site.login(Binding::App).await;
    site.store.set_user_status(site.user.id, UserStatus::Disabled).await.unwrap();
    assert_eq!(reason(site.check(&grant, &shop, NOW + 1).await), Reason::SessionRevoked);
}

#[tokio::test]
async fn a_refresh_gives_what_the_user_may_still_do() {
    let site = Site::new().await;
    let shop = caller("shop", "k");
    let grant = site.login(Binding::App).await;
    let wanted = ["orders".to_owned(), "root".to_owned()];
    let narrow = site.sessions.refresh(grant.refresh_token.expose(), Some(&wanted), &shop, at(NOW + 1)).await.unwrap();
    assert_eq!(narrow.scopes, ["orders"], "it may only become less");
    site.store.set_rights(site.user.id, vec!["admin".to_owned(), "new".to_owned()], Vec::new()).await.unwrap();
    let later = site.refresh(&narrow, &shop, NOW + 2).await.unwrap();
    assert_eq!(later.scopes, ["admin"]);
    // The token from before is good until its end: a refresh does not end what is under way.
    assert!(site.check(&narrow, &shop, NOW + 3).await.is_ok());
}

#[tokio::test]
async fn an_old_refresh_token_ends_its_session_and_no_other() {
    let site = Site::new().await;
    let shop = caller("shop", "k");
    let (stolen, other) = (site.login(Binding::App).await, site.login(Binding::App).await);
    let next = site.refresh(&stolen, &shop, NOW + 1).await.unwrap();
    site.check(&next, &shop, NOW + 2).await.unwrap();
    assert_eq!(site.refresh(&stolen, &shop, NOW + 31).await.unwrap().session.generation, 1, "within the grace");
    let fault = site.refresh(&stolen, &shop, NOW + 32).await.unwrap_err();
    assert_eq!(fault, SessionFault::Refresh(RefreshFault::Reused, Some(stolen.session.sid)));
    assert_eq!(reason(site.check(&next, &shop, NOW + 33).await), Reason::SessionRevoked);
    assert_eq!(reason(site.refresh(&next, &shop, NOW + 33).await), Reason::InvalidGrant);
    assert!(site.check(&other, &shop, NOW + 33).await.is_ok());
}

#[tokio::test]
async fn garbage_cannot_hurt() {
    let site = Site::new().await;
    let shop = caller("shop", "k");
    let grant = site.login(Binding::App).await;
    let before = site.store.session(grant.session.sid).await.unwrap();
    let forged = SessionKeys::new(Secret::from("guess")).refresh_token(grant.session.sid, &grant.session.salt, 7).unwrap();
    for (token, fault) in [
        (forged.expose(), RefreshFault::Forged),
        (grant.access_token.expose(), RefreshFault::Malformed),
        (&b""[..], RefreshFault::Malformed),
    ] {
        let SessionFault::Refresh(found, _) = site.sessions.refresh(token, None, &shop, at(NOW + 1)).await.unwrap_err() else { panic!() };
        assert_eq!(found, fault);
    }
    let by_other = site.refresh(&grant, &caller("other", "k"), NOW + 1).await.unwrap_err();
    assert_eq!(by_other, SessionFault::Refresh(RefreshFault::Binding, Some(grant.session.sid)));
    assert_eq!(reason(site.sessions.check(text(&grant.refresh_token), &shop, at(NOW + 1)).await), Reason::TokenMalformed);
    assert_eq!(site.store.session(grant.session.sid).await.unwrap(), before);
}

#[tokio::test]
async fn a_session_is_refreshed_no_faster_than_it_may() {
    let site = Site::new().await;
    let shop = caller("shop", "k");
    let mut grant = site.login(Binding::App).await;
    let mut done = 0;
    let refused = loop {
        match site.refresh(&grant, &shop, NOW + 1).await {
            Ok(next) => grant = next,
            Err(fault) => break fault,
        }
        done += 1;
    };
    assert_eq!((refused, done), (SessionFault::TooManyRefreshes, 10));
    assert!(site.refresh(&grant, &shop, NOW + 3).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_refreshes_with_one_token_none_is_refused_for_its_number() {
    let mut site = Site::new().await;
    site.sessions.policy.refreshes = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN };
    let grant = Arc::new(site.login(Binding::App).await);
    let site = Arc::new(site);
    let refreshing: Vec<_> = (0..32)
        .map(|_| {
            let (site, grant) = (Arc::clone(&site), Arc::clone(&grant));
            tokio::spawn(async move { site.refresh(&grant, &caller("shop", "k"), NOW + 1).await.map(|next| next.session.generation) })
        })
        .collect();
    for refreshed in refreshing {
        assert_eq!(refreshed.await.unwrap(), Ok(1));
    }
    let next = site.refresh(&grant, &caller("shop", "k"), NOW + 1).await.unwrap();
    for _ in 0..3 {
        assert_eq!(site.refresh(&next, &caller("shop", "k"), NOW + 1).await.unwrap_err(), SessionFault::TooManyRefreshes);
    }
    assert!(site.refresh(&next, &caller("shop", "k"), NOW + 2).await.is_ok());
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_the_one_that_was_idle_longest_ends() {
    let site = Site::new().await;
    let first = site.login(Binding::App).await;
    for _ in 0..19 {
        site.login(Binding::App).await;
    }
    let shop = caller("shop", "k");
    let first = site.refresh(&first, &shop, NOW + 5).await.unwrap();
    site.login(Binding::App).await;
    assert!(site.check(&first, &shop, NOW + 6).await.is_ok());
    assert_eq!(site.store.sessions_of(site.user.id, at(NOW + 6)).await.unwrap().len(), 20);
}

#[tokio::test]
async fn no_token_or_key_is_shown() {
    let site = Site::new().await;
    let grant = site.login(Binding::Session).await;
    let shown = format!("{grant:?} {:?}", site.sessions);
    let (_, key) = grant.request_key.as_ref().unwrap();
    for secret in [&grant.access_token, &grant.refresh_token, key] {
        assert!(!shown.contains(text(secret)));
    }
}
