//! Why a signature does not match: the stages with every byte visible, the first difference, and the likely mistake, found by trying it.
//!
//! A [`Question`] holds the message as it was received and the credential with which it should verify. The answer says what would make it
//! verify: mistakes that signers make and changes that proxies make are tried on the compiled dialect, alone and two at once, until the
//! signature holds. What is named was seen to hold; nothing is guessed. Nothing is verified by this: an [`Explanation`] is for people.
//!
//! ```
//! use countersign_protocol::explain::Question;
//! use countersign_protocol::{Credential, Dialects, Request, SignOptions, Timestamp};
//!
//! let dialects = Dialects::builtin()?;
//! let dialect = dialects.get("hmac-sha256").expect("built in");
//! let key = Credential::hmac("key-1", "secret-1");
//! let now = Timestamp::from_seconds(1_739_437_548).expect("a time");
//!
//! // The client signs the host without its port, and sends it with the port.
//! let request = Request::new("GET", "/v1/items?a=1").with_header("Host", "api.example.com");
//! let signed = dialect.sign(request, &key, &SignOptions::new(now).with_nonce("n-1"))?;
//! let mut request = signed.into_message().into_request().expect("a request");
//! request.headers[0].1 = b"api.example.com:8443".to_vec();
//!
//! let answer = Question::new(dialect, &request.into(), now).with_credential(&key).explain();
//! assert_eq!(answer.reason, Some("signature_mismatch"));
//! assert_eq!(answer.causes[0].sentence(), "it verifies if the host was signed without its port");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod difference;
mod mutate;
mod place;
mod process;
mod received;
mod report;
mod search;
mod theirs;
mod trace;
mod transit;
mod visible;

use std::fmt;

pub use difference::Difference;
pub use report::{Cause, Explanation, Mistake, Seen, Stage};
pub use search::{Depth, MOST_TRIALS, MOST_VERIFICATIONS, MOST_WORK};
pub use transit::Change;
use transit::Transit;

use crate::credential::Credential;
use crate::dialect::plan::Claimed;
use crate::dialect::{BodyNeed, Dialect, Inputs};
use crate::digest::BodyHasher;
use crate::message::Message;
use crate::policy::Policy;
use crate::reason::{Reason, Refusal};
use crate::stages::Stages;
use crate::time::Timestamp;
use mutate::Mutation;
use process::Process;
use received::{Received, TagReading};
use search::{Goal, Hit, Search, search};

/// The longest body of which other spellings are tried, in bytes.
pub const MOST_BODY: usize = mutate::MOST_BODY;
/// The most credentials with which a message is tried.
pub const MOST_CREDENTIALS: usize = 4;

/// The id of an input that the message contradicts.
const INPUT: &str = "input-otherwise";

/// What one explanation searches with.
struct Side<'s> {
    /// The signing process for each credential.
    processes: &'s [Process],
    readings: &'s [TagReading],
    transit: &'s Transit,
    /// What it shows when the signature is made to hold.
    seen: Seen,
}

/// A message whose signature is to be explained, with what the two sides know. `Debug` shows no secret.
#[derive(Clone)]
pub struct Question<'q> {
    dialect: &'q Dialect,
    message: &'q Message,
    credentials: Vec<&'q Credential>,
    inputs: Inputs,
    now: Timestamp,
    policy: Policy,
    theirs: Option<&'q [u8]>,
    their_signature: Option<&'q str>,
    their_message: Option<&'q Message>,
    depth: Depth,
    most: usize,
}

impl<'q> Question<'q> {
    /// About this message, received at this time.
    #[must_use]
    pub fn new(dialect: &'q Dialect, message: &'q Message, now: Timestamp) -> Self {
        Self {
            dialect,
            message,
            credentials: Vec::new(),
            inputs: Inputs::new(),
            now,
            policy: Policy::default(),
            theirs: None,
            their_signature: None,
            their_message: None,
            depth: Depth::Two,
            most: MOST_TRIALS,
        }
    }

    /// The same with a credential under which it should verify; at most [`MOST_CREDENTIALS`] are tried.
    #[must_use]
    pub fn with_credential(mut self, credential: &'q Credential) -> Self {
        if self.credentials.len() < MOST_CREDENTIALS {
            self.credentials.push(credential);
        }
        self
    }

    /// The same with the values that the verifier pins.
    #[must_use]
    pub fn with_inputs(mut self, inputs: Inputs) -> Self {
        self.inputs = inputs;
        self
    }

    /// The same with the verifier's policy.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same with the other side's string to sign, or its text of a named let such as a canonical request.
    #[must_use]
    pub const fn with_theirs(mut self, text: &'q [u8]) -> Self {
        self.theirs = Some(text);
        self
    }

