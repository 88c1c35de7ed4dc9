//! Configurations that are replaced while the gateway runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use countersign_server::reload::Source;
use tokio::sync::Notify;

use crate::fixture::{Client, Fixture, Setup, house, raw};

/// Waits until so many configurations have been served.
async fn wait_for_generation(gateway: &Fixture, generation: u64) {
    wait(|| gateway.reloader.state().generation >= generation).await;
}

async fn wait(mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come to hold");
}

#[tokio::test]
async fn no_request_fails_while_twenty_reloads_happen() {
    let gateway = Arc::new(Fixture::start(&house("").replace("workers = 1", "workers = 2"), Setup::default()).await);
    let (done, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (gateway, done, count) = (Arc::clone(&gateway), Arc::clone(&done), Arc::clone(&count));
            tokio::spawn(async move {
                let mut client = Client::connect(gateway.address).await;
                while !done.load(Ordering::Relaxed) {
                    client.write(&raw(&gateway.sign("house", gateway.request("POST", "/a").with_body("hello")))).await;
                    let answer = client.answer().await.unwrap();
                    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for n in 0..20 {
        let before = count.load(Ordering::Relaxed);
        let source = gateway.source(&house(&format!("body_limit = {}", 1_000 + n)).replace("workers = 1", "workers = 2"));
        let reloader = gateway.reloader.clone();
        tokio::task::spawn_blocking(move || reloader.reload(&source)).await.unwrap().unwrap();
        wait(|| count.load(Ordering::Relaxed) >= before + 8).await;
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(gateway.reloader.state().generation, 21);
    assert!(count.load(Ordering::Relaxed) >= 160);
}

#[tokio::test]
async fn a_request_in_flight_ends_under_the_old_rules_and_the_next_comes_under_the_new() {
    let gateway = Fixture::house().await;
    let mut slow = Client::connect(gateway.address).await;
    slow.write(&raw(&gateway.sign("house", gateway.request("GET", "/slow")))).await;
    gateway.upstream.wait_for(1).await;
    gateway.reloader.reload(&gateway.source(&house("methods = [\"POST\"]"))).unwrap();
    // On a connection that was open before.
    assert_eq!(slow.answer().await.unwrap().status, 200);
    slow.write(&raw(&gateway.sign("house", gateway.request("GET", "/")))).await;
    slow.answer().await.unwrap().refuses(404, "no_route");
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("POST", "/"))).await.status, 200);
}

#[tokio::test]
async fn what_was_seen_and_counted_is_kept() {
    let config = house("[limits]\naddress_rate = { per_second = 1, burst = 3 }");
    let gateway = Fixture::start(&config, Setup::default()).await;
    let request = gateway.sign("house", gateway.request("GET", "/"));
    assert_eq!(gateway.send(&request).await.status, 200);
    gateway.reloader.reload(&gateway.source(&config)).unwrap();
    gateway.send(&request).await.refuses(409, "replayed");
    gateway.reloader.reload(&gateway.source(&config)).unwrap();
    gateway.send(&request).await.refuses(409, "replayed");
    gateway.reloader.reload(&gateway.source(&config)).unwrap();
    gateway.send(&request).await.refuses(429, "rate_limited");
}

#[tokio::test]
async fn a_window_that_grows_opens_nothing_that_was_accepted_before() {
    let gateway = Fixture::start(&house("window = \"2s\""), Setup::default()).await;
    let request = gateway.sign("house", gateway.request("POST", "/"));
    assert_eq!(gateway.send(&request).await.status, 200);
    gateway.advance(7);
    gateway.send(&request).await.refuses(401, "too_old");
    gateway.reloader.reload(&gateway.source(&house("window = \"5m\""))).unwrap();
    gateway.send(&request).await.refuses(503, "store_recovering");
    gateway.advance(10);
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("POST", "/"))).await.status, 200);
}

#[tokio::test]
async fn a_configuration_that_is_refused_changes_nothing_and_tells_every_fault() {
    let gateway = Fixture::house().await;
    let bad = house("replay = \"never\"\nbody_limt = 5\n").replace("prefix = \"/\"", "prefix = \"x\"");
    let faults = gateway.reloader.reload(&gateway.source(&bad)).unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| (fault.line().unwrap(), fault.fault().to_owned())).collect();
    assert!(
        matches!(&told[..], [(4, prefix), (7, replay), (8, key)] if prefix.contains("plain path") && replay.contains("never") && key.contains("body_limt")),
        "{told:?}"
    );
    let state = gateway.reloader.state();
    assert_eq!((state.generation, state.refused.as_ref().map(|refused| refused.faults.len())), (1, Some(3)));
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    gateway.reloader.reload(&gateway.source(&house(""))).unwrap();
    let state = gateway.reloader.state();
    assert_eq!((state.generation, state.refused.is_none()), (2, true));
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_kept() {
    let gateway = Fixture::house().await;
    let other = house("methods = [\"GET\"]\n[limits]\nconnections = 5")
        .replace("127.0.0.1:0", "127.0.0.2:0")
        .replace("workers = 1", "workers = 2\ndata = \"elsewhere\"");
    let state = gateway.reloader.reload(&gateway.source(&other)).unwrap();
    assert_eq!(state.needs_restart, ["listen", "workers", "data", "limits.connections"]);
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    gateway.send(&gateway.sign("house", gateway.request("POST", "/"))).await.refuses(404, "no_route");
}

