//! A native dialect that shows the seam: the head is signed as its file says, and the body carries a tag of its own at its end, under a key
//! that only the head's signature makes known.

use std::collections::BTreeSet;

use crate::algorithm::Algorithm;
use crate::credential::{Credential, SigningKey};
use crate::dialect::plan::Plan;
use crate::dialect::{Dialect, Inputs, Part};
use crate::digest::DigestAlgorithm;
use crate::encoding::hex;
use crate::engine::declared::Declared;
use crate::engine::desk::Desk;
use crate::engine::read::Reading;
use crate::engine::scene::Scene;
use crate::message::{Body, Message, MessageView, Request, RequestView};
use crate::policy::Policy;
use crate::reason::{Reason, Refusal};
use crate::rules::{BodyDuty, BodyVerifier, Rules, SignedText};
use crate::secret::{Secret, Tag};
use crate::sign::{SignError, SignOptions};
use crate::time::Timestamp;
use crate::verify::Keys;

const HEAD: &str = r#"
countersign: 1
dialect: sealed-body
title: The head signed as a file says, the body sealed by code
string_to_sign: "{method}\n{target}\n{time}"
algorithm: hmac-sha256
carry: { header: { X-Key: "{key_id}", X-Time: "{time}", X-Tag: "{signature}" } }
time: { format: unix }
"#;

/// The text of a seal: hexadecimal of 32 bytes.
const SEAL: usize = 64;

#[derive(Debug)]
struct SealedBody;

impl Rules for SealedBody {
    fn marks(&self, plan: &Plan, message: &dyn MessageView, body: Body<'_>) -> bool {
        Declared.marks(plan, message, body)
    }

    fn read<'p>(&self, plan: &'p Plan, message: &dyn MessageView, body: Body<'_>, inputs: &Inputs) -> Result<Reading<'p>, Refusal> {
        Declared.read(plan, message, body, inputs)
    }

    fn text(&self, scene: &Scene<'_>) -> Result<SignedText, Refusal> {
        Declared.text(scene)
    }

    fn key(&self, scene: &Scene<'_>) -> Result<(SigningKey, BTreeSet<Part>), Refusal> {
        Declared.key(scene)
    }

    fn ambiguity(&self, scene: &Scene<'_>, reading: &Reading<'_>) -> Result<Option<String>, Refusal> {
        Declared.ambiguity(scene, reading)
    }

    fn body(&self, scene: &Scene<'_>, _: &Reading<'_>) -> Result<BodyDuty, Refusal> {
        let (key, _) = self.key(scene)?;
        let text = self.text(scene)?.bytes;
        let seal = Seal { key, held: Vec::new(), signed: text };
        Ok(BodyDuty::over(scene.body, Box::new(seal)))
    }

    fn place(&self, desk: &mut Desk<'_>, message: &mut Message, options: &SignOptions) -> Result<(), SignError> {
        Declared.place(desk, message, options)?;
        let scene = desk.scene(message);
        let (key, _) = self.key(&scene)?;
        let seal = seal(&key, self.text(&scene)?.bytes.expose(), message.body_bytes()).ok_or(SignError::NoPrivateKey)?;
        message.body_mut().extend(seal);
        Ok(())
    }

    fn place_signature(&self, desk: &mut Desk<'_>, message: &mut Message) -> Result<(), SignError> {
        Declared.place_signature(desk, message)
    }
}

fn seal(key: &SigningKey, head: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let tag = key.sign(Algorithm::Hmac(DigestAlgorithm::Sha256), &[head, body].concat())?;
    Some(hex(tag.as_bytes()))
}

struct Seal {
    key: SigningKey,
    held: Vec<u8>,
    signed: Secret,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({} bytes)", self.held.len())
    }
}

impl BodyVerifier for Seal {
    fn update(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    fn finish(self: Box<Self>) -> Result<(), Refusal> {
        let broken = || Refusal::new(Reason::BodyDigestMismatch, "the body's seal is broken");
        let (body, sent) = self.held.split_at_checked(self.held.len().wrapping_sub(SEAL)).ok_or_else(broken)?;
        let own = seal(&self.key, self.signed.expose(), body).ok_or_else(broken)?;
        if Tag::new(own) == Tag::new(sent) { Ok(()) } else { Err(broken()) }
    }
}

fn dialect() -> Dialect {
    let head = Dialect::from_yaml(HEAD).expect("a head");
    Dialect::with_rules(head.into_plan().expect("the only owner"), SealedBody)
}

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_323_045).expect("a time")
}

fn signed(key: &Credential) -> Request {
    let request = Request::new("POST", "/a?b=1").with_header("Host", "h").with_body("data");
    let signed = dialect().sign(request, key, &SignOptions::new(now())).expect("signable");
    signed.into_message().into_request().expect("a request")
}

#[test]
fn native_rules_run_through_the_same_stages() {
    let key = Credential::hmac("k", "s3");
    let request = signed(&key);
    assert_eq!(request.body.len(), 4 + SEAL);
    let verify =
        |request: &Request| dialect().verify(request, &Inputs::new(), &[&key], now(), &Policy::default()).map(drop).map_err(|r| r.reason());
    assert_eq!(verify(&request), Ok(()));
    let mut body = request.clone();
    body.body[0] ^= 1;
    assert_eq!(verify(&body), Err(Reason::BodyDigestMismatch));
    let mut head = request.clone();
    head.target = b"/a?b=2".to_vec();
    assert_eq!(verify(&head), Err(Reason::SignatureMismatch));
    assert_eq!(verify(&Request { body: Vec::new(), ..request }), Err(Reason::BodyDigestMismatch));
}

#[test]
fn a_native_body_verifier_is_fed_piece_by_piece() {
    let key = Credential::hmac("k", "s3");
    let (dialect, request) = (dialect(), signed(&key));
    let lines = request.header_lines();
    let head = RequestView { body: Body::Pending, ..request.view(&lines) };
    for (last, expected) in [(request.body.len(), Ok(())), (request.body.len() - 1, Err(Reason::BodyDigestMismatch))] {
        let fresh = dialect.claim(&head, &Inputs::new()).and_then(|c| c.check_clock(now(), &Policy::default())).expect("in time");
        let sound = fresh.verify(Keys::Known(&[&key])).and_then(|v| v.require(&Policy::default())).expect("sound");
        assert!(sound.awaits_body());
        let mut check = sound.body_check();
        request.body[..last].chunks(7).for_each(|piece| check.update(piece));
        assert_eq!(check.finish().map(drop).map_err(|r| r.reason()), expected);
    }
}
