//! A dialect as its author wrote it: every key read and typed, nothing resolved yet.

use super::LoadError;
use super::node::Node;

/// The version of the language that this crate reads.
const VERSION: &str = "1";

#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) dialect: String,
    pub(crate) family: Option<String>,
    pub(crate) title: String,
    pub(crate) source: Option<String>,
    pub(crate) replaces: Option<String>,
    pub(crate) message: Option<String>,
    /// Name, and whether it may be missing.
    pub(crate) inputs: Vec<(String, bool)>,
    pub(crate) secrets: Vec<String>,
    pub(crate) lets: Vec<(String, String)>,
    pub(crate) string_to_sign: Option<String>,
    pub(crate) headers: Option<Headers>,
    pub(crate) query: Option<Pairs>,
    pub(crate) form: Option<Pairs>,
    pub(crate) params: Option<Pairs>,
    pub(crate) body_digest: Option<BodyDigest>,
    pub(crate) key: Option<Key>,
    pub(crate) algorithm: Option<AlgorithmChoice>,
    pub(crate) signature: Signature,
    /// Place, name and template, in the order of the file.
    pub(crate) carry: Vec<(String, String, String)>,
    pub(crate) time: Option<Time>,
    pub(crate) expires: Option<Expires>,
    pub(crate) nonce_keep: Option<String>,
    pub(crate) replay: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) require: Vec<String>,
    pub(crate) waive: Vec<String>,
    pub(crate) diagnostics: Option<Diagnostics>,
}

#[derive(Debug, Default)]
pub(crate) struct Headers {
    pub(crate) each: Option<String>,
    pub(crate) join: Option<String>,
    pub(crate) order: Option<String>,
    pub(crate) repeated: Option<Repeated>,
    pub(crate) empty: Option<String>,
    pub(crate) except: Vec<String>,
    pub(crate) sign: Vec<String>,
    pub(crate) always: Vec<String>,
    pub(crate) pseudo: Vec<(String, String)>,
    pub(crate) missing: Option<String>,
    pub(crate) names: Option<String>,
    pub(crate) default: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) each: Option<String>,
    pub(crate) join: Option<String>,
    pub(crate) order: Option<String>,
    pub(crate) repeated: Option<Repeated>,
    pub(crate) empty: Option<String>,
    pub(crate) except: Vec<String>,
    pub(crate) from: Vec<String>,
    pub(crate) between: Option<String>,
    pub(crate) only: Option<Vec<String>>,
    pub(crate) decode: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Repeated {
    Word(String),
    Join(String),
}

#[derive(Debug)]
pub(crate) struct BodyDigest {
    pub(crate) is: String,
    pub(crate) when: Vec<String>,
    pub(crate) unsigned: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) from: String,
    pub(crate) hmac: Vec<String>,
    pub(crate) encode: Option<String>,
    pub(crate) rsa_bits: Option<String>,
}

#[derive(Debug)]
pub(crate) enum AlgorithmChoice {
    /// The credential says which.
    List(Vec<String>),
    /// The word on the wire, and what it may mean.
    Map(Vec<(String, Vec<String>)>),
}

#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) encoding: String,
    pub(crate) several: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Time {
    pub(crate) format: Vec<String>,
    pub(crate) past: Option<String>,
    pub(crate) future: Option<String>,
    pub(crate) zone: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Expires {
    pub(crate) unit: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) default: Option<String>,
    pub(crate) max: String,
}

#[derive(Debug)]
pub(crate) struct Diagnostics {
    pub(crate) header: Option<String>,
    pub(crate) body: bool,
    pub(crate) text: String,
    pub(crate) newline: Option<String>,
}

/// A node and the path that leads to it.
struct At<'n> {
    node: &'n Node,
    path: String,
}

/// The keys of one map, each read at most once.
struct Fields<'n> {
    pairs: &'n [(std::borrow::Cow<'static, str>, Node)],
    path: String,
}

impl<'n> At<'n> {
    fn wants(&self, wanted: &str, mend: &'static str) -> LoadError {
        LoadError::new(&self.path, format!("{} where {wanted} belongs", self.node.kind()), mend)
    }

