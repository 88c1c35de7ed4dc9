//! The archive is read back by another language with its standard library alone, and holds what the files hold.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use countersign_conformance::archive;
use countersign_vectors::files;
use serde_json::Value;

const READER: &str = r#"
import hashlib, json, sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    names = archive.getnames()
    read = {name.split("/", 1)[1]: archive.extractfile(name).read() for name in names}
index = json.loads(read["index.json"])
assert all(member.mtime == 0 and member.mode == 0o644 and member.uid == 0 for member in tarfile.open(sys.argv[1])), "dates and owners"
for entry in index["files"] + [index["schema"]]:
    assert hashlib.sha256(read[entry["file"]]).hexdigest() == entry["sha256"], entry
json.loads(read["schema.json"])
out = {entry["dialect"]: json.loads(read[entry["file"]]) for entry in index["files"]}
assert all(len(out[entry["dialect"]]["vectors"]) == entry["vectors"] for entry in index["files"])
print(json.dumps({"version": index["version"], "format": index["format"], "names": sorted(read), "files": out}))
"#;

#[test]
fn python_reads_the_archive_and_it_is_what_the_files_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vectors.tar");
    fs::write(&file, archive::archive().unwrap()).unwrap();
    let run = Command::new("python3").args(["-c", READER]).arg(&file).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let read: Value = serde_json::from_slice(&run.stdout).unwrap();
    let there: BTreeMap<&str, &Value> = read["files"].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value)).collect();
    let written: BTreeMap<&str, Value> = files().map(|(stem, text)| (stem, serde_yaml::from_str(text).unwrap())).collect();
    assert_eq!(there.len(), written.len());
    for (stem, value) in &written {
        assert!(there[stem] == value, "{stem}");
    }
    let names: Vec<&str> = read["names"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(["NOTICE", "README.md", "index.json", "schema.json"].iter().all(|name| names.contains(name)), "{names:?}");
}

#[test]
fn the_same_vectors_are_the_same_bytes() {
    let bytes = archive::archive().unwrap();
    assert!(bytes == archive::archive().unwrap());
    assert_eq!(bytes.len() % 512, 0);
}
