//! `reason`: every page that is committed, in both languages, as text and as JSON.

use std::fs;
use std::path::Path;

use crate::support::{command, countersign, finish};

fn pages() -> Vec<(String, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/reasons");
    let read = |language: &str, name: &str| fs::read_to_string(folder.join(language).join(format!("{name}.md"))).unwrap();
    let names = fs::read_dir(folder.join("en")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.map(|name| name.strip_suffix(".md").unwrap().to_owned());
    names.map(|name| (read("en", &name), read("zh", &name), name)).map(|(en, zh, name)| (name, en, zh)).collect()
}

#[test]
fn the_list_names_every_page_with_status_and_hint() {
    let (text, json) = (countersign(["reason", "--lang", "en"]).ok().text(), countersign(["reason", "--json"]).ok().json());
    let pages = pages();
    assert_eq!((text.lines().count(), json.as_array().unwrap().len()), (pages.len(), pages.len()));
    for (name, english, _) in &pages {
        let entry = json.as_array().unwrap().iter().find(|entry| entry["reason"] == **name).unwrap();
        let (status, hint) = (entry["status"].as_u64().unwrap(), entry["hint"].as_str().unwrap());
        assert!(english.contains(&format!("> {hint}\n")) && english.contains(&format!("| {status} |")), "{name}");
        assert!(text.lines().any(|line| line.split_whitespace().take(2).eq([name.as_str(), &status.to_string()])), "{name}");
    }
}

#[test]
fn a_page_is_printed_in_the_language_that_is_asked_for() {
    let pages = pages();
    let (name, english, chinese) = pages.iter().find(|(name, ..)| name == "replayed").unwrap();
    let urn = format!("urn:countersign:reason:{name}");
    assert_eq!(&countersign(["reason", name]).ok().text(), english);
    assert_eq!(&countersign(["reason", &urn, "--lang", "zh"]).ok().text(), chinese);
    let mut located = command();
    located.args(["reason", name]).env("LANG", "zh_CN.UTF-8");
    assert_eq!(&finish(&mut located, b"").text(), chinese);
    let mut asked = command();
    asked.args(["reason", name, "--lang", "en"]).env("LC_ALL", "zh_CN.UTF-8");
    assert_eq!(&finish(&mut asked, b"").text(), english);
}

#[test]
fn a_page_as_json_has_its_sections() {
    let page = countersign(["reason", "unknown_key", "--json"]).ok().json();
    assert_eq!((&page["reason"], &page["code"], &page["status"]), (&"unknown_key".into(), &"signature_mismatch".into(), &401.into()));
    assert_eq!(page["type"], "urn:countersign:reason:signature_mismatch");
    let sections = page["sections"].as_object().unwrap();
    assert_eq!(sections.keys().collect::<Vec<_>>(), ["meaning", "causes", "mend", "peer", "log"]);
    assert!(sections.values().all(|text| text.as_str().unwrap().len() > 10));
    assert!(sections["causes"].as_str().unwrap().starts_with("- "));
}

#[test]
fn what_is_no_reason_is_refused() {
    for name in ["", "Replayed", "urn:countersign:reason:", "none"] {
        let run = countersign(["reason", name]);
        assert_eq!((run.code, run.stdout.len()), (2, 0), "{name}");
        assert!(run.stderr.contains("`countersign reason` lists them"), "{}", run.stderr);
    }
}

#[test]
fn the_flags_that_pages_name_are_there() {
    let known = countersign(["completions", "bash"]).ok().text();
    let mut seen = 0;
    for (name, english, chinese) in pages() {
        for word in [&english, &chinese].into_iter().flat_map(|text| text.split(['`', ' '])).filter(|word| word.starts_with("--")) {
            assert!(known.contains(&format!("{word} ")), "{name}: no flag {word}");
            seen += 1;
        }
        for text in [&english, &chinese] {
            for call in text.split("`countersign ").skip(1).map(|rest| rest.split(['`', ' ']).next().unwrap()) {
                assert!(known.contains(&format!("countersign,{call})")), "{name}: no command {call}");
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "{seen}");
}
