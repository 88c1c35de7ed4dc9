//! Reads a curl command line into the request that curl would send.
//!
//! Not taken over: `User-Agent` and `Content-Length`, which curl adds by itself and which depend on its version. Options
//! that would make the request another one in a way that cannot be told here are refused by name.

mod options;

use std::path::Path;

use countersign_protocol::Request;

use super::http::{header_line, is_token};
use super::shell::{self, Token};
use super::url::{Origin, Url};
use crate::console;
use options::Meaning;

/// What a curl command line says.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) request: Request,
    pub(crate) origin: Origin,
    /// What was left out, for the reader.
    pub(crate) notes: Vec<String>,
}

/// Whether the text is a curl command line, perhaps with `printf .. |` before it.
pub(crate) fn is_command(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let is = |word: &[u8]| text.strip_prefix(word).is_some_and(|rest| rest.first().is_none_or(|b| b.is_ascii_whitespace() || *b == b'\\'));
    is(b"curl") || is(b"printf")
}

/// Reads the command line.
pub(crate) fn parse(text: &[u8]) -> Result<Parsed, String> {
    let tokens = shell::split(text.trim_ascii_start())?;
    let (words, piped) = command(tokens)?;
    let mut curl = Curl { piped, version: "HTTP/1.1", ..Curl::default() };
    let mut words = words.into_iter();
    let mut options = true;
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"--" if options => options = false,
            [b'-', b'-', long @ ..] if options => curl.long(long, &mut words)?,
            [b'-', short @ ..] if options && !short.is_empty() => curl.short(short, &mut words)?,
            _ => curl.url(word)?,
        }
    }
    curl.into_request()
}

/// A word of a command line.
type Word = Vec<u8>;

/// The words after `curl`, and what a `printf` before it pipes into it.
fn command(tokens: Vec<Token>) -> Result<(Vec<Word>, Option<Word>), String> {
    let mut commands: Vec<Vec<Word>> = vec![Vec::new()];
    for token in tokens {
        match (token, commands.last_mut()) {
            (Token::Word(word), Some(last)) => last.push(word),
            _ => commands.push(Vec::new()),
        }
    }
    let mut curl = commands.pop().unwrap_or_default();
    if curl.first().is_none_or(|word| word != b"curl") {
        return Err("the command is not curl".to_owned());
    }
    curl.remove(0);
    match commands.as_slice() {
        [] => Ok((curl, None)),
        [printf] => match printf.as_slice() {
            [name, format] if name == b"printf" => Ok((curl, Some(shell::printf(format)?))),
            _ => Err("only 'printf FORMAT' may stand before the pipe; use --data-binary @FILE".to_owned()),
        },
        _ => Err("more than one pipe".to_owned()),
    }
}

/// What `-H` asks for.
#[derive(Debug)]
enum Asked {
    Value(Vec<u8>),
    Removed,
}

#[derive(Debug, Default)]
struct Curl {
    method: Option<String>,
    url: Option<Vec<u8>>,
    headers: Vec<(String, Asked)>,
    data: Option<Vec<u8>>,
    piped: Option<Vec<u8>>,
    agent: Option<Vec<u8>>,
    referer: Option<Vec<u8>>,
    bearer: Option<Vec<u8>>,
    cookies: Vec<Vec<u8>>,
    json: bool,
    head: bool,
    get: bool,
    path_as_is: bool,
    globoff: bool,
    version: &'static str,
    notes: Vec<String>,
}

impl Curl {
    fn long(&mut self, name: &[u8], words: &mut impl Iterator<Item = Vec<u8>>) -> Result<(), String> {
        let shown = String::from_utf8_lossy(name).into_owned();
        let meaning = options::long(&shown).ok_or_else(|| unknown(&format!("--{shown}")))?;
        let value = if meaning.takes_value() { Some(words.next().ok_or_else(|| format!("curl's --{shown} needs a value"))?) } else { None };
        self.apply(&format!("--{shown}"), meaning, value.unwrap_or_default())
    }

    /// Short options may stand together, and the last may have its value attached: `-sXPOST`.
    fn short(&mut self, letters: &[u8], words: &mut impl Iterator<Item = Vec<u8>>) -> Result<(), String> {
        let mut rest = letters;
        while let Some((letter, tail)) = rest.split_first() {
            rest = tail;
            let shown = format!("-{}", char::from(*letter));
            let meaning = options::short(*letter).ok_or_else(|| unknown(&shown))?;
            if !meaning.takes_value() {
                self.apply(&shown, meaning, Vec::new())?;
                continue;
            }
            let value = if tail.is_empty() { words.next().ok_or_else(|| format!("curl's {shown} needs a value"))? } else { tail.to_vec() };
            return self.apply(&shown, meaning, value);
        }
        Ok(())
    }

