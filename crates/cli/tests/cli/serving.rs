//! A gateway of the binary, running.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::command;

/// A running gateway, stopped at the end of the test.
pub(crate) struct Serving {
    pub(crate) child: Child,
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
        let mut line = String::new();
        while !line.starts_with("listening on ") {
            line.clear();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it ended before it listened");
        }
        line.trim_end().trim_start_matches("listening on ").to_owned()
    }

    pub(crate) fn recipes(&mut self) -> Vec<Value> {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| {
            let mut words = String::new();
            let _ = self.stderr.read_to_string(&mut words);
            panic!("{e}: {line} {words}")
        })
    }

    /// Ends it with SIGTERM, and gives its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