    /// The same with a signature that the other side computed, in the place of the one in the message.
    #[must_use]
    pub const fn with_their_signature(mut self, signature: &'q str) -> Self {
        self.their_signature = Some(signature);
        self
    }

    /// The same with the message as the other side sent it.
    #[must_use]
    pub const fn with_their_message(mut self, message: &'q Message) -> Self {
        self.their_message = Some(message);
        self
    }

    /// The same with less work: how deep mistakes are composed, and how many texts are tried at most ([`MOST_TRIALS`] is the limit).
    #[must_use]
    pub fn with_limits(mut self, depth: Depth, most: usize) -> Self {
        self.depth = depth;
        self.most = most.min(MOST_TRIALS);
        self
    }

    /// Answers it.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let verdict = self.dialect.verify(self.message.view(), &self.inputs, &self.credentials, self.now, &self.policy);
        let refusal = verdict.err();
        let mut answer = Explanation {
            dialect: self.dialect.id().to_owned(),
            key_id: None,
            accepted: refusal.is_none(),
            reason: refusal.as_ref().map(|r| r.reason().as_str()),
            detail: refusal.as_ref().map(|r| r.detail().to_owned()),
            stages: Vec::new(),
            difference: None,
            changes: Vec::new(),
            causes: Vec::new(),
            notes: Vec::new(),
            trials: 0,
        };
        let mut transit = Transit::default();
        if let Some(sent) = self.their_message {
            let hidden: Vec<&str> = self.dialect.carriers().filter(|c| c.is_sensitive).map(|c| c.name).collect();
            transit = Transit::between(self.message, sent, &hidden);
            answer.changes = transit.changes();
        }
        match Received::read(self.dialect, self.message.view(), &self.inputs) {
            Ok(received) if self.dialect.plan().signs() => self.look(&received, refusal.as_ref(), &transit, &mut answer),
            Ok(received) => answer.key_id = received.texts.get(Claimed::KeyId).map(str::to_owned),
            Err(refusal) => answer.notes.push(format!("the claim cannot be read, so nothing was tried: {}", refusal.detail())),
        }
        answer
    }

    fn look(&self, received: &Received, refusal: Option<&Refusal>, transit: &Transit, answer: &mut Explanation) {
        answer.key_id = received.texts.get(Claimed::KeyId).map(str::to_owned);
        answer.causes.extend(clock::causes(self.dialect.plan(), received, self.now, &self.policy));
        if let Some(named) = answer.key_id.as_ref().filter(|_| !self.credentials.is_empty()) {
            let is_known = |c: &&Credential| c.key_id().is_empty() || c.key_id() == named;
            if !self.credentials.iter().any(is_known) {
                answer.notes.push(format!(
                    "the message names the key id {}, for which no credential is given here",
                    visible::line(named.as_bytes())
                ));
            }
        }
        let processes = self.processes(received, answer);
        let shown = processes.first().cloned().unwrap_or_else(|| Process::new(self.dialect, self.message, received, None));
        match shown.stages() {
            Ok(stages) => answer.stages = shown_stages(&stages),
            Err(refusal) => answer.notes.push(format!("the string to sign cannot be made: {}", refusal.detail())),
        }
        for (name, said) in &received.contradicted {
            let what = format!("{name} is {}, as the message says, and not as it is set here", visible::line(said.as_bytes()));
            answer.causes.push(Cause {
                mistakes: vec![Mistake { id: INPUT, what, rule: "inputs".to_owned() }],
                alternatives: Vec::new(),
                seen: Seen::Possible,
            });
        }
        let signatures = self.their_signature.map_or_else(|| received.signatures.clone(), |text| vec![text.trim().to_owned()]);
        let readings = received::readings(&signatures, self.dialect.plan().signature.encoding);
        let reason = refusal.map(Refusal::reason);
        // What is signed holds or not; only where nothing else was wrong does the message verify by it.
        let alone = self.their_signature.is_none() && matches!(reason, Some(Reason::SignatureMismatch | Reason::BodyDigestMismatch));
        let seen = if alone { Seen::Verifies } else { Seen::SignatureHolds };
        let side = Side { processes: &processes, readings: &readings, transit, seen };
        match (self.theirs, reason) {
            (Some(theirs), _) => self.compare(&side, &shown, theirs, answer),
            (None, None) if self.their_signature.is_none() => {}
            (None, Some(Reason::BodyDigestMismatch)) => self.look_at_body(&side, received, answer),
            (None, Some(Reason::InsecureTransport | Reason::MalformedRequest)) => {}
            (None, _) => {
                let holds = self.look_at_tags(&side, answer);
                let inputs = answer.causes.iter_mut().filter(|cause| holds && cause.names(INPUT));
                inputs.for_each(|cause| cause.seen = Seen::Verifies);
            }
        }
    }

    /// The signing process for each credential.
    fn processes(&self, received: &Received, answer: &mut Explanation) -> Vec<Process> {
        let all = self.credentials.iter().map(|credential| Process::new(self.dialect, self.message, received, Some(credential)));
        if self.message.body_bytes().len() <= MOST_BODY {
            return all.collect();
        }
        answer.notes.push(format!("the body is longer than {MOST_BODY} bytes: other spellings of it were not tried"));
        if self.dialect.body_need() == BodyNeed::Claim {
            return all.collect();
        }
        let mut hasher = BodyHasher::new(&self.dialect.body_digests());
        hasher.update(self.message.body_bytes());
        let digests = hasher.finish();
        all.map(|process| {
            let light = process.clone().with_digests(digests.clone());
            if light.run().is_some() { light } else { process }
        })
        .collect()
    }

    /// Tries each credential until the signature holds; says whether it holds as it is.
    fn look_at_tags(&self, side: &Side<'_>, answer: &mut Explanation) -> bool {
        let mut incomplete = false;
        let mut first: Option<Hit> = None;
        let goal = Goal::Tags(side.readings);
        let extra = side.transit.mutations();
        let before = answer.trials;
        for process in side.processes {
            // Texts that were compared are no verifications.
            let spent = if is_shared(process) { answer.trials } else { answer.trials - before };
            let found = search(process, &goal, &extra, self.depth, self.most(process).saturating_sub(spent));
            incomplete |= self.note_search(&found, answer);
            if let Some(hit) = found.hit
                && first.as_ref().is_none_or(|before| hit.mutations.len() < before.mutations.len())
            {
                first = Some(shrunk(hit, process, &goal, side.transit));
            }
        }
        match first {
            Some(hit) => return self.note_hit(&hit, side.seen, answer),
            None if incomplete => {
                answer.notes.push(format!("the search stopped after {} trials, before everything was tried", answer.trials))
            }
            None => {}
        }
        false
    }

    fn look_at_body(&self, side: &Side<'_>, received: &Received, answer: &mut Explanation) {
        let (Some(process), Some(sent)) = (side.processes.first(), received.texts.get(Claimed::BodyDigest)) else { return };
        let goal = Goal::Digest(sent.as_bytes());
        let found = search(process, &goal, &side.transit.mutations(), self.depth, self.most(process));
        self.note_search(&found, answer);
        if let Some(hit) = found.hit {
            self.note_hit(&shrunk(hit, process, &goal, side.transit), side.seen, answer);
        }
    }

    fn most(&self, process: &Process) -> usize {
        if is_shared(process) { self.most } else { self.most.min(MOST_VERIFICATIONS) }
    }

    fn note_search(&self, found: &Search, answer: &mut Explanation) -> bool {
        answer.trials += found.trials;
        !found.complete
    }

    /// Notes what reached a goal; says whether nothing had to be changed for it.
    fn note_hit(&self, hit: &Hit, seen: Seen, answer: &mut Explanation) -> bool {
        let own = |m: &Mutation| Mistake { id: m.id, what: m.what.clone(), rule: m.rule.clone() };
        let mut mistakes: Vec<Mistake> = hit.mutations.iter().map(own).collect();
        mistakes.extend(hit.oddity.map(|(id, what)| Mistake { id, what: what.to_owned(), rule: "signature.encoding".to_owned() }));
        if mistakes.is_empty() {
            if !answer.accepted {
                answer.notes.push("the signature itself holds".to_owned());
            }
            return true;
        }
        let alternatives = hit.alternatives.iter().map(|m| m.iter().map(own).collect()).collect();
        answer.causes.push(Cause { mistakes, alternatives, seen });
        false
    }
}

fn is_shared(process: &Process) -> bool {
    process.credential.as_ref().is_some_and(|c| c.material().shared().is_some())
}

/// The same with the fewest changes on the way, and without all of them together where fewer give the same.
fn shrunk(mut hit: Hit, process: &Process, goal: &Goal<'_>, transit: &Transit) -> Hit {
    hit.alternatives.retain(|mutations| !mutations.iter().any(|mutation| transit.is_whole(mutation)));
    if let Some(at) = hit.mutations.iter().position(|mutation| transit.is_whole(mutation)) {
        let with = |mutation: &Mutation| {
            let mut mutations = hit.mutations.clone();
            mutations[at] = mutation.clone();
            Hit { mutations, alternatives: Vec::new(), oddity: None }
        };
        let least = transit.least(|mutation| with(mutation).holds(process, goal));
        hit.mutations[at] = least;
    }
    hit
}

fn shown_stages(stages: &Stages) -> Vec<Stage> {
    stages.iter().map(|(name, bytes)| Stage { name: name.to_owned(), lines: visible::lines(bytes) }).collect()
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question").field("dialect", &self.dialect.id()).field("message", &self.message).finish_non_exhaustive()
    }
}
