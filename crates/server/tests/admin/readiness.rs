//! Whether requests should be sent here: not while the gateway stops, and not while its store does not answer.

use std::sync::Arc;

use countersign_core::clock::SystemClock;
use countersign_protocol::Dialects;
use countersign_server::Gateway;
use countersign_server::config::Config;
use countersign_server::store::Stores;

use crate::fixture::{Client, house, raw};
use crate::support::{Operated, exchange, problem};

#[tokio::test]
async fn a_gateway_that_stops_is_not_ready_until_its_last_request_has_ended() {
    let operated = Operated::house().await;
    let admin = operated.admin;
    let mut busy = Client::connect(operated.gateway.address).await;
    busy.write(&raw(&operated.gateway.sign("house", operated.gateway.request("GET", "/slow")))).await;
    operated.gateway.upstream.wait_for(1).await;
    let ready = || exchange(admin, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(ready().await.status, 200);
    let stopping = tokio::spawn(operated.gateway.stop());
    let mut answer = ready().await;
    for _ in 0..100 {
        if answer.status != 200 {
            break;
        }
        tokio::task::yield_now().await;
        answer = ready().await;
    }
    assert_eq!(problem(&answer, 503, "not_ready"), "it is stopping");
    assert_eq!(exchange(admin, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.status, 200);
    assert_eq!(busy.answer().await.unwrap().status, 200);
    stopping.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(admin).await.is_err());
}

#[tokio::test]
async fn a_gateway_whose_store_fails_is_not_ready_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", crate::fixture::HOUSE).unwrap();
    let stores = Stores::within(folder.path());
    let admission = stores.open(&dialects, Arc::new(SystemClock)).await.unwrap();
    let text = format!("admin = \"127.0.0.1:0\"\n{}", house("").replace("UPSTREAM", "127.0.0.1:1"));
    let settings = Config::parse("gateway.toml", &text).unwrap().compile(&dialects).unwrap();
    let gateway = Gateway::bind(settings, &dialects, admission).unwrap();
    let admin = gateway.admin_address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ran = tokio::spawn(gateway.run(async move { drop(stopped.await) }));
    let ready = || exchange(admin, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(ready().await.status, 200);
    // Another process damages the store.
    let damaged = rusqlite::Connection::open(&stores.files.store).unwrap();
    damaged.execute_batch("DROP TABLE meta").unwrap();
    for _ in 0..400 {
        let answer = ready().await;
        if answer.status == 503 {
            assert_eq!(problem(&answer, 503, "not_ready"), "the credential store does not answer");
            let metrics = exchange(admin, &format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\n\r\n")).await;
            assert_eq!(metrics.status, 200);
            drop(stop);
            return ran.await.unwrap().unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it stayed ready");
}
