//! Flags of `session`.

use clap::{Args, Subcommand};
use countersign_core::session::signing::SigningAlgorithm;

use super::StoreArgs;

/// Flags of `session`.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(subcommand)]
    pub(crate) command: SessionCommand,
}

/// What `session` does.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Manage the keys that sign access tokens.
    #[command(subcommand)]
    Key(SessionKeyCommand),
}

/// What `session key` does.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionKeyCommand {
    /// One line for each key: what it is now, and when it signs and verifies.
    List,
    /// Publish a new key before it is time. It signs a quarter of an hour later; the old one verifies until its last token is over.
    Rotate {
        /// How the new key signs: EdDSA, ES256 or HS256; by default as the last one.
        #[arg(long, value_name = "NAME")]
        algorithm: Option<SigningAlgorithm>,
    },
    /// End a key at once: every token that it signed is refused. Another one signs in its place.
    Revoke {
        /// The key's name.
        kid: String,
    },
}
