//! Two gateways on one PostgreSQL and one Redis: what one has seen the other knows, and what fails is closed and comes back by itself.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use countersign_protocol::Credential;
use countersign_testbed::{Connection, Postgres, Redis, Serving, wait_until};

use crate::load::{code, once, replay, signed, signed_ahead};
use crate::site::private;

/// How long cached credentials work without the database in these tests.
const STALE: Duration = Duration::from_secs(3);

/// Stores, and what gateways on them need.
struct Fleet {
    postgres: Postgres,
    redis: Redis,
    folder: tempfile::TempDir,
}

impl Fleet {
    fn new() -> Self {
        let redis = Redis::start();
        let url = redis.url();
        Self::on(redis, &url)
    }

    /// On this Redis, which its gateways reach under this URL.
    fn on(redis: Redis, url: &str) -> Self {
        let fleet = Self { postgres: Postgres::start(), redis, folder: tempfile::tempdir().unwrap() };
        let config = format!(
            "listen = [\"127.0.0.1:0\"]\nworkers = 1\nmaster_key = \"{}\"\n[store]\npostgres = \"{}\"\nredis = \"{}\"\nstale = \"{}s\"\nclock_skew = \"1s\"\n\n\
             [[route]]\nprefix = \"/\"\nupstream = \"echo\"\ndialects = [\"hmac-sha256\"]\nwindow = {{ past = \"5m\", future = \"2s\" }}\n",
            fleet.folder.path().join("master.key").display(),
            fleet.postgres.url(),
            url,
            STALE.as_secs()
        );
        private(fleet.folder.path(), "gateway.toml", &config);
        fleet
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    fn serve(&self) -> Serving {
        self.serve_with([])
    }

    fn serve_with<'e>(&self, environment: impl IntoIterator<Item = (&'e str, PathBuf)>) -> Serving {
        let config = self.config();
        Serving::start(Path::new(env!("CARGO_BIN_EXE_countersign")), &["--config", config.to_str().unwrap()], environment)
    }

    /// Runs `countersign` on the stores of the fleet.
    fn run(&self, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = command.args(arguments).arg("--config").arg(self.config()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn register(&self, key_id: &str) -> Credential {
        let secret = format!("the secret of {key_id}");
        let file = private(self.folder.path(), "secret", &secret);
        self.run(&["app", "add", "shop", "--dialect", "hmac-sha256", "--key-id", key_id, "--secret-file", file.to_str().unwrap()]);
        Credential::hmac(key_id, secret.as_str())
    }
}

/// How many nonces are sent to both at once: `cargo xtask test --full fleet` sends 10,000.
fn nonces() -> usize {
    std::env::var("COUNTERSIGN_NONCES").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

/// Waits until a new request is answered like this.
fn until(gateway: &Serving, key: &Credential, wanted: &str) {
    let answered = || once(gateway.address(), key);
    assert!(wait_until(Duration::from_secs(30), || answered().1 == wanted), "{wanted}: {:?} {}", answered(), gateway.said());
}

#[test]
fn of_two_gateways_one_accepts_each_nonce() {
    let fleet = Fleet::new();
    let gateways = [fleet.serve(), fleet.serve()];
    let key = fleet.register("k");
    gateways.iter().for_each(|gateway| until(gateway, &key, ""));
    let (pairs, addresses) = (8, gateways.each_ref().map(Serving::address));
    let race = |count: usize| {
        let mut both = addresses.map(|address| Connection::open(address).unwrap());
        for _ in 0..count {
            let request = signed(&key);
            // Sent to both before either is heard.
            both.iter_mut().for_each(|connection| connection.send(&request).unwrap());
            let mut answers = both.each_mut().map(|connection| connection.receive().unwrap());
            answers.sort_by_key(|answer| answer.status);
            let told = answers.map(|answer| (answer.status, code(&answer)));
            assert_eq!(told, [(200, String::new()), (409, "replayed".to_owned())]);
        }
    };
    std::thread::scope(|scope| {
        let racing: Vec<_> = (0..pairs).map(|_| scope.spawn(|| race(nonces() / pairs))).collect();
        racing.into_iter().for_each(|racing| racing.join().unwrap());
    });
}

#[test]
fn a_credential_that_was_disabled_through_one_is_refused_by_the_other_within_a_second() {
    let fleet = Fleet::new();
    let gateways = [fleet.serve(), fleet.serve()];
    let key = fleet.register("k");
    gateways.iter().for_each(|gateway| until(gateway, &key, ""));
    fleet.run(&["app", "disable", "shop", "--key-id", "k"]);
    let disabled = Instant::now();
    gateways.iter().for_each(|gateway| until(gateway, &key, "key_disabled"));
    assert!(disabled.elapsed() < Duration::from_secs(1), "{:?}", disabled.elapsed());
}

#[test]
fn a_replay_store_that_was_killed_and_is_empty_lets_nothing_come_twice() {
    let mut fleet = Fleet::new();
    let gateways = [fleet.serve(), fleet.serve()];
    // Registered before the replay store began to remember: what is signed before that may have been seen by another one.
    let key = fleet.register("k");
    gateways.iter().for_each(|gateway| until(gateway, &key, ""));
    let seen: Vec<_> = (0..20).map(|_| signed(&key)).collect();
    let accepted = replay(gateways[0].address(), &seen);
    assert!(accepted.iter().all(|(status, _)| *status == 200), "{accepted:?}");
    let held_back = signed(&key);
    // As far ahead of the clock as is allowed, and a little less for the way.
    let ahead = vec![signed_ahead(&key, Duration::from_millis(1_500))];
    assert_eq!(replay(gateways[0].address(), &ahead), [(200, String::new())]);

    fleet.redis.kill();
    for gateway in &gateways {
        let asked = Instant::now();
        assert_eq!(once(gateway.address(), &key), (503, "store_unavailable".to_owned()));
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    }
    fleet.redis.restart();
    // It is young enough to pass as new, and is not.
    let again = || replay(gateways[1].address(), &ahead).remove(0).1;
    assert!(wait_until(Duration::from_secs(30), || again() != "store_unavailable"), "{}", gateways[1].said());
    assert_eq!(again(), "store_recovering");
    for gateway in &gateways {
        // Without a restart of the gateway.
        until(gateway, &key, "");
        let again = replay(gateway.address(), &seen);
        assert_eq!(again, vec![(503, "store_recovering".to_owned()); seen.len()]);
        let held_back = Connection::open(gateway.address()).unwrap().exchange(&held_back).unwrap();
        assert_eq!(code(&held_back), "store_recovering", "signed before the new memory, and never seen: it waits for a new signature");
    }
}

#[test]
fn the_replay_store_is_reached_over_tls_and_only_under_a_trusted_certificate() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let (redis, url) = Redis::start_tls(&certificate, &key);
    let fleet = Fleet::on(redis, &url);
    let trusted = private(fleet.folder.path(), "trusted.pem", &certificate);
    let gateway = fleet.serve_with([("SSL_CERT_FILE", trusted)]);
    let key = fleet.register("k");
    until(&gateway, &key, "");
    let request = signed(&key);
    let answers = replay(gateway.address(), &[request.clone(), request]);
    assert_eq!(answers, [(200, String::new()), (409, "replayed".to_owned())]);
    assert!(fleet.redis.command(&["DBSIZE"]).trim_start_matches(':').trim().parse::<u32>().unwrap() > 0, "nothing was kept there");
    // Another gateway, which does not know who issued the certificate, asks the store nothing.
    until(&fleet.serve(), &key, "store_unavailable");
}

#[test]
fn without_the_database_known_apps_are_served_for_a_bounded_time() {
    let mut fleet = Fleet::new();
    let gateway = fleet.serve();
    let key = fleet.register("k");
    until(&gateway, &key, "");
    // A change that is told is followed by one more look: let it pass.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(once(gateway.address(), &key).0, 200);
    fleet.postgres.kill();
    let killed = Instant::now();
    assert_eq!(once(gateway.address(), &Credential::hmac("unknown", "secret")), (503, "store_unavailable".to_owned()));
    while once(gateway.address(), &key).0 == 200 {
        assert!(killed.elapsed() < STALE + Duration::from_secs(4), "{:?}", killed.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(killed.elapsed() > STALE - Duration::from_secs(1), "{:?}", killed.elapsed());
    assert_eq!(once(gateway.address(), &key), (503, "store_unavailable".to_owned()));
    fleet.postgres.restart();
    until(&gateway, &key, "");
}

#[test]
fn a_rate_holds_over_both_gateways() {
    let fleet = Fleet::new();
    let gateways = [fleet.serve(), fleet.serve()];
    let key = fleet.register("k");
    gateways.iter().for_each(|gateway| until(gateway, &key, ""));
    fleet.run(&["app", "set", "shop", "--rate", "1/6"]);
    gateways.iter().for_each(|gateway| until(gateway, &key, "rate_limited"));
    std::thread::sleep(Duration::from_secs(2));
    let taken = (0..10).filter(|i| once(gateways[i % 2].address(), &key).0 == 200).count();
    assert!((1..=4).contains(&taken), "{taken}");
}

#[test]
fn a_password_in_the_configuration_is_in_no_word_of_the_gateway() {
    let fleet = Fleet::new();
    let text = std::fs::read_to_string(fleet.config()).unwrap().replace("countersign@", "countersign:the secret of nobody@");
    std::fs::File::create(fleet.config()).unwrap().write_all(text.as_bytes()).unwrap();
    let broken = text.replace("127.0.0.1:0", "nowhere");
    let file = private(fleet.folder.path(), "broken.toml", &broken);
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.args(["serve", "--config"]).arg(file).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nowhere") && !said.contains("the secret of nobody"), "{said}");
}
