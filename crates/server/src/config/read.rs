//! From text to the configuration as written, with every fault of form: what cannot be read is told, and left out.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::written::Written;
use super::{ConfigError, line_of};

/// Faults of form that are told at once.
const MOST_FAULTS: usize = 100;

/// Reads as much as can be read. A text that is no TOML gives nothing but its faults.
pub(super) fn read(file: &str, text: &str) -> (Written, Vec<ConfigError>) {
    let (mut table, errors) = DeTable::parse_recoverable(text);
    let fault = |error: &toml::de::Error| {
        let line = error.span().map(|span| line_of(text, span.start));
        let (fault, mend) = told(error.message());
        ConfigError::new(file, line, fault, mend)
    };
    if !errors.is_empty() {
        // The first one only: what a reader makes of the rest after it is guesswork.
        let first = errors.iter().min_by_key(|error| error.span().map(|span| span.start));
        return (Written::default(), first.map(fault).into_iter().collect());
    }
    let mut faults = Vec::new();
    let mut reduced: Vec<Range<usize>> = Vec::new();
    loop {
        let error = match Written::deserialize(Deserializer::from(table.clone())) {
            Ok(written) => return (written, faults),
            Err(error) => error,
        };
        let span = error.span();
        // A table that lost a key to an earlier fault lacks it for no fault of its own.
        let follows = error.message().starts_with("missing field") && span.as_ref().is_some_and(|span| reduced.contains(span));
        if !follows {
            faults.push(fault(&error));
        }
        let root = table.span();
        match span.and_then(|span| take_out(table.get_mut(), root, &span)) {
            Some(from) if faults.len() < MOST_FAULTS => reduced.push(from),
            _ => return (Written::default(), faults),
        }
    }
}

/// Fault and mend, from what the reader of TOML says.
fn told(message: &str) -> (String, &'static str) {
    let message = message.trim();
    if message.contains("untagged enum") {
        return ("a value that has none of the forms that this key takes".to_owned(), "see the configuration reference for this key");
    }
    let mend = match message {
        _ if message.starts_with("unknown field") => "correct the key's spelling, or remove it",
        _ if message.starts_with("missing field") => "write that key in this table",
        _ if message.starts_with("invalid type") => "write a value of the expected type",
        _ => "see the configuration reference for the keys of this table",
    };
    (message.to_owned(), mend)
}

/// Takes out the innermost entry that holds this place; the span of the table or list in which it stood.
fn take_out(table: &mut DeTable<'_>, own: Range<usize>, at: &Range<usize>) -> Option<Range<usize>> {
    let key = table.iter().find(|(key, value)| encloses(&key.span(), at) || holds(value, at)).map(|(key, _)| key.clone())?;
    let is_key = encloses(&key.span(), at);
    let within = table.get_mut(&key).filter(|_| !is_key).and_then(|value| take_out_within(value, at));
    if within.is_some() {
        return within;
    }
    table.remove(&key);
    Some(own)
}

fn take_out_within<'i>(value: &mut Spanned<DeValue<'i>>, at: &Range<usize>) -> Option<Range<usize>> {
    let own = value.span();
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, own, at),
        DeValue::Array(list) => {
            let index = list.iter().position(|item| holds(item, at))?;
            if let Some(from) = take_out_within(list.get_mut(index)?, at) {
                return Some(from);
            }
            let kept = std::mem::replace(list, DeArray::new()).into_iter().enumerate().filter(|(i, _)| *i != index);
            *list = kept.fold(DeArray::new(), |mut list: DeArray<'i>, (_, item)| {
                list.push(item);
                list
            });
            Some(own)
        }
        _ => None,
    }
}

/// Whether the place lies in this value. A table's own span is its header's only.
fn holds(value: &Spanned<DeValue<'_>>, at: &Range<usize>) -> bool {
    encloses(&value.span(), at)
        || match value.get_ref() {
            DeValue::Table(table) => table.iter().any(|(key, value)| encloses(&key.span(), at) || holds(value, at)),
            DeValue::Array(list) => list.iter().any(|item| holds(item, at)),
            _ => false,
        }
}

fn encloses(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(Option<usize>, String)> {
        read("f", text).1.iter().map(|error| (error.line(), error.fault().to_owned())).collect()
    }

    #[test]
    fn every_fault_of_form_is_told_once() {
        let text = "listen = [\"a\", 5]\nwrokers = 1\n[limits]\nhead_time = \"5\"\nrequests = 0\n[[route]]\nprefix = 1\nupstream = \"echo\"\ndialects = []\n[[route]]\nprefix = \"/\"\n";
        let found = faults(text);
        let mut lines: Vec<_> = found.iter().filter_map(|(line, _)| *line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [1, 2, 4, 5, 7, 10], "{found:?}");
    }

    #[test]
    fn what_is_sound_is_read_all_the_same() {
        let (written, faults) =
            read("f", "listen = [\"a\"]\nx = 1\n[[route]]\nprefix = 1\n[[route]]\nprefix = \"/\"\nupstream = \"echo\"\ndialects = []\n");
        assert_eq!((written.listen.len(), written.route.len(), faults.len()), (1, 1, 2), "{faults:?}");
    }

    #[test]
    fn a_text_that_is_no_toml_is_told_with_its_first_place() {
        let found = faults("workers = 1\nlisten = \n[limits\nx = \"\n");
        assert!(matches!(found[..], [(Some(2), _)]), "{found:?}");
    }
}
