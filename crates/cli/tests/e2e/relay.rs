//! A TCP relay between a client and the gateway: it keeps what passed in both directions, and may change bytes on the way.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a side may be silent.
const SILENCE: Duration = Duration::from_secs(20);

/// One byte of a request that becomes another one on the way. Both texts have the same length and differ in one byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

/// What passed over one connection.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    /// As the client sent it.
    pub(crate) sent: Vec<u8>,
    /// As the gateway got it.
    pub(crate) forwarded: Vec<u8>,
    /// As the gateway answered.
    pub(crate) answered: Vec<u8>,
}

/// A relay to one gateway.
pub(crate) struct Relay {
    address: SocketAddr,
    acceptor: JoinHandle<Vec<Exchange>>,
}

impl Relay {
    /// Listens on a free loopback port.
    pub(crate) fn to(gateway: SocketAddr, change: Option<Change>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, acceptor: std::thread::spawn(move || accept(&listener, gateway, change)) }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed, connection by connection. The client has ended by now.
    pub(crate) fn finish(self) -> Vec<Exchange> {
        // A connection without a byte ends the relay.
        drop(TcpStream::connect(self.address).unwrap());
        self.acceptor.join().unwrap()
    }
}

/// Takes connections until one brings no byte.
fn accept(listener: &TcpListener, gateway: SocketAddr, change: Option<Change>) -> Vec<Exchange> {
    let mut open: Vec<JoinHandle<Exchange>> = Vec::new();
    loop {
        let (client, _) = listener.accept().unwrap();
        client.set_read_timeout(Some(SILENCE)).unwrap();
        if client.peek(&mut [0]).unwrap_or(0) == 0 {
            break;
        }
        open.push(std::thread::spawn(move || pass(client, gateway, change)));
    }
    open.into_iter().map(|connection| connection.join().unwrap()).collect()
}

/// Passes one connection's bytes on until the client hangs up.
fn pass(mut client: TcpStream, gateway: SocketAddr, change: Option<Change>) -> Exchange {
    let mut server = TcpStream::connect(gateway).unwrap();
    server.set_read_timeout(Some(SILENCE)).unwrap();
    let answered = Arc::new(Mutex::new(Vec::new()));
    let (mut back_from, mut back_to, kept) = (server.try_clone().unwrap(), client.try_clone().unwrap(), Arc::clone(&answered));
    let back = std::thread::spawn(move || {
        each_read(&mut back_from, |bytes| {
            kept.lock().unwrap().extend_from_slice(bytes);
            back_to.write_all(bytes).is_ok()
        });
        let _ = back_to.shutdown(Shutdown::Both);
    });
    let mut exchange = Exchange::default();
    let mut changing = Changing { change, held: Vec::new() };
    each_read(&mut client, |bytes| {
        exchange.sent.extend_from_slice(bytes);
        let onward = changing.take(bytes);
        exchange.forwarded.extend_from_slice(&onward);
        server.write_all(&onward).is_ok()
    });
    let _ = server.shutdown(Shutdown::Both);
    back.join().unwrap();
    exchange.answered = std::mem::take(&mut *answered.lock().unwrap());
    exchange
}

/// Hands on what arrives, until the end, an error, or a `false`.
fn each_read(from: &mut TcpStream, mut take: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if !take(&buffer[..count]) {
            break;
        }
    }
}

/// Changes the first occurrence of a text in a stream; what may be its beginning waits for the next bytes.
struct Changing {
    change: Option<Change>,
    held: Vec<u8>,
}

impl Changing {
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let Some(Change { from, to }) = self.change else { return all };
        if let Some(at) = all.windows(from.len()).position(|window| window == from.as_bytes()) {
            all[at..at + to.len()].copy_from_slice(to.as_bytes());
            self.change = None;
            return all;
        }
        let waits = (1..from.len().min(all.len() + 1)).rev().find(|n| all.ends_with(&from.as_bytes()[..*n])).unwrap_or(0);
        self.held = all.split_off(all.len() - waits);
        all
    }
}

#[test]
fn a_change_is_one_byte_wherever_the_reads_are_cut() {
    let whole = b"GET /abab/abc?x HTTP/1.1";
    for cut in 0..whole.len() {
        let mut changing = Changing { change: Some(Change { from: "abc", to: "aXc" }), held: Vec::new() };
        let mut onward = changing.take(&whole[..cut]);
        onward.extend(changing.take(&whole[cut..]));
        assert_eq!(onward, b"GET /abab/aXc?x HTTP/1.1", "cut at {cut}");
    }
}
