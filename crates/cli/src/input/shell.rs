//! Splits a shell command line into words, as a POSIX shell (and bash's `$'..'`) would, and runs nothing.

/// A piece of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A word after its quotes were taken off.
    Word(Vec<u8>),
    /// `|`
    Pipe,
}

/// Splits one command line. What a shell would expand, redirect or run beside it is refused.
pub(crate) fn split(line: &[u8]) -> Result<Vec<Token>, String> {
    let mut splitter = Splitter { rest: line, word: None, tokens: Vec::new() };
    while let Some(byte) = splitter.next() {
        splitter.take(byte)?;
    }
    splitter.end_word();
    Ok(splitter.tokens)
}

struct Splitter<'a> {
    rest: &'a [u8],
    word: Option<Vec<u8>>,
    tokens: Vec<Token>,
}

impl Splitter<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn push(&mut self, byte: u8) {
        self.word.get_or_insert_default().push(byte);
    }

    fn end_word(&mut self) {
        self.tokens.extend(self.word.take().map(Token::Word));
    }

    fn take(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b' ' | b'\t' | b'\r' => self.end_word(),
            b'\n' => {
                self.end_word();
                if !self.rest.trim_ascii().is_empty() {
                    return Err(
                        "a second command follows; end each line but the last with a backslash, and give one command only".to_owned()
                    );
                }
            }
            b'\\' => self.escaped(),
            b'\'' => self.single()?,
            b'"' => self.double()?,
            b'$' if self.rest.starts_with(b"'") => self.ansi()?,
            b'$' => self.dollar()?,
            b'|' if !self.rest.starts_with(b"|") => {
                self.end_word();
                self.tokens.push(Token::Pipe);
            }
            b'#' if self.word.is_none() => return Err("a shell takes '#' for the start of a comment; quote it".to_owned()),
            b'&' | b';' | b'|' | b'<' | b'>' | b'(' | b')' | b'`' => {
                return Err(format!("a shell gives '{}' a meaning of its own; quote the URL or text that holds it", char::from(byte)));
            }
            _ => self.push(byte),
        }
        Ok(())
    }

    /// After a backslash outside quotes: the next byte as it is; a line end vanishes.
    fn escaped(&mut self) {
        if let Some(rest) = self.rest.strip_prefix(b"\r\n") {
            self.rest = rest;
            return;
        }
        match self.next() {
            Some(b'\n') | None => {}
            Some(byte) => self.push(byte),
        }
    }

    fn single(&mut self) -> Result<(), String> {
        let end = self.rest.iter().position(|b| *b == b'\'').ok_or("a single quote is not closed")?;
        self.word.get_or_insert_default().extend_from_slice(&self.rest[..end]);
        self.rest = &self.rest[end + 1..];
        Ok(())
    }

    fn double(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.next().ok_or("a double quote is not closed")? {
                b'"' => return Ok(()),
                b'\\' => match self.rest.first() {
                    Some(b'\n') => {
                        self.next();
                    }
                    Some(byte) if b"\\\"$`".contains(byte) => {
                        self.push(*byte);
                        self.next();
                    }
                    _ => self.push(b'\\'),
                },
                b'$' => self.dollar()?,
                b'`' => return Err("a shell runs the command inside ` `; write its output instead".to_owned()),
                byte => self.push(byte),
            }
        }
    }

    /// A `$`: itself, unless a shell would expand what follows.
    fn dollar(&mut self) -> Result<(), String> {
        if self.rest.first().is_some_and(|b| b.is_ascii_alphanumeric() || b"_{(@*#?-$!".contains(b)) {
            return Err("a shell expands '$' here; write the value itself, or put it in single quotes".to_owned());
        }
        self.push(b'$');
        Ok(())
    }

    /// `$'..'` with the escapes of ANSI C, as bash, zsh and browsers' "copy as cURL" write it.
    fn ansi(&mut self) -> Result<(), String> {
        self.next();
        self.word.get_or_insert_default();
        loop {
            match self.next().ok_or("a $' quote is not closed")? {
                b'\'' => return Ok(()),
                b'\\' => self.ansi_escape()?,
                byte => self.push(byte),
            }
        }
    }

    fn ansi_escape(&mut self) -> Result<(), String> {
        let byte = self.next().ok_or("a $' quote is not closed")?;
        let plain = match byte {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'a' => 7,
            b'b' => 8,
            b'e' | b'E' => 27,
            b'f' => 12,
            b'v' => 11,
            b'\\' | b'\'' | b'"' | b'?' => byte,
            b'0'..=b'7' => {
                let more = self.digits(8, 2);
                more.iter().fold(u32::from(byte - b'0'), |n, d| n * 8 + d).to_le_bytes()[0]
            }
            b'x' => match self.digits(16, 2).as_slice() {
                [] => return Err("\\x in a $' quote needs hexadecimal digits".to_owned()),
                digits => digits.iter().fold(0, |n, d| n * 16 + d).to_le_bytes()[0],
            },
            b'u' | b'U' => return self.ansi_unicode(if byte == b'u' { 4 } else { 8 }),
            _ => return Err(format!("\\{} in a $' quote has no meaning that shells agree on", char::from(byte))),
        };
        self.push(plain);
        Ok(())
    }

    fn ansi_unicode(&mut self, most: usize) -> Result<(), String> {
        let digits = self.digits(16, most);
        let code = digits.iter().fold(0_u32, |n, d| n.wrapping_mul(16).wrapping_add(*d));
        let found = char::from_u32(code).filter(|_| !digits.is_empty());
        let found = found.ok_or("\\u in a $' quote names no character")?;
        self.word.get_or_insert_default().extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn digits(&mut self, radix: u32, most: usize) -> Vec<u32> {
        let found: Vec<u32> = self.rest.iter().take(most).map_while(|b| char::from(*b).to_digit(radix)).collect();
        self.rest = &self.rest[found.len()..];
        found
    }
}

