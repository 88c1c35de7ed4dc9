//! A protocol's right answer on one request, and an independent signer of its string to sign, from which bugs are made.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use countersign_protocol::{Credential, Dialect, Dialects, KeyMaterial, Part, Policy, Request, SignOptions};
use countersign_vectors::written::VectorFile;
use countersign_vectors::{Case, Expect};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Digest as _;

/// The file of bugs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bugs {
    pub(crate) bugs: Vec<Bug>,
    pub(crate) grounds: Vec<Spec>,
}

/// One bug.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bug {
    pub(crate) bug: String,
    pub(crate) from: Vec<String>,
    pub(crate) says: String,
    pub(crate) named: Vec<String>,
    #[serde(default = "yes")]
    pub(crate) counted: bool,
}

fn yes() -> bool {
    true
}

/// Where the parts of a request stand in the texts of a protocol.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    pub(crate) dialect: String,
    pub(crate) text: String,
    pub(crate) query: Option<Spot>,
    pub(crate) headers: Option<usize>,
    #[serde(default)]
    pub(crate) key: Key,
    /// Whether parameters are decoded as forms are, and the fields of forms are among them.
    #[serde(default)]
    pub(crate) form: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spot {
    line: Option<usize>,
    after: Option<String>,
    #[serde(default)]
    last: bool,
    part: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) prefix: Option<String>,
    #[serde(default)]
    form: bool,
    webhook: Option<String>,
}

/// A hash of HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// A request that is right, and everything with which it was made.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) dialect: Dialect,
    pub(crate) spec: Spec,
    pub(crate) request: Request,
    pub(crate) credential: Credential,
    secret: Vec<u8>,
    token_secret: Vec<u8>,
    pub(crate) options: SignOptions,
    pub(crate) policy: Policy,
    pub(crate) placed: Request,
    pub(crate) signature: String,
    pub(crate) string: Vec<u8>,
    /// The stage in which the parts of the request stand.
    pub(crate) text: Vec<u8>,
    pub(crate) hash: Hash,
}

/// What is made of a base request so that a bug can show on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    Plain,
    Path,
    Slashes,
    Query,
    Json,
    JsonLine,
    Form,
    EscapedForm,
    Header,
    Secret,
}

/// A secret that is base64 as well.
const TWO_WAYS: &str = "c2VjcmV0LW9mLXRoZS1leHBsYWluLXRlc3Rz";

/// A base request of a protocol: from a vector, whose credentials and choices it keeps.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) case: Case,
    token_secret: Vec<u8>,
}

/// The first vectors of a protocol whose key is a shared secret, that a signer can run, with different methods and bodies.
pub(crate) fn bases(dialect: &str, most: usize) -> Vec<Base> {
    let Some((_, text)) = countersign_vectors::files().find(|(stem, _)| *stem == dialect) else { return Vec::new() };
    let file: VectorFile = serde_yaml::from_str(text).expect("a file of vectors");
    let cases = countersign_vectors::parse(dialect, text).expect("vectors");
    let mut found: Vec<Base> = Vec::new();
    for case in cases {
        let Some(signing) = &case.signing else { continue };
        let is_shared = matches!(signing.credential.material(), KeyMaterial::Hmac(_));
        let fits = case.expect == Expect::Accepted && is_shared && signing.skip.is_none() && signing.message.body.len() < 2048;
        let is_plain = signing.options.omit.is_empty() && signing.options.body_digest.is_none() && signing.message.target.is_ascii();
        let alike = |base: &Base| base.case.signing.as_ref().is_some_and(|s| s.message.method == signing.message.method);
        if !fits || !is_plain || found.iter().filter(|base| alike(base)).count() * 2 >= most.max(2) {
            continue;
        }
        let written = file.vectors.iter().find(|v| v.name == case.name);
        let parts: BTreeMap<String, String> = written.and_then(|v| v.credentials.as_ref()?.parts.clone()).unwrap_or_default();
        found.push(Base { token_secret: parts.into_values().next().unwrap_or_default().into_bytes(), case });
        if found.len() == most {
            break;
        }
    }
    found
}

