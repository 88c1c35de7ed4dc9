//! Folders of dialects: what is loaded, and what is refused with which words.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use countersign_dialects::{DialectFile, FILE_LIMIT, Folder, FolderError};
use countersign_protocol::Dialects;

const IN_HOUSE: &str = "countersign: 1
dialect: in-house
title: An in-house scheme
string_to_sign: |-
  {method}
  {target}
  {time}
  {nonce}
  {body | sha256 | hex}
algorithm: hmac-sha256
signature: hex
carry:
  header:
    X-House-Key: \"{key_id}\"
    X-House-Time: \"{time}\"
    X-House-Nonce: \"{nonce}\"
    X-House-Signature: \"{signature}\"
time: { format: unix, window: 5m }
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    mode(folder.path(), 0o755);
    folder
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(folder.join(name), bytes).unwrap();
    mode(&folder.join(name), 0o644);
}

fn load(folder: &Path) -> Result<(Dialects, Vec<DialectFile>), FolderError> {
    let mut dialects = Dialects::builtin().unwrap();
    let files = Folder::open(folder)?.load_into(&mut dialects)?;
    Ok((dialects, files))
}

fn fault(folder: &Path) -> String {
    load(folder).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn files_become_dialects() {
    let folder = folder();
    write(folder.path(), "in-house.yaml", IN_HOUSE);
    write(folder.path(), ".hidden.yaml", "not: read");
    write(folder.path(), "README.md", "not read");
    fs::create_dir(folder.path().join("more")).unwrap();
    let (dialects, files) = load(folder.path()).unwrap();
    assert_eq!(dialects.get("in-house").unwrap().title(), "An in-house scheme");
    assert_eq!((files.len(), files[0].text.as_str()), (1, IN_HOUSE));
}

#[test]
fn one_fault_keeps_the_whole_folder_out_and_every_fault_is_named() {
    let folder = folder();
    write(folder.path(), "in-house.yaml", IN_HOUSE);
    write(folder.path(), "bad-one.yaml", IN_HOUSE.replace("in-house", "bad-one").replace("hmac-sha256", "hmac-sha255"));
    write(folder.path(), "bad-two.yaml", IN_HOUSE);
    let mut dialects = Dialects::builtin().unwrap();
    let error = Folder::open(folder.path()).unwrap().load_into(&mut dialects).unwrap_err();
    assert_eq!(error.files().len(), 2);
    let text = error.to_string();
    assert!(text.contains("bad-one.yaml: algorithm") && text.contains("bad-two.yaml: dialect"), "{text}");
    assert!(dialects.get("in-house").is_none());
}

#[test]
fn what_everyone_may_write_is_refused() {
    let folder = folder();
    write(folder.path(), "in-house.yaml", IN_HOUSE);
    mode(&folder.path().join("in-house.yaml"), 0o666);
    assert!(fault(folder.path()).contains("in-house.yaml: may be written by everyone; take that right away with chmod o-w"));
    mode(&folder.path().join("in-house.yaml"), 0o644);
    mode(folder.path(), 0o1777);
    assert!(fault(folder.path()).contains("may be written by everyone"));
}

#[test]
fn links_stay_inside() {
    let (folder, outside) = (folder(), folder());
    write(outside.path(), "in-house.yaml", IN_HOUSE);
    symlink(outside.path().join("in-house.yaml"), folder.path().join("in-house.yaml")).unwrap();
    assert!(fault(folder.path()).contains("in-house.yaml: is a link that leads out of the folder"));
    fs::remove_file(folder.path().join("in-house.yaml")).unwrap();
    write(folder.path(), "kept.txt", IN_HOUSE);
    symlink("kept.txt", folder.path().join("in-house.yaml")).unwrap();
    assert_eq!(load(folder.path()).unwrap().1.len(), 1);
}

#[test]
fn what_is_no_dialect_file_is_named() {
    for (name, bytes, words) in [
        ("in-house.yml", IN_HOUSE.as_bytes().to_vec(), "ends in .yml; name it <id>.yaml"),
        ("In House.yaml", IN_HOUSE.as_bytes().to_vec(), "is named unlike a dialect"),
        ("in-house.yaml", b"title: \xff".to_vec(), "is no UTF-8 text; save it as UTF-8"),
        ("in-house.yaml", vec![b'#'; usize::try_from(FILE_LIMIT).unwrap() + 1], "is longer than 64 KiB"),
    ] {
        let folder = folder();
        write(folder.path(), name, bytes);
        let text = fault(folder.path());
        assert!(text.contains(name) && text.contains(words), "{text}");
    }
    let folder = folder();
    fs::create_dir(folder.path().join("in-house.yaml")).unwrap();
    assert!(fault(folder.path()).contains("is no regular file"));
    assert!(fault(&folder.path().join("nowhere")).contains("cannot be read"));
}

#[test]
fn a_built_in_dialect_is_not_replaced_in_silence() {
    let folder = folder();
    write(folder.path(), "hmac-sha256.yaml", IN_HOUSE.replace("in-house", "hmac-sha256"));
    let text = fault(folder.path());
    assert!(text.contains("hmac-sha256.yaml") && text.contains("replaces"), "{text}");
}
