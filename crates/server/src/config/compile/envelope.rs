//! The envelope of a route, from as written to valid by construction.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use countersign_core::admission::RouteRules;
use countersign_envelope::{Fields, Opener, PrivateKey, Scheme};
use countersign_protocol::BodyNeed;
use http::{HeaderName, HeaderValue};
use toml::Spanned;
use zeroize::Zeroizing;

use super::route::Reader;
use crate::config::ConfigError;
use crate::config::written::envelope::{WrittenEnvelope, WrittenFields, WrittenPrivateKey};
use crate::envelope::{EncryptedAnswers, RouteEnvelope};
use crate::strip::IDENTITY_PREFIX;

/// The header that says whether a body is encrypted, where the route names none.
const MARK: &str = "x-encrypted-body";
/// The media type of a plain body, where the route names none.
const CONTENT_TYPE: &str = "application/json";
/// The most bytes of an answer that is encrypted, where the route says nothing else.
const MAX_ANSWER: usize = 8 * 1024 * 1024;
/// The most bytes of a file that holds a private key.
const MAX_KEY_FILE: usize = 64 * 1024;
/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

impl Reader<'_> {
    /// How the route opens encrypted bodies, if it does.
    pub(super) fn envelope(&self, rules: &RouteRules) -> Result<Option<RouteEnvelope>, ConfigError> {
        let Some(spanned) = &self.written.envelope else { return Ok(None) };
        let written = spanned.get_ref();
        if self.written.keep_credentials {
            let mend = "remove keep_credentials: the signature speaks of the encrypted body, which the upstream does not get";
            return Err(self.error(spanned, "an envelope, and credentials that are forwarded", mend));
        }
        if let Some(dialect) = rules.dialects.iter().find(|dialect| dialect.body_need() == BodyNeed::Claim) {
            let fault = format!("{} carries its signature in the body, which an envelope has no place for", dialect.id());
            return Err(self.error(spanned, fault, "use a dialect that signs in headers or parameters"));
        }
        let scheme = self.scheme(written)?;
        let keys = written.private_key.iter().map(|key| self.private_key(key)).collect::<Result<Vec<_>, _>>()?;
        let max_plain = written.max_plain.map_or(rules.body_limit, NonZeroUsize::get);
        let setup = if written.legacy { Opener::allowing_legacy } else { Opener::new };
        let opener = setup(scheme, keys, fields(&written.fields), max_plain);
        let opener = opener.map_err(|error| self.error(spanned, "this envelope cannot be opened", error.to_string()))?;
        Ok(Some(RouteEnvelope {
            mark: written.mark.as_ref().map_or(Ok(MARK.to_owned()), |name| self.header_name(name))?,
            key_id_header: written.key_id_header.as_ref().map(|name| self.header_name(name)).transpose()?,
            required: written.required,
            rules: written.input.as_ref().map(|name| self.rules_with(name, rules)).transpose()?,
            content_type: written.content_type.as_ref().map_or(Ok(CONTENT_TYPE.to_owned()), |text| self.header_value(text))?,
            answers: self.answers(written, scheme)?,
            opener,
        }))
    }

    fn scheme(&self, written: &WrittenEnvelope) -> Result<Scheme, ConfigError> {
        let Some(name) = &written.scheme else { return Ok(Scheme::default()) };
        let known = || Scheme::ALL.map(Scheme::as_str).join(", ");
        let scheme = Scheme::from_name(name.get_ref());
        let scheme =
            scheme.ok_or_else(|| self.error(name, format!("no scheme `{}`", name.get_ref()), format!("write one of {}", known())))?;
        if scheme.is_legacy() && !written.legacy {
            let fault = format!("{scheme} is a legacy scheme: it does not authenticate the body");
            return Err(self.error(name, fault, "use rsa-oaep-sha256+a256gcm, or write `legacy = true` if callers can do nothing else"));
        }
        Ok(scheme)
    }

    fn private_key(&self, written: &Spanned<WrittenPrivateKey>) -> Result<PrivateKey, ConfigError> {
        let (file, id) = match written.get_ref() {
            WrittenPrivateKey::File(file) => (file, None),
            WrittenPrivateKey::Named { id, file } => (file, Some(id)),
        };
        let fault = |fault: String, mend: &str| self.error(written, format!("{}: {fault}", file.display()), mend);
        let pem = private_text(file).map_err(|(text, mend)| fault(text, mend))?;
        let key = PrivateKey::from_pem(&pem)
            .map_err(|error| fault(error.to_string(), "name an RSA private key: PEM, PKCS#8, 2048 bits or more"))?;
        Ok(match id {
            Some(id) => key.with_id(id),
            None => key,
        })
    }

    /// The route's rules with this input set to `true`.
    fn rules_with(&self, name: &Spanned<String>, rules: &RouteRules) -> Result<RouteRules, ConfigError> {
        let input = name.get_ref();
        if !rules.dialects.iter().any(|dialect| dialect.inputs().iter().any(|known| known.name == *input)) {
            return Err(self.error(
                name,
                format!("no dialect of this route has the input `{input}`"),
                "remove it, or correct its spelling",
            ));
        }
        if self.written.inputs.keys().any(|pinned| pinned.get_ref() == input) {
            return Err(self.error(name, format!("the route pins `{input}` too"), "remove one of them"));
        }
        let mut rules = rules.clone();
        rules.inputs = rules.inputs.with(input, "true");
        Ok(rules)
    }

    fn answers(&self, written: &WrittenEnvelope, scheme: Scheme) -> Result<Option<EncryptedAnswers>, ConfigError> {
        let Some(answer) = &written.answer else { return Ok(None) };
        match answer.get_ref().as_str() {
            "plain" => Ok(None),
            "encrypted" if scheme.is_legacy() => {
                Err(self.error(answer, "answers in a legacy scheme", "use rsa-oaep-sha256+a256gcm, or write `answer = \"plain\"`"))
            }
            "encrypted" => Ok(Some(EncryptedAnswers { most: written.max_answer.map_or(MAX_ANSWER, NonZeroUsize::get) })),
            other => Err(self.error(answer, format!("answers cannot be `{other}`"), "write plain or encrypted")),
        }
    }

    /// A header that only the envelope uses, because it is not forwarded.
    fn header_name(&self, name: &Spanned<String>) -> Result<String, ConfigError> {
        let mend = "write a name such as X-Encrypted-Body";
        let parsed = HeaderName::from_bytes(name.get_ref().as_bytes());
        let own = parsed.map_err(|_| self.error(name, "no name of a header", mend))?.as_str().to_owned();
        if own == "host" || own.starts_with("content-") || own.starts_with(IDENTITY_PREFIX) {
            return Err(self.error(name, format!("{own} has another meaning"), mend));
        }
        Ok(own)
    }

    fn header_value(&self, text: &Spanned<String>) -> Result<String, ConfigError> {
        let mend = "write a media type such as application/json";
        let visible = HeaderValue::from_str(text.get_ref()).is_ok() && text.get_ref().contains('/') && text.get_ref().is_ascii();
        if visible { Ok(text.get_ref().clone()) } else { Err(self.error(text, "no media type", mend)) }
    }
}

fn fields(written: &WrittenFields) -> Fields {
    let default = Fields::default();
    Fields {
        content: written.content.clone().unwrap_or(default.content),
        key: written.key.clone().unwrap_or(default.key),
        key_id: written.key_id.clone().or(default.key_id),
    }
}

/// The text of a file that only its owner can read; else the fault and the mend.
fn private_text(path: &Path) -> Result<Zeroizing<String>, (String, &'static str)> {
    let unreadable = |error: std::io::Error| (error.to_string(), "name a readable file");
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    if mode & OTHERS != 0 {
        let fault = format!("others may read this private key (mode {:o})", mode & 0o777);
        return Err((fault, "run chmod 600 on it, and replace the key if others did read it"));
    }
    // Reserved whole, so that no copy is left behind by a growing buffer.
    let mut text = Zeroizing::new(String::with_capacity(MAX_KEY_FILE + 1));
    let read = file.take(MAX_KEY_FILE as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read > MAX_KEY_FILE { Err((format!("more than {MAX_KEY_FILE} bytes"), "name the file of one key")) } else { Ok(text) }
}
