//! The dashboard and the alert rules speak of metrics that a gateway has, by labels that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::fixture::{Setup, house};
use crate::support::Operated;

/// What a gateway tells after some traffic: for each name, the labels that stand with it.
async fn told() -> BTreeMap<String, BTreeSet<String>> {
    let shadow = "[[route]]\nprefix = \"/shadow\"\nupstream = \"echo\"\ndialects = [\"house\"]\nmode = \"shadow\"\n";
    let operated = Operated::start(&(house("") + shadow), "", Setup::default()).await;
    let gateway = &operated.gateway;
    assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200);
    gateway.send(&gateway.request("GET", "/")).await.refuses(401, "missing_signature");
    assert_eq!(gateway.send(&gateway.request("GET", "/shadow")).await.status, 200);
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let metrics = operated.metrics().await;
    for line in metrics.lines() {
        // Without a TLS listener there is no certificate; its name stands in the type's line all the same.
        let (name, labels) = match line.strip_prefix("# TYPE ") {
            Some(rest) => (rest.split(' ').next().unwrap(), ""),
            None if line.starts_with('#') => continue,
            None => line.split_once('{').unwrap_or((line.split(' ').next().unwrap(), "")),
        };
        let names = labels.split("=\"").filter_map(|text| text.rsplit(['"', ',']).next()).filter(|text| is_word(text)).map(str::to_owned);
        told.entry(name.to_owned()).or_default().extend(names);
    }
    told
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The names of metrics in an expression.
fn names(expression: &str) -> Vec<&str> {
    expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.starts_with("countersign_")).collect()
}

/// Labels that an expression compares or groups by, but for those that Prometheus adds.
fn labels(expression: &str) -> Vec<String> {
    let grouped = expression.split(" by (").skip(1).filter_map(|rest| rest.split(')').next()).flat_map(|list| list.split(", "));
    let compared = expression.split('{').skip(1).filter_map(|rest| rest.split('}').next()).flat_map(|list| list.split("\","));
    let compared = compared.filter_map(|label| label.split(['=', '!']).next());
    grouped.chain(compared).filter(|label| !matches!(*label, "le" | "instance")).map(str::to_owned).collect()
}

/// Brackets close in their order, and quotes end.
fn parses(expression: &str) -> bool {
    let (mut open, mut quoted) = (Vec::new(), false);
    for c in expression.chars() {
        match c {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(c) => return false,
            _ => {}
        }
    }
    open.is_empty() && !quoted
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)).unwrap()
}

fn check(expressions: &[String], told: &BTreeMap<String, BTreeSet<String>>) {
    for expression in expressions {
        assert!(parses(expression), "{expression}");
        let named = names(expression);
        assert!(!named.is_empty(), "{expression}");
        for name in &named {
            assert!(told.contains_key(*name), "no gateway tells {name}: {expression}");
        }
        for label in labels(expression) {
            let has = |name: &&str| told[*name].contains(&label) || *name == "countersign_certificate_end_seconds";
            assert!(named.iter().all(has), "there is no label {label}: {expression}");
        }
    }
}

#[tokio::test]
async fn every_panel_asks_for_what_a_gateway_tells_and_nothing_is_left_out() {
    let dashboard: Value = serde_json::from_str(&file("grafana/countersign.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<String> = targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect();
    assert!(expressions.len() > 20);
    let told = told().await;
    check(&expressions, &told);
    let shown = expressions.join(" ");
    let base = |name: &str| ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned();
    let missing: BTreeSet<_> = told.keys().map(|name| base(name)).filter(|name| !shown.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not on the dashboard: {missing:?}");
}

#[tokio::test]
async fn every_alert_asks_for_what_a_gateway_tells_and_says_what_to_do() {
    let rules: Value = serde_yaml::from_str(&file("prometheus/alerts.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    let mut expressions = Vec::new();
    for rule in &rules {
        assert!(rule["alert"].as_str().unwrap().starts_with("Countersign"));
        assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string());
        expressions.push(rule["expr"].as_str().unwrap().to_owned());
    }
    check(&expressions, &told().await);
    let names: BTreeSet<_> = rules.iter().map(|rule| rule["alert"].as_str().unwrap()).collect();
    assert_eq!(names.len(), rules.len());
}

#[test]
fn what_the_checks_look_for_is_seen() {
    assert_eq!(names("sum(rate(countersign_a_total{x=\"countersign\"}[5m])) / countersign_b"), ["countersign_a_total", "countersign_b"]);
    assert_eq!(labels("sum by (le, route) (countersign_a{instance=~\"i\",reason!=\"none\",class=\"2xx\"})"), ["route", "reason", "class"]);
    assert!(parses("sum(a{b=\"(\"}[5m])") && !parses("sum(a") && !parses("sum(a]") && !parses("a{b=\"c}"));
}