/// The protocol of this name: a built-in one, or a home-made one beside the list of bugs.
pub(crate) fn dialect(name: &str) -> Dialect {
    let home = match name {
        "home-lines" => Some(include_str!("../../explain/home-lines.yaml")),
        "home-dots" => Some(include_str!("../../explain/home-dots.yaml")),
        _ => None,
    };
    match home {
        Some(text) => Dialect::from_yaml(text).expect("a dialect"),
        None => Dialects::builtin().expect("the built-in dialects").get(name).expect("a built-in dialect").clone(),
    }
}

impl Ground {
    /// Signs a base request of this shape; nothing where the protocol cannot carry it.
    pub(crate) fn new(dialect: &Dialect, spec: &Spec, base: &Base, shape: Shape) -> Option<Self> {
        let signing = base.case.signing.as_ref()?;
        let (mut request, mut options, mut credential) = (signing.message.clone(), signing.options.clone(), signing.credential.clone());
        reshape(&mut request, &mut options, shape);
        if shape == Shape::Secret {
            let algorithms = credential.algorithms().to_vec();
            credential = algorithms.into_iter().fold(Credential::hmac(credential.key_id(), TWO_WAYS), Credential::with_algorithm);
            if !base.token_secret.is_empty() {
                credential = credential.with_part("token_secret", String::from_utf8(base.token_secret.clone()).ok()?.as_str());
            }
        }
        let signed = dialect.sign(request.clone(), &credential, &options).ok()?;
        let KeyMaterial::Hmac(secret) = credential.material() else { return None };
        let mut ground = Self {
            dialect: dialect.clone(),
            spec: spec.clone(),
            request,
            secret: secret.expose().to_vec(),
            credential,
            token_secret: base.token_secret.clone(),
            options,
            policy: lenient(),
            signature: signed.signature().to_owned(),
            string: signed.stages().get("string_to_sign")?.to_vec(),
            text: signed.stages().get(&spec.text)?.to_vec(),
            placed: signed.into_message().into_request()?,
            hash: Hash::Sha256,
        };
        // A text that shows the secret is masked: the independent signer needs it whole.
        ground.string = unmask(&ground.string, &ground.secret);
        ground.text = unmask(&ground.text, &ground.secret);
        let own = ground.signature.clone();
        ground.hash = [Hash::Sha256, Hash::Sha1, Hash::Sha512].into_iter().find(|hash| ground.sign(&ground.string, *hash) == own)?;
        Some(ground)
    }

    /// The signature of a string to sign, by this code alone.
    pub(crate) fn sign(&self, string: &[u8], hash: Hash) -> String {
        self.sign_with(&self.key(string, hash), string, hash)
    }

    pub(crate) fn sign_with(&self, key: &[u8], string: &[u8], hash: Hash) -> String {
        self.encoded(&mac(hash, key, string))
    }

    /// The bytes in the encoding of this protocol.
    pub(crate) fn encoded(&self, tag: &[u8]) -> String {
        if self.is_hex() { hex(tag) } else { STANDARD.encode(tag) }
    }

    pub(crate) fn is_hex(&self) -> bool {
        self.signature.len() >= 32 && self.signature.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    }

    /// The bytes of the right signature.
    pub(crate) fn tag(&self) -> Vec<u8> {
        if self.is_hex() { unhex(&self.signature) } else { STANDARD.decode(&self.signature).expect("base64") }
    }

    pub(crate) fn secret(&self) -> &[u8] {
        &self.secret
    }

    fn key(&self, string: &[u8], hash: Hash) -> Vec<u8> {
        let key = &self.spec.key;
        if let Some(prefix) = &key.prefix {
            let scope = string.split(|b| *b == b'\n').nth(2).unwrap_or_default();
            let start = [prefix.as_bytes(), &self.secret].concat();
            return scope.split(|b| *b == b'/').fold(start, |key, step| mac(hash, &key, step));
        }
        if key.form {
            return [percent(&self.secret, b""), b"&".to_vec(), percent(&self.token_secret, b"")].concat();
        }
        if let Some(prefix) = &key.webhook {
            let text = self.secret.strip_prefix(prefix.as_bytes()).unwrap_or(&self.secret);
            return STANDARD.decode(text).unwrap_or_default();
        }
        self.secret.clone()
    }

    /// The right request with the signature of another string to sign.
    pub(crate) fn with_string(&self, string: &[u8]) -> Request {
        self.with_signature(&self.sign(string, self.hash))
    }

