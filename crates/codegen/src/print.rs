//! Prints the small form in a language: what each language must be able to spell, and how a file is put together.

mod escape;
mod go;
mod java;
mod javascript;
mod php;
mod python;
mod walk;

use crate::code::{Given, Kind, Signer};
use crate::prelude;
use crate::support::Language;

/// Every helper that the small form may call.
#[cfg(test)]
pub(crate) const CALLED: [&str; 60] = [
    "check_message",
    "check_omitted",
    "choose_algorithm",
    "mac",
    "sign_with_private_key",
    "fresh_nonce",
    "header_values",
    "header",
    "first_of",
    "has_header",
    "path_of",
    "query_of",
    "form_of",
    "is_form",
    "media_type",
    "hostname",
    "port",
    "authority",
    "split_pairs",
    "query_value",
    "form_value",
    "lower",
    "upper",
    "trim",
    "squeeze",
    "percent",
    "percent_path",
    "decode",
    "decode_form",
    "normalize_path",
    "closing_slash",
    "digest",
    "hmac",
    "hex",
    "base64",
    "base64url",
    "from_hex",
    "from_base64",
    "without",
    "first",
    "choose_headers",
    "without_names",
    "joined_lists",
    "contains",
    "sorted_texts",
    "sorted_lines",
    "sorted_pairs",
    "merged",
    "rows",
    "join",
    "unix",
    "unix_ms",
    "http_date",
    "format_time",
    "body_without",
    "place_body",
    "place_params",
    "has_params",
    "place_params_as_form",
    "has_params_as_form",
];

/// The spelling of a language.
pub(crate) trait Syntax {
    /// One level of indentation.
    fn indent(&self) -> &'static str;
    /// What begins a comment.
    fn comment(&self) -> &'static str;
    /// Bytes as a literal that means exactly these, whatever they are.
    fn literal(&self, bytes: &[u8]) -> String;
    /// A text of the language itself, for helpers.
    fn word(&self, word: &str) -> String {
        format!("\"{word}\"")
    }
    fn number(&self, number: i64) -> String {
        number.to_string()
    }
    fn variable(&self, name: &str) -> String {
        camel(name)
    }
    fn callee(&self, helper: &str) -> String {
        camel(helper)
    }
    fn plus(&self) -> &'static str {
        "+"
    }
    /// Several lines of one value.
    fn spread(&self, lines: &[String], indent: &str) -> String {
        lines.join(&format!("\n{indent}{}", self.indent()))
    }
    fn message(&self, what: &str) -> String;
    fn the_message(&self) -> String {
        self.variable("message")
    }
    fn the_credential(&self) -> String {
        self.variable("credential")
    }
    fn the_options(&self) -> String {
        self.variable("options")
    }
    fn given(&self, given: &Given) -> String;
    fn list(&self, items: &[String]) -> String;
    fn row(&self, items: &[String]) -> String;
    fn item(&self, list: &str, index: usize) -> String {
        format!("{list}[{index}]")
    }
    fn pick(&self, test: &str, yes: &str, no: &str) -> String {
        format!("{test} ? {yes} : {no}")
    }
    /// Whether one text or the other is written with operators, so that it stands in parentheses beside others.
    fn picks_by_operator(&self) -> bool {
        true
    }
    fn firsts_by_operator(&self) -> bool {
        true
    }
    fn first_of(&self, one: &str, other: &str) -> String;
    fn filled(&self, value: &str) -> String;
    fn empty(&self, value: &str) -> String;
    fn no_items(&self, list: &str) -> String;
    fn same(&self, a: &str, b: &str) -> String;
    fn headers_given(&self) -> String;
    fn omits(&self, word: &str) -> String;
    fn not(&self, test: &str) -> String {
        format!("!{test}")
    }
    fn all(&self) -> &'static str {
        " && "
    }
    fn any(&self) -> &'static str {
        " || "
    }
    fn never(&self) -> &'static str {
        "false"
    }
    fn declare(&self, name: &str, kind: Kind, value: &str, changes: bool) -> String;
    /// A list without items.
    fn declare_list(&self, name: &str, kind: Kind) -> String;
    fn set(&self, name: &str, value: &str) -> String {
        format!("{name} = {value}{}", self.end())
    }
    fn end(&self) -> &'static str {
        ";"
    }
    fn open_if(&self, test: &str) -> String {
        format!("if ({test}) {{")
    }
    fn open_else(&self) -> &'static str {
        "} else {"
    }
    fn close(&self) -> Option<&'static str> {
        Some("}")
    }
    fn open_each(&self, item: &str, of: Kind, list: &str) -> String;
    fn next(&self) -> String {
        format!("continue{}", self.end())
    }
    fn push(&self, list: &str, item: &str) -> String;
    fn fail(&self, words: &str) -> String;
    fn stage(&self, name: &str, value: &str) -> String;
    /// The levels at which the statements of the signer stand.
    fn depth(&self) -> usize {
        1
    }
    /// The whole file: what stands before and behind the statements; helpers are chosen by what stands in it.
    fn frame(&self, signer: &Signer, body: &str) -> Frame;
}

