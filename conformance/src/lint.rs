//! Rules about files of vectors beyond what their loader demands: what a reader must be able to rely on.

use countersign_protocol::Dialect;
use countersign_vectors::check::admit;
use countersign_vectors::written::{Source, Vector, VectorFile};
use countersign_vectors::{Case, Expect, parse};
use serde_yaml::{Mapping, Value};

/// What is wrong with the file of a dialect: vector and fault.
#[must_use]
pub fn lint(dialect: &Dialect, text: &str) -> Vec<String> {
    let stem = dialect.id();
    let (file, cases, tree) = match (serde_yaml::from_str::<VectorFile>(text), parse(stem, text), serde_yaml::from_str(text)) {
        (Ok(file), Ok(cases), Ok(tree)) => (file, cases, tree),
        (Err(error), ..) => return vec![error.to_string()],
        (_, Err(error), _) => return vec![error.to_string()],
        (.., Err(error)) => return vec![error.to_string()],
    };
    let file = File { dialect, stem, file: &file, tree: &tree };
    let mut faults: Vec<String> = file.file.vectors.iter().flat_map(|vector| file.of_vector(vector)).collect();
    for gap in file.file.left_out.iter().filter(|gap| [&gap.case, &gap.witness, &gap.why].iter().any(|text| is_blank(text))) {
        faults.push(format!("left_out {}: case, witness and why must be told", gap.case));
    }
    if !cases.iter().any(|case| case.expect == Expect::Accepted) {
        faults.push("no vector is accepted: one that refuses everything would pass".to_owned());
    }
    faults
}

struct File<'f> {
    dialect: &'f Dialect,
    stem: &'f str,
    file: &'f VectorFile,
    tree: &'f Value,
}

impl File<'_> {
    fn of_vector(&self, vector: &Vector) -> Vec<String> {
        let mut faults = Vec::new();
        let mut say = |fault: &str| faults.push(format!("{}: {fault}", vector.name));
        if !is_kebab(&vector.name) {
            say("the name is no kebab-case");
        }
        if is_blank(&vector.why) {
            say("why it exists is not told");
        }
        if vector.source.as_ref().is_some_and(|source| texts(source).iter().any(|text| is_blank(text))) {
            say("a field of its source is empty");
        }
        if vector.expect != Expect::Accepted && vector.covers.is_some() {
            say("covers says what a refusal covers; nothing is covered then");
        }
        if let Some(origin) = vector.from.as_ref().and_then(|from| self.file.vectors.iter().find(|v| v.name == *from)) {
            if origin.expect != Expect::Accepted && origin.expect == vector.expect {
                say("it starts from a vector that is refused for the same reason: the change shows nothing");
            }
            faults.extend(self.superfluous_edits(vector));
        }
        faults
    }

    /// Of several edits each must be needed: without it the verdict is another one, or the others cannot be made.
    fn superfluous_edits(&self, vector: &Vector) -> Vec<String> {
        let Expect::Refused(expected) = vector.expect else { return Vec::new() };
        let Some(tree) = self.vector_tree(&vector.name) else { return Vec::new() };
        let edits = edits(tree);
        if edits.len() < 2 {
            return Vec::new();
        }
        let is_superfluous = |edit: &&(usize, String)| {
            let Some(case) = self.without(vector, tree, edit) else { return false };
            admit(self.dialect, &case, &case.placed, &case.inputs)
                .err()
                .is_some_and(|refusal| refusal.reason().public() == expected.public())
        };
        let told = |(_, key): &(usize, String)| format!("{}: it is refused so without the edit `{key}`: one fault is enough", vector.name);
        edits.iter().filter(is_superfluous).map(told).collect()
    }

    fn vector_tree(&self, name: &str) -> Option<&Value> {
        self.tree.get("vectors")?.as_sequence()?.iter().find(|vector| vector.get("name").and_then(Value::as_str) == Some(name))
    }

    /// The vector without one of its edits, worked out; `None` where the rest makes no sense.
    fn without(&self, vector: &Vector, tree: &Value, (index, key): &(usize, String)) -> Option<Case> {
        let mut tree = tree.clone();
        let change = tree.get_mut("change")?;
        let edit = match change {
            Value::Sequence(list) => list.get_mut(*index)?,
            one => one,
        };
        edit.as_mapping_mut()?.remove(key.as_str());
        let origin = self.vector_tree(vector.from.as_deref()?)?.clone();
        let mut file = Mapping::new();
        file.insert("dialect".into(), self.stem.into());
        file.insert("vectors".into(), Value::Sequence(vec![origin, tree]));
        let text = serde_yaml::to_string(&Value::Mapping(file)).ok()?;
        parse(self.stem, &text).ok()?.pop()
    }
}

