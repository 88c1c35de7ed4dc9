//! The link to an adapter: a child process, one line out, one line in, each within a time.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::answer::Answer;
use crate::line::Object;

/// How often an adapter that died or lost its place is started anew.
pub(crate) const RESTARTS: u32 = 3;
/// The longest answer.
const LINE_LIMIT: usize = 64 << 20;
/// How much of what the adapter writes to stderr is shown.
const TAIL: usize = 2000;
/// How much of a line that cannot be read is shown.
const SHOWN: usize = 200;

/// What is wrong with an adapter, as opposed to what it implements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be started.
    Start(String),
    /// It ended, or closed its output.
    Died(String),
    /// It gave no answer in time.
    Silent(Duration),
    /// Its answer is no JSON object.
    NoJson(String),
    /// Its answer has the id of another line.
    WrongId {
        /// The id of the line.
        asked: String,
        /// The id of the answer.
        got: String,
    },
    /// Its answer is no answer of the protocol.
    Misshapen(String),
    /// It answers with a result that is none to what was asked.
    WrongResult(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(why) => write!(f, "the adapter cannot be started: {why}"),
            Self::Died(how) => write!(f, "the adapter died: {how}"),
            Self::Silent(time) => write!(f, "the adapter hangs: no answer within {} s", time.as_secs_f64()),
            Self::NoJson(line) => write!(f, "the adapter answers no JSON object: {line}"),
            Self::WrongId { asked, got } => write!(f, "the adapter answers with the id {got} to the line {asked}"),
            Self::Misshapen(why) => write!(f, "the adapter's answer is not of the protocol: {why}"),
            Self::WrongResult(why) => write!(f, "the adapter's answer does not fit: {why}"),
        }
    }
}

/// An adapter, running or to be started anew.
pub(crate) struct Link {
    command: String,
    timeout: Duration,
    child: Option<Running>,
    starts: u32,
    next_id: u64,
    transcript: Option<Transcript>,
}

struct Running {
    child: Child,
    lines: SyncSender<Vec<u8>>,
    answers: Receiver<io::Result<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

/// Both directions, one JSON object a line.
struct Transcript {
    file: File,
    path: PathBuf,
}

impl Link {
    pub(crate) fn new(command: &str, timeout: Duration, transcript: Option<&Path>) -> io::Result<Self> {
        let open = |path: &Path| File::create(path).map(|file| Transcript { file, path: path.to_owned() });
        Ok(Self { command: command.to_owned(), timeout, child: None, starts: 0, next_id: 0, transcript: transcript.map(open).transpose()? })
    }

    /// Whether it may be asked again: it runs, or may be started anew.
    pub(crate) const fn is_usable(&self) -> bool {
        self.child.is_some() || self.starts <= RESTARTS
    }

    /// Sends a line and waits for its answer. After a fault the adapter is ended; the next line starts it anew.
    pub(crate) fn ask(&mut self, line: Object) -> Result<Answer, Fault> {
        let id = self.next_id;
        self.next_id += 1;
        let mut object = Object::new();
        object.insert("id".to_owned(), id.into());
        object.extend(line);
        let answer = self.exchange(Value::Object(object).to_string().into_bytes())?;
        let got = answer.get("id").cloned().unwrap_or(Value::Null);
        if got != id {
            self.end();
            return Err(Fault::WrongId { asked: id.to_string(), got: got.to_string() });
        }
        Answer::read(&answer).map_err(Fault::Misshapen)
    }

    /// Sends bytes that are no line of the protocol.
    pub(crate) fn ask_raw(&mut self, line: &[u8]) -> Result<Answer, Fault> {
        let answer = self.exchange(line.to_vec())?;
        Answer::read(&answer).map_err(Fault::Misshapen)
    }

    fn exchange(&mut self, line: Vec<u8>) -> Result<Object, Fault> {
        let result = self.exchange_once(line);
        if result.is_err() {
            self.end();
        }
        result
    }