/// A file in parts.
pub(crate) struct Frame {
    /// Before the imports.
    pub(crate) head: String,
    /// How an import is written.
    pub(crate) imports: fn(&[&str]) -> String,
    /// The signer.
    pub(crate) main: String,
    /// Before each line of a helper.
    pub(crate) helper_indent: &'static str,
    /// Behind everything.
    pub(crate) foot: String,
}

/// Prints a signer.
pub(crate) fn print(signer: &Signer, language: Language) -> String {
    let syntax: &dyn Syntax = match language {
        Language::Python => &python::Python,
        Language::JavaScript => &javascript::JavaScript,
        Language::Go => &go::Go,
        Language::Java => &java::Java,
        Language::Php => &php::Php,
    };
    let frame = syntax.frame(signer, &walk::statements(syntax, &signer.body));
    let taken = prelude::take(language, &frame.main, &signer.digests);
    let preface: String = signer.preface.iter().map(|line| escape::comment_line(syntax.comment(), line)).collect();
    let imports: Vec<&str> = taken.imports.into_iter().collect();
    let gap = if language == Language::Python { "\n\n\n" } else { "\n\n" };
    let mut parts = vec![frame.main.trim_end().to_owned()];
    parts.extend(taken.sources.iter().map(|source| indented(source, frame.helper_indent)));
    let head = frame.head.replace("{preface}", preface.trim_end());
    let imports = (frame.imports)(&imports);
    format!("{head}{imports}{}{}", parts.join(gap), frame.foot)
}

fn indented(source: &str, indent: &str) -> String {
    if indent.is_empty() {
        return source.to_owned();
    }
    let lines = source.lines().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") });
    lines.collect::<Vec<_>>().join("\n")
}

/// The name of the file in which a signer of this dialect is kept.
#[must_use]
pub fn file_name(dialect: &str, language: Language) -> String {
    match language {
        Language::Python => format!("{}.py", snake(dialect)),
        Language::JavaScript => format!("{dialect}.js"),
        Language::Go => format!("{}.go", snake(dialect)),
        Language::Java => format!("{}.java", type_name(dialect)),
        Language::Php => format!("{}.php", type_name(dialect)),
    }
}

/// The name of the type, where a language puts signers into types: `hmac-sha256` is `HmacSha256Signer`.
#[must_use]
pub fn type_name(dialect: &str) -> String {
    let words = dialect.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    });
    // A word that begins with a digit is kept apart from the one before it: a-1-2 and a-12 are two dialects.
    let mut name = String::new();
    for word in words {
        if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() {
            name.push('_');
        }
        name.push_str(&word);
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert_str(0, "The");
    }
    name + "Signer"
}

/// A dialect's id as a module or package.
pub(crate) fn snake(dialect: &str) -> String {
    let name = dialect.replace('-', "_");
    if name.starts_with(|c: char| c.is_ascii_lowercase()) { name } else { format!("the_{name}") }
}

/// `string_to_sign` as `stringToSign`.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}
