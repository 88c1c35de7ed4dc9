//! The rules of the engine, each at its edge: a case that just holds beside one that just does not.
#![cfg(feature = "yaml")]

use countersign_protocol::{Credential, Dialect, Inputs, Policy, Reason, Request, SignOptions, Timestamp};

mod classes;
mod edges;
mod faults;
mod guards;
mod placing;
mod proofs;
mod reach;
mod shapes;
mod texts;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_323_045).expect("a time")
}

fn key() -> Credential {
    Credential::hmac("key-1", "secret-1")
}

/// A dialect of this file after its head.
fn dialect(file: &str) -> Dialect {
    let head = "countersign: 1\ndialect: a\ntitle: t\nalgorithm: hmac-sha256\ntime: { format: unix, window: { past: 60s, future: 30s } }\n";
    Dialect::from_yaml(&format!("{head}{file}")).unwrap_or_else(|e| panic!("{e}\n{file}"))
}

fn sign(dialect: &Dialect, request: Request, options: &SignOptions) -> Request {
    dialect.sign(request, &key(), options).expect("signable").into_message().into_request().expect("a request")
}

fn verdict(dialect: &Dialect, request: &Request, now: Timestamp, policy: &Policy) -> Result<(), Reason> {
    dialect.verify(request, &Inputs::new(), &[&key()], now, policy).map(drop).map_err(|refusal| refusal.reason())
}
