//! Embeds `*.yaml`, so that a packaged or moved binary still has the vectors that it was built with.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=.");
    let root = env::var_os("CARGO_MANIFEST_DIR").expect("CARGO_MANIFEST_DIR is set by cargo");
    let mut files: Vec<_> = fs::read_dir(&root)
        .expect("the folder of vectors")
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let mut code = String::from("static FILES: &[(&str, &str)] = &[\n");
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        let stem = file.file_stem().and_then(|s| s.to_str()).expect("a file name in UTF-8");
        let path = file.to_str().expect("a path in UTF-8");
        let _ = writeln!(code, "    ({stem:?}, include_str!({path:?})),");
    }
    code.push_str("];\n");
    let out = Path::new(&env::var_os("OUT_DIR").expect("OUT_DIR is set by cargo")).join("files.rs");
    fs::write(out, code).expect("a writable OUT_DIR");
}
