//! Hashes that others made, bounds, and what happens when many are asked for at one time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use super::*;

/// Few passes through little memory: what is tested is not the cost.
pub(crate) const CHEAP: Parameters = Parameters { memory_kib: 8, passes: 1, lanes: 1 };

pub(crate) fn cheap() -> PasswordOptions {
    PasswordOptions { parameters: CHEAP, at_once: 2, queue: 4, wait: Duration::from_millis(50) }
}

/// Hashes, and counts.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicUsize);

impl Counting {
    /// How many since the last question.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Hasher for Counting {
    fn hash(&self, password: &[u8], salt: &[u8], parameters: Parameters, tag: &mut [u8]) -> Result<(), OutOfMemory> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Argon2id.hash(password, salt, parameters, tag)
    }
}

/// Tells that it has begun, and goes on when it is told to.
#[derive(Debug)]
struct Held {
    begun: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl Hasher for Held {
    fn hash(&self, _: &[u8], _: &[u8], _: Parameters, _: &mut [u8]) -> Result<(), OutOfMemory> {
        let told = self.begun.send(()).is_ok() && self.go.lock().unwrap().recv().is_ok();
        if told { Ok(()) } else { Err(OutOfMemory) }
    }
}

/// The test of the reference implementation (phc-winner-argon2, src/test.c).
const REFERENCE: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

#[tokio::test]
async fn a_hash_of_the_reference_implementation_is_checked() {
    let passwords = Passwords::new(cheap()).unwrap();
    let stored = PasswordHash::parse(REFERENCE).unwrap();
    assert_eq!(stored.to_phc(), REFERENCE);
    for (password, is_it) in [("password", true), ("Password", false), ("password\0", false)] {
        let turn = passwords.turn().await.unwrap();
        assert_eq!(passwords.check(turn, &password.into(), Some(&stored)).await, Ok(is_it), "{password}");
    }
    assert!(passwords.is_outdated(&stored));
}

#[tokio::test]
async fn what_is_made_is_checked_and_each_salt_is_new() {
    let passwords = Passwords::new(cheap()).unwrap();
    let password = Secret::from("correct horse");
    let [one, other] = [passwords.make(&password, "u").await.unwrap(), passwords.make(&password, "u").await.unwrap()];
    assert_ne!(one.to_phc(), other.to_phc());
    let again = PasswordHash::parse(&one.to_phc()).unwrap();
    assert!(passwords.check(passwords.turn().await.unwrap(), &password, Some(&again)).await.unwrap());
    assert!(!passwords.is_outdated(&again));
    let longer = Passwords::new(PasswordOptions { parameters: Parameters::new(16, 1, 1).unwrap(), ..cheap() }).unwrap();
    assert!(longer.is_outdated(&again));
    assert!(!format!("{one:?}").contains(&one.to_phc()[20..]));
}

#[tokio::test]
async fn without_a_hash_one_is_computed_all_the_same() {
    let hasher = Arc::new(Counting::default());
    let passwords = Passwords::with_hasher(cheap(), Arc::clone(&hasher) as Arc<dyn Hasher>).unwrap();
    assert_eq!(passwords.check(passwords.turn().await.unwrap(), &"correct horse".into(), None).await, Ok(false));
    assert_eq!(hasher.take(), 1);
}

#[test]
fn numbers_and_lengths_are_bounded_before_they_are_used() {
    let tag = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let with = |numbers: &str| PasswordHash::parse(&format!("$argon2id$v=19${numbers}$c29tZXNhbHQ${tag}"));
    assert!(with("m=262144,t=10,p=16").is_some() && with("m=8,t=1,p=1").is_some());
    for numbers in [
        "m=262145,t=1,p=1",
        "m=4294967295,t=1,p=1",
        "m=4294967296,t=1,p=1",
        "m=7,t=1,p=1",
        "m=15,t=1,p=2",
        "m=8,t=0,p=1",
        "m=8,t=11,p=1",
        "m=200,t=1,p=17",
        "m=8,t=1,p=0",
        "m=08,t=1,p=1",
        "m=+8,t=1,p=1",
        "m=8,t=1",
        "m=8,t=1,p=1,k=1",
        "t=1,m=8,p=1",
        "m=,t=1,p=1",
        "",
    ] {
        assert!(with(numbers).is_none(), "{numbers}");
    }
    let shaped = |salt: &str, tag: &str| PasswordHash::parse(&format!("$argon2id$v=19$m=8,t=1,p=1${salt}${tag}"));
    for (salt, tag) in [
        ("c29tZXNhbA", tag),
        ("", tag),
        (&"A".repeat(88), tag),
        ("c29tZXNhbHQ=", tag),
        ("c29tZXNhbHR", tag),
        ("c29tZXNhbHQ", ""),
        ("c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm"),
        ("c29tZXNhbHQ", &"A".repeat(88)),
        ("c29tZXNhbHQ", &format!("{tag}$")),
    ] {
        assert!(shaped(salt, tag).is_none(), "{salt} {tag}");
    }
    for other in ["argon2i", "argon2d", "argon2id$v=16", "bcrypt", "Argon2id"] {
        assert!(PasswordHash::parse(&REFERENCE.replacen("argon2id$v=19", other, 1)).is_none(), "{other}");
    }
}

#[test]
fn what_others_choose_may_not_be_chosen() {
    for (password, weakness_of) in [
        ("", Some(Weakness::TooShort)),
        ("1234567", Some(Weakness::TooShort)),
        ("password", Some(Weakness::Common)),
        ("PassWord1", Some(Weakness::Common)),
        ("Some.Body", Some(Weakness::UserName)),
        ("ééé", Some(Weakness::TooShort)),
        ("éééé", None),
        ("correct horse", None),
        ("# passwords", None),
    ] {
        assert_eq!(weakness(&password.into(), "some.body"), weakness_of, "{password}");
    }
    assert_eq!(weakness(&Secret::new(vec![b'x'; 1_024]), "u"), None);
    assert_eq!(weakness(&Secret::new(vec![b'x'; 1_025]), "u"), Some(Weakness::TooLong));
}

#[tokio::test]
async fn a_caller_that_goes_away_makes_no_room_for_another_hash() {
    let ((begun, has_begun), (go, gone)) = (channel(), channel());
    let options = PasswordOptions { at_once: 1, queue: 1, wait: Duration::from_millis(20), ..cheap() };
    let passwords = Passwords::with_hasher(options, Arc::new(Held { begun, go: Mutex::new(gone) })).unwrap();
    let turn = passwords.turn().await.unwrap();
    let password = Secret::from("correct horse");
    {
        let mut checking = std::pin::pin!(passwords.check(turn, &password, None));
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut checking).await.is_err());
        has_begun.recv().unwrap();
    }
    assert_eq!(passwords.turn().await.unwrap_err(), PasswordError::Overloaded, "the hash still runs");
    go.send(()).unwrap();
    let begun = Instant::now();
    while passwords.turn().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[tokio::test]
async fn who_finds_the_queue_full_is_told_at_once_and_who_waits_is_told_in_time() {
    let options = PasswordOptions { at_once: 1, queue: 2, wait: Duration::from_millis(100), ..cheap() };
    let passwords = Passwords::new(options).unwrap();
    let held = passwords.turn().await.unwrap();
    let mut waiting = [std::pin::pin!(passwords.turn()), std::pin::pin!(passwords.turn())];
    for turn in &mut waiting {
        assert!(tokio::time::timeout(Duration::from_millis(1), turn.as_mut()).await.is_err());
    }
    let asked = Instant::now();
    assert_eq!(passwords.turn().await.unwrap_err(), PasswordError::Overloaded);
    assert!(asked.elapsed() < Duration::from_millis(50), "nobody waits for a place in the queue");
    drop(held);
    let [first, second] = waiting;
    let first = first.await.unwrap();
    assert_eq!(second.await.unwrap_err(), PasswordError::Overloaded, "the first one holds it");
    drop(first);
    assert!(passwords.turn().await.is_ok());
}
