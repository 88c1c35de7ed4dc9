//! A gateway of the binary, running.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use countersign_testbed::wait_until;

use crate::support::command;

/// A running gateway, stopped at the end of the test.
pub(crate) struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Serving {
    pub(crate) fn start(data: &Path, args: &[&str]) -> Self {
        let mut command = command();
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data).args(args);
        let mut child = command.env("COUNTERSIGN_LOG", "warn").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// The address that it announced.
    pub(crate) fn address(&mut self) -> String {
        self.line("listening on ")
    }

    /// What follows this on the first line that begins with it.
    pub(crate) fn line(&mut self, start: &str) -> String {
        let mut line = String::new();
        while !line.starts_with(start) {
            line.clear();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it ended before it said {start}");
        }
        line.trim_end().trim_start_matches(start).to_owned()
    }

    /// Ends it with SIGTERM, and gives its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.code()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Its exit code, when it ends in time.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let mut code = None;
        wait_until(Duration::from_secs(20), || {
            code = self.child.try_wait().unwrap().and_then(|status| status.code());
            code.is_some()
        });
        code
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An upstream that answers each request with its request line.
pub(crate) fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let mut first = String::new();
            reader.read_line(&mut first).unwrap();
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                length = line.to_ascii_lowercase().strip_prefix("content-length:").map_or(length, |text| text.trim().parse().unwrap());
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let body = first.trim_end();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}
