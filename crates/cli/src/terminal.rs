//! Asking at the terminal for what must not be seen there.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};

use countersign_protocol::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The most bytes of a line: as many as a terminal gives.
const MOST_LINE: usize = 4_096;

/// Whether somebody is there to be asked.
pub(crate) fn is_there() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a password twice.
pub(crate) fn new_password() -> Result<Secret, Failure> {
    let fault = |error: io::Error| Failure::usage(format_args!("the terminal: {error}"));
    let mut terminal = Terminal::open().map_err(fault)?;
    let first = terminal.ask("password: ").map_err(fault)?;
    let second = terminal.ask("the same again: ").map_err(fault)?;
    if first == second { Ok(first) } else { Err(Failure::usage("the two passwords differ; try again")) }
}

/// The terminal, without echo until this is dropped.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    fn open() -> io::Result<Self> {
        let file = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&file)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL);
        // What was typed before is left out: it was seen.
        tcsetattr(&file, OptionalActions::Flush, &quiet)?;
        Ok(Self { file, before })
    }

    fn ask(&mut self, words: &str) -> io::Result<Secret> {
        self.file.write_all(words.as_bytes())?;
        // Reserved whole, so that no copy is left behind by a growing buffer.
        let mut line = Zeroizing::new(Vec::with_capacity(MOST_LINE));
        let mut byte = Zeroizing::new([0]);
        while line.len() < MOST_LINE && self.file.read(byte.as_mut())? == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        self.file.write_all(b"\n")?;
        Ok(Secret::new(line.as_slice()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }
}
