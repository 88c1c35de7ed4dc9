//! A real server behind the gateway: connections that it ends, and uploads that it stores only when they are complete.

use countersign_protocol::Request;
use countersign_testbed::{Daemon, free_port};

use crate::fixture::{Fixture, Setup};
use crate::servers::{until, written};

/// nginx, which stores what is PUT and ends each connection after three requests.
struct Nginx {
    daemon: Daemon,
    port: u16,
}

impl Nginx {
    fn start(listen: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        for name in ["stored", "temporary"] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            countersign_testbed::give_away(&path);
        }
        let root = folder.path().display().to_string();
        let config = format!(
            "daemon off; master_process off; pid {root}/pid; error_log {root}/error.log;
             events {{}}
             http {{
               access_log off; client_max_body_size 100m; keepalive_requests 3;
               client_body_temp_path {root}/temporary; proxy_temp_path {root}/temporary;
               fastcgi_temp_path {root}/temporary; uwsgi_temp_path {root}/temporary; scgi_temp_path {root}/temporary;
               server {{
                 listen 127.0.0.1:{port} {listen}; root {root}/stored; dav_methods PUT; create_full_put_path on;
                 location = /ok {{ return 200 ok; }}
               }}
             }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let file = folder.path().join("nginx.conf").display().to_string();
        let mut daemon = Daemon::start("nginx", folder, &["-e", "stderr", "-c", &file]);
        daemon.until(|| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { daemon, port }
    }

    fn stored(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.daemon.folder().join("stored").join(name)).ok()
    }

    async fn gateway(&self, protocol: &str, route: &str) -> Fixture {
        let servers = format!("{{ url = \"http://127.0.0.1:{}\" }}", self.port);
        Fixture::start(&written(&servers, &format!("protocol = \"{protocol}\""), route), Setup::default()).await
    }
}

#[tokio::test]
async fn connections_that_the_server_ends_cost_no_request() {
    for (listen, protocol) in [("", "http1"), ("http2", "http2")] {
        let nginx = Nginx::start(listen);
        let gateway = nginx.gateway(protocol, "").await;
        for n in 0..20 {
            let answer = gateway.send(&gateway.sign("house", gateway.request("GET", "/ok"))).await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, &b"ok"[..]), "{protocol} {n}");
        }
        assert_eq!(gateway.upstreams.get("orders").unwrap().status()[0].failures, 0);
    }
}

#[tokio::test]
async fn an_upload_whose_digest_does_not_hold_is_not_stored() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut other = body.clone();
    *other.last_mut().unwrap() ^= 1;
    for (listen, protocol) in [("", "http1"), ("http2", "http2")] {
        let nginx = Nginx::start(listen);
        let gateway = nginx.gateway(protocol, "body = \"streamed\"").await;
        let signed = |name: &str| gateway.sign("house", gateway.request("PUT", &format!("/{name}")).with_body(body.clone()));
        let forged = Request { body: other.clone(), ..signed("forged") };
        gateway.send(&forged).await.refuses(400, "body_digest_mismatch");
        assert_eq!(gateway.send(&signed("honest")).await.status, 201, "{protocol}");
        until("it is stored", || nginx.stored("honest").as_ref() == Some(&body)).await;
        assert_eq!(nginx.stored("forged"), None, "{protocol}");
    }
}
