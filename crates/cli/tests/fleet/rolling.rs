//! Gateways behind a proxy that are restarted one after the other, under load: no request fails.

use countersign_testbed::{Nginx, wait_until};
use std::time::Duration;

use crate::load::Load;
use crate::site::Site;

/// How the proxy spreads requests over these gateways. A request is sent once: whoever tries again would repeat a nonce.
fn proxy(sites: &[&Site]) -> String {
    let servers: String = sites.iter().map(|site| format!("server {} max_fails=0;\n", site.address())).collect();
    format!(
        "upstream gateways {{\n{servers}keepalive 16;\n}}\n\
         server {{\nlisten LISTEN;\nlocation / {{\nproxy_pass http://gateways;\nproxy_http_version 1.1;\nproxy_next_upstream off;\n\
         proxy_set_header Host $http_host;\nproxy_set_header Connection \"\";\n}}\n}}\n"
    )
}

#[test]
fn no_request_fails_while_gateways_are_restarted_one_after_the_other() {
    let sites = [Site::new(), Site::new()];
    let mut gateways = [Some(sites[0].serve(None)), Some(sites[1].serve(None))];
    let nginx = Nginx::start(&proxy(&[&sites[0], &sites[1]]));
    let load = Load::on_new_connections(nginx.address(), &sites[0].keys);
    load.until_answered(100);
    for (i, site) in sites.iter().enumerate() {
        let other = &sites[1 - i];
        nginx.reload(&proxy(&[other]));
        load.until_answered(100);
        assert_eq!(gateways[i].take().unwrap().stop(), Some(0));
        load.until_answered(100);
        gateways[i] = Some(site.serve(None));
        nginx.reload(&proxy(&[&sites[0], &sites[1]]));
        load.until_answered(100);
    }
    let (answered, failed) = load.end();
    assert_eq!(failed, [] as [String; 0], "{}", nginx.log());
    assert!(answered.len() >= 700);
    assert!(wait_until(Duration::from_secs(1), || nginx.log().lines().all(|line| !line.contains("[error]"))), "{}", nginx.log());
}
