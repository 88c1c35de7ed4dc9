//! Reads one entry of a HAR file (HTTP Archive 1.2), in which browsers and proxies save what they exchanged.
//!
//! The target is the text of `request.url` after the authority, byte for byte, and the header lines are those of the list, in its order. What the
//! file does not hold is never made up: a body of which only parsed parameters are left is refused, and so is one that is shorter than its length.

mod document;
mod entry;

use countersign_protocol::{Dialect, Message};

use super::url::Origin;
use document::Brief;

/// The most entries of a file.
const MOST_ENTRIES: usize = 100_000;
/// The most entries that are listed when it is not clear which one is meant.
const MOST_LISTED: usize = 40;
/// The most characters of an address in that list.
const MOST_SHOWN: usize = 100;

/// Which half of an entry is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    /// The request.
    Request,
    /// The answer to it.
    Response,
}

impl Half {
    /// The half that a dialect signs.
    pub(crate) fn of(dialect: &Dialect) -> Self {
        if dialect.is_of_responses() { Self::Response } else { Self::Request }
    }
}

/// What an entry says.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) message: Message,
    pub(crate) origin: Option<Origin>,
    /// What the reader should know of how it was read.
    pub(crate) notes: Vec<String>,
}

/// Whether the text is a HAR file: JSON whose first member is `log`.
pub(crate) fn is_har(text: &[u8]) -> bool {
    let rest = without_mark(text).trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    rest.and_then(|rest| rest.strip_prefix(b"\"log\"")).is_some_and(|rest| rest.trim_ascii_start().starts_with(b":"))
}

/// Reads one half of the entry of this number, counted from 1; without a number of the only one.
pub(crate) fn parse(text: &[u8], number: Option<usize>, half: Half) -> Result<Parsed, String> {
    let text = without_mark(text);
    let briefs = document::briefs(text)?;
    let index = choose(&briefs, number)?;
    let entry = document::entry(text, index)?;
    let read = match half {
        Half::Request => entry::request(entry),
        Half::Response => entry::response(entry),
    };
    read.map_err(|fault| format!("entry {} of the HAR: {fault}", index + 1))
}

/// Some programs begin a file with a byte order mark.
fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

fn choose(briefs: &[Brief], number: Option<usize>) -> Result<usize, String> {
    match (number, briefs.len()) {
        (_, 0) => Err("the HAR has no entry; let the browser record the request, then save it".to_owned()),
        (None, 1) => Ok(0),
        (None, count) => Err(format!("the HAR has {count} entries; name one with --har-entry N:{}", list(briefs))),
        (Some(number), count) if (1..=count).contains(&number) => Ok(number - 1),
        (Some(number), count) => Err(format!("--har-entry {number}: the HAR has the entries 1 to {count}:{}", list(briefs))),
    }
}

/// One line for each entry. Queries are left out: a signature or a key may ride there.
fn list(briefs: &[Brief]) -> String {
    let mut text = String::new();
    for (i, brief) in briefs.iter().take(MOST_LISTED).enumerate() {
        let (method, address) = (shown(&brief.request.method), shown(without_secrets(&brief.request.url)));
        let query = if brief.request.url.contains('?') { "?.." } else { "" };
        text.push_str(&format!("\n{:>5}  {method} {address}{query}", i + 1));
    }
    if let Some(more) = briefs.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
        text.push_str(&format!("\n       and {more} more"));
    }
    text
}

/// Host and path of an address.
fn without_secrets(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rfind('@').map_or(rest, |i| &rest[i + 1..])
}

fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut short: String = plain.clone().take(MOST_SHOWN).collect();
    if plain.count() > MOST_SHOWN {
        short.push_str("..");
    }
    short
}

#[cfg(test)]
mod suite;
