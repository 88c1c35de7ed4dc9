//! The two kinds of messages that vectors are of.

use std::fmt;

use countersign_protocol::{Message, MessageView, Request, Response};

/// A request or a response, where either may stand.
pub trait Sample: MessageView + Into<Message> + Clone + fmt::Debug {
    /// Its word, for people.
    const KIND: &'static str;

    /// The message, if it is of this kind.
    fn of(message: Message) -> Option<Self>;

    /// The whole body.
    fn bytes(&self) -> &[u8];

    /// The lines of its head.
    fn headers(&self) -> &[(String, Vec<u8>)];

    /// What stands before the headers, by name: each must be the same byte for byte.
    fn start(&self) -> Vec<(&'static str, Vec<u8>)>;
}

impl Sample for Request {
    const KIND: &'static str = "request";

    fn of(message: Message) -> Option<Self> {
        message.into_request()
    }

    fn bytes(&self) -> &[u8] {
        &self.body
    }

    fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    fn start(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("method", self.method.clone().into_bytes()), ("target", self.target.clone())]
    }
}

impl Sample for Response {
    const KIND: &'static str = "response";

    fn of(message: Message) -> Option<Self> {
        match message {
            Message::Response(response) => Some(response),
            Message::Request(_) => None,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.body
    }

    fn headers(&self) -> &[(String, Vec<u8>)] {
        &self.headers
    }

    fn start(&self) -> Vec<(&'static str, Vec<u8>)> {
        vec![("status", self.status.to_string().into_bytes())]
    }
}
