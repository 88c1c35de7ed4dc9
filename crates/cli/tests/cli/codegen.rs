//! Signers in other languages, as the command gives them.

use crate::support::{IN_HOUSE, Scratch, countersign};

#[test]
fn a_signer_is_printed_or_kept_under_the_name_of_its_language() {
    let printed = countersign(["codegen", "--dialect", "hmac-sha256", "--lang", "python"]).ok();
    assert!(printed.text().contains("\ndef sign(request, credential, options=None):\n"), "{}", printed.text());
    let scratch = Scratch::new();
    let folder = scratch.path().to_str().unwrap();
    for (language, file) in [
        ("python", "hmac_sha256.py"),
        ("javascript", "hmac-sha256.js"),
        ("go", "hmac_sha256.go"),
        ("java", "HmacSha256Signer.java"),
        ("php", "HmacSha256Signer.php"),
    ] {
        let run = countersign(["codegen", "-d", "hmac-sha256", "-l", language, "-o", folder]).ok();
        assert!(run.stdout.is_empty(), "{language}");
        assert!(std::fs::read_to_string(scratch.path().join(file)).unwrap().contains("hmac-sha256: Plain HMAC-SHA256"), "{language}");
    }
}

#[test]
fn a_signer_as_data_has_its_file_and_its_text() {
    let run = countersign(["codegen", "-d", "hmac-sha256", "-l", "go", "--json"]).ok();
    let data = run.json();
    let printed = countersign(["codegen", "-d", "hmac-sha256", "-l", "go"]).ok().text();
    assert_eq!((data["file"].as_str(), data["text"].as_str()), (Some("hmac_sha256.go"), Some(printed.as_str())));
}

#[test]
fn a_dialect_of_ones_own_has_a_signer() {
    let scratch = Scratch::new();
    scratch.file("in-house.yaml", IN_HOUSE);
    let run = countersign(["--dialects", scratch.path().to_str().unwrap(), "codegen", "-d", "in-house", "-l", "go"]).ok();
    assert!(run.text().contains("package in_house") && run.text().contains("\"X-House-Signature\""), "{}", run.text());
}

#[test]
fn what_a_language_lacks_is_told() {
    let part = countersign(["codegen", "-d", "signed-sha256", "-l", "python"]).ok();
    assert!(part.stderr.contains("ed25519: Python's standard library signs with no private key"), "{}", part.stderr);
    let scratch = Scratch::new();
    scratch.file("in-house.yaml", IN_HOUSE.replace("hmac-sha256", "hmac-sm3"));
    let folder = scratch.path().to_str().unwrap();
    let none = countersign(["--dialects", folder, "codegen", "-d", "in-house", "-l", "go"]);
    assert_eq!((none.code, none.stdout.is_empty()), (2, true));
    assert!(none.stderr.contains("Go's standard library has no SM3"), "{}", none.stderr);
    countersign(["--dialects", folder, "codegen", "-d", "in-house", "-l", "javascript"]).ok();
}

#[test]
fn the_table_names_every_dialect_and_language() {
    let table = countersign(["codegen", "--list"]).ok().text();
    let dialects = countersign(["dialects", "list", "--json"]).ok().json();
    for dialect in dialects.as_array().unwrap() {
        let id = dialect["id"].as_str().unwrap();
        assert!(table.lines().any(|line| line.starts_with(&format!("{id} "))), "{id}\n{table}");
    }
    assert!(table.contains("signed-sha256 in python: without ed25519: "), "{table}");
    let rows = countersign(["codegen", "--list", "--json"]).ok().json();
    assert_eq!(rows.as_array().unwrap().len(), dialects.as_array().unwrap().len() * 5);
    assert_eq!(countersign(["codegen"]).code, 2);
}
