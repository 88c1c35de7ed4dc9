//! The helpers that signers call, one file a language in `prelude/`: sections by name, of which only the used ones are written.

use std::collections::BTreeSet;

use crate::support::Language;

/// The sections of a language: a line `#: name` or `//: name` begins one, `#+ line` or `//+ line` below it is an import that it needs, `#& name` or `//& name` a helper that
/// it takes without calling it.
const fn text(language: Language) -> &'static str {
    match language {
        Language::Python => include_str!("../prelude/python.py"),
        Language::JavaScript => include_str!("../prelude/javascript.js"),
        Language::Go => include_str!("../prelude/go.go"),
        Language::Java => include_str!("../prelude/java.java"),
        Language::Php => include_str!("../prelude/php.php"),
    }
}

/// A helper: its name, the imports that it needs, and its source.
#[derive(Debug, Clone)]
struct Section {
    name: &'static str,
    imports: Vec<&'static str>,
    /// Helpers that it takes without calling them.
    takes: Vec<&'static str>,
    source: String,
}

impl Section {
    fn needs(&self, name: &str) -> bool {
        self.takes.contains(&name) || stands_in(&self.source, name)
    }
}

/// What a signer takes of the prelude.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) imports: BTreeSet<&'static str>,
    pub(crate) sources: Vec<String>,
}

/// The names of all helpers, for variables to keep away from.
pub(crate) fn helpers() -> impl Iterator<Item = String> {
    Language::ALL.into_iter().flat_map(sections).map(|section| section.name.to_owned())
}

/// What stands behind this on a line is the digests for which the line is there.
const FOR: &str = " //? ";

/// A line without its mark; `None` where it is there for other digests.
fn for_digests<'l>(line: &'l str, digests: &[&str]) -> Option<&'l str> {
    match line.split_once(FOR) {
        Some((line, names)) => names.split(' ').any(|name| digests.contains(&name)).then_some(line),
        None => Some(line),
    }
}

/// The helpers whose names stand in the source, and those whose names stand in theirs, as far as these digests need them.
pub(crate) fn take(language: Language, source: &str, digests: &[&str]) -> Taken {
    let sections = sections(language);
    let mut wanted: Vec<bool> = sections.iter().map(|section| stands_in(source, section.name)).collect();
    loop {
        let more: Vec<usize> = sections
            .iter()
            .enumerate()
            .filter(|(i, section)| !wanted[*i] && sections.iter().zip(&wanted).any(|(s, w)| *w && s.needs(section.name)))
            .map(|(i, _)| i)
            .collect();
        if more.is_empty() {
            break;
        }
        more.into_iter().for_each(|i| wanted[i] = true);
    }
    let mut taken = Taken::default();
    for (section, _) in sections.into_iter().zip(wanted).filter(|(_, wanted)| *wanted) {
        taken.imports.extend(section.imports.into_iter().filter_map(|line| for_digests(line, digests)));
        let lines: Vec<&str> = section.source.lines().filter_map(|line| for_digests(line, digests)).collect();
        taken.sources.push(lines.join("\n"));
    }
    taken
}

/// Whether the source calls the name. A method of that name is no call of it.
fn stands_in(source: &str, name: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.');
    source.lines().filter(|line| !is_comment(line)).any(|line| {
        line.match_indices(name).any(|(at, _)| line[at + name.len()..].starts_with('(') && !is_word(line[..at].chars().next_back()))
    })
}

fn is_comment(line: &str) -> bool {
    ["#", "//", "/*", "*", "\"\"\""].iter().any(|mark| line.trim_start().starts_with(mark))
}

fn sections(language: Language) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for line in text(language).lines() {
        let mark = |kind: char| line.strip_prefix("#").or_else(|| line.strip_prefix("//")).and_then(|rest| rest.strip_prefix(kind));
        match (mark(':'), mark('+'), mark('&'), all.last_mut()) {
            (Some(name), ..) => all.push(Section { name: name.trim(), imports: Vec::new(), takes: Vec::new(), source: String::new() }),
            (_, Some(import), _, Some(section)) => section.imports.push(import.trim()),
            (_, _, Some(name), Some(section)) => section.takes.push(name.trim()),
            (.., Some(section)) => {
                section.source.push_str(line);
                section.source.push('\n');
            }
            _ => {}
        }
    }
    for section in &mut all {
        section.source.truncate(section.source.trim_end().len());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_comes_with_what_it_calls() {
        let taken = take(Language::Python, "x = media_type(y)", &[]);
        assert_eq!(taken.sources.len(), 1);
        let taken = take(Language::Python, "x = is_form(message)", &[]);
        let text = taken.sources.join("\n");
        assert!(["def is_form(", "def media_type(", "def header(", "def header_values("].iter().all(|def| text.contains(def)), "{text}");
        assert!(!text.contains("def percent("));
    }

    #[test]
    fn every_language_has_the_same_helpers() {
        let flat = |name: &str| name.replace('_', "").to_lowercase();
        let of = |language| sections(language).iter().map(|s| flat(s.name)).collect::<BTreeSet<_>>();
        let callable: BTreeSet<_> = crate::print::CALLED.iter().map(|name| flat(name)).collect();
        for language in Language::ALL {
            let missing: Vec<_> = callable.difference(&of(language)).cloned().collect();
            assert!(missing.iter().all(|name| language.as_str() == "python" && name == "signwithprivatekey"), "{language}: {missing:?}");
        }
    }
}