    /// The right request with the signature that follows from another text of the stage in which its parts stand.
    pub(crate) fn with_text(&self, text: &[u8]) -> Request {
        self.with_string(&self.string_of(text))
    }

    fn string_of(&self, text: &[u8]) -> Vec<u8> {
        if self.spec.text == "string_to_sign" {
            return text.to_vec();
        }
        let start = self.string.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        [&self.string[..start], hex(&sha2::Sha256::digest(text)).as_bytes()].concat()
    }

    /// The right request with another signature's text in the place of its own.
    pub(crate) fn with_signature(&self, signature: &str) -> Request {
        let mut request = self.placed.clone();
        let encoded = |text: &str| String::from_utf8(percent(text.as_bytes(), b"")).expect("ASCII");
        let bare = |text: &[u8]| find(text, self.signature.as_bytes()).is_some();
        let is_bare = request.headers.iter().any(|(_, v)| bare(v)) || bare(&request.target) || bare(&request.body);
        let raw = (self.signature.clone(), signature.to_owned());
        let (old, new) = if is_bare { raw } else { (encoded(&self.signature), encoded(signature)) };
        for (_, value) in &mut request.headers {
            *value = replaced(value, old.as_bytes(), new.as_bytes());
        }
        request.target = replaced(&request.target, old.as_bytes(), new.as_bytes());
        request.body = replaced(&request.body, old.as_bytes(), new.as_bytes());
        request
    }

    /// The right request with the signature of another request, by the signer.
    pub(crate) fn signed_as(&self, change: impl FnOnce(&mut Request, &mut SignOptions)) -> Option<Request> {
        let (mut request, mut options) = (self.request.clone(), self.options.clone());
        change(&mut request, &mut options);
        let signed = self.dialect.sign(request, &self.credential, &options).ok()?;
        Some(self.with_signature(signed.signature()))
    }

    /// The rendered parameters in the text, and the text with others in their place.
    pub(crate) fn query(&self) -> Option<Vec<Vec<u8>>> {
        let (range, encoded) = self.query_range()?;
        let text = &self.text[range];
        let text = if encoded { decoded(text) } else { text.to_vec() };
        Some(text.split(|b| *b == b'&').filter(|item| !item.is_empty()).map(<[u8]>::to_vec).collect())
    }

    pub(crate) fn with_query(&self, items: &[Vec<u8>]) -> Option<Request> {
        let (range, encoded) = self.query_range()?;
        let joined = items.join(&b'&');
        let joined = if encoded { percent(&joined, b"") } else { joined };
        Some(self.with_text(&[&self.text[..range.start], &joined, &self.text[range.end..]].concat()))
    }

    fn query_range(&self) -> Option<(std::ops::Range<usize>, bool)> {
        let spot = self.spec.query.as_ref()?;
        if let Some(part) = spot.part {
            let parts = pieces(&self.text, b'&');
            return Some((parts.get(part)?.clone(), true));
        }
        let lines = pieces(&self.text, b'\n');
        let line = if spot.last { lines.last()?.clone() } else { lines.get(spot.line?)?.clone() };
        let Some(after) = &spot.after else { return Some((line, false)) };
        let at = find(&self.text[line.clone()], after.as_bytes())?;
        Some((line.start + at + after.len()..line.end, false))
    }

    /// The lines of headers in the text.
    pub(crate) fn header_lines(&self) -> Option<std::ops::Range<usize>> {
        let lines: Vec<&[u8]> = self.text.split(|b| *b == b'\n').collect();
        let start = self.spec.headers?;
        let is_line = |line: &&&[u8]| {
            let name = line.split(|b| *b == b':').next().unwrap_or_default();
            line.contains(&b':') && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        };
        let skipped = lines.iter().skip(start).take_while(|line| !is_line(line) && !line.is_empty()).count();
        let start = start + skipped;
        let count = lines.iter().skip(start).take_while(is_line).count();
        (count > 0).then_some(start..start + count)
    }

