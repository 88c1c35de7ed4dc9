//! Two messages that show a finding, and the check that they do. Nothing is taken over from the rule that made them: both are verified from the start.

use std::fmt;

use super::aspect;
use super::finding::FindingId;
use crate::algorithm::Algorithm;
use crate::credential::Credential;
use crate::dialect::{Dialect, Inputs, Part, ReplayMode};
use crate::message::Message;
use crate::policy::Policy;
use crate::reason::Refusal;
use crate::time::Timestamp;
use crate::verify::{Keys, Verified};

/// The methods that change nothing (RFC 9110, section 9.2.1).
const SAFE_METHODS: [&str; 4] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/// A message as a verifier gets it.
#[derive(Debug, Clone)]
pub struct Exhibit {
    pub(super) dialect: Dialect,
    pub(super) message: Message,
    pub(super) inputs: Inputs,
    pub(super) at: Timestamp,
}

impl Exhibit {
    /// The dialect in which it is verified.
    #[must_use]
    pub const fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The message.
    #[must_use]
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// The values that the verifier pins, because the message does not say them.
    #[must_use]
    pub const fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The verifier's clock.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }
}

/// What two messages show.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shows {
    /// Both have one signature, and mean different things in each of these parts.
    OneSignature(Vec<Part>),
    /// Both have one signature, and this part is spelled differently.
    OneSignatureTwoSpellings(Part),
    /// One message, accepted at both times.
    AcceptedAgain,
    /// One message, accepted twice, and no protection against it is there.
    Replayed,
    /// The second was made without the secret, from the first's signature and the secret's length.
    Extended,
    /// Both signatures are the bare digest of the string to sign.
    BareDigests,
    /// Both are accepted under this algorithm.
    Accepted(Algorithm),
    /// Both show one secret, and are otherwise different.
    OneSecret,
    /// One message finds the marks of both dialects.
    BothMarks,
    /// A message in each dialect, both with one signature.
    AcrossDialects,
}

impl fmt::Display for Shows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneSignature(parts) => {
                let names: Vec<_> = parts.iter().map(ToString::to_string).collect();
                write!(f, "both are accepted with one signature and differ in {}", names.join(" and "))
            }
            Self::OneSignatureTwoSpellings(part) => write!(f, "both are accepted with one signature and spell {part} differently"),
            Self::AcceptedAgain => f.write_str("one message is accepted at both times"),
            Self::Replayed => f.write_str("one message is accepted twice, and nothing tells that it came before"),
            Self::Extended => {
                f.write_str("both are accepted; the second was made from the first without the secret, of which the length is enough")
            }
            Self::BareDigests => f.write_str("both are accepted, and the signature of each is the bare digest of its string to sign"),
            Self::Accepted(algorithm) => write!(f, "both are accepted under {algorithm}"),
            Self::OneSecret => f.write_str("both are accepted; the second was made by whoever saw the first"),
            Self::BothMarks => f.write_str("the message is accepted in the first dialect and is of the second too"),
            Self::AcrossDialects => f.write_str("both are accepted under one key with one signature, each in its dialect"),
        }
    }
}

/// Two messages, with what it takes to verify them.
#[derive(Debug, Clone)]
pub struct Proof {
    pub(super) exhibits: [Exhibit; 2],
    pub(super) credential: Credential,
    pub(super) policy: Policy,
    pub(super) shows: Shows,
}

/// A finding whose messages do not show it: a fault of the rule that made them. It is never printed as a finding.
#[derive(Debug)]
pub struct Unproved {
    /// What was said to be found.
    pub id: FindingId,
    /// The part of which it spoke.
    pub part: Option<Part>,
    /// Why the messages do not show it.
    pub why: String,
}

impl fmt::Display for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part.as_ref().map(|part| format!(" ({part})")).unwrap_or_default();
        write!(f, "{}{part} was stated and is not so: {}", self.id, self.why)
    }
}

/// A message that was accepted.
pub(super) struct Accepted {
    pub(super) verified: Verified,
    /// The signatures as they came.
    pub(super) tags: Vec<Vec<u8>>,
    pub(super) time: Option<Timestamp>,
    pub(super) nonce: Option<String>,
    /// The names of signed headers, as listed.
    pub(super) listed: Vec<String>,
    pub(super) inputs: Vec<(String, String)>,
}

/// Takes a message through every stage.
pub(super) fn accept(exhibit: &Exhibit, credential: &Credential, policy: &Policy) -> Result<Accepted, Refusal> {
    let claim = exhibit.dialect.claim(exhibit.message.view(), &exhibit.inputs)?;
    let tags = claim.tags().iter().map(|tag| tag.as_bytes().to_vec()).collect();
    let listed = claim.listed().to_vec();
    let (time, nonce) = (claim.time(), claim.nonce().map(str::to_owned));
    let named = exhibit.dialect.inputs().iter();
    let inputs = named.filter_map(|input| Some((input.name.clone(), claim.input(&input.name)?.to_owned()))).collect();
    let sound = claim.check_clock(exhibit.at, policy)?.verify(Keys::Known(&[credential]))?.require(policy)?;
    let verified = sound.check_body(&[])?.into_verified();
    Ok(Accepted { verified, tags, time, nonce, listed, inputs })
}

