//! `countersign explain`: a message whose signature does not match in, the reason and the likely mistake out.

use countersign_protocol::Message;
use countersign_protocol::explain::Question;

use super::now;
use super::verify::{credential, policy};
use crate::args::ExplainArgs;
use crate::console;
use crate::failure::Failure;
use crate::input::Input;
use crate::input::har::Half;
use crate::registry::Registry;

/// Runs the command.
pub(crate) fn run(args: &ExplainArgs, registry: &Registry, json: bool) -> Result<(), Failure> {
    let verify = &args.verify;
    let (dialect, inputs) = registry.choose(&verify.dialect)?;
    let credential = credential(verify, dialect)?;
    let message = Input::read(&verify.message, dialect)?.message;
    let theirs = args.theirs.as_ref().map(|path| console::read(path)).transpose()?;
    let sent = args.their_request.as_ref().map(|path| Input::load(path, None, Half::of(dialect))).transpose()?;
    let sent = sent.map(|input| in_scheme_of(input.message, &message));
    let at = verify.at.map_or_else(now, Ok)?;
    let mut question = Question::new(dialect, &message, at).with_credential(&credential).with_inputs(inputs).with_policy(policy(verify)?);
    if let Some(text) = &theirs {
        question = question.with_theirs(text);
    }
    if let Some(text) = &args.their_signature {
        question = question.with_their_signature(text);
    }
    if let Some(sent) = &sent {
        question = question.with_their_message(sent);
    }
    let answer = question.explain();
    if json {
        let text =
            serde_json::to_string(&answer).map_err(|fault| Failure::usage(format_args!("the explanation cannot be written: {fault}")))?;
        console::line(&text)?;
    } else {
        console::data(answer.to_text().as_bytes())?;
    }
    if answer.accepted { Ok(()) } else { Err(Failure::Rejected) }
}

/// A raw message does not say its scheme: it is that of the message as received.
fn in_scheme_of(sent: Message, received: &Message) -> Message {
    match (sent, received) {
        (Message::Request(mut sent), Message::Request(received)) => {
            sent.scheme = received.scheme;
            Message::Request(sent)
        }
        (sent, _) => sent,
    }
}
