//! Callers that send signed requests as fast as they are answered, and remember what was answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_protocol::{Credential, Dialects, Request, SignOptions, Timestamp};
use countersign_testbed::{Answer, Connection, wait_until};

/// Callers at one time.
const CALLERS: usize = 8;

/// Requests on their way.
pub(crate) struct Load {
    threads: Vec<JoinHandle<()>>,
    told: Arc<Told>,
}

/// What the callers have to tell.
#[derive(Default)]
struct Told {
    answered: Mutex<Vec<Vec<u8>>>,
    count: AtomicUsize,
    failed: Mutex<Vec<String>>,
    ended: AtomicBool,
}

impl Load {
    /// Begins to send to this address, under each of these keys, on connections that are kept. One that breaks ends its caller.
    pub(crate) fn on(address: SocketAddr, keys: &[Credential]) -> Self {
        Self::of(keys, move |key, told| {
            let Ok(mut connection) = Connection::open(address) else { return };
            while !told.has_ended() {
                let request = signed(key);
                match connection.exchange(&request) {
                    Ok(answer) => told.note(request, &answer),
                    Err(_) => return,
                }
            }
        })
    }

    /// The same with a connection for each request. Whatever is not answered with 200 is a failure.
    pub(crate) fn on_new_connections(address: SocketAddr, keys: &[Credential]) -> Self {
        Self::of(keys, move |key, told| {
            while !told.has_ended() {
                let request = signed(key);
                match Connection::open(address).and_then(|mut connection| connection.exchange(&request)) {
                    Ok(answer) => told.note(request, &answer),
                    Err(error) => told.failed.lock().unwrap().push(error.to_string()),
                }
            }
        })
    }

    fn of(keys: &[Credential], call: impl Fn(&Credential, &Told) + Clone + Send + 'static) -> Self {
        let told = Arc::new(Told::default());
        let start = |i: usize| {
            let (key, told, call) = (keys[i % keys.len()].clone(), Arc::clone(&told), call.clone());
            std::thread::spawn(move || call(&key, &told))
        };
        Self { threads: (0..CALLERS).map(start).collect(), told }
    }

    /// Waits until so many requests more have been answered.
    pub(crate) fn until_answered(&self, more: usize) {
        let wanted = self.told.count.load(Ordering::SeqCst) + more;
        assert!(wait_until(Duration::from_secs(60), || self.told.count.load(Ordering::SeqCst) >= wanted));
    }

    /// Every request that was answered with 200, and what became of the others.
    pub(crate) fn end(self) -> (Vec<Vec<u8>>, Vec<String>) {
        self.told.ended.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        (std::mem::take(&mut self.told.answered.lock().unwrap()), std::mem::take(&mut self.told.failed.lock().unwrap()))
    }
}

impl Told {
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn note(&self, request: Vec<u8>, answer: &Answer) {
        if answer.status == 200 {
            self.answered.lock().unwrap().push(request);
            self.count.fetch_add(1, Ordering::SeqCst);
        } else {
            self.failed.lock().unwrap().push(format!("{}: {}", answer.status, answer.text()));
        }
    }
}

/// Sends requests a second time: status and code of each answer.
pub(crate) fn replay(address: SocketAddr, requests: &[Vec<u8>]) -> Vec<(u16, String)> {
    let mut connection = Connection::open(address).unwrap();
    let answers = requests.iter().map(|request| connection.exchange(request).unwrap());
    answers.map(|answer| (answer.status, code(&answer))).collect()
}

/// Status and code of one new request.
pub(crate) fn once(address: SocketAddr, key: &Credential) -> (u16, String) {
    let answer = Connection::open(address).unwrap().exchange(&signed(key)).unwrap();
    (answer.status, code(&answer))
}

/// The code of a refusal.
pub(crate) fn code(answer: &Answer) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

/// The bytes of a request with a new nonce, signed now.
pub(crate) fn signed(key: &Credential) -> Vec<u8> {
    signed_ahead(key, Duration::ZERO)
}

/// The same, signed so far ahead of the clock.
pub(crate) fn signed_ahead(key: &Credential, ahead: Duration) -> Vec<u8> {
    static DIALECTS: LazyLock<Dialects> = LazyLock::new(|| Dialects::builtin().unwrap());
    static NONCES: AtomicUsize = AtomicUsize::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap()).unwrap().plus(ahead);
    let nonce = format!("{}-{}", since.as_nanos(), NONCES.fetch_add(1, Ordering::SeqCst));
    let request = Request::new("POST", "/orders?a=1").with_header("Host", "api.example.com").with_body("{}");
    let signed = DIALECTS.get("hmac-sha256").unwrap().sign(request, key, &SignOptions::new(now).with_nonce(nonce)).unwrap();
    let signed = signed.into_message().into_request().unwrap();
    let mut bytes = b"POST /orders?a=1 HTTP/1.1\r\nContent-Length: 2\r\n".to_vec();
    for (name, value) in &signed.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    [&bytes, &b"\r\n"[..], &signed.body].concat()
}
