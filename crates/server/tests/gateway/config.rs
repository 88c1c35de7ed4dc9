//! Configurations that make no sense: each is refused with its line, the fault and the mend.

use countersign_protocol::Dialects;
use countersign_server::config::{Config, ConfigError};

use crate::fixture::{Fixture, HOUSE, Setup};
use crate::pki::Pki;

fn dialects() -> Dialects {
    let mut dialects = Dialects::builtin().unwrap();
    dialects.add_yaml("house", HOUSE).unwrap();
    dialects
}

fn compile(text: &str) -> Result<countersign_server::config::Settings, ConfigError> {
    Config::parse("gateway.toml", text)?.compile(&dialects())
}

/// `malformed.toml`.
#[derive(serde::Deserialize)]
struct Malformed {
    good: String,
    case: Vec<Case>,
}

/// One change that makes the good configuration a bad one.
#[derive(serde::Deserialize)]
struct Case {
    find: String,
    put: String,
    line: usize,
    /// Part of what is told; what readers of TOML say in their own words is left out.
    #[serde(default)]
    fault: String,
}

impl Malformed {
    fn read(pki: &Pki) -> Self {
        let (api, _) = (pki.issue("api", &["api.example.com"]), pki.issue("other", &["other.example.com"]));
        let folder = pki.root().parent().unwrap().display().to_string();
        let placed = |text: &str| text.replace("PKI", &folder).replace("FINGERPRINT", &api.fingerprint());
        let mut read: Self = toml::from_str(include_str!("malformed.toml")).unwrap();
        read.good = placed(&read.good);
        for case in &mut read.case {
            (case.find, case.put) = (placed(&case.find), placed(&case.put));
        }
        read
    }

    fn bad(&self, case: &Case) -> String {
        assert!(self.good.contains(&case.find), "{}", case.find);
        self.good.replacen(&case.find, &case.put, 1)
    }
}

impl Case {
    fn is_told_by(&self, faults: &[ConfigError]) {
        let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>();
        let right = |fault: &ConfigError| fault.line() == Some(self.line) && fault.to_string().contains(&self.fault);
        assert!(faults.first().is_some_and(right), "{:?} (line {}): {told:?}", self.put, self.line);
        assert_eq!(faults.len(), 1, "{:?}: {told:?}", self.put);
        assert!(faults.iter().all(|fault| !fault.mend().is_empty() && !fault.file().is_empty()));
    }
}

#[test]
fn a_good_one_is_taken() {
    let pki = Pki::new();
    let good = Malformed::read(&pki).good.replace("UPSTREAM", "127.0.0.1:9000");
    let settings = compile(&good).unwrap();
    assert_eq!((settings.routes.iter().count(), settings.tls.len()), (5, 1));
    for told in ["gateway.toml:31: route /V1: the host may be unsigned", "gateway.toml:31: route /V1: in shadow mode"] {
        assert!(settings.warnings.iter().any(|warning| warning.starts_with(told)), "{told}: {:?}", settings.warnings);
    }
}

#[test]
fn each_of_a_hundred_faults_has_its_line_and_mend() {
    let pki = Pki::new();
    let malformed = Malformed::read(&pki);
    assert!(malformed.case.len() >= 100);
    for case in &malformed.case {
        let text = malformed.bad(case).replace("UPSTREAM", "127.0.0.1:9000");
        let checked = Config::parse_leniently("gateway.toml", &text).check(&dialects());
        assert!(checked.settings.is_none(), "{}", case.put);
        case.is_told_by(&checked.faults);
    }
}

#[tokio::test]
async fn each_of_a_hundred_faults_is_refused_in_a_reload_and_the_old_one_serves_on() {
    let pki = Pki::new();
    let malformed = Malformed::read(&pki);
    let gateway = Fixture::start(&malformed.good, Setup::default()).await;
    let source = gateway.source(&malformed.good);
    for case in &malformed.case {
        gateway.write_config(&malformed.bad(case));
        case.is_told_by(&gateway.reloader.reload(&source).unwrap_err());
        assert_eq!(gateway.send(&gateway.sign("house", gateway.request("GET", "/"))).await.status, 200, "{}", case.put);
    }
    assert_eq!(gateway.reloader.state().generation, 1);
    gateway.write_config(&malformed.good);
    assert_eq!(gateway.reloader.reload(&source).unwrap().generation, 2);
}

#[test]
fn every_fault_is_told_at_once() {
    let pki = Pki::new();
    let malformed = Malformed::read(&pki);
    let several =
        ["workers = 1", "queue_time = \"1s\"", "prefix = \"/V1\"", "[\"GET\", \"POST\"]", "replay = \"nonce\"", "authority = \"wire\""];
    let put = ["workers = 0", "queue_time = 1", "prefix = \"V1\"", "[\"get\", \"post\"]", "replay = \"never\"", "authoritee = 1"];
    let bad =
        several.iter().zip(put).fold(malformed.good.replace("UPSTREAM", "127.0.0.1:9000"), |text, (find, put)| text.replacen(find, put, 1));
    let checked = Config::parse_leniently("gateway.toml", &bad).check(&dialects());
    let lines: Vec<_> = checked.faults.iter().filter_map(ConfigError::line).collect();
    assert_eq!(lines, [3, 15, 32, 42, 42, 49, 64], "{:?}", checked.faults);
}

#[test]
fn users_log_in_over_tls_or_on_this_machine() {
    let config = |listen: &str, further: &str| {
        format!(
            "listen = [\"{listen}\"]\n\n[session]\nissuer = \"https://api.example.com\"\ndialects = [\"hmac-sha256\"]\n{further}\n\n\
             [[route]]\nprefix = \"/\"\nupstream = \"echo\"\ndialects = [\"hmac-sha256\"]\nsession = \"required\"\n"
        )
    };
    let refused = compile(&config("0.0.0.0:0", "")).unwrap_err();
    assert_eq!((refused.line(), refused.fault().contains("passwords and tokens on an open wire")), (Some(3), true), "{refused}");
    assert!(compile(&config("127.0.0.1:0", "")).is_ok() && compile(&config("0.0.0.0:0", "behind_tls = true")).is_ok());
}

#[test]
fn a_fault_shows_no_password() {
    let text = "listen = [\"127.0.0.1:0\"]\n[[route]]\nprefix = \"/\"\nupstream = \"http://user:canary@h:80\"\ndialects = [\"house\"]\n";
    let shown = compile(text).unwrap_err().to_string();
    assert!(shown.contains("is no upstream") && !shown.contains("canary"), "{shown}");
}

#[test]
fn loopback_counts_as_tls_only_on_the_loopback() {
    let text = |address: &str| {
        format!(
            "listen = [\"{address}\"]\n[[route]]\nprefix = \"/\"\nupstream = \"echo\"\ndialects = [\"api-key\"]\nloopback_is_tls = true\n"
        )
    };
    assert!(compile(&text("127.0.0.1:0")).is_ok());
    assert!(compile(&text("0.0.0.0:0")).unwrap_err().to_string().contains("loopback_is_tls"));
}
