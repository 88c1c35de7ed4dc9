//! The forms in which a signed message is printed.

pub(crate) mod curl;
pub(crate) mod http;
