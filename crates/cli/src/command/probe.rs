//! `countersign probe`: one GET over plain HTTP, for health checks where no other client is installed.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::console;
use crate::failure::Failure;

/// How long connecting may take, and each read and write.
const TIME: Duration = Duration::from_secs(3);
/// The most bytes of a status line.
const MOST_BYTES: u64 = 512;

/// Runs the command.
pub(crate) fn run(url: &str) -> Result<(), Failure> {
    let mend = "write an address such as http://127.0.0.1:9090/readyz";
    let rest = url.strip_prefix("http://").ok_or_else(|| Failure::usage(format_args!("{url}: no plain HTTP; {mend}")))?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if host.is_empty() || host.contains('@') || !plain(rest) {
        return Err(Failure::usage(format_args!("{url}: no address; {mend}")));
    }
    match status(host, path) {
        Ok(status) if (200..300).contains(&status) => console::line(&format!("{url}: {status}")),
        Ok(status) => refused(url, &status.to_string()),
        Err(error) => refused(url, &error.to_string()),
    }
}

fn refused(url: &str, why: &str) -> Result<(), Failure> {
    console::line(&format!("{url}: {why}"))?;
    Err(Failure::Rejected)
}

/// The status of the answer.
fn status(host: &str, path: &str) -> io::Result<u16> {
    let port = host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let address = if port { host.to_owned() } else { format!("{host}:80") };
    let mut stream = connect(address.to_socket_addrs()?)?;
    stream.set_read_timeout(Some(TIME))?;
    stream.set_write_timeout(Some(TIME))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut line = Vec::new();
    BufReader::new(stream).take(MOST_BYTES).read_until(b'\n', &mut line)?;
    let code = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 ")).and_then(|rest| rest.get(..3));
    let code = code.and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok());
    code.ok_or_else(|| io::Error::other("the answer is no HTTP"))
}

fn connect(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut last = io::Error::other("no such host");
    for address in addresses {
        match TcpStream::connect_timeout(&address, TIME) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
