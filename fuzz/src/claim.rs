//! The target `claim`: any message before every dialect. What is read of it is bounded, and no signature holds that nobody made.

use countersign_protocol::{
    Body, Claim, Credential, Inputs, Intact, Keys, MOST_KEY_ID, MOST_NONCE, Message, MessageView, Policy, Refusal, RequestView,
    ResponseView,
};

use crate::subject::{SUBJECTS, Subject};
use crate::text;

/// The text of a message.
///
/// # Panics
/// When something does not hold.
pub fn claim(data: &[u8]) {
    let message = text::message(data);
    for subject in SUBJECTS.iter() {
        Trial { subject, message: &message }.run();
    }
}

/// One message before one dialect.
struct Trial<'a> {
    subject: &'a Subject,
    message: &'a Message,
}

impl Trial<'_> {
    fn run(&self) {
        let view = view(self.message);
        let dialect = &self.subject.dialect;
        let marks = dialect.marks(view);
        for inputs in [&self.subject.case.inputs, &Inputs::new()] {
            match (dialect.claim(view, inputs), dialect.claim(view, inputs)) {
                (Ok(claim), Ok(again)) => {
                    assert!(marks, "{}: a claim without the dialect's marks", dialect.id());
                    assert_eq!(told(&claim), told(&again), "{}: read twice", dialect.id());
                    self.assert_bounded(&claim, inputs);
                    self.verify(inputs);
                }
                (Err(refusal), Err(again)) => assert_eq!(refusal, again, "{}: read twice", dialect.id()),
                (one, other) => panic!("{}: read twice: {:?} and {:?}", dialect.id(), one.err(), other.err()),
            }
        }
    }

    fn assert_bounded(&self, claim: &Claim<'_>, inputs: &Inputs) {
        let id = self.subject.dialect.id();
        let most = |text: Option<&str>, most: usize| text.is_none_or(|text| text.len() <= most && !text.chars().any(char::is_control));
        assert!(most(claim.key_id(), MOST_KEY_ID) && most(claim.nonce(), MOST_NONCE), "{id}: {:?}", told(claim));
        for (name, pinned) in inputs.iter().filter(|(name, _)| self.subject.dialect.inputs().iter().any(|input| input.name == *name)) {
            assert_eq!(claim.input(name), Some(pinned), "{id}: a message changed what the verifier pins");
        }
    }

    fn verify(&self, inputs: &Inputs) {
        let (subject, id) = (self.subject, self.subject.dialect.id());
        let lenient = subject.lenient();
        let unknown = self.verdict(inputs, None, &lenient, Arrival::Whole).map(drop);
        assert!(unknown.is_err(), "{id}: accepted without a key");
        if let Some(stranger) = &subject.stranger {
            let verdict = self.verdict(inputs, Some(stranger), &lenient, Arrival::Whole).map(drop);
            let refusal = verdict.expect_err("accepted under a key that never signed");
            // Whether a key is known is nothing that a peer may learn.
            assert_eq!(Some(refusal.reason().public()), unknown.err().map(|refusal| refusal.reason().public()), "{id}: {refusal:?}");
        }
        let own = |policy: &Policy, arrival| self.verdict(inputs, Some(&subject.case.credential), policy, arrival);
        let whole = own(&lenient, Arrival::Whole);
        if let Ok(intact) = &whole {
            self.assert_sound(intact);
            // What arrives later is the same request.
            for arrival in [Arrival::Late, Arrival::InPieces] {
                let late = own(&lenient, arrival).map(|intact| intact.verified().covers().clone());
                assert_eq!(late.as_ref(), Ok(intact.verified().covers()), "{id}: the body came {arrival:?}");
            }
        }
        if own(&subject.case.policy, Arrival::Whole).is_ok() {
            assert!(whole.is_ok(), "{id}: a stricter policy accepts what a lenient one refuses: {:?}", whole.err());
        }
    }

    fn assert_sound(&self, intact: &Intact) {
        let (verified, id) = (intact.verified(), self.subject.dialect.id());
        assert_eq!(verified.key_id(), self.subject.case.credential.key_id(), "{id}");
        assert_eq!(verified.algorithm().is_none(), self.subject.dialect.algorithms().is_empty(), "{id}");
        assert!(verified.algorithm().is_none() || verified.stages().get("string_to_sign").is_some(), "{id}: no string to sign");
    }

    /// Every stage in its order.
    fn verdict(&self, inputs: &Inputs, key: Option<&Credential>, policy: &Policy, arrival: Arrival) -> Result<Intact, Refusal> {
        let message = self.message;
        let lines: Vec<_> = message.headers().iter().map(|(name, value)| countersign_protocol::HeaderLine { name, value }).collect();
        // Where the claim rides in the body, nothing can be read before it is there.
        let is_late = arrival != Arrival::Whole && self.subject.dialect.body_need() != countersign_protocol::BodyNeed::Claim;
        let body = if is_late { Body::Pending } else { Body::Bytes(message.body_bytes()) };
        let view: &dyn MessageView = match message {
            Message::Request(request) => &RequestView { body, ..request.view(&lines) },
            Message::Response(response) => &ResponseView { status: response.status, headers: &lines, body },
        };
        let mut fresh = self.subject.dialect.claim(view, inputs)?.check_clock(self.subject.case.now, policy)?;
        if is_late && self.subject.dialect.body_need() != countersign_protocol::BodyNeed::Digest {
            fresh = fresh.with_body(Body::Bytes(message.body_bytes()));
        }
        let known = key.into_iter().collect::<Vec<_>>();
        let sound = fresh.verify(if known.is_empty() { Keys::Unknown } else { Keys::Known(&known) })?.require(policy)?;
        if arrival != Arrival::InPieces {
            return sound.check_body(message.body_bytes());
        }
        let mut check = sound.body_check();
        message.body_bytes().chunks(3).for_each(|piece| check.update(piece));
        check.finish()
    }
}

/// How a body comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// With the head.
    Whole,
    /// When it is needed.
    Late,
    /// When it is needed, and in pieces.
    InPieces,
}

fn view(message: &Message) -> &dyn MessageView {
    match message {
        Message::Request(request) => request,
        Message::Response(response) => response,
    }
}

/// All that a claim says.
fn told(claim: &Claim<'_>) -> String {
    format!("{:?} {:?} {:?} {:?}", claim.key_lookup(), claim.time(), claim.nonce(), claim.expires_at())
}
