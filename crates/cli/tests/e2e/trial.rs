//! What is asked of every client: accepted as sent, refused when a byte was changed on the way, and sent twice.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::answer::{Answer, Seen};
use crate::gateway::{Gateway, Registration};
use crate::program::{Output, run};
use crate::relay::{Change, Exchange, Relay};

/// What the gateway says to the identical bytes when they come a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twice {
    /// They are forwarded again: the dialect's replay policy exempts this kind of request.
    Accepted,
    /// `replayed`.
    Replayed,
    /// A success that tells the sender to stop; nothing is forwarded.
    Duplicate,
}

/// One client and one request of it.
pub(crate) struct Trial<'a> {
    /// The row of README.md that tells of it.
    pub(crate) name: &'a str,
    /// The TOML of the route behind `dialects`.
    pub(crate) route: &'a str,
    pub(crate) registration: Registration<'a>,
    /// The client, told to send its request to this address; the folder is a home of its own.
    pub(crate) client: &'a dyn Fn(SocketAddr, &Path) -> Command,
    /// Whether it succeeds where the gateway lets it pass. One that wants the vendor's own XML back does not.
    pub(crate) takes_json: bool,
    pub(crate) seen: Seen<'a>,
    /// Changes on the way, and the code of the refusal.
    pub(crate) changes: &'a [(Change, &'a str)],
    /// Changes of what the client leaves unsigned: they pass, so it is the change that is refused above, not the relay.
    pub(crate) unsigned: &'a [Change],
    pub(crate) twice: Twice,
}

impl Trial<'_> {
    /// Runs the client through a gateway of its own: once honestly, the same bytes again, and once per change.
    pub(crate) fn run(&self) {
        self.assert_documented();
        let dialect = self.registration.dialect;
        let gateway = Gateway::with_routes(&format!("[[route]]\nupstream = \"echo\"\ndialects = [\"{dialect}\"]\n{}", self.route));
        gateway.register(&self.registration, None);

        let (honest, output) = self.send(&gateway, None);
        assert_eq!(honest.sent, honest.forwarded);
        self.assert_accepted(&answer(&honest));
        assert_eq!(output.ok, self.takes_json, "{}", output.text);

        let again = Answer::to(gateway.address(), &honest.sent);
        match self.twice {
            Twice::Accepted => self.assert_accepted(&again),
            Twice::Replayed => again.assert_refused("replayed"),
            Twice::Duplicate => again.assert_duplicate(),
        }
        for (change, code) in self.changes {
            let (changed, _) = self.send(&gateway, Some(*change));
            assert_eq!(bytes_that_differ(&changed), 1, "{change:?} {}", String::from_utf8_lossy(&changed.sent));
            answer(&changed).assert_refused(code);
        }
        for change in self.unsigned {
            let (changed, _) = self.send(&gateway, Some(*change));
            assert_eq!(bytes_that_differ(&changed), 1, "{change:?} {}", String::from_utf8_lossy(&changed.sent));
            self.assert_accepted(&answer(&changed));
        }
    }

    fn assert_accepted(&self, answer: &Answer) {
        answer.assert_accepted(self.seen, self.registration.key_id, self.registration.dialect);
    }

    /// Lets the client send its one request through a relay.
    fn send(&self, gateway: &Gateway, change: Option<Change>) -> (Exchange, Output) {
        let relay = Relay::to(gateway.address(), change);
        let output = run(&mut (self.client)(relay.address(), gateway.folder()));
        let mut exchanges = relay.finish();
        assert_eq!(exchanges.len(), 1, "{} {}", self.name, output.text);
        let exchange = exchanges.remove(0);
        let requests = exchange.sent.windows(11).filter(|window| window == b" HTTP/1.1\r\n").count();
        assert_eq!(requests, 1, "{} {}", self.name, output.text);
        (exchange, output)
    }

    /// What was tested is what is written down: the README has a row with this name, dialect and answer.
    fn assert_documented(&self) {
        let twice = match self.twice {
            Twice::Accepted => "accepted",
            Twice::Replayed => "`replayed`",
            Twice::Duplicate => "`duplicate`",
        };
        let row = |line: &&str| line.starts_with(&format!("| {} | {} |", self.name, self.registration.dialect));
        let found = include_str!("README.md").lines().find(row);
        assert!(
            found.is_some_and(|line| line.contains(&format!("| {twice}"))),
            "README.md: {} sent twice is {twice}; it says {found:?}",
            self.name
        );
    }
}

/// The answer that passed back over this connection.
pub(crate) fn answer(exchange: &Exchange) -> Answer {
    let text = || String::from_utf8_lossy(&exchange.answered).into_owned();
    Answer::read(&exchange.answered)
        .unwrap_or_else(|| panic!("no whole answer: {:?} to {}", text(), String::from_utf8_lossy(&exchange.sent)))
}

fn bytes_that_differ(exchange: &Exchange) -> usize {
    assert_eq!(exchange.sent.len(), exchange.forwarded.len());
    exchange.sent.iter().zip(&exchange.forwarded).filter(|(a, b)| a != b).count()
}