impl Accepted {
    /// The protection against replays that holds for it.
    pub(super) fn protection(&self) -> ReplayMode {
        let possible = self.verified.replay_modes();
        match self.verified.dialect().replay() {
            ReplayMode::None => ReplayMode::None,
            mode if possible.contains(&mode) => mode,
            // What lacks its nonce or event is held by its signature.
            _ if possible.contains(&ReplayMode::Signature) => ReplayMode::Signature,
            _ => ReplayMode::None,
        }
    }

    /// Whether a repeat of the message is recognised.
    pub(super) fn is_held(&self, message: &Message) -> bool {
        match self.protection() {
            ReplayMode::Nonce | ReplayMode::Signature | ReplayMode::Event => true,
            ReplayMode::SafeMethodsExempt => !message.view().request_line().is_some_and(|line| SAFE_METHODS.contains(&line.method)),
            ReplayMode::UntilExpiry | ReplayMode::None => false,
        }
    }

    /// What the claim says of itself, for parts that are not to be seen in the message as such.
    fn claimed(&self, part: &Part) -> Option<String> {
        match part {
            Part::Time => self.time.map(|time| time.to_string()),
            Part::Nonce => self.nonce.clone(),
            Part::Input(name) => self.inputs.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone()),
            _ => None,
        }
    }
}

impl Proof {
    /// The two messages, each as its verifier gets it.
    #[must_use]
    pub const fn exhibits(&self) -> &[Exhibit; 2] {
        &self.exhibits
    }

    /// The policy under which they are accepted.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What they show.
    #[must_use]
    pub const fn shows(&self) -> &Shows {
        &self.shows
    }

    /// The sample credential. Its secret is published and protects nothing.
    #[must_use]
    pub const fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Verifies both messages, and that they show what is said.
    ///
    /// # Errors
    /// What is not so.
    pub fn check(&self) -> Result<(), String> {
        let [one, other] = &self.exhibits;
        let first = self.accepted("the first", one)?;
        if self.shows == Shows::BothMarks {
            let both = other.message == one.message && one.dialect.marks(one.message.view()) && other.dialect.marks(one.message.view());
            return said(both, "the message does not find the marks of both dialects");
        }
        let second = self.accepted("the second", other)?;
        let one_signature = || said(first.tags == second.tags && !first.tags.is_empty(), "the signatures differ");
        let same = one.message == other.message;
        match &self.shows {
            Shows::OneSignature(parts) => {
                one_signature()?;
                said(!parts.is_empty(), "no part is said to differ")?;
                parts.iter().try_for_each(|part| differ([one, other], [&first, &second], part))
            }
            Shows::OneSignatureTwoSpellings(part) => {
                one_signature()?;
                let spelled = aspect::raw(&one.message, part) != aspect::raw(&other.message, part);
                said(spelled, "they are spelled alike")
            }
            Shows::AcceptedAgain => said(same && one.at != other.at, "they are not one message at two times"),
            Shows::Replayed => {
                said(same, "they are not one message")?;
                said(!first.is_held(&one.message), "a protection against replays holds")
            }
            Shows::Extended => said(!same && first.tags != second.tags, "they are one message"),
            Shows::BareDigests => [(&first, "the first"), (&second, "the second")].into_iter().try_for_each(|(accepted, which)| {
                let bare = match accepted.verified.algorithm() {
                    Some(Algorithm::Plain(digest)) => accepted.tags.contains(&digest.digest(accepted.verified.text())),
                    _ => false,
                };
                said(bare, &format!("the signature of {which} is no bare digest"))
            }),
            Shows::Accepted(algorithm) => {
                let under = [&first, &second].iter().all(|accepted| accepted.verified.algorithm() == Some(*algorithm));
                said(under && !same, &format!("they are not two messages under {algorithm}"))
            }
            Shows::OneSecret => said(one.dialect.carries_secret() && !same, "no secret is shown in two messages"),
            Shows::AcrossDialects => {
                one_signature()?;
                said(one.dialect != other.dialect, "they are of one dialect")
            }
            Shows::BothMarks => Ok(()),
        }
    }

    fn accepted(&self, which: &str, exhibit: &Exhibit) -> Result<Accepted, String> {
        accept(exhibit, &self.credential, &self.policy).map_err(|refusal| format!("{which} message is refused: {refusal}"))
    }
}

/// That two accepted messages mean different things in a part.
fn differ(exhibits: [&Exhibit; 2], accepted: [&Accepted; 2], part: &Part) -> Result<(), String> {
    let [one, other] = exhibits.map(|exhibit| aspect::meaning(&exhibit.message, part));
    let differs = match (&one, &other) {
        (None, None) => accepted[0].claimed(part) != accepted[1].claimed(part),
        (one, other) => one != other,
    };
    said(differs, &format!("they do not differ in {part}"))
}

fn said(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
