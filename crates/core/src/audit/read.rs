//! Reading a log's file: verifying it, listing records, taking out evidence. Nothing is written.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row as SqlRow};

use super::anchor;
use super::evidence::Bundle;
use super::head::{Head, SignedHead};
use super::key::{AuditKey, Pinned};
use super::record::{Record, sha256};
use super::verify::{Fault, Report, Row, Verification, of_anchor};
use crate::error::StoreError;

/// The most records of a listing.
pub const MOST_LISTED: usize = 10_000;
const ROW: &str = "SELECT sequence, line, link, seal, evidence FROM record";
const HEAD: &str = "SELECT text, signature FROM head";

/// A log's file, opened for reading. The writer may go on meanwhile: each question is answered from one moment.
#[derive(Debug)]
pub struct AuditFile {
    connection: Connection,
    path: PathBuf,
}

/// Which records are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this app.
    pub app: Option<String>,
    /// Those from this time on, in milliseconds since 1970.
    pub since: Option<i64>,
    /// The last so many, at most [`MOST_LISTED`].
    pub limit: usize,
}

impl AuditFile {
    /// Opens the file of a log.
    ///
    /// # Errors
    /// When there is none, or SQLite refuses it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::File {
                path: path.to_owned(),
                fault: "there is no audit log: it was never begun, or it was deleted".to_owned(),
                mend: "name the folder of a gateway whose configuration has [audit], or restore the file",
            });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// Verifies every record and head against the pinned key. With the log's own key, seals and evidence are checked too; with an
    /// anchor, that the log has everything that was anchored.
    ///
    /// # Errors
    /// When a file cannot be read. A chain that does not hold is an `Ok(Err(fault))`.
    pub fn verify(&self, pinned: &Pinned, key: Option<&AuditKey>, anchor: Option<&Path>) -> Result<Result<Report, Fault>, StoreError> {
        let anchored = anchor.map(anchor::read).transpose()?;
        let moment = self.connection.unchecked_transaction()?;
        let result = examine(&moment, pinned, key, anchored.as_deref());
        moment.finish()?;
        result
    }

    /// Records, oldest first. Nothing says that they hold: that is for [`AuditFile::verify`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let mut statement = self.connection.prepare("SELECT line FROM record ORDER BY sequence DESC")?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if found.len() >= filter.limit.min(MOST_LISTED) {
                break;
            }
            let Some(record) = Record::from_line(&row.get::<_, String>(0)?) else { continue };
            if filter.since.is_some_and(|since| record.millis().is_some_and(|at| at < since)) {
                break;
            }
            if filter.app.as_ref().is_none_or(|app| *app == record.app) {
                found.push(record);
            }
        }
        found.reverse();
        Ok(found)
    }

    /// What a third party needs to check one record, and why there is nothing to be shown otherwise.
    ///
    /// # Errors
    /// When there is no such record, when its credential has a shared secret, or when it does not open under this key.
    pub fn evidence(&self, sequence: u64, key: &AuditKey) -> Result<Bundle, StoreError> {
        let moment = self.connection.unchecked_transaction()?;
        let unknown = || StoreError::Invalid {
            field: "record",
            fault: format!("the log has no record {sequence}"),
            mend: "take a sequence number from `countersign audit list`",
        };
        let row = row_at(&moment, sequence)?.ok_or_else(unknown)?;
        let previous = match row_at(&moment, sequence.saturating_sub(1))? {
            Some(before) => before.link,
            None => {
                last_head(&moment)?.and_then(|head| Head::from_text(&head.text)).map(|head| head.pruned_link.to_vec()).unwrap_or_default()
            }
        };
        let sql = format!("{HEAD} WHERE sequence >= ?1 ORDER BY id LIMIT 1");
        let head = moment.query_row(&sql, [sequence.cast_signed()], read_head).optional()?;
        let until = head.as_ref().and_then(|head| Head::from_text(&head.text)).map_or(sequence, |head| head.sequence);
        let after = digests_between(&moment, sequence, until)?;
        moment.finish()?;
        Bundle::new(&row, &previous, &after, head, key)
    }

    /// Checks what a writer relies on: the last head, and everything after it.
    pub(super) fn check_end(&self, key: &AuditKey) -> Result<(), StoreError> {
        let fault = |fault: Fault| StoreError::File {
            path: self.path.clone(),
            fault: format!("the audit log does not hold: {fault}"),
            mend: "keep the files as they are for an inquiry, restore a backup, or move audit.db and audit.key away to begin a new chain",
        };
        let moment = self.connection.unchecked_transaction()?;
        let head = last_head(&moment)?;
        let mut verification = Verification::resume(key, head.as_ref()).map_err(fault)?;
        let from = verification.last();
        for_rows(&moment, from, |row| verification.record(&row))?.map_err(fault)?;
        let held = row_at(&moment, from)?;
        let there = from == verification.pruned() || held.is_some_and(|row| verification.follows(&row.link));
        moment.finish()?;
        if there { Ok(()) } else { Err(fault(Fault::at(from, "it is missing or was changed, but a head holds it"))) }
    }
}

