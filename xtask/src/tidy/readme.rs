//! The rule that both READMEs say the same: one is read by whoever the other one is not for.

use super::{Project, Source, Violation};

/// The documents that are kept in two languages: the English one, and the Chinese one.
const PAIRS: &[(&str, &str)] = &[("README.md", "README.zh-CN.md")];

/// The same blocks of code, headings of the same levels, as many rows of tables and items of lists, and the same links, each in the same order.
pub(super) fn translations_agree(project: &Project) -> Vec<Violation> {
    let find = |path: &str| project.sources.iter().find(|source| source.path == path);
    let mut found = Vec::new();
    for (english, chinese) in PAIRS {
        match (find(english), find(chinese)) {
            (Some(one), Some(other)) => found.extend(differences(one, other)),
            (Some(one), None) => found.push(one.at(1, &format!("{chinese} is missing"))),
            (None, _) => {}
        }
    }
    found
}

/// What of a document must be the same in every language: a kind, and a text.
type Fixed<'s> = (usize, &'static str, &'s str);

fn differences(one: &Source, other: &Source) -> Vec<Violation> {
    let (ours, theirs) = (outline(&one.text), outline(&other.text));
    let mut pairs = ours.iter().zip(&theirs);
    if let Some((mine, its)) = pairs.find(|(mine, its)| (mine.1, mine.2) != (its.1, its.2)) {
        return vec![
            other.at(its.0, &format!("{} `{}` stands where {} has at line {}: {} `{}`", its.1, its.2, one.path, mine.0, mine.1, mine.2)),
        ];
    }
    match (ours.get(theirs.len()), theirs.get(ours.len())) {
        (Some(more), _) => vec![one.at(more.0, &format!("{} lacks what follows from here: {} `{}`", other.path, more.1, more.2))],
        (_, Some(more)) => vec![other.at(more.0, &format!("{} lacks what follows from here: {} `{}`", one.path, more.1, more.2))],
        _ => Vec::new(),
    }
}

fn outline(text: &str) -> Vec<Fixed<'_>> {
    let mut fixed = Vec::new();
    let mut in_code = false;
    for (i, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line)) {
        let fence = line.starts_with("```");
        if in_code || fence {
            fixed.push((i, "a line of code", line));
            in_code ^= fence;
            continue;
        }
        let level = line.len() - line.trim_start_matches('#').len();
        if level > 0 {
            fixed.push((i, "a heading", &line[..level]));
        } else if line.starts_with("| ") || line.starts_with("|-") {
            fixed.push((i, "a row", first_code(line)));
        } else if line.starts_with("- ") {
            fixed.push((i, "an item", ""));
        }
        // Links to the other language stand in both, and lead to each other.
        let links = line.match_indices("](").filter_map(|(at, _)| line[at + 2..].split(')').next());
        fixed.extend(links.filter(|link| !PAIRS.iter().any(|(one, other)| link == one || link == other)).map(|link| (i, "a link", link)));
    }
    fixed
}

/// What a row is about: the first text in backticks, if it begins with one.
fn first_code(line: &str) -> &str {
    line.strip_prefix("| `").and_then(|rest| rest.split('`').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::project;
    use super::*;

    const ENGLISH: &str = "# A\n\n[中文](README.zh-CN.md)\n\nText with [a link](a.md).\n\n```sh\nrun # it\n```\n\n## B\n\n| id | what |\n|---|---|\n| `x` | y |\n\n- one\n";
    const CHINESE: &str = "# 甲\n\n[English](README.md)\n\n带[链接](a.md)的\n文字。\n\n```sh\nrun # it\n```\n\n## 乙\n\n| 标识 | 说明 |\n|---|---|\n| `x` | 丙 |\n\n- 一\n";

    fn faults(chinese: &str) -> usize {
        translations_agree(&project(&[("README.md", ENGLISH), ("README.zh-CN.md", chinese)])).len()
    }

    #[test]
    fn two_that_say_the_same_agree() {
        assert_eq!(faults(CHINESE), 0);
    }

    #[test]
    fn each_drift_is_found() {
        for (from, to) in [
            ("run # it", "run # 它"),
            ("run # it\n", ""),
            ("```sh", "```"),
            ("## 乙", "### 乙"),
            ("## 乙\n", ""),
            ("| `x` |", "| `y` |"),
            ("- 一\n", ""),
            ("- 一\n", "- 一\n- 二\n"),
            ("a.md", "b.md"),
            ("[链接](a.md)", "链接"),
        ] {
            assert!(CHINESE.contains(from));
            assert_eq!(faults(&CHINESE.replace(from, to)), 1, "{from:?} {to:?}");
        }
        assert_eq!(translations_agree(&project(&[("README.md", ENGLISH)])).len(), 1);
    }
}