/// What `printf FORMAT` writes, for a format without arguments: `%%`, `\\`, octal and the named escapes.
pub(crate) fn printf(format: &[u8]) -> Result<Vec<u8>, String> {
    let mut splitter = Splitter { rest: format, word: Some(Vec::new()), tokens: Vec::new() };
    while let Some(byte) = splitter.next() {
        match byte {
            b'%' if splitter.rest.starts_with(b"%") => {
                splitter.next();
                splitter.push(b'%');
            }
            b'%' => return Err("printf with arguments is not read; write %% for a percent sign".to_owned()),
            b'\\' => splitter.ansi_escape()?,
            _ => splitter.push(byte),
        }
    }
    Ok(splitter.word.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let word = |token| match token {
            Token::Word(word) => String::from_utf8(word).unwrap(),
            Token::Pipe => "|".to_owned(),
        };
        split(line.as_bytes()).unwrap().into_iter().map(word).collect()
    }

    #[test]
    fn quotes_come_off_as_in_a_shell() {
        assert_eq!(words("curl  'a b'\"c d\"e\\ f ''"), ["curl", "a bc de f", ""]);
        assert_eq!(words(r#"'it'\''s' "a\"\\\$\n$" $5x"#.trim_end_matches(" $5x")), ["it's", "a\"\\$\\n$"]);
        assert_eq!(words("a \\\n  b \\\r\n c\n\n"), ["a", "b", "c"]);
        assert_eq!(words("a~b* a#b x|y"), ["a~b*", "a#b", "x", "|", "y"]);
    }

    #[test]
    fn ansi_c_quotes_give_bytes() {
        assert_eq!(words(r"$'a\n\t\x41\101\'\\\u00fc\U0001F600'b"), ["a\n\tAA'\\ü😀b"]);
        assert_eq!(split(br"$'\xff\0'").unwrap(), [Token::Word(vec![0xff, 0])]);
        for bad in [r"$'\x'", r"$'\u'", r"$'\ud800'", r"$'\q'", r"$'a"] {
            assert!(split(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_shell_would_run_is_refused() {
        for bad in
            ["a & b", "a?x=1&y=2", "a; b", "a `b`", "a \"$(b)\"", "a $B", "a \"${B}\"", "a > b", "a || b", "a 'b", "a \"b", "a\nb", "a # b"]
        {
            assert!(split(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn printf_formats_are_read_back() {
        assert_eq!(printf(br"a\000\377%%\\\055\n").unwrap(), b"a\x00\xff%\\-\n");
        assert!(printf(b"%s").is_err());
    }
}
