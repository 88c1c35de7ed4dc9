//! Where a message comes from: a file in one of the known forms, or flags.

pub(crate) mod curl;
pub(crate) mod har;
pub(crate) mod http;
pub(crate) mod shell;
pub(crate) mod url;

use std::path::Path;

use countersign_protocol::{Dialect, Message, Request, Scheme};

use crate::args::MessageArgs;
use crate::console;
use crate::failure::Failure;
use har::Half;
use url::Origin;

/// A message, and where it goes when it is a request with a known destination.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) message: Message,
    pub(crate) origin: Option<Origin>,
}

impl Input {
    /// Reads what the flags name. Of an exchange that was saved whole it is the half that the dialect signs.
    pub(crate) fn read(args: &MessageArgs, dialect: &Dialect) -> Result<Self, Failure> {
        let mut input = match (&args.input, &args.url) {
            (Some(path), None) => Self::load(path, args.har_entry, Half::of(dialect))?,
            (None, Some(_)) => Self::from_flags(args)?,
            _ => return Err(Failure::usage("no message: name one with -i FILE (- is stdin), or build one with --url")),
        };
        if let Some(scheme) = args.scheme {
            input.set_scheme(scheme.into());
        }
        Ok(input)
    }

    /// Reads a file, or stdin where the name is `-`. A fault of it is told with its name.
    pub(crate) fn load(path: &Path, entry: Option<usize>, half: Half) -> Result<Self, Failure> {
        let bytes = console::read(path)?;
        Self::parse(&bytes, entry, half).map_err(|failure| match failure {
            Failure::Usage(fault) if path.as_os_str() == "-" => Failure::Usage(format!("stdin: {fault}")),
            Failure::Usage(fault) => Failure::file(path, fault),
            other => other,
        })
    }

    /// Reads a HAR file, a curl command line or a raw HTTP/1.1 message, whichever it is.
    fn parse(bytes: &[u8], entry: Option<usize>, half: Half) -> Result<Self, Failure> {
        if har::is_har(bytes) {
            let parsed = har::parse(bytes, entry, half).map_err(Failure::Usage)?;
            parsed.notes.iter().for_each(|note| console::say(&format!("note: {note}")));
            return Ok(Self { message: parsed.message, origin: parsed.origin });
        }
        if entry.is_some() {
            return Err(Failure::usage("--har-entry: the input is no HAR file, which begins with {\"log\":"));
        }
        if curl::is_command(bytes) {
            let parsed = curl::parse(bytes).map_err(Failure::Usage)?;
            parsed.notes.iter().for_each(|note| console::say(&format!("note: {note}")));
            return Ok(Self { message: parsed.request.into(), origin: Some(parsed.origin) });
        }
        let message = http::parse(bytes).map_err(Failure::Usage)?;
        let origin = match &message {
            Message::Request(request) => Origin::of_host(request),
            Message::Response(_) => None,
        };
        Ok(Self { message, origin })
    }

    fn from_flags(args: &MessageArgs) -> Result<Self, Failure> {
        let url = args.url.as_ref().map(|u| u.as_encoded_bytes()).unwrap_or_default();
        let url = url::Url::parse(url).map_err(Failure::Usage)?;
        if url.fragment {
            return Err(Failure::usage("--url: a fragment is never sent; write '#' as %23, or leave it out"));
        }
        if url.userinfo {
            console::say("note: user and password in the URL were left out; a header is given by --header 'Authorization: ...'");
        }
        let body = body(args)?;
        let method = args.method.clone().unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
        if !http::is_token(method.as_bytes()) {
            return Err(Failure::usage(format_args!("--method: '{method}' is no HTTP method")));
        }
        let mut request = Request::new(method, url.target);
        request.scheme = url.origin.scheme;
        for header in &args.header {
            let line = header.as_encoded_bytes();
            request.headers.push(http::header_line(line).map_err(|fault| Failure::Usage(format!("--header: {fault}")))?);
        }
        if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request.headers.insert(0, ("Host".to_owned(), url.origin.host_header()));
        }
        request.body = body.unwrap_or_default();
        Ok(Self { message: request.into(), origin: Some(url.origin) })
    }

    fn set_scheme(&mut self, scheme: Scheme) {
        if let Message::Request(request) = &mut self.message {
            request.scheme = scheme;
        }
        if let Some(origin) = &mut self.origin {
            origin.scheme = scheme;
        }
    }
}

/// The body that the flags name; `None` when they name none.
fn body(args: &MessageArgs) -> Result<Option<Vec<u8>>, Failure> {
    match (&args.data, &args.data_file) {
        (Some(text), _) => Ok(Some(text.as_encoded_bytes().to_vec())),
        (None, Some(path)) => console::read(path).map(Some),
        (None, None) => Ok(None),
    }
}
