//! Turns `dialects/*.yaml` into constants, so that built-in dialects need no YAML parser at run time.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_yaml::Value;

fn main() {
    println!("cargo:rerun-if-changed=dialects");
    let mut files: Vec<_> = fs::read_dir("dialects")
        .expect("the folder of built-in dialects")
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let mut code = String::from("pub(crate) static BUILTIN: &[(&str, Node)] = &[\n");
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        let stem = file.file_stem().and_then(|s| s.to_str()).expect("a file name in UTF-8").to_owned();
        let text = fs::read_to_string(&file).expect("a readable dialect");
        let value: Value = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let _ = writeln!(code, "    ({stem:?}, {}),", node(&value, &file));
    }
    code.push_str("];\n");
    let out = Path::new(&env::var_os("OUT_DIR").expect("OUT_DIR is set by cargo")).join("builtin.rs");
    fs::write(out, code).expect("a writable OUT_DIR");
}

/// The Rust expression of a constant `Node`.
fn node(value: &Value, file: &Path) -> String {
    match value {
        Value::Null => "Node::Null".to_owned(),
        Value::Bool(b) => format!("Node::Plain(Cow::Borrowed({:?}))", b.to_string()),
        Value::Number(n) => format!("Node::Plain(Cow::Borrowed({:?}))", n.to_string()),
        Value::String(s) => format!("Node::Text(Cow::Borrowed({s:?}))"),
        Value::Sequence(items) => {
            let items: Vec<_> = items.iter().map(|item| node(item, file)).collect();
            format!("Node::List(Cow::Borrowed(&[{}]))", items.join(", "))
        }
        Value::Mapping(pairs) => {
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(key, item)| {
                    let key = key.as_str().unwrap_or_else(|| panic!("{}: a key that is no text", file.display()));
                    format!("(Cow::Borrowed({key:?}), {})", node(item, file))
                })
                .collect();
            format!("Node::Map(Cow::Borrowed(&[{}]))", pairs.join(", "))
        }
        Value::Tagged(_) => panic!("{}: YAML tags have no meaning here", file.display()),
    }
}
