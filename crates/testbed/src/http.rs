//! A plain HTTP/1.1 client: the bytes that are given are the bytes that are sent.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that is kept from one exchange to the next.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Status line and header lines.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Sends these bytes and reads one answer.
    ///
    /// # Errors
    /// The connection broke, or what came is no answer.
    pub fn exchange(&mut self, bytes: &[u8]) -> io::Result<Answer> {
        self.send(bytes)?;
        self.receive()
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// The connection broke.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one answer, whose length its head must say.
    ///
    /// # Errors
    /// The connection broke, or what came is no answer.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let no_answer = || io::Error::new(io::ErrorKind::InvalidData, "no answer");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(no_answer)?;
        let length = header(&head, "content-length").map_or(Ok(0), |text| text.parse().map_err(|_| no_answer()))?;
        while self.read.len() < end + 4 + length {
            self.more()?;
        }
        let body = self.read[end + 4..end + 4 + length].to_vec();
        self.read.drain(..end + 4 + length);
        Ok(Answer { status, head, body })
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece)? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            count => {
                self.read.extend_from_slice(&piece[..count]);
                Ok(())
            }
        }
    }
}

impl Answer {
    /// The value of the first header line of this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}
