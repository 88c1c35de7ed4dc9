//! Flags of `user`. A password is never one of them: other users of the machine could see it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::StoreArgs;

/// Flags of `user`.
#[derive(Debug, Args)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(subcommand)]
    pub(crate) command: UserCommand,
}

/// What `user` does.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user. The password is asked for; the first user's is made here and shown once, unless a file is named.
    Add {
        /// The name: 1 to 64 ASCII letters, digits, dots, underscores, hyphens and @.
        name: String,
        /// What the user is called.
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        #[command(flatten)]
        rights: RightsArgs,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// One line for each user.
    List,
    /// Change what a user may do: what is named takes the place of what was there.
    Set {
        /// The user.
        name: String,
        #[command(flatten)]
        rights: RightsArgs,
    },
    /// Switch a user off, and end every session.
    Disable {
        /// The user.
        name: String,
    },
    /// Switch a user on again.
    Enable {
        /// The user.
        name: String,
    },
    /// End every session of a user: log in again, at every gateway.
    Logout {
        /// The user.
        name: String,
    },
    /// Give a user another password, and end every session.
    Passwd {
        /// The user.
        name: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Ask a user for one-time codes too: the secret for the authenticator app is made here and shown once.
    Totp {
        /// The user.
        name: String,
        /// Ask for none any more.
        #[arg(long)]
        off: bool,
        /// What the authenticator app calls this service.
        #[arg(long, value_name = "TEXT", default_value = "Countersign", conflicts_with = "off")]
        issuer: String,
    },
}

/// What a user may do.
#[derive(Debug, Args)]
pub(crate) struct RightsArgs {
    /// A scope, which routes may ask for; may be given several times.
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Vec<String>,
    /// A role, which upstreams are told; may be given several times.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Vec<String>,
}

/// Where a password comes from, if it is not asked for.
#[derive(Debug, Args)]
pub(crate) struct PasswordArgs {
    /// A file that holds the password, - is stdin; one line end after it is no part of it.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Make a random password, and show it once.
    #[arg(long, conflicts_with = "password_file")]
    pub(crate) generate: bool,
}
