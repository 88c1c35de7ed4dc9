//! Behind the proxies that operators have: nginx and Caddy, which change host, path and connection.

use std::net::{SocketAddr, TcpStream};

use countersign_protocol::Request;
use countersign_testbed::{Daemon, free_port};

use crate::fixture::{Client, Fixture, Setup, house, raw};

const NGINX: &str = r#"
daemon off;
pid nginx.pid;
error_log stderr;
worker_processes 1;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 127.0.0.1:PORT;
    location /api/ {
      proxy_pass http://GATEWAY/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host inner;
      proxy_set_header Forwarded "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto http;
      proxy_set_header X-Forwarded-Prefix /api;
    }
  }
}
"#;

const CADDY: &str = r#"
{
	admin off
	auto_https off
}
http://127.0.0.1:PORT, http://api.example.com:PORT {
	reverse_proxy GATEWAY {
		header_up Host inner
	}
}
"#;

fn start(name: &'static str, arguments: &[&str], file: &str, text: &str, gateway: SocketAddr) -> (Daemon, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let text = text.replace("PORT", &address.port().to_string()).replace("GATEWAY", &gateway.to_string());
    std::fs::write(folder.path().join(file), text).unwrap();
    let path = folder.path().display().to_string();
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("FOLDER", &path)).collect();
    let mut daemon = Daemon::start(name, folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    daemon.until(|| TcpStream::connect(address).is_ok());
    (daemon, address)
}

/// Signs what a client sends to the proxy, with a forged word about its way, and sends it there.
async fn send(gateway: &Fixture, proxy: SocketAddr, target: &str) -> u16 {
    let host = format!("api.example.com:{}", proxy.port());
    let signed = gateway.sign("house", Request::new("POST", target).with_header("Host", host).with_body("hello"));
    let forged = signed.with_header("X-Forwarded-For", "203.0.113.66").with_header("X-Forwarded-Host", "evil");
    let mut client = Client::connect(proxy).await;
    client.write(&raw(&forged)).await;
    client.answer().await.unwrap().status
}

fn line<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

async fn gateway() -> Fixture {
    let config = house("authority = \"forwarded\"").replacen("workers", "trusted_proxies = [\"127.0.0.1\"]\nworkers", 1);
    Fixture::start(&config, Setup::default()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_may_change_host_and_path() {
    let gateway = gateway().await;
    let (_nginx, address) = start("nginx", &["-p", "FOLDER", "-c", "nginx.conf"], "nginx.conf", NGINX, gateway.address);
    assert_eq!(send(&gateway, address, "/api/orders?a=%2F&b").await, 200);
    let seen = gateway.upstream.only();
    assert!(seen.starts_with("POST /orders?a=%2F&b HTTP/1.1\r\n") && seen.ends_with("hello"), "{seen}");
    assert_eq!(line(&seen, "x-countersign-app"), Some("shop"));
    // The test's client stands on a trusted address, so its own word counts; one outside would be the hop that nginx saw.
    assert_eq!(line(&seen, "x-countersign-client"), Some("203.0.113.66"));
    // Not through the proxy, nobody takes its word for it.
    let elsewhere = Request::new("POST", "/api/orders").with_header("Host", "api.example.com").with_body("hello");
    let mut signed = gateway.sign("house", elsewhere);
    signed.target = b"/orders".to_vec();
    gateway.send(&signed).await.refuses(401, "signature_mismatch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_tells_of_the_way_by_itself() {
    let gateway = gateway().await;
    let (_caddy, address) = start("caddy", &["run", "--config", "Caddyfile"], "Caddyfile", CADDY, gateway.address);
    assert_eq!(send(&gateway, address, "/orders?a=%2F&b").await, 200);
    let seen = gateway.upstream.only();
    assert_eq!((line(&seen, "x-countersign-app"), line(&seen, "x-countersign-client")), (Some("shop"), Some("127.0.0.1")));
    assert!(seen.contains(&format!("api.example.com:{}", address.port())) && !seen.contains("evil"), "{seen}");
}
