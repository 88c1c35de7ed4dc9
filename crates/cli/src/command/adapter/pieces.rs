//! Verifies a message whose body comes in pieces, as a server would: no piece is kept where the dialect needs a digest only.

use countersign_protocol::{Body, BodyNeed, Dialect, Intact, Message, Policy, Refusal};

use super::ask::Ask;
use crate::command;

/// Verifies with the body in these pieces. Where the tag itself needs the body, it is put together first.
pub(super) fn verify(dialect: &Dialect, ask: &Ask, pieces: &[Vec<u8>], policy: &Policy) -> Result<Intact, Refusal> {
    let Message::Request(request) = &ask.message else {
        return command::verify(dialect, &ask.message, &ask.inputs, &ask.credentials, ask.at, policy);
    };
    if dialect.body_need() > BodyNeed::Digest {
        return command::verify(dialect, &ask.message, &ask.inputs, &ask.credentials, ask.at, policy);
    }
    let headers = request.header_lines();
    let mut view = request.view(&headers);
    view.body = Body::Pending;
    let mut check = command::sound(dialect, &view, &ask.inputs, &ask.credentials, ask.at, policy)?.body_check();
    for piece in pieces {
        check.update(piece);
    }
    check.finish()
}
