//! Templates as text: `{name | filter}`, `[optional]`, and literals between them.

use super::LoadError;

/// A piece of a template, names not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Name { name: String, filters: Vec<String> },
    Optional(Vec<Self>),
}

/// The most brackets in one another.
const MOST_BRACKETS: usize = 8;

/// Parses a template. `path` is where it stands in the file.
pub(crate) fn parse(text: &str, path: &str) -> Result<Vec<Piece>, LoadError> {
    let text = adopt_newlines(text);
    let mut stack: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let doubled = ["{{", "}}", "[[", "]]"].iter().any(|d| rest.starts_with(d));
        if doubled {
            literal(&mut stack, &rest[..1]);
            rest = &rest[2..];
            continue;
        }
        match first {
            '{' => {
                let end = rest
                    .find('}')
                    .ok_or_else(|| LoadError::new(path, "a { without its }", "close it, or write {{ for the character itself"))?;
                push(&mut stack, name(&rest[1..end], path)?);
                rest = &rest[end + 1..];
            }
            '}' => return Err(LoadError::new(path, "a } without its {", "open it, or write }} for the character itself")),
            '[' if stack.len() > MOST_BRACKETS => {
                return Err(LoadError::new(path, format!("more than {MOST_BRACKETS} brackets in one another"), "take some of them out"));
            }
            '[' => {
                stack.push(Vec::new());
                rest = &rest[1..];
            }
            ']' => {
                let inner = stack.pop().filter(|_| !stack.is_empty());
                let inner =
                    inner.ok_or_else(|| LoadError::new(path, "a ] without its [", "open it, or write ]] for the character itself"))?;
                push(&mut stack, Piece::Optional(inner));
                rest = &rest[1..];
            }
            _ => {
                let end = rest.find(['{', '}', '[', ']']).unwrap_or(rest.len());
                literal(&mut stack, &rest[..end]);
                rest = &rest[end..];
            }
        }
    }
    match (stack.pop(), stack.is_empty()) {
        (Some(pieces), true) => Ok(pieces),
        _ => Err(LoadError::new(path, "a [ without its ]", "close it, or write [[ for the character itself")),
    }
}

/// A line that is one bracket goes with its newline: the newline moves inside.
fn adopt_newlines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(bare) if is_one_bracket(bare) => {
                out.push_str(&bare[..bare.len() - 1]);
                out.push_str("\n]");
            }
            _ => out.push_str(line),
        }
    }
    out
}

fn is_one_bracket(line: &str) -> bool {
    if !line.starts_with('[') || line.starts_with("[[") {
        return false;
    }
    let mut depth = 0_usize;
    for (i, c) in line.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return i + 1 == line.len();
        }
    }
    false
}

fn name(inner: &str, path: &str) -> Result<Piece, LoadError> {
    let mut words = inner.split('|').map(str::trim);
    let name = words.next().unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(LoadError::new(path, "a {} without a name", "write {name}, or {{ }} for the characters themselves"));
    }
    Ok(Piece::Name { name, filters: words.map(str::to_owned).collect() })
}

fn push(stack: &mut [Vec<Piece>], piece: Piece) {
    if let Some(top) = stack.last_mut() {
        top.push(piece);
    }
}

fn literal(stack: &mut [Vec<Piece>], text: &str) {
    if let Some(top) = stack.last_mut() {
        if let Some(Piece::Literal(before)) = top.last_mut() {
            before.push_str(text);
        } else {
            top.push(Piece::Literal(text.to_owned()));
        }
    }
}

/// Every name in the pieces, those in brackets too.
pub(crate) fn names(pieces: &[Piece]) -> Vec<&str> {
    let mut out = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(_) => {}
            Piece::Name { name, .. } => out.push(name.as_str()),
            Piece::Optional(inner) => out.extend(names(inner)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lit(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }
    fn val(name: &str, filters: &[&str]) -> Piece {
        Piece::Name { name: name.to_owned(), filters: filters.iter().map(|f| (*f).to_owned()).collect() }
    }

    #[test]
    fn names_filters_brackets_and_escapes() {
        let pieces = parse("a{{{time | YYYY-MM-DD}}}[[[={value | percent | lower}]", "x").unwrap();
        assert_eq!(
            pieces,
            [lit("a{"), val("time", &["YYYY-MM-DD"]), lit("}["), Piece::Optional(vec![lit("="), val("value", &["percent", "lower"])])]
        );
    }

    #[test]
    fn a_line_that_is_one_bracket_goes_with_its_newline() {
        let pieces = parse("{a}\n[{b}]\n{c}[{d}]\n", "x").unwrap();
        assert_eq!(
            pieces,
            [
                val("a", &[]),
                lit("\n"),
                Piece::Optional(vec![val("b", &[]), lit("\n")]),
                val("c", &[]),
                Piece::Optional(vec![val("d", &[])]),
                lit("\n")
            ]
        );
    }

    #[test]
    fn unbalanced_brackets_are_named() {
        for (text, fault) in [
            ("[{a}", "a [ without its ]"),
            ("{a}]", "a ] without its ["),
            ("{a", "a { without its }"),
            ("a}", "a } without its {"),
            ("{}", "a {} without a name"),
        ] {
            assert_eq!(parse(text, "x").unwrap_err().fault(), fault, "{text}");
        }
    }
}
