//! Access tokens before other readers: what is minted here they accept, and what is accepted here of theirs they accept too.
#![cfg(feature = "sessions")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::session::signing::KeyRing;
use countersign_core::session::token::{AccessToken, Confirmation, TokenUser, mint, verify};
use countersign_core::session::{SessionId, TokenId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

#[path = "support/keys.rs"]
mod keys;

use keys::{Keys, at};

const NOW: u64 = 1_739_437_548;
/// Tokens of each key that are minted here.
const MINTED: u8 = 60;
/// Tokens that are changed, and signed by the others.
const CHANGED: usize = 6_000;
/// The keys that sign now.
const KIDS: [&str; 3] = ["k_ed25519", "k_p256", "k_hmac"];

/// What the others say of a token.
#[derive(Debug, Deserialize)]
struct Told {
    what: String,
    token: String,
    pyjwt: bool,
    joserfc: bool,
    #[serde(default)]
    jose: bool,
}

#[test]
fn what_is_accepted_here_others_accept() {
    let keys = Keys::read();
    let ring = keys.ring("usual").unwrap();
    let given: Vec<String> =
        KIDS.into_iter().flat_map(|kid| (0..MINTED).map(move |n| (kid, n))).map(|(kid, n)| minted(&keys, &ring, kid, n)).collect();
    let mut told = ask(&job(&keys, &given));
    assert_eq!(told.len(), given.len() + CHANGED);
    let tokens: Vec<&str> = told.iter().map(|told| told.token.as_str()).collect();
    let by_jose = ask_jose(&job(&keys, &[]), &tokens);
    assert_eq!(by_jose.len(), tokens.len());
    told.iter_mut().zip(by_jose).for_each(|(told, takes)| told.jose = takes);
    let mut accepted = BTreeMap::<&str, [usize; 2]>::new();
    for Told { what, token, pyjwt, joserfc, jose } in &told {
        let everywhere = *pyjwt && *joserfc && *jose;
        let here = verify(token, &ring, &keys.rules(), at(NOW.try_into().unwrap()));
        let counts = accepted.entry(what).or_default();
        counts[0] += usize::from(here.is_ok());
        counts[1] += usize::from(everywhere);
        assert!(here.is_err() || everywhere, "{what}: accepted here, not there ({pyjwt}, {joserfc}, {jose}): {token}");
        assert!(what != "given" || here.is_ok(), "{here:?}: {token}");
    }
    // They are asked in earnest: harmless changes pass everywhere, and of the others most pass only there.
    let [here, there] = ["nothing", "order", "blanks", "text"]
        .map(|what| accepted[what])
        .iter()
        .fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
    assert!(here > 1_000 && there >= here, "{accepted:?}");
    for what in ["value", "more", "header", "twice"] {
        let [here, there] = accepted[what];
        assert!(there > here + 20, "{what}: {accepted:?}");
    }
}

fn minted(keys: &Keys, ring: &KeyRing, kid: &str, n: u8) -> String {
    let (iat, which) = (NOW - u64::from(n), usize::from(n));
    let cnf = [Confirmation::Kid("ck_1".to_owned()), Confirmation::Jkt(URL_SAFE_NO_PAD.encode([n; 32]))];
    let token = AccessToken {
        iss: keys.rules().issuer,
        aud: keys.rules().audience,
        sub: UserId::from_bytes([n; 16]),
        client_id: "billing".to_owned(),
        sid: SessionId::from_bytes([2; 16]),
        jti: TokenId::from_bytes([n; 16]),
        iat,
        exp: iat + 600,
        auth_time: iat,
        scope: ["", "read", "read orders:write"][which % 3].to_owned(),
        rtg: u64::from(n),
        ep: 0,
        cnf: (which % 5 > 0).then(|| cnf[which % 2].clone()),
        bearer: which % 5 == 0,
        u: TokenUser {
            name: ["Alice", "Zoë \"q\" \\", "编辑\u{1f511}"][which % 3].to_owned(),
            roles: vec!["editor".to_owned(); which % 4],
        },
        amr: vec!["pwd".to_owned(); which % 2],
    };
    mint(ring.verifying(kid, at(NOW.try_into().unwrap())).unwrap(), &token).unwrap()
}

fn job(keys: &Keys, given: &[String]) -> Value {
    let rules = keys.rules();
    let own = keys.rings["usual"].iter().filter(|key| KIDS.contains(&key.kid.as_str()));
    let own: Vec<Value> = own.map(|key| json!({ "kid": key.kid, "alg": key.alg, "jwk": key.jwk })).collect();
    json!({
        "now": NOW, "issuer": rules.issuer, "audience": rules.audience, "skew": rules.skew.as_secs(), "keys": own, "given": given,
        "seed": 20_261_127, "count": CHANGED,
    })
}

fn ask(job: &Value) -> Vec<Told> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("../../.services/venv/bin/python");
    let mut command = Command::new(python);
    command.arg(root.join("tests/differential/oracle.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    answer(command, job).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Which of the tokens jose accepts: one process for all of them.
fn ask_jose(job: &Value, tokens: &[&str]) -> Vec<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("node");
    command.arg(root.join("tests/differential/jose.mjs")).arg(root.join("../../.services/node/tokens"));
    let mut job = job.clone();
    job["tokens"] = json!(tokens);
    serde_json::from_str(&answer(command, &job)).unwrap()
}

/// What a program prints that is given this on stdin.
fn answer(mut command: Command, job: &Value) -> String {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = started.unwrap_or_else(|error| panic!("{command:?}: {error}; run `cargo xtask services install`"));
    child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the other readers failed; run `cargo xtask services install`");
    String::from_utf8(output.stdout).unwrap()
}