/// The edits of a change: the place in its list, and the key.
fn edits(vector: &Value) -> Vec<(usize, String)> {
    let maps = match vector.get("change") {
        Some(Value::Sequence(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let keys = |(index, map): (usize, &Value)| {
        let keys = map.as_mapping().into_iter().flat_map(|map| map.keys()).filter_map(Value::as_str);
        keys.map(|key| (index, key.to_owned())).collect::<Vec<_>>()
    };
    maps.iter().enumerate().flat_map(keys).collect()
}

fn texts(source: &Source) -> Vec<&str> {
    match source {
        Source::Published(published) => vec![&published.name, &published.address, &published.date, &published.licence],
        Source::Recorded(recorded) => vec![&recorded.sdk, &recorded.version, &recorded.licence],
        Source::Transcript(transcript) => vec![&transcript.transcript, &transcript.licence],
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

fn is_kebab(name: &str) -> bool {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    name.split('-').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: &str = "countersign: 1\ndialect: acme\ntitle: t\nstring_to_sign: \"{method} {path}\"\nalgorithm: hmac-sha256\nwaive: [query, body]\n\
                           carry:\n  header:\n    A: \"{key_id}\"\n    S: \"{signature}\"\n";
    /// HMAC-SHA256 of `GET /` under `s`, by OpenSSL.
    const TAG: &str = "7bbb6548d6b1b2e26f8808b8d9432e881271bc6850774eb8a889a3afcf8c8e9a";

    fn faults(vectors: &str) -> Vec<String> {
        lint(&Dialect::from_yaml(DIALECT).unwrap(), &format!("dialect: acme\nvectors:\n{vectors}"))
    }

    fn base(name: &str, why: &str, licence: &str) -> String {
        format!(
            "- name: {name}\n  why: {why}\n  source: {{ transcript: t, licence: \"{licence}\" }}\n  at: \"2025-01-01T00:00:00Z\"\n  credentials: {{ key_id: k, secret: s }}\n  \
             request: {{ method: GET, target: / }}\n  placed: {{ method: GET, target: /, headers: [[A, k], [S, {TAG}]] }}\n  expect: accepted\n"
        )
    }

    #[test]
    fn each_rule_finds_its_fault() {
        assert_eq!(faults(&base("good", "it is good", "MIT")), Vec::<String>::new());
        for (vectors, word) in [
            (base("Not_Kebab", "x", "MIT"), "kebab-case"),
            (base("a", "\" \"", "MIT"), "why it exists"),
            (base("a", "x", " "), "source is empty"),
            (base("a", "x", "MIT").replace("accepted", "signature_mismatch"), "no vector is accepted"),
            (base("a", "x", "MIT").replace("accepted\n", "signature_mismatch\n  covers: [path]\n"), "covers"),
            ("- name: a\n".to_owned(), "missing field"),
        ] {
            let found = faults(&vectors);
            assert!(found.iter().any(|fault| fault.contains(word)), "{word}: {found:?}");
        }
    }

    #[test]
    fn a_second_fault_is_found() {
        let with = |change: &str, expect: &str| {
            faults(&format!("{}- name: b\n  from: a\n  why: x\n  change: {change}\n  expect: {expect}\n", base("a", "x", "MIT")))
        };
        assert_eq!(with("{ method: PUT }", "signature_mismatch"), Vec::<String>::new());
        let two = with("{ method: PUT, target: /b }", "signature_mismatch");
        assert!(two.len() == 2 && two[0].contains("`method`") && two[1].contains("`target`"), "{two:?}");
        // Each of the two is needed: an unsigned part, which the policy asks for.
        assert_eq!(with("{ body: x, policy: { require: [body] } }", "required_part_unsigned"), Vec::<String>::new());
    }
}
