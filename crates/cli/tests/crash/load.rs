//! Callers that send signed requests as fast as they are answered, and remember what was answered.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_protocol::{Credential, Dialects, Request, SignOptions, Timestamp};
use countersign_testbed::{Connection, wait_until};

/// Connections at one time.
const CONNECTIONS: usize = 8;

/// Requests on their way.
pub(crate) struct Load {
    threads: Vec<JoinHandle<()>>,
    answered: Arc<Mutex<Vec<Vec<u8>>>>,
    count: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl Load {
    /// Begins to send to this address, under each of these keys.
    pub(crate) fn on(address: SocketAddr, keys: &[Credential]) -> Self {
        let (answered, count, ended) = (Arc::default(), Arc::default(), Arc::default());
        let mut load = Self { threads: Vec::new(), answered, count, ended };
        for i in 0..CONNECTIONS {
            let key = keys[i % keys.len()].clone();
            let (answered, count, ended) = (Arc::clone(&load.answered), Arc::clone(&load.count), Arc::clone(&load.ended));
            load.threads.push(std::thread::spawn(move || {
                let Ok(mut connection) = Connection::open(address) else { return };
                while !ended.load(Ordering::SeqCst) {
                    let request = signed(address, &key);
                    // A connection that breaks is the kill.
                    let Ok(answer) = connection.exchange(&request) else { return };
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    answered.lock().unwrap().push(request);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }));
        }
        load
    }

    /// Waits until so many requests have been answered.
    pub(crate) fn until_answered(&self, wanted: usize) {
        assert!(wait_until(Duration::from_secs(60), || self.count.load(Ordering::SeqCst) >= wanted));
    }

    /// Every request that was answered.
    pub(crate) fn end(self) -> Vec<Vec<u8>> {
        self.ended.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.answered.lock().unwrap().clone()
    }
}

/// Sends requests a second time: status and code of each answer.
pub(crate) fn replay(address: SocketAddr, requests: &[Vec<u8>]) -> Vec<(u16, String)> {
    let mut connection = Connection::open(address).unwrap();
    let answers = requests.iter().map(|request| connection.exchange(request).unwrap());
    answers.map(|answer| (answer.status, code(&answer.body))).collect()
}

/// The status of one new request.
pub(crate) fn once(address: SocketAddr, key: &Credential) -> u16 {
    Connection::open(address).unwrap().exchange(&signed(address, key)).unwrap().status
}

fn code(body: &[u8]) -> String {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

/// The bytes of a request with a new nonce, signed now.
fn signed(address: SocketAddr, key: &Credential) -> Vec<u8> {
    static NONCES: AtomicUsize = AtomicUsize::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap()).unwrap();
    let nonce = format!("{}-{}", since.as_nanos(), NONCES.fetch_add(1, Ordering::SeqCst));
    let request = Request::new("POST", "/orders?a=1").with_header("Host", address.to_string()).with_body("{}");
    static DIALECTS: LazyLock<Dialects> = LazyLock::new(|| Dialects::builtin().unwrap());
    let signed = DIALECTS.get("hmac-sha256").unwrap().sign(request, key, &SignOptions::new(now).with_nonce(nonce)).unwrap();
    let signed = signed.into_message().into_request().unwrap();
    let mut bytes = b"POST /orders?a=1 HTTP/1.1\r\nContent-Length: 2\r\n".to_vec();
    for (name, value) in &signed.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    [&bytes, &b"\r\n"[..], &signed.body].concat()
}
