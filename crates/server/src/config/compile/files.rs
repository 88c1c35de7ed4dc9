//! Files that a configuration names: certificates, keys and secrets, each bounded.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use countersign_protocol::Secret;

/// Bytes of such a file.
const MOST: u64 = 1024 * 1024;
/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

/// What is wrong with a file, and the mend.
pub(super) type Fault = (String, &'static str);

/// What stands in a file.
///
/// # Errors
/// It cannot be read, or is too long.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    open(path).and_then(|file| content(path, file))
}

/// What stands in a file that only its owner may read.
///
/// # Errors
/// It cannot be read, is empty or too long, or others may read it.
pub(super) fn read_private(path: &Path) -> Result<Secret, Fault> {
    let file = open(path)?;
    let mode = file.metadata().map_err(|error| unreadable(path, &error))?.mode();
    if mode & OTHERS != 0 {
        let mend = "run chmod 600 on it, and replace its content if others did read it";
        return Err((format!("{}: others may read it (mode {:o})", path.display(), mode & 0o777), mend));
    }
    let mut bytes = content(path, file)?;
    // Editors add the end of a line, which belongs to no secret.
    bytes.truncate(bytes.trim_ascii_end().len());
    if bytes.is_empty() {
        return Err((format!("{}: it is empty", path.display()), "write the secret into it"));
    }
    Ok(Secret::new(bytes))
}

fn open(path: &Path) -> Result<File, Fault> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn content(path: &Path, file: File) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let size = file.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if size as u64 > MOST {
        return Err((format!("{}: more than {MOST} bytes", path.display()), "name the right file"));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    (format!("{}: {error}", path.display()), "name a readable file")
}
