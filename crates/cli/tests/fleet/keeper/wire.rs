//! What stands between a client and the gateway: it counts refreshes, and loses, tears or sheds what it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_testbed::Connection;

/// A proxy that passes bytes on as they are.
pub(crate) struct Wire {
    address: SocketAddr,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    refreshes: AtomicUsize,
    lost: AtomicUsize,
    torn: AtomicUsize,
    shed: AtomicUsize,
}

impl Wire {
    /// In front of this gateway.
    pub(crate) fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Self { address: listener.local_addr().unwrap(), faults: Arc::default() };
        let faults = Arc::clone(&wire.faults);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let faults = Arc::clone(&faults);
                std::thread::spawn(move || pass(stream, gateway, &faults));
            }
        });
        wire
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many refreshes were asked for.
    pub(crate) fn refreshes(&self) -> usize {
        self.faults.refreshes.load(Ordering::Relaxed)
    }

    /// Loses so many answers to refreshes, and ends so many in their middle.
    pub(crate) fn lose(&self, lost: usize, torn: usize) {
        self.faults.lost.store(lost, Ordering::Relaxed);
        self.faults.torn.store(torn, Ordering::Relaxed);
    }

    /// Answers so many refreshes as a gateway whose store is gone.
    pub(crate) fn shed(&self, count: usize) {
        self.faults.shed.store(count, Ordering::Relaxed);
    }
}

fn takes(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// One connection, until either side ends it.
fn pass(mut stream: TcpStream, gateway: SocketAddr, faults: &Faults) -> Option<()> {
    loop {
        let request = read(&mut stream)?;
        let is_refresh = request.starts_with(b"POST /session/refresh ");
        if is_refresh {
            faults.refreshes.fetch_add(1, Ordering::Relaxed);
        }
        if is_refresh && takes(&faults.shed) {
            let body = r#"{"code": "store_unavailable", "detail": "try again"}"#;
            let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n";
            stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).ok()?;
            continue;
        }
        let answer = Connection::open(gateway).ok()?.exchange(&request).ok()?;
        let mut bytes = [answer.head.as_bytes(), b"\r\n\r\n", &answer.body].concat();
        if is_refresh && takes(&faults.lost) {
            return None;
        }
        if is_refresh && takes(&faults.torn) {
            bytes.truncate(bytes.len() - 20);
            return stream.write_all(&bytes).ok();
        }
        stream.write_all(&bytes).ok()?;
    }
}

/// One request with its body.
fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&piece[..count]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        if request.len() >= end + 4 + length {
            return Some(request);
        }
    }
}
