//! Makes a credential from flags, files and the environment.

use std::env;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Credential, Dialect, KeyError, KeyMaterial, KeyPair, RSA_BITS, Secret};
use zeroize::Zeroizing;

use crate::args::KeyArgs;
use crate::console;
use crate::failure::Failure;

/// The environment variable that may hold the secret.
const SECRET_VARIABLE: &str = "COUNTERSIGN_SECRET";

impl KeyArgs {
    /// The credential for signing, or for verifying with the same secret.
    pub(crate) fn credential(&self) -> Result<Credential, Failure> {
        let material = match &self.private_key {
            Some(path) => KeyMaterial::Pair(private_key(path)?),
            None => KeyMaterial::Hmac(self.secret()?),
        };
        self.with_material(material)
    }

    /// The credential for verifying with this public key. An RSA key has at least so many bits.
    pub(crate) fn public(&self, path: &Path, least: usize) -> Result<Credential, Failure> {
        self.with_material(KeyMaterial::Pair(public_key(path, least)?))
    }

    fn with_material(&self, material: KeyMaterial) -> Result<Credential, Failure> {
        let mut credential = Credential::new(&self.key_id, material);
        if !self.part.is_empty() {
            console::say("warning: --part shows its value to other users of this machine; prefer --part-file");
        }
        for (name, value) in &self.part {
            credential = credential.with_part(name, value.as_str());
        }
        for (name, file) in &self.part_file {
            credential = credential.with_part(name, secret_file(Path::new(file))?);
        }
        Ok(self.algorithm.iter().fold(credential, |credential, algorithm| credential.with_algorithm(*algorithm)))
    }

    fn secret(&self) -> Result<Secret, Failure> {
        let secret = if let Some(text) = &self.secret {
            console::say(&format!(
                "warning: --secret shows the secret to other users of this machine; prefer --secret-file FILE or {SECRET_VARIABLE}"
            ));
            Secret::new(text.as_encoded_bytes())
        } else if let Some(path) = &self.secret_file {
            secret_file(path)?
        } else if let Some(text) = env::var_os(SECRET_VARIABLE) {
            Secret::new(text.as_encoded_bytes())
        } else {
            return Err(Failure::usage(format_args!(
                "no secret: give --secret-file FILE, {SECRET_VARIABLE} in the environment, or --private-key FILE"
            )));
        };
        if !self.secret_base64 {
            return Ok(secret);
        }
        STANDARD
            .decode(secret.expose())
            .map(Secret::new)
            .map_err(|_| Failure::usage("--secret-base64: the secret is no base64 with padding"))
    }
}

/// Reads a secret from a file. One line end after it is no part of it.
pub(crate) fn secret_file(path: &Path) -> Result<Secret, Failure> {
    let bytes = Zeroizing::new(console::read(path)?);
    let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    if secret.is_empty() {
        return Err(Failure::file(path, "the file holds no secret"));
    }
    Ok(Secret::new(secret))
}

fn private_key(path: &Path) -> Result<KeyPair, Failure> {
    KeyPair::from_private_pem(&pem(path)?).map_err(|e| Failure::file(path, e))
}

/// Reads a public key: PEM, or JWK, which is never short. An RSA key has at least so many bits.
pub(crate) fn public_key(path: &Path, least: usize) -> Result<KeyPair, Failure> {
    let text = pem(path)?;
    let key = if text.trim_start().starts_with('{') {
        countersign_core::jwk::public_key(&text).map_err(|e| Failure::file(path, e))?
    } else {
        KeyPair::from_short_public_pem(&text).map_err(|e| Failure::file(path, e))?
    };
    match key.rsa_bits() {
        Some(bits) if bits < least => Err(Failure::file(path, KeyError::TooShort { bits, least })),
        _ => Ok(key),
    }
}

/// The fewest bits of an RSA key that each of these dialects verifies with; those of a dialect that is not known here are the usual ones.
pub(crate) fn least_rsa_bits<'d>(dialects: impl Iterator<Item = Option<&'d Dialect>>) -> usize {
    dialects.map(|dialect| dialect.map_or(RSA_BITS, Dialect::least_rsa_bits)).max().unwrap_or(RSA_BITS)
}

fn pem(path: &Path) -> Result<Zeroizing<String>, Failure> {
    String::from_utf8(console::read(path)?).map(Zeroizing::new).map_err(|_| Failure::file(path, "the file is no text"))
}
