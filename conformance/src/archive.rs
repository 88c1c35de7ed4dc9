//! The vectors as one archive for other languages: JSON for each dialect, the schema, and an index with digests.
//!
//! The archive is a tar file of fixed dates, owners and order, so that the same vectors are the same bytes.

use std::fmt;

use countersign_protocol::DigestAlgorithm;
use countersign_vectors::files;
use serde_json::{Value, json};

/// The version of the archive's form.
const FORMAT: u64 = 1;
const README: &str = include_str!("../../vectors/README.md");
const NOTICE: &str = include_str!("../../vectors/NOTICE");
/// What a tar file is made of.
const BLOCK: usize = 512;

/// A file of the archive: its path and its bytes.
pub type Entry = (String, Vec<u8>);

/// Why the archive cannot be made.
#[derive(Debug)]
pub enum ArchiveError {
    /// A file of vectors is no YAML.
    Vectors(&'static str, serde_yaml::Error),
    /// JSON could not be written.
    Json(serde_json::Error),
    /// A path that does not fit into a header.
    Path(String),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vectors(stem, error) => write!(f, "vectors/{stem}.yaml: {error}"),
            Self::Json(error) => write!(f, "{error}"),
            Self::Path(path) => write!(f, "{path}: the path is longer than 100 bytes"),
        }
    }
}

impl std::error::Error for ArchiveError {}

impl From<serde_json::Error> for ArchiveError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

/// The version: of the form, and of the project.
#[must_use]
pub fn version() -> String {
    format!("{FORMAT}-{}", env!("CARGO_PKG_VERSION"))
}

/// The files of the archive, below one folder; `index.json` is the first.
///
/// # Errors
/// When a file of vectors is no YAML.
pub fn entries() -> Result<Vec<Entry>, ArchiveError> {
    let folder = format!("countersign-vectors-{}", version());
    let (mut index, mut rest) = (Vec::new(), Vec::new());
    for (stem, text) in files() {
        let value: Value = serde_yaml::from_str(text).map_err(|e| ArchiveError::Vectors(stem, e))?;
        let count = value.get("vectors").and_then(Value::as_array).map_or(0, Vec::len);
        let bytes = written(&value)?;
        let file = format!("{stem}.json");
        index.push(json!({ "dialect": stem, "file": file, "vectors": count, "sha256": sha256(&bytes) }));
        rest.push((format!("{folder}/{file}"), bytes));
    }
    let schema = countersign_vectors::schema()?.into_bytes();
    let index = json!({
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "schema": { "file": "schema.json", "sha256": sha256(&schema) },
        "files": index,
    });
    let mut entries = vec![(format!("{folder}/index.json"), written(&index)?), (format!("{folder}/schema.json"), schema)];
    entries.push((format!("{folder}/README.md"), README.as_bytes().to_vec()));
    entries.push((format!("{folder}/NOTICE"), NOTICE.as_bytes().to_vec()));
    entries.append(&mut rest);
    Ok(entries)
}

/// The archive.
///
/// # Errors
/// As [`entries`].
pub fn archive() -> Result<Vec<u8>, ArchiveError> {
    let mut out = Vec::new();
    for (path, bytes) in entries()? {
        out.extend_from_slice(&header(&path, bytes.len())?);
        out.extend_from_slice(&bytes);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    Ok(out)
}

/// Lower-case hex of the SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    DigestAlgorithm::Sha256.digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn written(value: &Value) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A header of POSIX's ustar form: mode 644, no owner, 1970.
fn header(path: &str, size: usize) -> Result<[u8; BLOCK], ArchiveError> {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        if let Some(field) = block.get_mut(at..at + text.len()) {
            field.copy_from_slice(text);
        }
    };
    if path.len() > 100 {
        return Err(ArchiveError::Path(path.to_owned()));
    }
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(field) = block.get_mut(148..156) {
        field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    Ok(block)
}