    fn apply(&mut self, shown: &str, meaning: Meaning, value: Vec<u8>) -> Result<(), String> {
        match meaning {
            Meaning::Ignored | Meaning::IgnoredValue => {}
            Meaning::Noted(why) | Meaning::NotedValue(why) => self.notes.push(format!("curl's {shown} was left out: {why}")),
            Meaning::Refused(why) => return Err(format!("curl's {shown} is not read: {why}")),
            Meaning::Method => self.method = Some(method(&value)?),
            Meaning::Url => self.url(value)?,
            Meaning::Header => self.header(&value)?,
            Meaning::Data => self.ascii_data(value)?,
            Meaning::DataRaw => self.add_data(&value, b"&"),
            Meaning::DataBinary => self.binary_data(&value, b"&")?,
            Meaning::DataUrlencode => self.encoded_data(&value)?,
            Meaning::Json => {
                self.json = true;
                self.binary_data(&value, b"")?;
            }
            Meaning::Get => self.get = true,
            Meaning::Head => self.head = true,
            Meaning::Agent => self.agent = Some(value),
            Meaning::Referer => self.referer = Some(value),
            Meaning::Bearer => self.bearer = Some([b"Bearer ", &value[..]].concat()),
            Meaning::Cookie if value.contains(&b'=') => self.cookies.push(value),
            Meaning::Cookie => return Err(format!("curl's {shown}: a cookie file is not read; write the cookies as 'name=value'")),
            Meaning::PathAsIs => self.path_as_is = true,
            Meaning::GlobOff => self.globoff = true,
            Meaning::Http10 => self.version = "HTTP/1.0",
        }
        Ok(())
    }

    fn url(&mut self, url: Vec<u8>) -> Result<(), String> {
        match self.url.replace(url) {
            None => Ok(()),
            Some(_) => Err("two URLs; give one request only".to_owned()),
        }
    }

    /// `Name: value`; `Name:` takes out what curl would send by itself; `Name;` is a header without a value.
    fn header(&mut self, line: &[u8]) -> Result<(), String> {
        if line.starts_with(b"@") {
            return Err("curl's -H @FILE is not read; write each header".to_owned());
        }
        if let Some(name) = line.trim_ascii_end().strip_suffix(b";").filter(|name| is_token(name)) {
            self.headers.push((String::from_utf8_lossy(name).into_owned(), Asked::Value(Vec::new())));
            return Ok(());
        }
        let (name, value) = header_line(line).map_err(|fault| format!("curl's -H: {fault}"))?;
        self.headers.push((name, if value.is_empty() { Asked::Removed } else { Asked::Value(value) }));
        Ok(())
    }

    /// A piece of data is joined to those before it by `&`; one of `--json` by nothing.
    fn add_data(&mut self, piece: &[u8], joint: &[u8]) {
        match &mut self.data {
            Some(data) => {
                data.extend_from_slice(joint);
                data.extend_from_slice(piece);
            }
            None => self.data = Some(piece.to_vec()),
        }
    }

    /// `--data`: from a file, without line ends and NUL bytes.
    fn ascii_data(&mut self, value: Vec<u8>) -> Result<(), String> {
        let mut data = value;
        if let Some(name) = data.strip_prefix(b"@") {
            data = self.file(name)?;
            data.retain(|b| !matches!(b, b'\r' | b'\n' | 0));
        }
        self.add_data(&data, b"&");
        Ok(())
    }

    fn binary_data(&mut self, value: &[u8], joint: &[u8]) -> Result<(), String> {
        match value.strip_prefix(b"@") {
            Some(name) => {
                let data = self.file(name)?;
                self.add_data(&data, joint);
            }
            None => self.add_data(value, joint),
        }
        Ok(())
    }

    /// `content`, `=content`, `name=content`. What versions of curl encode in different ways is refused.
    fn encoded_data(&mut self, value: &[u8]) -> Result<(), String> {
        let at = value.iter().position(|b| *b == b'=');
        let (name, content) = at.map_or((&b""[..], value), |i| (&value[..i], &value[i + 1..]));
        if at.is_none() && content.contains(&b'@') {
            return Err("curl's --data-urlencode from a file is not read; write the encoded text with --data-raw".to_owned());
        }
        if content.contains(&b' ') {
            return Err(
                "curl's --data-urlencode writes a blank as '+' or '%20', by version; write the encoded text with --data-raw".to_owned()
            );
        }
        let mut data = name.to_vec();
        data.extend_from_slice(if name.is_empty() { b"" } else { b"=" });
        percent(content, &mut data);
        if data.contains(&b'%') && self.get {
            return Err(
                "curl's --data-urlencode with -G writes hexadecimal digits in either case, by version; write the query into the URL"
                    .to_owned(),
            );
        }
        self.add_data(&data, b"&");
        Ok(())
    }

