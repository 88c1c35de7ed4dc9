//! How the answers of a route are signed, from as written to valid by construction.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use countersign_core::clock::SystemClock;
use countersign_protocol::{Credential, Dialects, Inputs, Secret};

use super::route::Reader;
use crate::config::ConfigError;
use crate::response::ResponseSigner;

/// The most bytes of a file with a secret.
const SECRET_BYTES: u64 = 64 * 1024;

impl Reader<'_> {
    /// The signer of this route's answers, if they are signed.
    pub(super) fn sign_response(&self, known: &Dialects) -> Result<Option<ResponseSigner>, ConfigError> {
        let Some(at) = &self.written.sign_response else { return Ok(None) };
        let written = at.get_ref();
        let id = written.dialect.get_ref();
        let dialect = known.get(id).ok_or_else(|| {
            self.error(
                &written.dialect,
                format!("no dialect `{id}`"),
                "see `countersign dialects list`, or name its folder under `dialects`",
            )
        })?;
        if !dialect.is_of_responses() {
            return Err(self.error(&written.dialect, format!("{id} signs requests"), "name a dialect with `message: response`"));
        }
        let secret = secret(written.secret_file.get_ref());
        let secret = secret.map_err(|(fault, mend)| self.error(&written.secret_file, fault, mend))?;
        let inputs = written.inputs.iter().fold(Inputs::new(), |inputs, (name, value)| inputs.with(name, value));
        let signer = ResponseSigner::new(dialect.clone(), Credential::hmac(&written.key_id, secret), inputs, Arc::new(SystemClock));
        let signer = signer.map_err(|error| self.error(at, format!("no answer can be signed in {id}: {error}"), "give what it needs"))?;
        Ok(Some(match written.limit {
            Some(limit) => signer.with_limit(limit.get()),
            None => signer,
        }))
    }
}

/// A secret from a file that only its owner can read; one line end after it is no part of it.
fn secret(path: &Path) -> Result<Secret, (String, &'static str)> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| (format!("{shown}: {error}"), "name a readable file");
    let about = fs::metadata(path).map_err(unreadable)?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err((format!("{shown} can be read or written by others"), "chmod 600"));
    }
    if about.len() > SECRET_BYTES {
        return Err((format!("{shown} has more than {SECRET_BYTES} bytes"), "name the file of a secret"));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let text = bytes.strip_suffix(b"\n").map_or(&bytes[..], |text| text.strip_suffix(b"\r").unwrap_or(text));
    if text.is_empty() {
        return Err((format!("{shown} is empty"), "write the secret into it"));
    }
    Ok(Secret::new(text))
}
