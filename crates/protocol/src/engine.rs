//! What runs a plan: reading claims, rendering texts, placing values. Signer and verifier share all of it.

pub(crate) mod declared;
pub(crate) mod desk;
pub(crate) mod fields;
pub(crate) mod filters;
mod guard;
pub(crate) mod judge;
pub(crate) mod lists;
pub(crate) mod names;
pub(crate) mod read;
pub(crate) mod render;
pub(crate) mod scene;
pub(crate) mod wellformed;
pub(crate) mod write;
