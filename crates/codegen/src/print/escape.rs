//! Literals and comments of any bytes. Everything but printable ASCII is escaped, and whatever a language gives a meaning.

/// A quoted literal: printable ASCII as it is but for quote, backslash and `also`, a newline as `\n`, any other byte by `other`.
pub(super) fn quoted(bytes: &[u8], also: &[u8], other: fn(u8) -> String) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    for byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'"' | b'\\' => out.push_str(&other(*byte)),
            b' '..=b'~' if !also.contains(byte) => out.push(char::from(*byte)),
            _ => out.push_str(&other(*byte)),
        }
    }
    out.push('"');
    out
}

/// `\x41`, for languages in which exactly two digits follow.
pub(super) fn hex(byte: u8) -> String {
    match byte {
        b'"' => "\\\"".to_owned(),
        b'\\' => "\\\\".to_owned(),
        _ => format!("\\x{byte:02x}"),
    }
}

/// `\101`: always three digits, so that no digit behind it can become part of it.
pub(super) fn octal(byte: u8) -> String {
    if byte == b'"' { "\\\"".to_owned() } else { format!("\\{byte:03o}") }
}

/// One line of a comment. A line end in it would end the comment, a backslash may begin a Unicode escape that is read even in comments, and `?>` ends
/// more than the comment.
pub(super) fn comment_line(mark: &str, text: &str) -> String {
    let mut out = format!("{mark} ");
    let mut before = 0_u8;
    for byte in text.bytes() {
        match byte {
            b'\\' | b'<' => out.push_str(&format!("&#{byte};")),
            b'>' if before == b'?' => out.push_str(&format!("&#{byte};")),
            b'/' if before == b'*' => out.push_str(&format!("&#{byte};")),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("&#{byte};")),
        }
        before = byte;
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_one_line_of_plain_characters() {
        let line = comment_line("//", "a\n\u{2028}\\u000a?>*/<?php");
        assert_eq!(line, "// a&#10;&#226;&#128;&#168;&#92;u000a?&#62;*&#47;&#60;?php\n");
    }

    #[test]
    fn a_literal_means_its_bytes() {
        assert_eq!(quoted(b"a\"b\\c\n\x00\xff${x}", b"$", hex), r#""a\"b\\c\n\x00\xff\x24{x}""#);
        assert_eq!(quoted(b"\\u0022\x018", b"", octal), r#""\134u0022\0018""#);
    }
}
