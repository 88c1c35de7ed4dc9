//! The anchor: a file elsewhere to which every head is appended, so that a log that was set back whole shows.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::head::{Head, SignedHead};
use crate::error::StoreError;

/// The most bytes of an anchor that are verified: about half a million heads, a year of one every minute.
const MOST: u64 = 256 << 20;
/// The bytes at its end in which a writer looks for the chain's last head.
const END: u64 = 64 << 10;

/// A line of an anchor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) head: String,
    pub(super) signature: String,
}

/// An anchor that is appended to.
#[derive(Debug)]
pub(super) struct Anchor {
    path: PathBuf,
    /// The last record whose head is in the file; -1 when there is none.
    sequence: i64,
}

impl Anchor {
    /// Finds the last head of the chain in the file. A file without one begins with the log's last head.
    ///
    /// Only what is durable in the log is anchored: a log that ends before its anchor was set back, and is not gone on with.
    pub(super) fn open(path: PathBuf, chain: &str, last_head: i64) -> Result<Self, StoreError> {
        let known = if path.exists() { last_of(&path, chain)? } else { None };
        if let Some(known) = known.filter(|known| *known > last_head) {
            return Err(StoreError::File {
                fault: format!("it has a head at record {known}, but the audit log's last one is at {last_head}: the log was set back"),
                path,
                mend: "restore the later log; or, to begin a new chain, move audit.db and audit.key away and keep them",
            });
        }
        Ok(Self { path, sequence: known.unwrap_or(last_head - 1) })
    }

    pub(super) const fn sequence(&self) -> i64 {
        self.sequence
    }

    /// Appends the heads durably, a line each.
    pub(super) fn append(&mut self, heads: &[SignedHead]) -> Result<(), StoreError> {
        let mut lines = String::new();
        let mut last = self.sequence;
        for signed in heads {
            lines.push_str(&signed.to_json());
            lines.push('\n');
            last = Head::from_text(&signed.text).map_or(last, |head| last.max(head.sequence.cast_signed()));
        }
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path);
        let written = opened.and_then(|mut file| {
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        });
        written.map_err(|error| fault(&self.path, &error))?;
        self.sequence = last;
        Ok(())
    }
}

impl SignedHead {
    /// As a line of an anchor, and in evidence.
    pub(super) fn to_json(&self) -> String {
        let line = Line { head: self.text.clone(), signature: STANDARD.encode(&self.signature) };
        // Two strings: this cannot fail.
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// The record of the chain's last head in the file; only its end is read. Lines that are no heads are left to whoever verifies.
fn last_of(path: &Path, chain: &str) -> Result<Option<i64>, StoreError> {
    let mut end = Vec::new();
    let mut file = std::fs::File::open(path).map_err(|error| fault(path, &error))?;
    let length = file.metadata().map_err(|error| fault(path, &error))?.len();
    let read = file.seek(SeekFrom::Start(length.saturating_sub(END))).and_then(|_| file.take(END).read_to_end(&mut end));
    read.map_err(|error| fault(path, &error))?;
    let lines = end.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    let own = lines.filter_map(|line| Head::from_text(&line.head)).filter(|head| head.chain == chain);
    Ok(own.map(|head| head.sequence.cast_signed()).max())
}

/// The heads of an anchor, in their order. A last line that was cut off by a crash is left out.
pub(super) fn read(path: &Path) -> Result<Vec<SignedHead>, StoreError> {
    let file = std::fs::File::open(path).map_err(|error| fault(path, &error))?;
    if file.metadata().is_ok_and(|about| about.len() > MOST) {
        return Err(StoreError::File {
            path: path.to_owned(),
            fault: format!("it is longer than {} MiB", MOST >> 20),
            mend: "split it at a line end, and verify with each piece; let the gateway begin a new anchor now and then",
        });
    }
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text).map_err(|error| fault(path, &error))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |(number, line): (usize, &str)| {
        let read = serde_json::from_str::<Line>(line).ok();
        let signed = read.and_then(|line| Some(SignedHead { signature: STANDARD.decode(line.signature).ok()?, text: line.head }));
        signed.ok_or_else(|| StoreError::File {
            path: path.to_owned(),
            fault: format!("line {} is no head", number + 1),
            mend: "give the file that the log's anchor names, as it was written",
        })
    };
    whole.lines().enumerate().map(line).collect()
}

fn fault(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::File {
        path: path.to_owned(),
        fault: error.to_string(),
        mend: "name a file whose folder exists and that can be read and appended to",
    }
}
