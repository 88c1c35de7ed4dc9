//! Turns one entry of a HAR file into the request that was sent, or the answer that came.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Message, Request, Response, Scheme};

use super::Parsed;
use super::document::{Entry, Line, PostData, Received, Sent};
use crate::input::http::is_token;
use crate::input::url::Url;

/// How a body that the file lost can be given all the same.
const MEND: &str = "write the message as raw HTTP with its body, and give that with -i";

/// The request of an entry.
pub(super) fn request(entry: Entry) -> Result<Parsed, String> {
    let Sent { method, url, http_version, headers, post_data, body_size } = entry.request;
    if !is_token(method.as_bytes()) {
        return Err("request.method is no HTTP method".to_owned());
    }
    let url = address(&url)?;
    let mut notes = Vec::new();
    if url.userinfo {
        notes.push("user and password in the URL were left out".to_owned());
    }
    let (pseudo, mut lines) = head(headers.all("header lines in the request")?, false, &mut notes)?;
    let mut authority = None;
    for (name, value) in pseudo {
        let said = match name.as_str() {
            ":authority" => authority.replace(value).is_none(),
            ":method" => value == method.as_bytes(),
            ":path" => value == url.target,
            ":scheme" => value.eq_ignore_ascii_case(url.origin.scheme.as_str().as_bytes()),
            other => return Err(format!("the header {other} says that this is no plain request")),
        };
        if !said {
            return Err(format!("the header {name} and the rest of the entry say different things"));
        }
    }
    host(&mut lines, authority, &url)?;
    let mut request = Request::new(method, url.target);
    request.scheme = url.origin.scheme;
    request.version = version(http_version.as_deref().unwrap_or_default());
    request.body = sent(post_data, body_size, &lines, &mut notes)?;
    request.headers = lines;
    Ok(Parsed { message: request.into(), origin: Some(url.origin), notes })
}

/// The answer of an entry.
pub(super) fn response(entry: Entry) -> Result<Parsed, String> {
    let none = || "there is no answer: the request failed, was blocked, or was not recorded to its end".to_owned();
    let Received { status, headers, content } = entry.response.ok_or_else(none)?;
    let status = (100..600_u16).find(|code| f64::from(*code) == status).ok_or_else(none)?;
    let mut notes = Vec::new();
    let (pseudo, lines) = head(headers.all("header lines in the answer")?, true, &mut notes)?;
    for (name, value) in pseudo {
        if name != ":status" || value != status.to_string().as_bytes() {
            return Err(format!("the header {name} and the rest of the answer say different things"));
        }
    }
    let (text, encoding, size) = content.map_or((None, None, None), |content| (content.text, content.encoding, content.size));
    // What these answers announce is the body of another one.
    let bodiless = entry.request.method == "HEAD" || matches!(status, 100..200 | 204 | 304);
    let body = match text {
        Some(text) => bytes(text, encoding.as_deref(), "content")?,
        None if bodiless => Vec::new(),
        None if size.is_some_and(|size| size > 0.0) || announced(&lines)?.is_some_and(|length| length > 0) => {
            return Err(format!("the bytes of the answer's body are not in the file: save the HAR with content, or {MEND}"));
        }
        None => Vec::new(),
    };
    if let Some(coding) = values(&lines, "content-encoding").find(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        let coding = String::from_utf8_lossy(coding);
        notes.push(format!("the file has the answer's body without its {coding} coding; a digest of the coded bytes does not hold"));
    } else if !bodiless {
        whole(&body, &lines, "answer's")?;
        if size.is_some_and(|size| size >= 0.0 && size != body.len() as f64) {
            notes.push(format!(
                "the file says that the answer's body has another length than {} bytes; its text may have been converted",
                body.len()
            ));
        }
    }
    Ok(Parsed { message: Message::Response(Response { status, headers: lines, body }), origin: None, notes })
}

/// The address of a request. That of a WebSocket is where its handshake went.
fn address(url: &str) -> Result<Url, String> {
    let (scheme, rest) = url.split_once(':').ok_or("request.url is no absolute URL")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => Scheme::Http,
        "https" | "wss" => Scheme::Https,
        _ => return Err("request.url is neither http nor https: this request went to no server".to_owned()),
    };
    if !rest.starts_with("//") {
        return Err("request.url is no absolute URL".to_owned());
    }
    Url::parse(format!("{}:{rest}", scheme.as_str()).as_bytes()).map_err(|fault| format!("request.url: {fault}"))
}

/// As the dialects that sign a version know it. Browsers have many words for one.
fn version(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "http/1.0" => "HTTP/1.0",
        "h2" | "h2c" | "http/2" | "http/2.0" => "HTTP/2.0",
        "h3" | "http/3" | "http/3.0" | "h3-29" => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
    .to_owned()
}