    fn text(&self) -> Result<String, LoadError> {
        match self.node {
            Node::Text(text) => Ok(text.to_string()),
            Node::Plain(_) => Err(self.wants("a text", "put it in quotes")),
            _ => Err(self.wants("a text", "write one text")),
        }
    }

    fn number(&self) -> Result<String, LoadError> {
        match self.node {
            Node::Plain(text) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(text.to_string()),
            _ => Err(self.wants("a number", "write digits without quotes")),
        }
    }

    fn texts(&self) -> Result<Vec<String>, LoadError> {
        match self.node {
            Node::Text(text) => Ok(vec![text.to_string()]),
            Node::List(_) => self.items()?.iter().map(Self::text).collect(),
            _ => Err(self.wants("a text or a list of texts", "write [first, second]")),
        }
    }

    fn items(&self) -> Result<Vec<Self>, LoadError> {
        let Node::List(items) = self.node else {
            return Err(self.wants("a list", "write [first, second]"));
        };
        Ok(items.iter().enumerate().map(|(i, node)| Self { node, path: format!("{}[{i}]", self.path) }).collect())
    }

    fn entries(&self) -> Result<Vec<(String, Self)>, LoadError> {
        let Node::Map(pairs) = self.node else {
            return Err(self.wants("a map", "write name: value"));
        };
        Ok(pairs.iter().map(|(name, node)| (name.to_string(), Self { node, path: join(&self.path, name) })).collect())
    }

    fn named_texts(&self) -> Result<Vec<(String, String)>, LoadError> {
        self.entries()?.into_iter().map(|(name, at)| Ok((name, at.text()?))).collect()
    }

    fn fields(&self, known: &[&str]) -> Result<Fields<'n>, LoadError> {
        let Node::Map(pairs) = self.node else {
            return Err(self.wants("a map", "write name: value"));
        };
        for (name, _) in pairs.iter() {
            if !known.contains(&name.as_ref()) {
                return Err(LoadError::new(join(&self.path, name), "no such key", suggestion(name, known)));
            }
        }
        Ok(Fields { pairs, path: self.path.clone() })
    }
}

