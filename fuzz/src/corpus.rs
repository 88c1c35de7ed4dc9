//! Where inputs lie, and the first ones of each target: what vectors, dialect files and samples say.

use std::path::{Path, PathBuf};
use std::{fs, io};

use countersign_protocol::{Dialects, Message, Request};
use countersign_vectors::{Case, cases};

use crate::text;

/// The folder of a target's committed inputs.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// The committed inputs of a target, in the order of their names.
///
/// # Errors
/// When the folder or a file in it cannot be read.
pub fn committed(target: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder(target))?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
    paths.sort();
    let named = |path: PathBuf| Ok((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), fs::read(&path)?));
    paths.into_iter().map(named).collect()
}

/// The first inputs of a target; none for a name that is no target's.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "claim" => placed().collect(),
        "canonical" => unsigned().collect(),
        "dialect" => files(),
        "http" => connections(),
        _ => Vec::new(),
    }
}

/// The longest input that is kept.
const MOST: usize = 4096;

fn all_cases() -> impl Iterator<Item = Case> {
    let ids: Vec<String> = Dialects::builtin().iter().flat_map(Dialects::iter).map(|dialect| dialect.id().to_owned()).collect();
    ids.into_iter().filter_map(|id| cases(&id)?.ok()).flatten()
}

fn placed() -> impl Iterator<Item = Vec<u8>> {
    let answer = b"200\nKey: k\nTimestamp: 1767323045\nNonce: n\nSignature: AAAA\n\n{}".to_vec();
    all_cases().filter_map(|case| text::written(&case.placed)).filter(|text| text.len() <= MOST).chain([answer])
}

fn unsigned() -> impl Iterator<Item = Vec<u8>> {
    let of_case = |case: Case| {
        let signing = case.signing?;
        let nonce = signing.options.nonce.unwrap_or_default();
        let text = text::written(&signing.message)?;
        Some([case.dialect.as_bytes(), b"\n", nonce.as_bytes(), b"\nabcx\n", &text].concat())
    };
    let hostile: [&[u8]; 2] = [
        b"answer\nn\nabcx\n200\nContent-Type: text/plain\n\nbody",
        b"tangle\nn\nabcx\nPOST https /a/../b%2fc?d=e+f&g\nHost: h\nX-A:  b  c\n\nbody",
    ];
    all_cases().filter_map(of_case).filter(|text| text.len() <= MOST).chain(hostile.map(<[u8]>::to_vec))
}

fn files() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).filter_map(|path| fs::read_to_string(path).ok()).collect()
    };
    let dialects = [root.join("crates/protocol/dialects"), Path::new(env!("CARGO_MANIFEST_DIR")).join("dialects")];
    let mut all: Vec<String> = dialects.iter().flat_map(|folder| read(folder)).collect();
    all.extend(blocks(&root.join("crates/protocol/LANGUAGE.md"), "yaml"));
    all.extend(blocks(&root.join("crates/server/CONFIG.md"), "toml").map(|block| format!("# configuration\n{block}")));
    all.extend(blocks(&root.join("vectors/README.md"), "yaml").map(|block| format!("# vectors\n{block}")));
    all.into_iter().map(String::into_bytes).filter(|text| text.len() <= MOST).collect()
}

/// The code blocks of a document.
fn blocks(path: &Path, language: &str) -> impl Iterator<Item = String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let open = format!("```{language}\n");
    let blocks: Vec<String> =
        text.split(&open).skip(1).filter_map(|rest| rest.split("\n```").next()).map(|block| format!("{block}\n")).collect();
    blocks.into_iter()
}

fn connections() -> Vec<Vec<u8>> {
    let of_vector = |case: Case| wire(&case.placed);
    let mut all: Vec<Vec<u8>> = all_cases().map(of_vector).filter(|bytes| bytes.len() <= MOST / 4).step_by(20).collect();
    all.extend(CONNECTIONS.iter().map(|text| [b"\x80", text.as_bytes()].concat()));
    all
}

fn wire(request: &Request) -> Vec<u8> {
    let mut bytes = [b"\x80", request.method.as_bytes(), b" ", &request.target, b" HTTP/1.1\r\n"].concat();
    for (name, value) in &request.headers {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    bytes.extend(format!("Content-Length: {}\r\n\r\n", request.body.len()).into_bytes());
    bytes.extend_from_slice(&request.body);
    bytes
}

const CONNECTIONS: [&str; 10] = [
    "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "\r\nGET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\nHost: h\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    "PUT /a?b=c&d HTTP/1.1\r\nHost: h:80\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    "GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nX:\t a \t\r\nX: \x7f\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\nHost: h\n\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// A message of any kind as text, for those who look at an input.
#[must_use]
pub fn message(text: &[u8]) -> Message {
    text::message(text)
}
