//! Changes of one value inside a request target, a form or a header.

use countersign_protocol::Request;

/// The target with one more parameter.
pub(super) fn add_parameter(target: &[u8]) -> Vec<u8> {
    let mark: &[u8] = match target.iter().position(|b| *b == b'?') {
        None => b"?",
        Some(at) if at + 1 == target.len() => b"",
        Some(_) => b"&",
    };
    [target, mark, ADDED].concat()
}

/// The target with an `x` before the value of the first parameter whose decoded name is accepted.
pub(super) fn change_first_parameter(target: &[u8], accepts: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let mark = target.iter().position(|b| *b == b'?')?;
    let query = change_pair(&target[mark + 1..], accepts)?;
    Some([&target[..=mark], &query].concat())
}

/// The target with an `x` before the value of this parameter.
pub(super) fn change_parameter(target: &[u8], name: &str) -> Option<Vec<u8>> {
    change_first_parameter(target, |n| n == name)
}

/// The form with an `x` before the value of this field.
pub(super) fn change_field(form: &[u8], name: &str) -> Option<Vec<u8>> {
    change_pair(form, |n| n == name)
}

/// The request with an `x` before the value of this header's first line, or with a line `x` when there is none.
pub(super) fn change_header(request: &Request, name: &str) -> Request {
    let mut request = request.clone();
    match request.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        Some((_, value)) => value.insert(0, b'x'),
        None => request.headers.push((name.to_owned(), b"x".to_vec())),
    }
    request
}

/// The request with a parameter behind the value of this header's first line.
pub(super) fn append_to_header(request: &Request, name: &str) -> Request {
    let mut request = request.clone();
    if let Some((_, value)) = request.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        value.extend_from_slice(b"; unheard_of=1");
    }
    request
}

/// Whether the host is written with a port.
pub(super) fn has_port(request: &Request) -> bool {
    let is_with_port = |value: &[u8]| value.rsplit(|b| *b == b']').next().is_some_and(|rest| rest.contains(&b':'));
    request.headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("host") && is_with_port(value))
}

fn change_pair(pairs: &[u8], accepts: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let mut start = 0;
    for pair in pairs.split(|b| *b == b'&') {
        let length = pair.iter().position(|b| *b == b'=');
        let name = decoded(&pair[..length.unwrap_or(pair.len())]);
        if !pair.is_empty() && accepts(&name) {
            let at = start + length.map_or(pair.len(), |n| n + 1);
            let new: &[u8] = if length.is_some() { b"x" } else { b"=x" };
            return Some([&pairs[..at], new, &pairs[at..]].concat());
        }
        start += pair.len() + 1;
    }
    None
}

fn decoded(name: &[u8]) -> String {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()).and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, pair) {
            (b'%', Some(byte)) => (out.push(byte), rest = &tail[2..]),
            _ => (out.push(*first), rest = tail),
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// A parameter or form field that no vector has.
pub(super) const ADDED: &[u8] = b"unheard_of=1";

/// Whether a parameter of the query has an empty value.
pub(super) fn has_empty_value(target: &[u8]) -> bool {
    let query = target.iter().position(|b| *b == b'?').map_or(&b""[..], |at| &target[at + 1..]);
    query.split(|b| *b == b'&').any(|fragment| !fragment.is_empty() && !fragment.contains(&b'=') || fragment.ends_with(b"="))
}

/// Whether every line of a header is empty.
pub(super) fn is_empty_header(request: &Request, name: &str) -> bool {
    let mut values = request.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    values.all(|value| value.trim_ascii().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_added_behind_the_right_mark() {
        assert_eq!(add_parameter(b"/a"), b"/a?unheard_of=1");
        assert_eq!(add_parameter(b"/a?"), b"/a?unheard_of=1");
        assert_eq!(add_parameter(b"/a?b"), b"/a?b&unheard_of=1");
    }

    #[test]
    fn the_value_of_the_first_accepted_parameter_changes() {
        assert_eq!(change_parameter(b"/?a=1&b=2", "b").as_deref(), Some(&b"/?a=1&b=x2"[..]));
        assert_eq!(change_parameter(b"/?a=1&%62", "b").as_deref(), Some(&b"/?a=1&%62=x"[..]));
        assert_eq!(change_parameter(b"/?a=1", "c"), None);
        assert_eq!(change_parameter(b"/a", "a"), None);
    }
}
