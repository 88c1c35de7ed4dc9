//! The pages hold what the program says: each reason has one, with its hint, its status and a problem body as it is sent.

use std::fs;
use std::path::Path;

use countersign_protocol::Timestamp;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use super::*;
use crate::problem::{Problem, Row};

const LANGUAGES: [Language; 2] = [Language::English, Language::Chinese];
const ID: &str = "0199c2f4-6d3e-7c51-9a40-3f6f0c2d8b17";
const INDEX: [&str; 2] = [include_str!("../../reasons/README.md"), include_str!("../../reasons/README.zh-CN.md")];

fn each(mut look: impl FnMut(Reason, Language, Page)) {
    for reason in Reason::ALL {
        for language in LANGUAGES {
            look(*reason, language, Page::of(*reason, language).unwrap_or_else(|| panic!("{reason} has no page in {language:?}")));
        }
    }
}

/// The answer that the page shows: with the clock where a clock reason tells it.
fn answer(reason: Reason, language: Language) -> http::Response<bytes::Bytes> {
    let problem = Problem::new(reason);
    let at = Timestamp::from_seconds(1_767_323_045).unwrap();
    let problem = match reason {
        Reason::TooOld => problem.with_clock(at, Some(-412_000)),
        Reason::FromTheFuture => problem.with_clock(at, Some(412_000)),
        _ => problem,
    };
    problem.answer(language, ID)
}

fn example(page: Page) -> &'static str {
    let peer = page.section(Section::Peer);
    peer.split_once("```json\n").and_then(|(_, rest)| rest.split_once("\n```")).map_or("", |(example, _)| example)
}

#[test]
fn every_reason_has_its_page_and_every_page_its_reason() {
    each(|reason, _, page| assert!(page.text().starts_with(&format!("# {reason}\n")), "{reason}"));
    assert_eq!(PAGES.len(), Reason::ALL.len());
    for (name, ..) in PAGES {
        assert!(Reason::from_name(name).is_some(), "the page {name} is of no reason");
    }
}

#[test]
fn every_page_has_every_section_once_and_filled() {
    each(|reason, language, page| {
        let headings: Vec<&str> = page.text().lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, Section::ALL.map(|section| section.heading(language)), "{reason} {language:?}");
        for section in Section::ALL {
            assert!(page.section(section).chars().count() > 10, "{reason} {language:?}: {section:?} says nothing");
        }
        for section in [Section::Causes, Section::Mend] {
            assert!(page.section(section).lines().all(|line| line.starts_with("- ")), "{reason} {language:?}: {section:?} is a list");
        }
    });
}

#[test]
fn both_languages_say_as_much() {
    for reason in Reason::ALL {
        let items = LANGUAGES.map(|language| {
            let page = Page::of(*reason, language).unwrap();
            [Section::Causes, Section::Mend].map(|section| page.section(section).lines().count())
        });
        assert_eq!(items[0], items[1], "{reason}: causes and mends");
    }
    each(|reason, language, page| {
        let chinese = page.section(Section::Meaning).chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        assert_eq!(chinese, language == Language::Chinese, "{reason} {language:?}");
    });
}

#[test]
fn hints_are_those_of_the_code() {
    each(|reason, language, page| {
        let hint = page.text().lines().nth(2).and_then(|line| line.strip_prefix("> "));
        assert_eq!(hint, Some(reason.hint(language)), "{reason} {language:?}");
    });
}

#[test]
fn the_status_is_that_of_the_table() {
    each(|reason, language, page| {
        let row = Row::of(reason);
        let headers = answer(reason, language).headers().clone();
        let shown = match (headers.contains_key(WWW_AUTHENTICATE), headers.contains_key(RETRY_AFTER)) {
            (true, _) => "`WWW-Authenticate`",
            (_, true) => "`Retry-After`",
            _ => "–",
        };
        let wanted = format!("| {} | {} | {shown} | {} |", row.status.as_u16(), row.title, row.level);
        assert_eq!(page.text().lines().nth(6), Some(wanted.as_str()), "{reason} {language:?}");
    });
}

#[test]
fn the_example_is_what_is_sent() {
    each(|reason, language, page| {
        let sent: serde_json::Value = serde_json::from_slice(answer(reason, language).body()).unwrap();
        assert_eq!(example(page), serde_json::to_string_pretty(&sent).unwrap(), "{reason} {language:?}");
    });
}

#[test]
fn a_type_leads_to_its_page() {
    for reason in Reason::ALL {
        let sent: serde_json::Value = serde_json::from_slice(answer(*reason, Language::English).body()).unwrap();
        assert_eq!(named(sent["type"].as_str().unwrap()), Some(reason.public()));
        assert_eq!(named(reason.as_str()), Some(*reason));
    }
    assert_eq!(named("urn:countersign:reason:none"), None);
    assert_eq!(named(""), None);
}

#[test]
fn the_index_names_every_page_with_its_status() {
    for (index, language) in INDEX.iter().zip(LANGUAGES) {
        let folder = if language == Language::English { "en" } else { "zh" };
        for reason in Reason::ALL {
            let row = format!("| [`{reason}`]({folder}/{reason}.md) | {} | {} |", Row::of(*reason).status.as_u16(), reason.hint(language));
            assert_eq!(index.lines().filter(|line| *line == row).count(), 1, "{row}");
        }
        assert_eq!(index.lines().filter(|line| line.starts_with("| [")).count(), Reason::ALL.len());
    }
}

/// Words in backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn prose(page: Page) -> impl Iterator<Item = &'static str> {
    let texts = Section::ALL.map(|section| page.section(section).split("```").next().unwrap_or_default());
    texts.into_iter().flat_map(code)
}

#[test]
fn the_keys_and_series_that_pages_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = fs::read_to_string(root.join("CONFIG.md")).unwrap();
    let mut series = String::new();
    for entry in fs::read_dir(root.join("src/metrics")).unwrap() {
        series.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    series.push_str(&fs::read_to_string(root.join("src/metrics.rs")).unwrap());
    let mut seen = (0, 0);
    each(|reason, language, page| {
        for word in prose(page) {
            let key = word.split_once('.').filter(|(table, _)| ["limits", "store", "session", "audit"].contains(table));
            if let Some((_, key)) = key {
                assert!(reference.contains(&format!("| `{key}` |")), "{reason} {language:?}: no key {word}");
                seen.0 += 1;
            }
            if word.starts_with("countersign_") {
                assert!(series.contains(&format!("\"{word}\"")), "{reason} {language:?}: no series {word}");
                seen.1 += 1;
            }
        }
    });
    assert!(seen.0 > 20 && seen.1 > 10, "{seen:?}");
}
