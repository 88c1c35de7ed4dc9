//! Dialect files that make no sense: each error names the file, the place in it, and the mend.

use crate::support::{IN_HOUSE, Scratch, countersign};

/// What is changed in the sound file, and the words of the error: place, fault, mend.
const BROKEN: [(&str, &str, &[&str]); 14] = [
    ("{body | sha256", "{bodi | sha256", &["string_to_sign: ", "nothing is called bodi", "inputs, secrets or let"]),
    ("| sha256 | hex", "| sha265 | hex", &["string_to_sign: ", "no filter 'sha265'", "Filters"]),
    ("hmac-sha256", "hmac-sha255", &["algorithm: ", "'hmac-sha255' is no algorithm", "one of hmac-md5, "]),
    ("  {nonce}\n", "", &["nonce: ", "carried, but nothing signs it", "put {nonce} into string_to_sign"]),
    ("    X-House-Signature: \"{signature}\"\n", "", &["carry: ", "nothing carries {signature}", "say in which header"]),
    ("signature: hex", "signatur: hex", &["signatur: ", "no such key", "did you mean signature?"]),
    ("\"{nonce}\"", "\"{nonce\"", &["carry.header.X-House-Nonce: ", "without its }", "close it"]),
    ("\"{key_id}\"", "\"{key_id}{nonce}\"", &["carry.header.X-House-Key: ", "cannot be read back", "put a literal between them"]),
    ("window: 5m", "window: soon", &["time.window", "'soon' is no span", "such as 5m"]),
    ("format: unix, ", "", &["time.format: ", "missing", "one of unix, unix-ms, http-date"]),
    ("countersign: 1", "countersign: 2", &["countersign: ", "version 2", "reads version 1"]),
    ("title:", "let: { a: \"{b}\", b: \"{a}\" }\ntitle:", &["let.a: ", "refers to itself", "break the circle"]),
    ("title:", "title: [", &["no YAML", "at line 3 column 8", "mend the YAML at that place"]),
    ("title:", "inputs: [region]\ntitle:", &["inputs: ", "region", "put {region} where it belongs"]),
];

#[test]
fn each_broken_file_is_named_with_place_and_mend() {
    for (index, (sound, broken, words)) in BROKEN.iter().enumerate() {
        let scratch = Scratch::new();
        let text = IN_HOUSE.replacen(sound, broken, 1);
        assert_ne!(text, IN_HOUSE, "row {index} changes nothing");
        scratch.file("in-house.yaml", text);
        let run = countersign(["dialects", "list", "--dialects", scratch.path().to_str().unwrap()]);
        assert!(run.code == 2 && run.stdout.is_empty(), "row {index}: {}", run.stderr);
        for words in words.iter().chain(&["in-house.yaml: "]) {
            assert!(run.stderr.contains(words), "row {index}, '{words}': {}", run.stderr);
        }
    }
}

#[test]
fn every_broken_file_of_a_folder_is_named_at_once() {
    let scratch = Scratch::new();
    scratch.file("one.yaml", IN_HOUSE);
    scratch.file("two.yaml", "title: [");
    scratch.file("in-house.yaml", IN_HOUSE);
    let run = countersign(["dialects", "list", "--dialects", scratch.path().to_str().unwrap()]);
    assert!(run.stderr.contains("one.yaml: dialect: ") && run.stderr.contains("two.yaml: "), "{}", run.stderr);
}