/// A configuration with users, whose table of sessions has these further lines, and whose route has these.
fn users(session: &str, route: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:0\"]\nworkers = 1\n[session]\nissuer = \"https://api.example.com\"\ndialects = [\"hmac-sha256\"]\n{session}\n\
         [[route]]\nprefix = \"/\"\nupstream = \"http://UPSTREAM\"\ndialects = [\"hmac-sha256\"]\nsession = \"required\"\n{route}\n"
    )
}

#[tokio::test]
async fn a_route_whose_users_would_come_with_the_next_start_is_refused_whole() {
    let cookie = "plain = { apps = [\"web\"], deliver = \"cookie\" }";
    for (start, line, fault) in [(house(""), 11, "nobody can log in before the next start"), (users("", ""), 12, "until the next start")] {
        let gateway = Fixture::start(&start, Setup::default()).await;
        let faults = gateway.reloader.reload(&gateway.source(&users(cookie, "cookie = true"))).unwrap_err();
        let [told] = &faults[..] else { panic!("{faults:?}") };
        assert_eq!((told.line(), told.fault().contains(fault), told.mend().contains("restart")), (Some(line), true, true), "{told}");
        assert_eq!(gateway.reloader.state().generation, 1);
    }
}

#[tokio::test]
async fn a_table_of_sessions_that_changed_is_named_and_one_that_moved_is_not() {
    let gateway = Fixture::start(&users("", ""), Setup::default()).await;
    let state = gateway.reloader.reload(&gateway.source(&format!("# moved\n{}", users("", "")))).unwrap();
    assert!(state.needs_restart.is_empty(), "{:?}", state.needs_restart);
    for session in ["header = \"X-Other\"", "origins = [\"https://app.example.com\"]", "authority = \"wire\""] {
        let state = gateway.reloader.reload(&gateway.source(&users(session, ""))).unwrap();
        assert_eq!(state.needs_restart, ["session"], "{session}");
    }
    let hidden =
        users("", "").replace("prefix = \"/\"", "prefix = \"/session/x\"").replace("[session]\n", "[session]\npath = \"/login\"\n");
    let faults = gateway.reloader.reload(&gateway.source(&hidden)).unwrap_err();
    assert!(faults[0].fault().contains("the API at /session takes the requests"), "{faults:?}");
}

#[tokio::test]
async fn a_change_of_the_file_is_seen_and_a_bad_one_is_passed_over() {
    let gateway = Fixture::house().await;
    let source = gateway.source(&house(""));
    source.load().unwrap();
    let watching = tokio::spawn(gateway.reloader.clone().watch(source, Arc::default()));
    gateway.write_config(&house("methods = [\"POST\"]"));
    wait_for_generation(&gateway, 2).await;
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(404, "no_route");
    gateway.write_config("listen = ");
    wait(|| gateway.reloader.state().refused.is_some()).await;
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("POST", "/"))).await.status, 200);
    gateway.write_config(&house("methods = [\"GET\"]"));
    wait_for_generation(&gateway, 3).await;
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    assert!(gateway.reloader.state().refused.is_none());
    watching.abort();
}

#[tokio::test]
async fn who_asks_gets_a_reload_also_without_a_change() {
    let gateway = Fixture::house().await;
    let asked = Arc::new(Notify::new());
    let watching = tokio::spawn(gateway.reloader.clone().watch(gateway.source(&house("")), Arc::clone(&asked)));
    asked.notify_one();
    wait_for_generation(&gateway, 2).await;
    asked.notify_one();
    wait_for_generation(&gateway, 3).await;
    watching.abort();
}

#[tokio::test]
async fn a_link_that_is_swapped_is_seen_as_mounted_configurations_do_it() {
    let gateway = Fixture::house().await;
    let at = |name: &str| gateway.folder.path().join(name);
    let write = |version: &str, text: &str| {
        std::fs::create_dir(at(version)).unwrap();
        std::fs::write(at(version).join("gateway.toml"), text.replace("UPSTREAM", &gateway.upstream.address.to_string())).unwrap();
    };
    write("v1", &house(""));
    write("v2", &house("methods = [\"POST\"]"));
    std::os::unix::fs::symlink("v1", at("current")).unwrap();
    std::os::unix::fs::symlink("current/gateway.toml", at("gateway.toml")).unwrap();
    let dialects = gateway.dialects.clone();
    let source = Arc::new(Source::new(&at("gateway.toml"), move |_| Ok(dialects.clone())));
    source.load().unwrap();
    let watching = tokio::spawn(gateway.reloader.clone().watch(source, Arc::default()));
    std::os::unix::fs::symlink("v2", at("next")).unwrap();
    std::fs::rename(at("next"), at("current")).unwrap();
    wait_for_generation(&gateway, 2).await;
    gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.refuses(404, "no_route");
    watching.abort();
}
