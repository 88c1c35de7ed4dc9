//! Embeds `*.yaml`, so that a packaged or moved binary still has the vectors that it was built with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The dialects of responses: stem, dialect and known answers.
fn answers(folder: &Path) -> String {
    let mut stems: Vec<_> = yaml_in(folder).iter().map(|path| stem_of(path).to_owned()).collect();
    stems.sort();
    let mut code = String::from("static ANSWERS: &[(&str, &str, &str)] = &[\n");
    for stem in stems {
        let (dialect, known) = (folder.join(format!("dialects/{stem}.yaml")), folder.join(format!("{stem}.yaml")));
        let _ = writeln!(code, "    ({stem:?}, include_str!({dialect:?}), include_str!({known:?})),");
    }
    code + "];\n"
}

fn yaml_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder of vectors").map(|entry| entry.expect("an entry of the folder").path());
    entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect()
}

fn stem_of(file: &Path) -> &str {
    file.file_stem().and_then(|s| s.to_str()).expect("a file name in UTF-8")
}

fn main() {
    println!("cargo:rerun-if-changed=.");
    let root = env::var_os("CARGO_MANIFEST_DIR").expect("CARGO_MANIFEST_DIR is set by cargo");
    let mut files = yaml_in(Path::new(&root));
    files.sort();
    let mut code = String::from("static FILES: &[(&str, &str)] = &[\n");
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        let stem = stem_of(&file);
        let path = file.to_str().expect("a path in UTF-8");
        let _ = writeln!(code, "    ({stem:?}, include_str!({path:?})),");
    }
    code.push_str("];\n");
    code.push_str(&answers(&Path::new(&root).join("answers")));
    let out = Path::new(&env::var_os("OUT_DIR").expect("OUT_DIR is set by cargo")).join("files.rs");
    fs::write(out, code).expect("a writable OUT_DIR");
}
