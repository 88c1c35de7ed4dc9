//! `countersign open-answer`: an encrypted answer in, the plain body out.

use countersign_envelope::AnswerKey;
use countersign_protocol::{Message, Response};
use zeroize::Zeroizing;

use crate::args::envelope::OpenAnswerArgs;
use crate::console::{self, INPUT_LIMIT};
use crate::failure::Failure;
use crate::input::http;

/// The header that says of which media type an encrypted answer is.
const MEDIA_TYPE: &str = "x-countersign-envelope-type";

/// Runs the command.
pub(crate) fn run(args: &OpenAnswerArgs) -> Result<(), Failure> {
    let key = key(args)?;
    let Message::Response(answer) = http::parse(&console::read(&args.input)?).map_err(Failure::Usage)? else {
        return Err(Failure::usage("the message is a request; expected an answer, as `curl -i` prints it"));
    };
    let media_type = media_type(&answer)?;
    match key.open(answer.status, media_type, &answer.body, &args.members.fields(), INPUT_LIMIT) {
        Ok(plain) => console::data(&plain),
        Err(error) => {
            console::say(&format!("not opened: {error}"));
            Err(Failure::Rejected)
        }
    }
}

fn key(args: &OpenAnswerArgs) -> Result<AnswerKey, Failure> {
    let text = Zeroizing::new(console::read(&args.key_file)?);
    let key = std::str::from_utf8(&text).ok().and_then(AnswerKey::from_text);
    key.ok_or_else(|| Failure::file(&args.key_file, "the file holds no answer key; name the one that sign --envelope-key-file wrote"))
}

fn media_type(answer: &Response) -> Result<&str, Failure> {
    let line = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(MEDIA_TYPE));
    let (_, value) = line.ok_or_else(|| Failure::usage("the answer is not encrypted: it has no header X-Countersign-Envelope-Type"))?;
    std::str::from_utf8(value).map_err(|_| Failure::usage("the answer's media type is no text"))
}
