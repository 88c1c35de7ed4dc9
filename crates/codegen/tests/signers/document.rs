//! The document shows what is written.

use countersign_codegen::{Language, generate};
use countersign_protocol::Dialects;

const DOCUMENT: &str = include_str!("../../../../docs/CODEGEN.md");

#[test]
fn the_example_is_what_is_written() {
    let dialects = Dialects::builtin().unwrap();
    let source = generate(dialects.get("standard-webhooks").unwrap(), Language::Python).unwrap();
    let start = source.find("def sign(").unwrap();
    let sign = source[start..start + source[start..].find("\n\n\n").unwrap()].to_owned();
    let shown = DOCUMENT.split("```python\n").nth(1).unwrap().split("\n```").next().unwrap();
    assert!(shown == sign, "put this into docs/CODEGEN.md:\n{sign}");
}
