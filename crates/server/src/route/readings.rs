//! What readers may take one path for: each reader decodes, resolves and leaves out something else, in an order of its own.

use std::collections::HashSet;

/// What all readings of one path may cost, each its length and [`ONE`]. One that has more is taken for unclear.
const MOST: usize = 128 * 1024;
/// What a reading costs beside its length.
const ONE: usize = 1024;
/// How often a reader decodes escapes at most.
const DECODINGS: u8 = 2;

/// What a reader may do to a path.
type Step = fn(&[u8]) -> Vec<u8>;

/// Whether this holds of a path in every reading. A reading is made by any number of these steps in any order: decoding escapes, all or those
/// of no separator, at most twice; taking `\` for `/`; leaving out parameters of segments; ending at a `?` or `#`; merging slashes; resolving
/// dot segments.
pub(super) fn all(path: &[u8], mut holds: impl FnMut(&[u8]) -> bool) -> bool {
    if !holds(path) {
        return false;
    }
    if has_one(path) {
        return true;
    }
    let mut budget = MOST;
    let mut seen = HashSet::from([(path.to_vec(), 0)]);
    let mut open: Vec<_> = seen.iter().cloned().collect();
    while let Some((path, decodings)) = open.pop() {
        let mut next: Vec<_> = steps(&path).map(|reading| (reading, decodings)).collect();
        if decodings < DECODINGS && path.contains(&b'%') {
            next.extend([b"", &b"/\\"[..]].map(|kept| (decoded_but(&path, kept), decodings + 1)));
        }
        for reading in next {
            if seen.contains(&reading) {
                continue;
            }
            let Some(left) = budget.checked_sub(reading.0.len() + ONE) else { return false };
            budget = left;
            if !holds(&reading.0) {
                return false;
            }
            seen.insert(reading.clone());
            open.push(reading);
        }
    }
    true
}

/// Whether no step changes the path.
fn has_one(path: &[u8]) -> bool {
    !path.contains(&b'%') && steps(path).next().is_none()
}

/// The path after each step that may change it, but for decoding.
fn steps(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let has = |wanted: &[u8]| path.windows(wanted.len()).any(|part| part == wanted);
    let steps: [(bool, Step); 5] = [
        (has(b"\\"), slashes),
        (has(b";"), without_parameters),
        (has(b"?") || has(b"#"), without_query),
        (has(b"//"), merged),
        (has(b"/."), resolved),
    ];
    steps.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, step)| step(path))
}

fn slashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|b| if *b == b'\\' { b'/' } else { *b }).collect()
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    path.split(|b| *b == b'/').map(|segment| up_to(segment, |b| b == b';')).collect::<Vec<_>>().join(&b'/')
}

fn without_query(path: &[u8]) -> Vec<u8> {
    up_to(path, |b| matches!(b, b'?' | b'#')).to_vec()
}

fn up_to(text: &[u8], end: impl Fn(u8) -> bool) -> &[u8] {
    text.split(|b| end(*b)).next().unwrap_or_default()
}

fn merged(path: &[u8]) -> Vec<u8> {
    let mut path = path.to_vec();
    path.dedup_by(|b, before| (*b, *before) == (b'/', b'/'));
    path
}

/// RFC 3986, section 5.2.4: empty segments count.
fn resolved(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|b| *b == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
        if matches!(segment, b"." | b"..") && segments.peek().is_none() {
            kept.push(b"");
        }
    }
    [b"/", &kept.join(&b'/')[..]].concat()
}

/// Percent-decoding; what is no escape stays.
pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    decoded_but(text, b"")
}

fn decoded_but(text: &[u8], kept: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escape = text.get(at + 1..at + 3).filter(|_| text[at] == b'%').and_then(hex_byte).filter(|byte| !kept.contains(byte));
        out.push(escape.unwrap_or(text[at]));
        at += if escape.is_some() { 3 } else { 1 };
    }
    out
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(path: &str) -> Vec<String> {
        let mut readings = Vec::new();
        assert!(all(path.as_bytes(), |reading| {
            readings.push(String::from_utf8(reading.to_vec()).unwrap());
            true
        }));
        readings.sort();
        readings.dedup();
        readings
    }

    #[test]
    fn a_plain_path_has_one_reading() {
        for path in ["/", "/a", "/a/b.c/", "/a~b/c=d,e:f@g", "/a..b/c."] {
            assert_eq!(readings(path), [path]);
        }
    }

    #[test]
    fn each_step_is_taken_by_itself_and_after_the_others() {
        assert_eq!(readings("/a%2Fb"), ["/a%2Fb", "/a/b"]);
        assert_eq!(readings("/a%252fb"), ["/a%252fb", "/a%2fb", "/a/b"]);
        assert_eq!(readings("/a%5Cb"), ["/a%5Cb", "/a/b", "/a\\b"]);
        assert_eq!(readings("/a;b/c;d"), ["/a/c", "/a;b/c;d"]);
        assert_eq!(readings("/a%3Fb"), ["/a", "/a%3Fb", "/a?b"]);
        assert_eq!(readings("/a//../b"), ["/a/../b", "/a//../b", "/a/b", "/b"]);
        assert_eq!(readings("/.."), ["/", "/.."]);
        assert_eq!(readings("/a/.."), ["/", "/a/.."]);
        assert_eq!(readings("/a/./"), ["/a/", "/a/./"]);
        assert_eq!(readings("/a/..;b"), ["/", "/a/..", "/a/..;b"]);
        assert_eq!(readings("/100%/%zz"), ["/100%/%zz"]);
        // Dots are decoded by readers that leave a slash as it is.
        assert!(readings("/a/%2e%2e/b%2f..").contains(&"/b%2f..".to_owned()));
    }

    #[test]
    fn a_path_with_too_many_readings_is_unclear() {
        let many = "/a/..%5c/b;%2f/%252e%252e//c%253b/..%3fd/%2e%2e";
        assert!(!all(many.as_bytes(), |_| true));
        let long = format!("/{}", "%2F".repeat(2_000));
        assert!(all(long.as_bytes(), |_| true));
    }
}
