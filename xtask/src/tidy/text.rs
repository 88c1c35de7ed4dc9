//! Rules about any file: how it opens, what may stand nowhere, where crates come from.

use super::{Project, Violation};

pub(super) fn opens_with_a_sentence(project: &Project) -> Vec<Violation> {
    let is_sentence = |text: &str| text.lines().next().is_some_and(|line| line.strip_prefix("//! ").is_some_and(|words| words.len() > 3));
    project.rust().filter(|source| !is_sentence(&source.text)).map(|source| source.at(1, "no //! sentence")).collect()
}

pub(super) fn no_mod_rs(project: &Project) -> Vec<Violation> {
    project.rust().filter(|source| source.path.ends_with("/mod.rs")).map(|source| source.at(1, "name it after its module")).collect()
}

pub(super) fn no_unsafe(project: &Project) -> Vec<Violation> {
    let keyword = ["{", "fn", "impl", "extern", "trait"].map(|next| format!(" unsafe {next}"));
    let has = |line: &str| keyword.iter().any(|k| format!(" {}", without_strings(line)).contains(k.as_str()));
    let of =
        |source: &super::Source| source.code().filter(|(_, line)| has(line)).map(|(n, _)| source.at(n, "unsafe code")).collect::<Vec<_>>();
    let mut found: Vec<_> = project.rust().flat_map(of).collect();
    let is_forbidden = |text: &str| text.contains("unsafe_code = \"forbid\"");
    let manifest = project.sources.iter().filter(|source| source.path == "Cargo.toml" && !is_forbidden(&source.text));
    found.extend(manifest.map(|source| source.at(1, "unsafe_code is not forbidden")));
    found
}

/// A line without what stands between its double quotes, and without what follows `//`.
fn without_strings(line: &str) -> String {
    let outside: String = line.split('"').step_by(2).collect();
    outside.split("//").next().unwrap_or_default().to_owned()
}

pub(super) fn lints_are_inherited(project: &Project) -> Vec<Violation> {
    let manifests = project.sources.iter().filter(|source| source.path.ends_with("/Cargo.toml"));
    manifests
        .filter(|source| !source.text.contains("[lints]\nworkspace = true"))
        .map(|source| source.at(1, "no `[lints] workspace = true`"))
        .collect()
}

pub(super) fn no_ignored_test(project: &Project) -> Vec<Violation> {
    let is_ignored = |line: &str| line.trim_start().starts_with(concat!("#[", "ignore"));
    let of = |source: &super::Source| {
        source
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| is_ignored(line))
            .map(|(i, _)| source.at(i + 1, "a skip belongs into data, with a reason"))
            .collect::<Vec<_>>()
    };
    project.rust().flat_map(of).collect()
}

pub(super) fn nowhere_words(project: &Project) -> Vec<Violation> {
    let home = std::env::var("HOME").ok().filter(|home| home.len() > 1);
    let here = [Some(crate::root().display().to_string()), home].into_iter().flatten().map(|folder| format!("{folder}/"));
    let forbidden: Vec<String> = project.words.nowhere.iter().cloned().chain(here).collect();
    let mut found = Vec::new();
    for source in &project.sources {
        for (i, line) in source.text.lines().enumerate() {
            let words = forbidden.iter().filter(|word| line.contains(word.as_str()));
            found.extend(words.map(|word| source.at(i + 1, &format!("`{word}` may stand nowhere"))));
        }
    }
    found
}

pub(super) fn dependencies_have_reasons(project: &Project) -> Vec<Violation> {
    let Some(manifest) = project.sources.iter().find(|source| source.path == "Cargo.toml") else { return Vec::new() };
    let mut inside = false;
    let mut found = Vec::new();
    for (i, line) in manifest.text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        }
        let is_foreign = inside && line.contains(" = ") && !line.starts_with("countersign") && !line.starts_with('#');
        if is_foreign && !line.contains(" # ") {
            found.push(manifest.at(i + 1, "no reason beside the dependency"));
        }
    }
    found
}

pub(super) fn one_registry(project: &Project) -> Vec<Violation> {
    let lock = project.sources.iter().filter(|source| source.path == "Cargo.lock");
    let is_other =
        |line: &str| line.starts_with("source = ") && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    lock.flat_map(|source| {
        source.text.lines().enumerate().filter(|(_, line)| is_other(line)).map(|(i, _)| source.at(i + 1, "another registry"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::project;
    use super::*;

    #[test]
    fn each_rule_finds_its_fault() {
        let rust = |text| project(&[("crates/a/src/b/mod.rs", text)]);
        assert_eq!(opens_with_a_sentence(&rust("//! .\n")).len(), 1);
        assert_eq!(opens_with_a_sentence(&rust("//! What is here.\n")).len(), 0);
        assert_eq!(no_mod_rs(&rust("")).len(), 1);
        assert_eq!(no_unsafe(&rust("let a = unsafe { b };\nif a.is_unsafe {\n// unsafe {\nlet c = \"unsafe {\"; // unsafe {\n")).len(), 1);
        assert_eq!(no_ignored_test(&rust(concat!("    #[", "ignore]\n"))).len(), 1);
        assert_eq!(lints_are_inherited(&project(&[("crates/a/Cargo.toml", "[package]\n")])).len(), 1);
        assert_eq!(nowhere_words(&rust(concat!("// TO", "DO\n"))).len(), 1);
        let lock = project(&[("Cargo.lock", "source = \"registry+https://mirror.example/\"\n")]);
        assert_eq!(one_registry(&lock).len(), 1);
    }

    #[test]
    fn a_dependency_needs_a_reason() {
        let manifest = "[workspace.dependencies]\n# A group.\na = \"1\"\nb = \"1\" # because\ncountersign-c = { path = \"c\" }\n[profile.dev]\nd = 1\n";
        let found = dependencies_have_reasons(&project(&[("Cargo.toml", manifest)]));
        assert_eq!(found.iter().map(|v| v.line).collect::<Vec<_>>(), [3]);
    }
}
