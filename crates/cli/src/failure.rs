//! How a command ends when it does not end well, and the exit code of each way.

use std::fmt;
use std::io;
use std::path::Path;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Bad usage or bad input: what is wrong, and the mend. Exit code 2.
    Usage(String),
    /// The message was refused; the verdict was already printed. Exit code 1.
    Rejected,
    /// Something was left out; it was already told. Exit code 3.
    Incomplete,
    /// The reader of our output went away: nothing more to say.
    OutputClosed,
}

impl Failure {
    /// Bad input, said in one sentence.
    pub(crate) fn usage(text: impl fmt::Display) -> Self {
        Self::Usage(text.to_string())
    }

    /// A file that could not be read or written.
    pub(crate) fn file(path: &Path, fault: impl fmt::Display) -> Self {
        Self::Usage(format!("{}: {fault}", path.display()))
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Rejected => 1,
            Self::Incomplete => 3,
            Self::OutputClosed => 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            Self::Rejected => f.write_str("the message was refused"),
            Self::Incomplete => f.write_str("something was left out"),
            Self::OutputClosed => f.write_str("the output was closed"),
        }
    }
}

/// Writing data is the only I/O that is passed up as such.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Usage(format!("cannot write the output: {error}"))
        }
    }
}
