//! Go: texts are strings of bytes, and a helper that fails panics with a type of its own, which `Sign` turns into its error.

use super::{Frame, Syntax, escape, snake};
use crate::code::{Given, Kind, Signer};

pub(super) struct Go;

impl Syntax for Go {
    fn indent(&self) -> &'static str {
        "\t"
    }
    fn comment(&self) -> &'static str {
        "//"
    }
    fn literal(&self, bytes: &[u8]) -> String {
        escape::quoted(bytes, b"", escape::hex)
    }
    fn message(&self, what: &str) -> String {
        format!("message.{what}")
    }
    fn given(&self, given: &Given) -> String {
        match given {
            Given::KeyId => "credential.KeyID".to_owned(),
            Given::Secret => "credential.Secret".to_owned(),
            Given::PrivateKey => "credential.PrivateKey".to_owned(),
            Given::Algorithm => "credential.Algorithm".to_owned(),
            Given::Part(name) => format!("credential.Parts[\"{name}\"]"),
            Given::Input(name) => format!("options.Inputs[\"{name}\"]"),
            Given::Nonce => "options.Nonce".to_owned(),
            Given::Expires => "options.Expires".to_owned(),
            Given::BodyDigest => "options.BodyDigest".to_owned(),
            Given::Headers => "options.Headers".to_owned(),
        }
    }
    fn list(&self, items: &[String]) -> String {
        format!("[]string{{{}}}", items.join(", "))
    }
    fn row(&self, items: &[String]) -> String {
        format!("[]string{{{}}}", items.join(", "))
    }
    fn pick(&self, test: &str, yes: &str, no: &str) -> String {
        format!("pick({test}, {yes}, {no})")
    }
    fn picks_by_operator(&self) -> bool {
        false
    }
    fn first_of(&self, one: &str, other: &str) -> String {
        format!("firstFilled({one}, {other})")
    }
    fn firsts_by_operator(&self) -> bool {
        false
    }
    fn filled(&self, value: &str) -> String {
        format!("{value} != \"\"")
    }
    fn empty(&self, value: &str) -> String {
        format!("{value} == \"\"")
    }
    fn no_items(&self, list: &str) -> String {
        format!("len({list}) == 0")
    }
    fn same(&self, a: &str, b: &str) -> String {
        format!("{a} == {b}")
    }
    fn headers_given(&self) -> String {
        "options.Headers != nil".to_owned()
    }
    fn omits(&self, word: &str) -> String {
        format!("contains(options.Omit, \"{word}\")")
    }
    fn declare(&self, name: &str, _: Kind, value: &str, _: bool) -> String {
        format!("{name} := {value}")
    }
    fn declare_list(&self, name: &str, kind: Kind) -> String {
        format!("var {name} {}", if kind == Kind::Rows { "[][]string" } else { "[]string" })
    }
    fn end(&self) -> &'static str {
        ""
    }
    fn open_if(&self, test: &str) -> String {
        format!("if {test} {{")
    }
    fn open_each(&self, item: &str, _: Kind, list: &str) -> String {
        format!("for _, {item} := range {list} {{")
    }
    fn push(&self, list: &str, item: &str) -> String {
        format!("{list} = append({list}, {item})")
    }
    fn fail(&self, words: &str) -> String {
        format!("panic(failure({words}))")
    }
    fn stage(&self, name: &str, value: &str) -> String {
        format!("stages = append(stages, [2]string{{\"{name}\", {value}}})")
    }
    fn frame(&self, signer: &Signer, body: &str) -> Frame {
        let signature = if signer.signs() { "signature" } else { "\"\"" };
        let kind = signer.kind();
        let at = if body.contains("(at") {
            "\tat := options.At.UnixMilli()\n\tif options.At.IsZero() {\n\t\tat = time.Now().UnixMilli()\n\t}\n"
        } else {
            ""
        };
        let main = format!(
            r#"// Message is what is signed: bytes, as on the wire.
type Message struct {{
	Method, Scheme, Version, Target string // the scheme is https and the version HTTP/1.1 where none is given
	Status                          int    // of responses only
	Headers                         [][2]string
	Body                            []byte
}}

// Credential is the key. Algorithm is one of those above; Parts are further secrets by name.
type Credential struct {{
	KeyID, Secret, PrivateKey, Algorithm string
	Parts                                map[string]string
}}

// Options are the signer's own choices: what is left out has a default. Headers are the names to sign.
type Options struct {{
	At                         time.Time
	Nonce, Expires, BodyDigest string
	Inputs                     map[string]string
	Headers, Omit              []string
}}

// Signed is what is sent, with the signature and the stages that led to it.
type Signed struct {{
	Message   Message
	Signature string
	Stages    [][2]string
}}

// Sign signs a {kind}.
func Sign(given Message, credential Credential, options Options) (signed Signed, err error) {{
	defer func() {{
		if fault := recover(); fault != nil {{
			words, ours := fault.(failure)
			if !ours {{
				panic(fault)
			}}
			err = words
		}}
	}}()
	message := openMessage(given)
{at}	var stages [][2]string

{body}

	sent := given
	sent.Target, sent.Headers, sent.Body = message.target, message.headers, []byte(message.body)
	return Signed{{sent, {signature}, stages}}, nil
}}
"#,
            body = body.trim_end()
        );
        let imports = |imports: &[&str]| {
            let mut lines: Vec<String> = imports.iter().map(|line| format!("\t{line}\n")).collect();
            lines.push("\t\"time\"\n".to_owned());
            lines.sort_by_key(|line| line.split('"').nth(1).unwrap_or_default().to_owned());
            lines.dedup();
            format!("import (\n{})\n\n", lines.concat())
        };
        let head = format!("{{preface}}\n\npackage {}\n\n", snake(&signer.id));
        Frame { head, imports, main, helper_indent: "", foot: "\n".to_owned() }
    }
}
