//! The servers start, forget or keep what they should, and end.

use std::time::Duration;

use countersign_testbed::{Postgres, Redis, wait_until};

#[test]
fn a_killed_redis_forgets() {
    let mut redis = Redis::start();
    assert_eq!(redis.command(&["SET", "a", "1"]), "+OK\r\n");
    redis.restart();
    assert_eq!(redis.command(&["GET", "a"]), "$-1\r\n");
    let address = redis.url().trim_start_matches("redis://").trim_end_matches('/').to_owned();
    drop(redis);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_killed_postgres_keeps_what_was_committed() {
    let mut postgres = Postgres::start();
    postgres.run("CREATE TABLE t (n integer PRIMARY KEY); INSERT INTO t VALUES (1)");
    postgres.kill();
    postgres.restart();
    postgres.run("INSERT INTO t VALUES (2)");
    postgres.run("DO $$ BEGIN ASSERT (SELECT count(*) = 2 FROM t); END $$");
    let address = postgres.url().split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    drop(postgres);
    assert!(wait_until(Duration::from_secs(5), || std::net::TcpStream::connect(&address).is_err()));
}
