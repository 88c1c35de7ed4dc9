//! PHP: a signer is a final class, and texts are strings of bytes.

use super::{Frame, Syntax, camel, escape, type_name};
use crate::code::{Given, Kind, Signer};

pub(super) struct Php;

impl Syntax for Php {
    fn indent(&self) -> &'static str {
        "    "
    }
    fn comment(&self) -> &'static str {
        "//"
    }
    /// `$` and `{` would begin a variable in a quoted text.
    fn literal(&self, bytes: &[u8]) -> String {
        let plain = bytes.iter().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'\'' | b'\\' | b'>' | b'<'));
        match std::str::from_utf8(bytes) {
            Ok(text) if plain => format!("'{text}'"),
            _ => escape::quoted(bytes, b"$<>", escape::hex),
        }
    }
    fn word(&self, word: &str) -> String {
        format!("'{word}'")
    }
    fn variable(&self, name: &str) -> String {
        format!("${}", camel(name))
    }
    fn callee(&self, helper: &str) -> String {
        format!("self::{}", camel(helper))
    }
    fn plus(&self) -> &'static str {
        "."
    }
    fn message(&self, what: &str) -> String {
        format!("$message->{what}")
    }
    fn given(&self, given: &Given) -> String {
        match given {
            Given::KeyId => "self::textOf($credential, 'key_id')".to_owned(),
            Given::Secret => "self::textOf($credential, 'secret')".to_owned(),
            Given::PrivateKey => "self::textOf($credential, 'private_key')".to_owned(),
            Given::Algorithm => "self::textOf($credential, 'algorithm')".to_owned(),
            Given::Part(name) => format!("self::textOf($credential['parts'] ?? null, '{name}')"),
            Given::Input(name) => format!("self::textOf($options['inputs'] ?? null, '{name}')"),
            Given::Nonce => "self::textOf($options, 'nonce')".to_owned(),
            Given::Expires => "self::textOf($options, 'expires')".to_owned(),
            Given::BodyDigest => "self::textOf($options, 'body_digest')".to_owned(),
            Given::Headers => "$options['headers']".to_owned(),
        }
    }
    fn list(&self, items: &[String]) -> String {
        format!("[{}]", items.join(", "))
    }
    fn row(&self, items: &[String]) -> String {
        format!("[{}]", items.join(", "))
    }
    fn first_of(&self, one: &str, other: &str) -> String {
        format!("{one} !== '' ? {one} : {other}")
    }
    fn filled(&self, value: &str) -> String {
        format!("{value} !== ''")
    }
    fn empty(&self, value: &str) -> String {
        format!("{value} === ''")
    }
    fn no_items(&self, list: &str) -> String {
        format!("{list} === []")
    }
    fn same(&self, a: &str, b: &str) -> String {
        format!("{a} === {b}")
    }
    fn headers_given(&self) -> String {
        "isset($options['headers'])".to_owned()
    }
    fn omits(&self, word: &str) -> String {
        format!("in_array('{word}', $options['omit'] ?? [], true)")
    }
    fn declare(&self, name: &str, _: Kind, value: &str, _: bool) -> String {
        format!("{name} = {value};")
    }
    fn declare_list(&self, name: &str, _: Kind) -> String {
        format!("{name} = [];")
    }
    fn spread(&self, lines: &[String], indent: &str) -> String {
        let inner = format!("\n{indent}    ");
        format!("{inner}{}", lines.join(&inner))
    }
    fn open_if(&self, test: &str) -> String {
        format!("if ({test}) {{")
    }
    fn open_each(&self, item: &str, _: Kind, list: &str) -> String {
        format!("foreach ({list} as {item}) {{")
    }
    fn push(&self, list: &str, item: &str) -> String {
        format!("{list}[] = {item};")
    }
    fn fail(&self, words: &str) -> String {
        format!("throw self::failure({words});")
    }
    fn stage(&self, name: &str, value: &str) -> String {
        format!("$stages['{name}'] = {value};")
    }
    fn depth(&self) -> usize {
        2
    }
    fn frame(&self, signer: &Signer, body: &str) -> Frame {
        let signature = if signer.signs() { "$signature" } else { "''" };
        let kind = signer.kind();
        let fields = if signer.of_response { "status" } else { "method, target, scheme (https)" };
        let main = format!(
            r#"    /**
     * Signs a {kind}, and gives what is sent: target, headers, body, with the signature and the stages that led to it.
     *
     * $request: {fields}, headers (pairs of name and value), body
     * $credential: key_id, secret or private_key (PEM), algorithm (one of those above), parts (further secrets by name)
     * $options: at (now), nonce (a random one), inputs, headers (names to sign), omit, expires, body_digest
     *
     * Texts are bytes. An InvalidArgumentException says what cannot be signed.
     */
    public static function sign(array $request, array $credential, array $options = []): array
    {{
        $message = self::openMessage($request);
        $at = self::milliseconds($options['at'] ?? null);
        $stages = [];

{body}

        return self::signedMessage($message, {signature}, $stages);
    }}
"#,
            body = body.trim_end()
        );
        let head = format!("<?php\n\n{{preface}}\n\ndeclare(strict_types=1);\n\nfinal class {}\n{{\n", type_name(&signer.id));
        Frame { head, imports: |_| String::new(), main, helper_indent: "    ", foot: "\n}\n".to_owned() }
    }
}
