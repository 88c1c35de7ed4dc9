//! Java: a signer is a final class, and texts hold one character for each byte.

use super::{Frame, Syntax, escape, type_name};
use crate::code::{Given, Kind, Signer};

pub(super) struct Java;

impl Syntax for Java {
    fn indent(&self) -> &'static str {
        "    "
    }
    fn comment(&self) -> &'static str {
        "//"
    }
    /// Octal escapes throughout: a `\u` is read before the language is.
    fn literal(&self, bytes: &[u8]) -> String {
        escape::quoted(bytes, b"", escape::octal)
    }
    fn number(&self, number: i64) -> String {
        format!("{number}L")
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
            Given::Part(name) => format!("textOf(credential.parts.get(\"{name}\"))"),
            Given::Input(name) => format!("textOf(options.inputs.get(\"{name}\"))"),
            Given::Nonce => "textOf(options.nonce)".to_owned(),
            Given::Expires => "textOf(options.expires)".to_owned(),
            Given::BodyDigest => "textOf(options.bodyDigest)".to_owned(),
            Given::Headers => "options.headers".to_owned(),
        }
    }
    fn list(&self, items: &[String]) -> String {
        format!("List.of({})", items.join(", "))
    }
    fn row(&self, items: &[String]) -> String {
        format!("row({})", items.join(", "))
    }
    fn first_of(&self, one: &str, other: &str) -> String {
        format!("firstFilled({one}, {other})")
    }
    fn firsts_by_operator(&self) -> bool {
        false
    }
    fn filled(&self, value: &str) -> String {
        format!("!{value}.isEmpty()")
    }
    fn empty(&self, value: &str) -> String {
        format!("{value}.isEmpty()")
    }
    fn no_items(&self, list: &str) -> String {
        format!("{list}.isEmpty()")
    }
    fn same(&self, a: &str, b: &str) -> String {
        format!("{a}.equals({b})")
    }
    fn headers_given(&self) -> String {
        "options.headers != null".to_owned()
    }
    fn omits(&self, word: &str) -> String {
        format!("options.omit.contains(\"{word}\")")
    }
    fn declare(&self, name: &str, kind: Kind, value: &str, _: bool) -> String {
        format!("{} {name} = {value};", java_type(kind))
    }
    fn declare_list(&self, name: &str, kind: Kind) -> String {
        format!("{} {name} = new ArrayList<>();", java_type(kind))
    }
    fn spread(&self, lines: &[String], indent: &str) -> String {
        let inner = format!("\n{indent}        ");
        format!("{inner}{}", lines.join(&inner))
    }
    fn open_if(&self, test: &str) -> String {
        format!("if ({test}) {{")
    }
    fn open_each(&self, item: &str, of: Kind, list: &str) -> String {
        let kind = if of == Kind::Rows { "String[]" } else { "String" };
        format!("for ({kind} {item} : {list}) {{")
    }
    fn push(&self, list: &str, item: &str) -> String {
        format!("{list}.add({item});")
    }
    fn fail(&self, words: &str) -> String {
        format!("throw failure({words});")
    }
    fn stage(&self, name: &str, value: &str) -> String {
        format!("signed.stages.put(\"{name}\", bytes({value}));")
    }
    fn depth(&self) -> usize {
        2
    }
    fn frame(&self, signer: &Signer, body: &str) -> Frame {
        let signature = if signer.signs() { "signature" } else { "\"\"" };
        let kind = signer.kind();
        let at = if body.contains("(at") { "        long at = options.at;\n" } else { "" };
        let main = format!(
            r#"    /** What is signed. Target and headers hold one character for each byte, as HTTP libraries send them. */
    public static final class Message {{
        public String method = "";
        public String scheme = "https";
        public String version = "HTTP/1.1";
        public String target = "";
        /** Of responses only. */
        public int status;
        /** Pairs of name and value. */
        public List<String[]> headers = new ArrayList<>();
        public byte[] body = {{}};
    }}

    /** The key. The algorithm is one of those above; parts are further secrets by name. */
    public static final class Credential {{
        public String keyId;
        public byte[] secret;
        /** PEM, PKCS#8. */
        public String privateKey;
        public String algorithm;
        public Map<String, String> parts = new HashMap<>();
    }}

    /** The signer's own choices: what is left out has a default. */
    public static final class Options {{
        /** Milliseconds since 1970. */
        public long at = System.currentTimeMillis();
        public String nonce;
        public Map<String, String> inputs = new HashMap<>();
        /** The names of the headers to sign. */
        public List<String> headers;
        public List<String> omit = List.of();
        public String expires;
        public String bodyDigest;
    }}

    /** What is sent, with the signature and the stages that led to it. */
    public static final class Signed {{
        public String target;
        public List<String[]> headers;
        public byte[] body;
        public String signature;
        public Map<String, byte[]> stages = new LinkedHashMap<>();
    }}

    /** The message while it is signed: every text holds one character for each byte. */
    private static final class Work {{
        final String method;
        final String scheme;
        final String version;
        final String status;
        String target;
        List<String[]> headers;
        String body;

        Work(Message given) {{
            method = given.method;
            scheme = given.scheme;
            version = given.version;
            status = Integer.toString(given.status);
            target = given.target;
            headers = given.headers;
            body = textOf(given.body);
        }}
    }}

    /** Signs a {kind}. An IllegalArgumentException says what cannot be signed. */
    public static Signed sign(Message given, Credential credential, Options options) {{
        Work message = new Work(given);
        Signed signed = new Signed();
{at}
{body}

        signed.target = message.target;
        signed.headers = message.headers;
        signed.body = bytes(message.body);
        signed.signature = {signature};
        return signed;
    }}
"#,
            body = body.trim_end()
        );
        let imports = |imports: &[&str]| {
            let own = ["java.nio.charset.StandardCharsets", "java.util.ArrayList", "java.util.HashMap", "java.util.LinkedHashMap"];
            let mut lines: Vec<String> =
                own.iter().chain(&["java.util.List", "java.util.Map"]).chain(imports).map(|name| format!("import {name};\n")).collect();
            lines.sort();
            lines.dedup();
            let name = lines.concat();
            format!("{name}\npublic final class ")
        };
        let class = type_name(&signer.id);
        let main = format!("{class} {{\n    private {class}() {{\n    }}\n\n{main}");
        Frame { head: "{preface}\n\n".to_owned(), imports, main, helper_indent: "    ", foot: "\n}\n".to_owned() }
    }
}

const fn java_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "String",
        Kind::Texts => "List<String>",
        Kind::Rows => "List<String[]>",
    }
}