impl<'n> Fields<'n> {
    fn get(&self, name: &str) -> Option<At<'n>> {
        let (_, node) = self.pairs.iter().find(|(n, node)| n == name && *node != Node::Null)?;
        Some(At { node, path: join(&self.path, name) })
    }

    fn text(&self, name: &str) -> Result<Option<String>, LoadError> {
        self.get(name).map(|at| at.text()).transpose()
    }

    fn need(&self, name: &str, mend: &'static str) -> Result<String, LoadError> {
        self.text(name)?.ok_or_else(|| LoadError::new(join(&self.path, name), "missing", mend))
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, LoadError> {
        Ok(self.get(name).map(|at| at.texts()).transpose()?.unwrap_or_default())
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// "did you mean" by the fewest changed letters, else the list of what there is.
fn suggestion(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|k| (distance(name, k), k)).min_by_key(|(d, _)| *d);
    match nearest {
        Some((d, k)) if d <= 2 => format!("did you mean {k}?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let here = if x == *y { before } else { 1 + before.min(row[j]).min(row[j + 1]) };
            before = row[j + 1];
            row[j + 1] = here;
        }
    }
    row[b.len()]
}

/// Where the key begins when the file does not say.
pub(crate) const SECRET: &str = "{secret}";

const KEYS: [&str; 28] = [
    "countersign",
    "dialect",
    "family",
    "title",
    "source",
    "replaces",
    "message",
    "inputs",
    "secrets",
    "let",
    "string_to_sign",
    "headers",
    "query",
    "form",
    "params",
    "body_digest",
    "key",
    "algorithm",
    "signature",
    "carry",
    "time",
    "expires",
    "nonce",
    "replay",
    "event",
    "require",
    "waive",
    "diagnostics",
];

impl Written {
    /// Reads the tree of one file.
    pub(crate) fn read(root: &Node) -> Result<Self, LoadError> {
        let root = At { node: root, path: String::new() };
        let file = root.fields(&KEYS)?;
        version(&file)?;
        Ok(Self {
            dialect: file.need("dialect", "name the dialect as its file is named")?,
            family: file.text("family")?,
            title: file.need("title", "say in one line what this dialect is")?,
            source: file.text("source")?,
            replaces: file.text("replaces")?,
            message: file.text("message")?,
            inputs: file.texts("inputs")?.iter().map(|text| optional_name(text)).collect(),
            secrets: file.texts("secrets")?,
            lets: file.get("let").map(|at| at.named_texts()).transpose()?.unwrap_or_default(),
            string_to_sign: file.text("string_to_sign")?,
            headers: file.get("headers").map(|at| Headers::read(&at)).transpose()?,
            query: file.get("query").map(|at| Pairs::read(&at)).transpose()?,
            form: file.get("form").map(|at| Pairs::read(&at)).transpose()?,
            params: file.get("params").map(|at| Pairs::read(&at)).transpose()?,
            body_digest: file.get("body_digest").map(|at| BodyDigest::read(&at)).transpose()?,
            key: file.get("key").map(|at| Key::read(&at)).transpose()?,
            algorithm: file.get("algorithm").map(|at| AlgorithmChoice::read(&at)).transpose()?,
            signature: file
                .get("signature")
                .map_or_else(|| Ok(Signature { encoding: "hex".to_owned(), several: None }), |at| Signature::read(&at))?,
            carry: file.get("carry").map(|at| carry(&at)).transpose()?.unwrap_or_default(),
            time: file.get("time").map(|at| Time::read(&at)).transpose()?,
            expires: file.get("expires").map(|at| Expires::read(&at)).transpose()?,
            nonce_keep: file.get("nonce").map(|at| at.fields(&["keep"])?.need("keep", "say how long, such as 15m")).transpose()?,
            replay: file.text("replay")?,
            event: file.text("event")?,
            require: file.texts("require")?,
            waive: file.texts("waive")?,
            diagnostics: file.get("diagnostics").map(|at| Diagnostics::read(&at)).transpose()?,
        })
    }
}

fn version(file: &Fields<'_>) -> Result<(), LoadError> {
    match file.get("countersign").map(|at| at.node.clone()) {
        Some(Node::Plain(n)) if n == VERSION => Ok(()),
        Some(Node::Plain(n)) => {
            Err(LoadError::new("countersign", format!("version {n} of the language is not known"), "this release reads version 1"))
        }
        _ => Err(LoadError::new("countersign", "the language's version is missing", "begin the file with countersign: 1")),
    }
}

/// `[name]` is a name that may be missing.
fn optional_name(text: &str) -> (String, bool) {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(name) => (name.to_owned(), true),
        None => (text.to_owned(), false),
    }
}

fn carry(at: &At<'_>) -> Result<Vec<(String, String, String)>, LoadError> {
    let mut all = Vec::new();
    for (place, entries) in at.entries()? {
        for (name, template) in entries.named_texts()? {
            all.push((place.clone(), name, template));
        }
    }
    Ok(all)
}

impl Headers {
    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        let f = at
            .fields(&["each", "join", "order", "repeated", "empty", "except", "sign", "always", "pseudo", "missing", "names", "default"])?;
        Ok(Self {
            each: f.text("each")?,
            join: f.text("join")?,
            order: f.text("order")?,
            repeated: Repeated::read(&f)?,
            empty: f.text("empty")?,
            except: f.texts("except")?,
            sign: f.texts("sign")?,
            always: f.texts("always")?,
            pseudo: f.get("pseudo").map(|at| at.named_texts()).transpose()?.unwrap_or_default(),
            missing: f.text("missing")?,
            names: f.text("names")?,
            default: f.texts("default")?,
        })
    }
}

impl Pairs {
    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        let f = at.fields(&["each", "join", "between", "order", "repeated", "empty", "except", "from", "only", "decode"])?;
        Ok(Self {
            each: f.text("each")?,
            join: f.text("join")?,
            order: f.text("order")?,
            repeated: Repeated::read(&f)?,
            empty: f.text("empty")?,
            except: f.texts("except")?,
            from: f.texts("from")?,
            between: f.text("between")?,
            only: f.get("only").map(|at| at.texts()).transpose()?,
            decode: f.text("decode")?,
        })
    }
}