    fn file(&mut self, name: &[u8]) -> Result<Vec<u8>, String> {
        if name == b"-" {
            return self.piped.take().ok_or_else(|| "curl's @- reads stdin, which is not at hand; use @FILE".to_owned());
        }
        let name = std::str::from_utf8(name).map_err(|_| "a file's name is no UTF-8".to_owned())?;
        console::read(Path::new(name)).map_err(|failure| match failure {
            crate::failure::Failure::Usage(fault) => fault,
            _ => format!("{name} cannot be read"),
        })
    }

    fn into_request(self) -> Result<Parsed, String> {
        let url = self.split_url()?;
        let mut notes = self.notes.clone();
        if url.userinfo {
            notes.push("user and password in the URL were left out".to_owned());
        }
        let method = match (&self.method, self.head, self.get, &self.data) {
            (Some(method), ..) => method.clone(),
            (None, true, ..) => "HEAD".to_owned(),
            (None, false, false, Some(_)) => "POST".to_owned(),
            _ => "GET".to_owned(),
        };
        if self.head && !self.get && self.data.is_some() {
            return Err("curl refuses -I together with data".to_owned());
        }
        let mut request = Request::new(method, self.target(&url));
        request.scheme = url.origin.scheme;
        request.version = self.version.to_owned();
        request.headers = self.header_lines(&url.origin);
        request.body = if self.get { Vec::new() } else { self.data.unwrap_or_default() };
        Ok(Parsed { request, origin: url.origin, notes })
    }

    fn split_url(&self) -> Result<Url, String> {
        let text = self.url.as_deref().ok_or("the curl command names no URL")?;
        if !self.globoff && text.iter().any(|b| b"{}[]".contains(b)) && !text.windows(3).any(|w| w == b"://" || w == b"[::") {
            return Err("curl would expand { } [ ] in the URL; add --globoff or percent-encode them".to_owned());
        }
        Url::parse(text)
    }

    /// The target as curl sends it: dot segments removed, bytes beyond ASCII in the path percent-encoded, `-G` data added.
    fn target(&self, url: &Url) -> Vec<u8> {
        let mark = url.target.iter().position(|b| *b == b'?').unwrap_or(url.target.len());
        let (path, query) = url.target.split_at(mark);
        let path = if self.path_as_is { path.to_vec() } else { without_dots(path) };
        let mut target = Vec::with_capacity(url.target.len());
        for byte in path {
            if byte.is_ascii() { target.push(byte) } else { target.extend(format!("%{byte:02x}").bytes()) }
        }
        target.extend_from_slice(query);
        if let Some(data) = self.data.as_ref().filter(|data| self.get && !data.is_empty()) {
            target.push(if target.contains(&b'?') { b'&' } else { b'?' });
            target.extend_from_slice(data);
        }
        target
    }

    /// The headers in curl's order; one that `-H` names is the caller's.
    fn header_lines(&self, origin: &Origin) -> Vec<(String, Vec<u8>)> {
        let json = self.json.then_some(&b"application/json"[..]);
        let sends_body = self.data.is_some() && !self.get;
        let cookie = (!self.cookies.is_empty()).then(|| self.cookies.join(&b"; "[..]));
        let own = [
            ("Host", Some(origin.host_header())),
            ("Authorization", self.bearer.clone()),
            ("User-Agent", self.agent.clone().filter(|agent| !agent.is_empty())),
            ("Accept", Some(json.unwrap_or(b"*/*").to_vec())),
            ("Referer", self.referer.clone()),
            ("Cookie", cookie),
        ];
        let form = sends_body.then_some(&b"application/x-www-form-urlencoded"[..]);
        let asked = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let own = own.into_iter().filter(|(name, _)| !asked(name)).filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let given = self.headers.iter().filter_map(|(name, asked)| match asked {
            Asked::Value(value) => Some((name.clone(), value.clone())),
            Asked::Removed => None,
        });
        let last = json.or(form).filter(|_| !asked("content-type")).map(|value| ("Content-Type".to_owned(), value.to_vec()));
        own.chain(given).chain(last).collect()
    }
}

fn unknown(shown: &str) -> String {
    format!("curl's {shown} is not known here; remove it if it does not change the request")
}

fn method(value: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(value).into_owned();
    if is_token(value) { Ok(text) } else { Err(format!("curl's -X: '{text}' is no HTTP method")) }
}

fn percent(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) { out.push(*byte) } else { out.extend(format!("%{byte:02X}").bytes()) }
    }
}

/// Removes dot segments as RFC 3986, section 5.2.4, and nothing else.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let segments: Vec<&[u8]> = path.split(|b| *b == b'/').skip(1).collect();
    for (i, segment) in segments.iter().enumerate() {
        let last = i + 1 == segments.len();
        match *segment {
            b"." if last => kept.push(b""),
            b"." => {}
            b".." => {
                kept.pop();
                if last {
                    kept.push(b"");
                }
            }
            other => kept.push(other),
        }
    }
    kept.iter().flat_map(|segment| [&b"/"[..], segment].concat()).collect()
}

#[cfg(test)]
mod tests;
