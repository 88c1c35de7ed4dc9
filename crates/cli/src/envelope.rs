//! Encrypts the body of a request before it is signed.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use countersign_envelope::{AnswerKey, Fields, PublicKey, Scheme, Sealer};
use countersign_protocol::{Message, Request};

use crate::args::envelope::{EnvelopeArgs, MemberArgs};
use crate::console;
use crate::failure::Failure;
use crate::input::http::is_token;

impl EnvelopeArgs {
    /// The message with its body encrypted, if that was asked for. The key for the answer is kept where a file is named.
    pub(crate) fn seal(&self, message: Message) -> Result<Message, Failure> {
        let Some(path) = &self.encrypt_to else { return Ok(message) };
        let Message::Request(mut request) = message else {
            return Err(Failure::usage("--encrypt-to: only the body of a request is encrypted"));
        };
        if request.body.is_empty() {
            return Err(Failure::usage("--encrypt-to: the request has no body; give --data or --data-file"));
        }
        let sealed = self.sealer(path)?.seal(&request.body).map_err(|e| Failure::usage(format_args!("--encrypt-to: {e}")))?;
        request.body = sealed.body;
        self.replace_headers(&mut request)?;
        if let Some(file) = &self.envelope_key_file {
            let key =
                sealed.answer_key.ok_or_else(|| Failure::usage("--envelope-key-file: answers in a legacy scheme are never encrypted"))?;
            keep(file, &key)?;
        }
        Ok(request.into())
    }

    /// The header to sign besides those of the dialect.
    pub(crate) fn signed_mark(&self) -> Option<&str> {
        (self.encrypt_to.is_some() && !self.envelope_unmarked).then_some(&self.envelope_mark)
    }

    fn sealer(&self, path: &Path) -> Result<Sealer, Failure> {
        let scheme = Scheme::from_name(&self.envelope).ok_or_else(|| {
            let known = Scheme::ALL.map(Scheme::as_str).join(", ");
            Failure::usage(format_args!("--envelope: no scheme '{}'; write one of {known}", self.envelope))
        })?;
        if scheme.is_legacy() && !self.envelope_legacy {
            return Err(Failure::usage(format_args!(
                "--envelope: {scheme} is a legacy scheme; add --envelope-legacy if the server can do nothing else"
            )));
        }
        let pem = String::from_utf8(console::read(path)?).map_err(|_| Failure::file(path, "the file is no PEM text"))?;
        let key = PublicKey::from_pem(&pem).map_err(|e| Failure::file(path, e))?;
        Sealer::allowing_legacy(scheme, key, self.members.fields()).map_err(|e| Failure::usage(format_args!("--encrypt-to: {e}")))
    }

    /// The headers speak of the envelope from now on.
    fn replace_headers(&self, request: &mut Request) -> Result<(), Failure> {
        if !is_token(self.envelope_mark.as_bytes()) {
            return Err(Failure::usage(format_args!("--envelope-mark: '{}' is no name of a header", self.envelope_mark)));
        }
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type") && !name.eq_ignore_ascii_case(&self.envelope_mark));
        request.headers.push(("Content-Type".to_owned(), b"application/json".to_vec()));
        if let Some(mark) = self.signed_mark() {
            request.headers.push((mark.to_owned(), b"true".to_vec()));
        }
        let length = request.body.len().to_string();
        let lengths = request.headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        lengths.for_each(|(_, value)| *value = length.clone().into_bytes());
        Ok(())
    }
}

impl MemberArgs {
    pub(crate) fn fields(&self) -> Fields {
        Fields { content: self.content_member.clone(), key: self.key_member.clone(), key_id: None }
    }
}

/// Writes the key into a new file that only its owner can read.
fn keep(path: &Path, key: &AnswerKey) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(key.to_text().as_bytes())).map_err(|e| Failure::file(path, e))
}
