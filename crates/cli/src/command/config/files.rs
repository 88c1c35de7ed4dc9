//! The files that a config names: that they are there, can be read, and are private where they hold secrets.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use countersign_server::store::Stores;

use super::check::Finding;
use super::place::{Named, Place};

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;
/// Keys under which a file with nothing secret may be named.
const OPEN: [&str; 3] = ["certificate", "certificates", "ca_file"];
/// Further keys under which a file with a secret is named; so is each that ends in `_file`.
const SECRET: [&str; 2] = ["key", "private_key"];

/// Looks at every file that must be there.
pub(super) fn named(place: &Place<'_>) -> Vec<Finding> {
    let is_file = |key: &str| key.ends_with("_file") || OPEN.contains(&key) || SECRET.contains(&key);
    place.named(is_file).iter().filter_map(look).collect()
}

fn look(named: &Named) -> Option<Finding> {
    let (path, line) = (Path::new(&named.value), Some(named.line));
    let metadata = match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) => metadata,
        Err(error) => {
            return Some(Finding::fault(line, format!("{} ({}): {error}", named.value, named.key), "name a file that this user can read"));
        }
    };
    if !metadata.is_file() || metadata.len() == 0 {
        return Some(Finding::fault(line, format!("{} ({}) is no file, or empty", named.value, named.key), "name the file itself"));
    }
    let private = OPEN.contains(&named.key.as_str()) || metadata.mode() & OTHERS == 0;
    (!private).then(|| open_to_others(&named.value, metadata.mode(), line))
}

fn open_to_others(name: &str, mode: u32, line: Option<usize>) -> Finding {
    let text = format!("{name}: others may read it (mode {:o})", mode & 0o777);
    Finding::fault(line, text, "run chmod 600 on it, and replace its content if others did read it")
}

/// Looks at the files of the embedded store, which are created where they are missing.
pub(super) fn stores(stores: &Stores, place: &Place<'_>) -> Vec<Finding> {
    let stores = &stores.files;
    let files = [("store", &stores.store), ("store", &stores.replay), ("master_key", &stores.master_key)];
    let mut found = Vec::new();
    for (key, path) in files {
        let line = place.top(key).or_else(|| place.top("data"));
        match fs::metadata(path) {
            Ok(metadata) if metadata.mode() & OTHERS != 0 => found.push(open_to_others(&path.display().to_string(), metadata.mode(), line)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => found.push(Finding::fault(line, format!("{}: {error}", path.display()), "name a file that this user can read")),
        }
    }
    if stores.store.exists() && !stores.master_key.exists() {
        let text = format!("there is a store, and no master key at {}", stores.master_key.display());
        found.push(Finding::fault(place.top("master_key"), text, "put the key back: without it no secret of the store can be read"));
    }
    found
}
