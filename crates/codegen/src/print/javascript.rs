//! JavaScript for Node: a text holds one character for each byte.

use super::{Frame, Syntax, escape};
use crate::code::{Given, Kind, Signer};

pub(super) struct JavaScript;

impl Syntax for JavaScript {
    fn indent(&self) -> &'static str {
        "  "
    }
    fn comment(&self) -> &'static str {
        "//"
    }
    /// `<` is escaped too: what stands in a page must not end its script.
    fn literal(&self, bytes: &[u8]) -> String {
        escape::quoted(bytes, b"<", escape::hex)
    }
    fn message(&self, what: &str) -> String {
        format!("message.{what}")
    }
    fn given(&self, given: &Given) -> String {
        match given {
            Given::KeyId => "textOf(credential.keyId)".to_owned(),
            Given::Secret => "textOf(credential.secret)".to_owned(),
            Given::PrivateKey => "textOf(credential.privateKey)".to_owned(),
            Given::Algorithm => "textOf(credential.algorithm)".to_owned(),
            Given::Part(name) => format!("textOf(own(credential.parts, \"{name}\"))"),
            Given::Input(name) => format!("textOf(own(options.inputs, \"{name}\"))"),
            Given::Nonce => "textOf(options.nonce)".to_owned(),
            Given::Expires => "textOf(options.expires)".to_owned(),
            Given::BodyDigest => "textOf(options.bodyDigest)".to_owned(),
            Given::Headers => "options.headers".to_owned(),
        }
    }
    fn list(&self, items: &[String]) -> String {
        format!("[{}]", items.join(", "))
    }
    fn row(&self, items: &[String]) -> String {
        format!("[{}]", items.join(", "))
    }
    fn first_of(&self, one: &str, other: &str) -> String {
        format!("{one} || {other}")
    }
    fn filled(&self, value: &str) -> String {
        format!("{value} !== \"\"")
    }
    fn empty(&self, value: &str) -> String {
        format!("{value} === \"\"")
    }
    fn no_items(&self, list: &str) -> String {
        format!("{list}.length === 0")
    }
    fn same(&self, a: &str, b: &str) -> String {
        format!("{a} === {b}")
    }
    fn headers_given(&self) -> String {
        "options.headers".to_owned()
    }
    fn omits(&self, word: &str) -> String {
        format!("(options.omit ?? []).includes(\"{word}\")")
    }
    fn declare(&self, name: &str, _: Kind, value: &str, changes: bool) -> String {
        let word = if changes { "let" } else { "const" };
        format!("{word} {name} = {value};")
    }
    fn declare_list(&self, name: &str, kind: Kind) -> String {
        self.declare(name, kind, "[]", false)
    }
    fn spread(&self, lines: &[String], indent: &str) -> String {
        let inner = format!("\n{indent}  ");
        format!("{inner}{}", lines.join(&inner))
    }
    fn open_if(&self, test: &str) -> String {
        format!("if ({test}) {{")
    }
    fn open_each(&self, item: &str, _: Kind, list: &str) -> String {
        format!("for (const {item} of {list}) {{")
    }
    fn push(&self, list: &str, item: &str) -> String {
        format!("{list}.push({item});")
    }
    fn fail(&self, words: &str) -> String {
        format!("throw failure({words});")
    }
    fn stage(&self, name: &str, value: &str) -> String {
        format!("stages[\"{name}\"] = {value};")
    }
    fn frame(&self, signer: &Signer, body: &str) -> Frame {
        let signature = if signer.signs() { "signature" } else { "\"\"" };
        let kind = signer.kind();
        let fields = if signer.of_response { "status" } else { "method, target, scheme (https)" };
        let main = format!(
            r#"/**
 * Signs a {kind}, and gives what is sent: target, headers, body, with the signature and the stages that led to it.
 *
 * request: {fields}, headers (pairs of name and value), body
 * credential: keyId, secret or privateKey (PEM), algorithm (one of those above), parts (further secrets by name)
 * options: at (now), nonce (a random one), inputs, headers (names to sign), omit, expires, bodyDigest
 *
 * Target and headers are texts as Node's http module takes them, one character for each byte. Every other text is taken as UTF-8; bodies and secrets
 * may be Buffers. A SigningError says what cannot be signed.
 */
function sign(request, credential, options = {{}}) {{
  const message = openMessage(request);
  const at = milliseconds(options.at);
  const stages = {{}};

{body}

  return signedMessage(message, {signature}, stages);
}}
"#,
            body = body.trim_end()
        );
        Frame {
            head: "{preface}\n\n\"use strict\";\n\nconst crypto = require(\"node:crypto\");\n\n".to_owned(),
            imports: |_| String::new(),
            main,
            helper_indent: "",
            foot: "\n\nmodule.exports = { sign, SigningError };\n".to_owned(),
        }
    }
}