    fn exchange_once(&mut self, mut line: Vec<u8>) -> Result<Object, Fault> {
        let timeout = self.timeout;
        self.start()?;
        self.note("to", &line)?;
        line.push(b'\n');
        let Some(running) = self.child.as_mut() else { return Err(Fault::Start("it is ended".to_owned())) };
        // The thread that writes takes one line at a time: a full channel would be a line that was never read.
        if running.lines.try_send(line).is_err() {
            return Err(running.death());
        }
        let answer = match running.answers.recv_timeout(timeout) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => return Err(Fault::NoJson(error.to_string())),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => return Err(running.death()),
            Err(RecvTimeoutError::Timeout) => return Err(Fault::Silent(timeout)),
        };
        let shown = || String::from_utf8_lossy(answer.get(..SHOWN).unwrap_or(&answer)).into_owned();
        let value = serde_json::from_slice(&answer).map_err(|_| Fault::NoJson(shown()))?;
        self.note("from", &answer)?;
        match value {
            Value::Object(object) => Ok(object),
            _ => Err(Fault::NoJson(shown())),
        }
    }

    fn start(&mut self) -> Result<(), Fault> {
        if self.child.is_some() {
            return Ok(());
        }
        if self.starts > RESTARTS {
            return Err(Fault::Start(format!("it was started {} times", self.starts)));
        }
        self.starts += 1;
        self.child = Some(Running::start(&self.command).map_err(|e| Fault::Start(e.to_string()))?);
        Ok(())
    }

    /// Writes one direction of the transcript. A line that is no JSON stands as its text.
    fn note(&mut self, direction: &str, line: &[u8]) -> Result<(), Fault> {
        let Some(transcript) = &mut self.transcript else { return Ok(()) };
        let value = serde_json::from_slice(line).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(line).into_owned()));
        let object = Object::from_iter([(direction.to_owned(), value)]);
        writeln!(transcript.file, "{}", Value::Object(object)).map_err(|e| Fault::Start(format!("{}: {e}", transcript.path.display())))
    }

    fn end(&mut self) {
        self.child = None;
    }
}

impl Running {
    fn start(command: &str) -> io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", command])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let pipe = child.stderr.take().ok_or_else(missing)?;
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let (lines, to_write) = sync_channel(1);
        let (answered, answers) = sync_channel(1);
        thread::spawn(move || write_lines(stdin, &to_write));
        thread::spawn(move || read_lines(stdout, &answered));
        let tail = Arc::clone(&stderr);
        thread::spawn(move || keep_tail(pipe, &tail));
        Ok(Self { child, lines, answers, stderr })
    }

    /// How it ended, with the last that it wrote to stderr.
    fn death(&mut self) -> Fault {
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut how = "its output is closed".to_owned();
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                how = status.to_string();
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let tail = self.stderr.lock().map(|tail| String::from_utf8_lossy(&tail).trim().to_owned()).unwrap_or_default();
        Fault::Died(if tail.is_empty() { how } else { format!("{how}; its stderr ends: {tail}") })
    }
}

impl Drop for Running {
    /// Ends the adapter with everything that it started, which is one group of processes.
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        // What the shell cannot end is ended by itself: the wait below never hangs.
        let _ = Command::new("sh").args(["-c", "kill -KILL \"$0\"", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends with the first line that cannot be written: the adapter is gone, and whoever waits for its answer sees that.
fn write_lines(mut stdin: ChildStdin, lines: &Receiver<Vec<u8>>) {
    for line in lines {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read_lines(stdout: ChildStdout, answers: &SyncSender<io::Result<Vec<u8>>>) {
    let mut reader = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let answer = match reader.by_ref().take(LINE_LIMIT as u64).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.len() >= LINE_LIMIT => {
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line longer than {} MiB", LINE_LIMIT >> 20)))
            }
            Ok(_) if line.trim_ascii().is_empty() => continue,
            Ok(_) => Ok(line),
            Err(error) => Err(error),
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn keep_tail(mut stderr: impl Read, tail: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(count) = stderr.read(&mut piece) {
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { return };
        if let Ok(mut tail) = tail.lock() {
            tail.extend_from_slice(read);
            let excess = tail.len().saturating_sub(TAIL);
            tail.drain(..excess);
        }
    }
}