/// A header line, read.
type Header = (String, Vec<u8>);

/// The pseudo header fields of HTTP/2, and the header lines in their order.
fn head(list: Vec<Line>, is_answer: bool, notes: &mut Vec<String>) -> Result<(Vec<Header>, Vec<Header>), String> {
    let (mut pseudo, mut lines): (Vec<Header>, Vec<Header>) = Default::default();
    for Line { name, value } in list {
        if name.starts_with(':') {
            if pseudo.iter().any(|(known, _)| *known == name) {
                return Err(format!("the header {name} is there twice"));
            }
            pseudo.push((name, value.trim().as_bytes().to_vec()));
            continue;
        }
        if !value.is_ascii() {
            notes.push(format!("{name}: the file does not tell how letters beyond ASCII were written; UTF-8 is taken"));
        }
        // Browsers join the lines of one name of an answer by a line feed, which no value can hold.
        let values: Vec<&str> = if is_answer { value.split('\n').collect() } else { vec![&value] };
        for value in values {
            if !is_token(name.as_bytes()) || value.chars().any(|c| c.is_ascii_control() && c != '\t') {
                return Err(format!("the header {name:?} is none: its name is no token, or its value holds a control character"));
            }
            lines.push((name.clone(), value.trim_ascii().as_bytes().to_vec()));
        }
    }
    Ok((pseudo, lines))
}

/// Sees to it that there is one `Host`: the listed one, that of HTTP/2, or that of the address.
fn host(lines: &mut Vec<Header>, authority: Option<Vec<u8>>, url: &Url) -> Result<(), String> {
    let listed = values(lines, "host").next().map(<[u8]>::to_vec);
    match (listed, authority) {
        (Some(host), Some(authority)) if host != authority => Err("Host and :authority differ".to_owned()),
        (Some(_), _) => Ok(()),
        (None, authority) => {
            lines.insert(0, ("Host".to_owned(), authority.unwrap_or_else(|| url.origin.host_header())));
            Ok(())
        }
    }
}

/// The body that was sent.
fn sent(post: Option<PostData>, size: Option<f64>, lines: &[Header], notes: &mut Vec<String>) -> Result<Vec<u8>, String> {
    let (text, encoding, params) =
        post.map_or((None, None, 0), |post| (post.text, post.encoding, post.params.map_or(0, |params| params.count)));
    let Some(text) = text.filter(|text| !(text.is_empty() && params > 0)) else {
        if params > 0 {
            return Err(format!(
                "the bytes of the body are not in the file: postData has params and no text, which can be written in several ways; {MEND}"
            ));
        }
        if size.is_some_and(|size| size > 0.0) || announced(lines)?.is_some_and(|length| length > 0) {
            return Err(format!("the bytes of the body are not in the file: it has no postData; {MEND}"));
        }
        return Ok(Vec::new());
    };
    let body = bytes(text, encoding.as_deref(), "postData")?;
    whole(&body, lines, "request's")?;
    if announced(lines)?.is_none() && body.windows(3).any(|w| w == "\u{fffd}".as_bytes()) {
        notes.push("the body holds U+FFFD: bytes that are no text were lost when the file was saved".to_owned());
    }
    Ok(body)
}

fn bytes(text: String, encoding: Option<&str>, what: &str) -> Result<Vec<u8>, String> {
    match encoding {
        None | Some("") => Ok(text.into_bytes()),
        Some("base64") => STANDARD.decode(text).map_err(|_| format!("{what}.text is no base64")),
        Some(_) => Err(format!("{what}.encoding is not base64; {MEND}")),
    }
}

/// Refuses a body of another length than was announced: the file has it cut off, or converted.
fn whole(body: &[u8], lines: &[Header], whose: &str) -> Result<(), String> {
    match announced(lines)? {
        Some(length) if length != body.len() as u64 => Err(format!(
            "the bytes of the {whose} body are not in the file: Content-Length says {length}, and its text has {} bytes; {MEND}",
            body.len()
        )),
        _ => Ok(()),
    }
}

/// What `Content-Length` says.
fn announced(lines: &[Header]) -> Result<Option<u64>, String> {
    let mut lengths = values(lines, "content-length");
    let Some(length) = lengths.next() else { return Ok(None) };
    if lengths.any(|other| other != length) {
        return Err("two Content-Length headers that differ".to_owned());
    }
    let digits = std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).map(Some).ok_or_else(|| "Content-Length is no number".to_owned())
}

fn values<'l>(lines: &'l [Header], wanted: &'l str) -> impl Iterator<Item = &'l [u8]> {
    lines.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.as_slice())
}
