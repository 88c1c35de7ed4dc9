//! `countersign import`: another gateway's declarative file, turned into a configuration and a list of apps.

use crate::args::import::ImportArgs;
use crate::failure::Failure;
use crate::import;
use crate::registry::Registry;

/// Runs the command. It succeeds only when everything was carried over.
pub(crate) fn run(args: &ImportArgs, registry: &Registry, json: bool) -> Result<(), Failure> {
    if import::run(args, registry, json)? { Ok(()) } else { Err(Failure::Incomplete) }
}
