//! What a dialect's own file says about which requests mean the same. Read from the file's text, and not with the engine's own code.

use std::fs;
use std::path::Path;

use countersign_protocol::Dialect;
use serde_yaml::Value;

/// How a dialect reads what it signs.
#[derive(Debug, Default)]
pub struct Reading {
    /// It signs query and form as one list. A parameter that moves from one to the other is then the same parameter (RFC 5849, section 3.4.1.3): that
    /// is a property of such protocols. What must not be accepted is a parameter in both places.
    pub merges: bool,
    /// A `+` in a list is a blank.
    pub plus_is_blank: bool,
    /// It signs the path without its dot segments and doubled slashes.
    pub normalizes: bool,
    /// It signs every path with a slash at the end.
    pub closes: bool,
    /// Headers that the file names, to be tried as the free one.
    pub headers: Vec<String>,
}

impl Reading {
    /// Of a built-in dialect; of one that has no file, that nothing means the same.
    ///
    /// # Errors
    /// When the file is no YAML.
    pub fn of(dialect: &Dialect) -> Result<Self, String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../crates/protocol/dialects/{}.yaml", dialect.id()));
        let Ok(text) = fs::read_to_string(&path) else { return Ok(Self::default()) };
        Self::of_text(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Of the text of a dialect file.
    ///
    /// # Errors
    /// When it is no YAML.
    pub fn of_text(text: &str) -> Result<Self, serde_yaml::Error> {
        let file: Value = serde_yaml::from_str(text)?;
        let mut templates = String::new();
        for key in ["string_to_sign", "let", "key"] {
            gather(&file[key], &mut templates);
        }
        let lists: Vec<&str> = ["query", "form", "params"].into_iter().filter(|list| templates.contains(&format!("{{{list}"))).collect();
        let path_is = |filter: &str| names(&templates, "{path").any(|rest| rest.contains(filter));
        Ok(Self {
            merges: lists.iter().any(|list| merges(list, &file[*list]["from"])),
            plus_is_blank: lists.iter().any(|list| file[*list]["decode"].as_str() == Some("form")),
            normalizes: path_is("normalize"),
            closes: path_is("closing-slash"),
            headers: headers(&file, &templates),
        })
    }
}

/// Every text under a key, one after the other.
fn gather(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push_str(text);
            out.push('\n');
        }
        Value::Sequence(list) => list.iter().for_each(|item| gather(item, out)),
        Value::Mapping(map) => map.iter().for_each(|(_, item)| gather(item, out)),
        _ => {}
    }
}

fn merges(list: &str, from: &Value) -> bool {
    if from.is_null() {
        return list == "params";
    }
    let mut sources = String::new();
    gather(from, &mut sources);
    sources.contains("query") && sources.contains("form")
}

/// What stands between each `begin` and the brace that closes it.
fn names<'t>(templates: &'t str, begin: &'t str) -> impl Iterator<Item = &'t str> {
    templates.split(begin).skip(1).map(|rest| rest.split('}').next().unwrap_or_default())
}

/// The names of `headers.sign`, a prefix with a letter behind it, and of each `{header.NAME}`.
fn headers(file: &Value, templates: &str) -> Vec<String> {
    let mut listed = String::new();
    gather(&file["headers"]["sign"], &mut listed);
    let listed = listed.lines().map(|name| name.replace('*', "a"));
    let single = names(templates, "{header.").map(|rest| rest.split(['|', ' ']).next().unwrap_or_default().to_owned());
    listed.chain(single).collect()
}
