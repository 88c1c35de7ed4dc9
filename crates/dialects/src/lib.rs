//! Reads folders of dialect files from disk into the protocol crate's registry, which itself reads no file.
//!
//! A folder holds one file for each dialect, `<id>.yaml`. Whoever can write such a file decides what a signature means, so
//! a folder or file that everyone may write is refused, and so is a link that leads out of the folder.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use countersign_dialects::Folder;
//! use countersign_protocol::Dialects;
//!
//! let mut dialects = Dialects::builtin()?;
//! for file in Folder::open("/etc/countersign/dialects")?.load_into(&mut dialects)? {
//!     assert!(dialects.get(&file.id).is_some());
//! }
//! # Ok(())
//! # }
//! ```

mod error;
mod folder;

pub use error::{Fault, FileError, FolderError};
pub use folder::{DialectFile, FILE_LIMIT, FILES_LIMIT, Folder};
