//! The two streams: data goes to stdout, words go to stderr.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::Failure;

/// The most that is read from a file or stdin: a message with a large body.
pub(crate) const INPUT_LIMIT: usize = 64 << 20;

/// Writes bytes to stdout as they are.
pub(crate) fn data(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Writes one line of text to stdout.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'\n');
    data(&bytes)
}

/// Says something on stderr. A closed stderr is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// Whether stdin was read: it can be read once.
static READ: AtomicBool = AtomicBool::new(false);

/// Reads a file, or stdin where the name is `-`, up to [`INPUT_LIMIT`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() == "-" {
        if READ.swap(true, Ordering::Relaxed) {
            return Err(Failure::usage("two inputs are named -, and stdin can be read once; put one of them into a file"));
        }
        return bounded(io::stdin().lock()).map_err(|e| Failure::usage(format_args!("stdin: {e}")));
    }
    std::fs::File::open(path).and_then(bounded).map_err(|e| Failure::file(path, e))
}

fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(INPUT_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > INPUT_LIMIT {
        return Err(io::Error::other(format!("longer than {} MiB; a signed message must fit into memory", INPUT_LIMIT >> 20)));
    }
    Ok(bytes)
}
