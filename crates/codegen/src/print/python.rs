//! Python: texts are `bytes`.

use super::{Frame, Syntax, escape};
use crate::code::{Given, Kind, Signer};

pub(super) struct Python;

impl Syntax for Python {
    fn indent(&self) -> &'static str {
        "    "
    }
    fn comment(&self) -> &'static str {
        "#"
    }
    fn literal(&self, bytes: &[u8]) -> String {
        format!("b{}", escape::quoted(bytes, b"", escape::hex))
    }
    fn variable(&self, name: &str) -> String {
        name.to_owned()
    }
    fn callee(&self, helper: &str) -> String {
        helper.to_owned()
    }
    fn spread(&self, lines: &[String], indent: &str) -> String {
        let inner = format!("\n{indent}    ");
        format!("({inner}{}\n{indent})", lines.join(&inner))
    }
    fn message(&self, what: &str) -> String {
        format!("message.{what}")
    }
    fn given(&self, given: &Given) -> String {
        match given {
            Given::KeyId => "text_of(credential, \"key_id\")".to_owned(),
            Given::Secret => "text_of(credential, \"secret\")".to_owned(),
            Given::PrivateKey => "text_of(credential, \"private_key\")".to_owned(),
            Given::Algorithm => "text_of(credential, \"algorithm\")".to_owned(),
            Given::Part(name) => format!("text_of(credential.get(\"parts\"), \"{name}\")"),
            Given::Input(name) => format!("text_of(options.get(\"inputs\"), \"{name}\")"),
            Given::Nonce => "text_of(options, \"nonce\")".to_owned(),
            Given::Expires => "text_of(options, \"expires\")".to_owned(),
            Given::BodyDigest => "text_of(options, \"body_digest\")".to_owned(),
            Given::Headers => "texts_of(options, \"headers\")".to_owned(),
        }
    }
    fn list(&self, items: &[String]) -> String {
        format!("[{}]", items.join(", "))
    }
    fn row(&self, items: &[String]) -> String {
        format!("({})", items.join(", "))
    }
    fn pick(&self, test: &str, yes: &str, no: &str) -> String {
        format!("{yes} if {test} else {no}")
    }
    fn first_of(&self, one: &str, other: &str) -> String {
        format!("{one} or {other}")
    }
    fn filled(&self, value: &str) -> String {
        value.to_owned()
    }
    fn empty(&self, value: &str) -> String {
        format!("not {value}")
    }
    fn no_items(&self, list: &str) -> String {
        format!("not {list}")
    }
    fn same(&self, a: &str, b: &str) -> String {
        format!("{a} == {b}")
    }
    fn headers_given(&self) -> String {
        "options.get(\"headers\") is not None".to_owned()
    }
    fn omits(&self, word: &str) -> String {
        format!("(b\"{word}\" in texts_of(options, \"omit\"))")
    }
    fn not(&self, test: &str) -> String {
        format!("not {test}")
    }
    fn all(&self) -> &'static str {
        " and "
    }
    fn any(&self) -> &'static str {
        " or "
    }
    fn never(&self) -> &'static str {
        "False"
    }
    fn declare(&self, name: &str, _: Kind, value: &str, _: bool) -> String {
        format!("{name} = {value}")
    }
    fn declare_list(&self, name: &str, _: Kind) -> String {
        format!("{name} = []")
    }
    fn end(&self) -> &'static str {
        ""
    }
    fn open_if(&self, test: &str) -> String {
        format!("if {test}:")
    }
    fn open_else(&self) -> &'static str {
        "else:"
    }
    fn close(&self) -> Option<&'static str> {
        None
    }
    fn open_each(&self, item: &str, _: Kind, list: &str) -> String {
        format!("for {item} in {list}:")
    }
    fn push(&self, list: &str, item: &str) -> String {
        format!("{list}.append({item})")
    }
    fn fail(&self, words: &str) -> String {
        format!("raise failure({words})")
    }
    fn stage(&self, name: &str, value: &str) -> String {
        format!("stages[\"{name}\"] = {value}")
    }
    fn frame(&self, signer: &Signer, body: &str) -> Frame {
        let signature = if signer.signs() { "signature" } else { "b\"\"" };
        let kind = signer.kind();
        let fields = if signer.of_response { "status" } else { "method, target, scheme (https)" };
        let main = format!(
            r#"def sign(request, credential, options=None):
    """Signs a {kind}, and gives what is sent: target, headers, body, with the signature and the stages that led to it.

    request: a dict of {fields}, headers (pairs of name and value), body
    credential: a dict of key_id, secret, algorithm (one of those above), parts (further secrets by name)
    options: a dict of at (now), nonce (a random one), inputs, headers (names to sign), omit, expires, body_digest

    Texts are str, taken as UTF-8, or bytes. A SigningError says what cannot be signed.
    """
    options = options or {{}}
    message = Message(request)
    at = milliseconds(options.get("at"))
    stages = {{}}

{body}
    return message.signed({signature}, stages)
"#,
            body = body.trim_end()
        );
        let imports = |imports: &[&str]| match imports {
            [] => String::new(),
            imports => format!("{}\n\n\n", imports.join("\n")),
        };
        let main = main.replace("\n\n    return", "\n    return").replace("    return message", "\n    return message");
        Frame { head: "{preface}\n\n".to_owned(), imports, main, helper_indent: "", foot: "\n".to_owned() }
    }
}