    pub(crate) fn with_lines(&self, change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Request {
        let mut lines: Vec<Vec<u8>> = self.text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        change(&mut lines);
        self.with_text(&lines.join(&b'\n'))
    }

    /// Whether something else than the signature's own header says what the message claims: the claims ride in the query or the body.
    pub(crate) fn claims_in(&self, place: countersign_protocol::Place) -> bool {
        self.dialect.carriers().any(|c| c.place == place)
    }
}

/// What is asked is whether the signature holds, not what it covers.
fn lenient() -> Policy {
    let waive =
        [Part::Method, Part::Path, Part::Query, Part::Body, Part::Time, Part::Nonce, Part::Host, Part::Header("content-type".to_owned())];
    Policy { allow_unsafe: true, allow_ambiguous: true, waive: waive.to_vec(), ..Policy::default() }
}

fn reshape(request: &mut Request, options: &mut SignOptions, shape: Shape) {
    let query = request.target.iter().position(|b| *b == b'?').map_or_else(Vec::new, |at| request.target[at..].to_vec());
    let own_headers = |request: &mut Request, content_type: &str| {
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type") && !name.eq_ignore_ascii_case("content-length"));
        request.headers.push(("Content-Type".to_owned(), content_type.as_bytes().to_vec()));
    };
    match shape {
        Shape::Plain | Shape::Secret => {}
        Shape::Path => request.target = [b"/a%2Db/c%7Ed(e)/x@y", &query[..]].concat(),
        Shape::Slashes => request.target = [b"/a//b/../c", &query[..]].concat(),
        Shape::Query => {
            request.target = b"/a/b?b=2&a-b=3&B=9&a=1&d=&e%5B10%5D=x%20y&e%5B1%5D=p+q&id-type=5&id=7&b=1&f=s%2Ft~".to_vec();
            request.body.clear();
            request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-length"));
            let is_form =
                request.headers.iter().any(|(n, v)| n.eq_ignore_ascii_case("content-type") && v.starts_with(b"application/x-www"));
            if is_form {
                own_headers(request, "text/plain");
            }
        }
        Shape::Json | Shape::JsonLine => {
            request.method = "POST".to_owned();
            own_headers(request, "application/json");
            request.body = br#"{"a":"x y","b":[1,2],"c":{"d":true}}"#.to_vec();
            if shape == Shape::JsonLine {
                request.body.push(b'\n');
            }
        }
        Shape::Form | Shape::EscapedForm => {
            request.method = "POST".to_owned();
            own_headers(request, "application/x-www-form-urlencoded");
            request.body = if shape == Shape::Form { b"z=1&y=two".to_vec() } else { b"z=one+two&y=%2Athree%2A&x=~".to_vec() };
        }
        Shape::Header => {
            request.headers.push(("X-Ca-Extra".to_owned(), b"one  two".to_vec()));
            match &mut options.headers {
                Some(names) => names.push("x-ca-extra".to_owned()),
                None => options.also.push("x-ca-extra".to_owned()),
            }
        }
    }
}

pub(crate) fn mac(hash: Hash, key: &[u8], text: &[u8]) -> Vec<u8> {
    macro_rules! run {
        ($digest:ty) => {{
            let mut mac = Hmac::<$digest>::new_from_slice(key).expect("a key of any length");
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }};
    }
    match hash {
        Hash::Sha1 => run!(sha1::Sha1),
        Hash::Sha256 => run!(sha2::Sha256),
        Hash::Sha512 => run!(sha2::Sha512),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).expect("a digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect()
}

pub(crate) fn percent(text: &[u8], kept: &[u8]) -> Vec<u8> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b) || kept.contains(&b);
    text.iter().flat_map(|b| if plain(*b) { vec![*b] } else { format!("%{b:02X}").into_bytes() }).collect()
}

pub(crate) fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 16).ok());
        match digits.filter(|_| text[at] == b'%') {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

pub(crate) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|w| w == wanted)
}

pub(crate) fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let Some(at) = find(text, from).filter(|_| !from.is_empty()) else { return text.to_vec() };
    [&text[..at], to, &replaced(&text[at + from.len()..], from, to)].concat()
}

/// A text that is base64 of either alphabet, with or without padding.
pub(crate) fn unbase64(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
}

fn unmask(text: &[u8], secret: &[u8]) -> Vec<u8> {
    replaced(text, b"***", secret)
}

fn pieces(text: &[u8], at: u8) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    let mut all = Vec::new();
    for piece in text.split(|b| *b == at) {
        all.push(start..start + piece.len());
        start += piece.len() + 1;
    }
    all
}