fn examine(
    db: &Connection,
    pinned: &Pinned,
    key: Option<&AuditKey>,
    anchor: Option<&[SignedHead]>,
) -> Result<Result<Report, Fault>, StoreError> {
    let mut verification = match Verification::begin(pinned, key, last_head(db)?.as_ref()) {
        Ok(verification) => verification,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut marks = match Marks::collect(anchor, pinned, &verification) {
        Ok(marks) => marks,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut statement = db.prepare(&format!("{HEAD} ORDER BY sequence, id"))?;
    let mut heads = statement.query_map([], read_head)?.peekable();
    let from = verification.pruned();
    // Heads over records that are not kept any more have nothing to agree with.
    while heads.next_if(|head| head.as_ref().is_ok_and(|head| place_of(head) < from)).is_some() {}
    let mut step = |row: Option<Row>, verification: &mut Verification<'_>| -> Result<(), Fault> {
        let last = row.as_ref().map_or(u64::MAX, |row| row.sequence.saturating_sub(1));
        while let Some(head) = heads.next_if(|head| head.as_ref().is_ok_and(|head| place_of(head) <= last)) {
            verification.head(&head.map_err(|_| Fault::at(0, "a head cannot be read"))?)?;
        }
        marks.until(last, verification)?;
        row.map_or(Ok(()), |row| verification.record(&row))
    };
    if let Err(fault) = for_rows(db, from, |row| step(Some(row), &mut verification))? {
        return Ok(Err(fault));
    }
    Ok(step(None, &mut verification).map(|()| verification.end()))
}

/// Heads of the anchor, held against the records as they go by.
struct Marks(std::iter::Peekable<std::vec::IntoIter<Head>>);

impl Marks {
    fn collect(anchor: Option<&[SignedHead]>, pinned: &Pinned, verification: &Verification<'_>) -> Result<Self, Fault> {
        let mut heads = Vec::new();
        for signed in anchor.unwrap_or_default() {
            heads.extend(of_anchor(signed, pinned, verification.chain())?);
        }
        if anchor.is_some() && heads.is_empty() {
            return Err(Fault::at(0, format!("the anchor has no head of this chain, {}", verification.chain())));
        }
        heads.retain(|head| head.sequence >= verification.pruned());
        heads.sort_by_key(|head| head.sequence);
        Ok(Self(heads.into_iter().peekable()))
    }

    fn until(&mut self, last: u64, verification: &mut Verification<'_>) -> Result<(), Fault> {
        while let Some(head) = self.0.next_if(|head| head.sequence <= last) {
            verification.anchored(&head)?;
        }
        Ok(())
    }
}

fn place_of(head: &SignedHead) -> u64 {
    Head::from_text(&head.text).map_or(0, |head| head.sequence)
}

fn for_rows(db: &Connection, after: u64, mut each: impl FnMut(Row) -> Result<(), Fault>) -> Result<Result<(), Fault>, StoreError> {
    let mut statement = db.prepare(&format!("{ROW} WHERE sequence > ?1 ORDER BY sequence"))?;
    for row in statement.query_map([after.cast_signed()], read_row)? {
        if let Err(fault) = each(row?) {
            return Ok(Err(fault));
        }
    }
    Ok(Ok(()))
}

fn digests_between(db: &Connection, after: u64, until: u64) -> Result<Vec<[u8; 32]>, StoreError> {
    let mut statement = db.prepare("SELECT line FROM record WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence")?;
    let lines = statement.query_map([after.cast_signed(), until.cast_signed()], |row| row.get::<_, String>(0))?;
    lines.map(|line| Ok(sha256(line?.as_bytes()))).collect()
}

fn row_at(db: &Connection, sequence: u64) -> Result<Option<Row>, StoreError> {
    Ok(db.query_row(&format!("{ROW} WHERE sequence = ?1"), [sequence.cast_signed()], read_row).optional()?)
}

fn last_head(db: &Connection) -> Result<Option<SignedHead>, StoreError> {
    Ok(db.query_row(&format!("{HEAD} ORDER BY id DESC LIMIT 1"), [], read_head).optional()?)
}

fn read_row(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        sequence: row.get::<_, i64>(0)?.unsigned_abs(),
        line: row.get(1)?,
        link: row.get(2)?,
        seal: row.get(3)?,
        evidence: row.get(4)?,
    })
}

fn read_head(row: &SqlRow<'_>) -> rusqlite::Result<SignedHead> {
    Ok(SignedHead { text: row.get(0)?, signature: row.get(1)? })
}
