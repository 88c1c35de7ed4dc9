//! The smoke test: whether a program speaks the protocol at all, before any vector is sent.

use crate::answer::{Answer, Hello, Offer};
use crate::line::{self, Object, VERSION};
use crate::link::{Fault, Link};

/// Asks for the name and the dialects; then sends what must be refused and does not end the adapter.
pub(crate) fn smoke(link: &mut Link) -> Result<(Hello, Vec<Offer>), Fault> {
    let hello = match link.ask(line::hello())? {
        Answer::Hello(VERSION, hello) => hello,
        Answer::Hello(version, _) => {
            return Err(Fault::WrongResult(format!(
                "it says version {version} where version {VERSION} was asked; answer in that, or `unsupported`"
            )));
        }
        other => return Err(wrong("hello", &other, "hello")),
    };
    let offers = match link.ask(line::dialects())? {
        Answer::Dialects(offers) => offers,
        other => return Err(wrong("dialects", &other, "dialects")),
    };
    match link.ask_raw(b"{\"id\":")? {
        Answer::Error(_) => {}
        other => return Err(wrong("a line that is no JSON", &other, "error")),
    }
    let unknown = Object::from_iter([("op".to_owned(), "no-such-op".into())]);
    match link.ask(unknown)? {
        Answer::Unsupported(_) => Ok((hello, offers)),
        other => Err(wrong("an unknown op", &other, "unsupported")),
    }
}

/// The fault of an answer whose result is none to what was asked.
pub(crate) fn wrong(asked: &str, got: &Answer, expected: &str) -> Fault {
    Fault::WrongResult(format!("`{}` to {asked}, where `{expected}` is the answer", got.word()))
}