impl Repeated {
    fn read(f: &Fields<'_>) -> Result<Option<Self>, LoadError> {
        let Some(at) = f.get("repeated") else { return Ok(None) };
        if matches!(at.node, Node::Map(_)) {
            let text = at.fields(&["join"])?.need("join", "say what stands between the values")?;
            return Ok(Some(Self::Join(text)));
        }
        Ok(Some(Self::Word(at.text()?)))
    }
}

impl BodyDigest {
    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        if matches!(at.node, Node::Text(_)) {
            return Ok(Self { is: at.text()?, when: Vec::new(), unsigned: Vec::new() });
        }
        let f = at.fields(&["is", "when", "unsigned"])?;
        Ok(Self {
            is: f.need("is", "say what the digest is, such as \"{body | sha256 | hex}\"")?,
            when: f.texts("when")?,
            unsigned: f.texts("unsigned")?,
        })
    }
}

impl Key {
    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        if matches!(at.node, Node::Text(_)) {
            return Ok(Self { from: at.text()?, hmac: Vec::new(), encode: None, rsa_bits: None });
        }
        let f = at.fields(&["from", "hmac", "as", "rsa_bits"])?;
        Ok(Self {
            from: f.text("from")?.unwrap_or_else(|| SECRET.to_owned()),
            hmac: f.texts("hmac")?,
            encode: f.text("as")?,
            rsa_bits: f.get("rsa_bits").map(|at| at.number()).transpose()?,
        })
    }
}

impl AlgorithmChoice {
    /// Every algorithm that it names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let (list, map) = match self {
            Self::List(names) => (&names[..], &[][..]),
            Self::Map(pairs) => (&[][..], &pairs[..]),
        };
        list.iter().chain(map.iter().flat_map(|(_, names)| names)).map(String::as_str)
    }

    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        if !matches!(at.node, Node::Map(_)) {
            return Ok(Self::List(at.texts()?));
        }
        let pairs = at.entries()?.into_iter().map(|(word, at)| Ok((word, at.texts()?)));
        Ok(Self::Map(pairs.collect::<Result<_, LoadError>>()?))
    }
}

impl Signature {
    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        if matches!(at.node, Node::Text(_)) {
            return Ok(Self { encoding: at.text()?, several: None });
        }
        let f = at.fields(&["encoding", "several"])?;
        Ok(Self { encoding: f.need("encoding", "one of hex, base64, base64url")?, several: f.text("several")? })
    }
}

impl Time {
    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        let f = at.fields(&["format", "window", "zone"])?;
        let format = f.texts("format")?;
        if format.is_empty() {
            return Err(LoadError::new(
                join(&at.path, "format"),
                "missing",
                "one of unix, unix-ms, http-date, or a pattern such as YYYYMMDDThhmmssZ",
            ));
        }
        let (past, future) = match f.get("window") {
            None => (None, None),
            Some(w) if matches!(w.node, Node::Text(_)) => (Some(w.text()?), Some(w.text()?)),
            Some(w) => {
                let w = w.fields(&["past", "future"])?;
                (w.text("past")?, w.text("future")?)
            }
        };
        Ok(Self { format, past, future, zone: f.text("zone")? })
    }
}

impl Expires {
    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        let f = at.fields(&["unit", "format", "default", "max"])?;
        Ok(Self {
            unit: f.text("unit")?,
            format: f.text("format")?,
            default: f.text("default")?,
            max: f.need("max", "say the longest validity, such as 7d")?,
        })
    }
}

impl Diagnostics {
    fn read(at: &At<'_>) -> Result<Self, LoadError> {
        let f = at.fields(&["header", "body", "text", "newline"])?;
        let body = match f.get("body").map(|at| (at.node.clone(), at)) {
            None => false,
            Some((Node::Plain(word), _)) if word == "true" || word == "false" => word == "true",
            Some((_, at)) => return Err(at.wants("true or false", "write body: true")),
        };
        Ok(Self {
            header: f.text("header")?,
            body,
            text: f.need("text", "say what is shown, with {string_to_sign} in it")?,
            newline: f.text("newline")?,
        })
    }
}
