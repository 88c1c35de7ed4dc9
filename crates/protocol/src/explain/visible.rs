//! Bytes that cannot be seen, made visible: line ends, tabs, blanks at the end of a line, controls, and everything that is not ASCII.

/// What stands around the name of an invisible character. Either mark is itself shown by its code, so that nothing reads two ways.
const OPEN: char = '⟨';
const CLOSE: char = '⟩';

/// The text as lines. A line feed is shown at the end of its line; a text that ends with one has no further line.
pub(super) fn lines(bytes: &[u8]) -> Vec<String> {
    let mut all: Vec<String> = bytes.split_inclusive(|b| *b == b'\n').map(line).collect();
    if all.is_empty() {
        all.push(String::new());
    }
    all
}

/// One piece of text on one line.
pub(super) fn line(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let body_end = bytes.iter().rposition(|b| !matches!(b, b' ' | b'\n' | b'\r')).map_or(0, |i| i + 1);
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            show(c, at >= body_end, &mut out);
            at += c.len_utf8();
        }
        for byte in chunk.invalid() {
            named(&format!("0x{byte:02X}"), &mut out);
            at += 1;
        }
    }
    out
}

fn show(c: char, at_end: bool, out: &mut String) {
    match c {
        '\n' => named("LF", out),
        '\r' => named("CR", out),
        '\t' => named("TAB", out),
        '\0' => named("NUL", out),
        ' ' if at_end => named("SP", out),
        '\u{a0}' => named("NBSP", out),
        '\u{feff}' => named("BOM", out),
        ' '..='~' => out.push(c),
        _ if c.is_alphanumeric() && c != OPEN && c != CLOSE => named(&format!("{c} U+{:04X}", u32::from(c)), out),
        _ => named(&format!("U+{:04X}", u32::from(c)), out),
    }
}

fn named(name: &str, out: &mut String) {
    out.push(OPEN);
    out.push_str(name);
    out.push(CLOSE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invisible_byte_is_shown() {
        assert_eq!(line("a\tb \r\n".as_bytes()), "a⟨TAB⟩b⟨SP⟩⟨CR⟩⟨LF⟩");
        assert_eq!(line("\u{feff}x\u{a0}y\u{200b}".as_bytes()), "⟨BOM⟩x⟨NBSP⟩y⟨U+200B⟩");
        assert_eq!(line(b"\x00\x1b\x7f\xff"), "⟨NUL⟩⟨U+001B⟩⟨U+007F⟩⟨0xFF⟩");
        assert_eq!(line("é⟨LF⟩".as_bytes()), "⟨é U+00E9⟩⟨U+27E8⟩LF⟨U+27E9⟩");
    }

    #[test]
    fn blanks_inside_a_line_stay_and_those_at_its_end_show() {
        assert_eq!(lines(b"a b  \n\n c"), ["a b⟨SP⟩⟨SP⟩⟨LF⟩", "⟨LF⟩", " c"]);
        assert_eq!(lines(b"   "), ["⟨SP⟩⟨SP⟩⟨SP⟩"]);
        assert_eq!(lines(b""), [""]);
    }
}
