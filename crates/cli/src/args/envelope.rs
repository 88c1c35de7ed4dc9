//! The flags of encrypted bodies.

use std::path::PathBuf;

use clap::Args;

/// How a body is encrypted before it is signed.
#[derive(Debug, Args)]
pub(crate) struct EnvelopeArgs {
    /// Encrypt the body for the holder of this public key before signing: PEM, also inside a certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) encrypt_to: Option<PathBuf>,
    /// The scheme: rsa-oaep-sha256+a256gcm, or a legacy one: rsa-pkcs1+a128cbc, rsa-pkcs1+a256cbc.
    #[arg(long, value_name = "SCHEME", requires = "encrypt_to", default_value = "rsa-oaep-sha256+a256gcm")]
    pub(crate) envelope: String,
    /// Allow a legacy scheme.
    #[arg(long, requires = "encrypt_to")]
    pub(crate) envelope_legacy: bool,
    /// The header that marks the body as encrypted.
    #[arg(long, value_name = "NAME", requires = "encrypt_to", default_value = "X-Encrypted-Body")]
    pub(crate) envelope_mark: String,
    /// Sign as the dialect does for an encrypted body, without sending the header that marks it.
    #[arg(long, requires = "encrypt_to")]
    pub(crate) envelope_unmarked: bool,
    #[command(flatten)]
    pub(crate) members: MemberArgs,
    /// Keep the key that opens an encrypted answer in this new file, for `open-answer`.
    #[arg(long, value_name = "FILE", requires = "encrypt_to")]
    pub(crate) envelope_key_file: Option<PathBuf>,
}

/// The names of the members of an envelope.
#[derive(Debug, Args)]
pub(crate) struct MemberArgs {
    /// The member that holds the encrypted body.
    #[arg(long, value_name = "NAME", default_value = "content")]
    pub(crate) content_member: String,
    /// The member that holds the wrapped key.
    #[arg(long, value_name = "NAME", default_value = "encryptKey")]
    pub(crate) key_member: String,
}

/// Flags of `open-answer`.
#[derive(Debug, Args)]
pub(crate) struct OpenAnswerArgs {
    /// The file that `sign --envelope-key-file` wrote.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: PathBuf,
    /// The answer as a raw HTTP/1.1 message, as `curl -i` prints it; - is stdin.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) members: MemberArgs,
}
