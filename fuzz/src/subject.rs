//! Dialects with keys, clocks and inputs: the built-in ones with those of a vector, and some that are made to be hostile.

use std::sync::LazyLock;
use std::time::Duration;

use countersign_protocol::{Credential, Dialect, Dialects, Inputs, KeyMaterial, Part, Policy, Secret, SignOptions, Window};
use countersign_vectors::reading::Reading;
use countersign_vectors::{Case, Expect, Signing, cases};

/// A dialect and who signs in it.
pub(crate) struct Subject {
    pub(crate) dialect: Dialect,
    /// An accepted vector: the verifier's key, inputs, clock and policy, and the signer's.
    pub(crate) case: Case,
    /// The signer's key, and choices that fit any request.
    pub(crate) signing: Signing,
    /// A key of the same id and kind with which nothing was ever signed; `None` where there is no other key at hand.
    pub(crate) stranger: Option<Credential>,
    /// What means the same.
    pub(crate) reading: Reading,
}

/// Every subject.
pub(crate) static SUBJECTS: LazyLock<Vec<Subject>> = LazyLock::new(|| {
    let builtin = Dialects::builtin().expect("the built-in dialects make sense");
    let hostile = HOSTILE.iter().map(|text| Subject::hostile(text));
    builtin.iter().cloned().map(Subject::builtin).chain(hostile).collect()
});

const HOSTILE: [&str; 2] = [include_str!("../dialects/answer.yaml"), include_str!("../dialects/tangle.yaml")];

impl Subject {
    /// The subject of this id; of any other text, one that follows from it.
    pub(crate) fn named(id: &[u8]) -> &'static Self {
        let other = || id.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) % SUBJECTS.len();
        SUBJECTS.iter().find(|subject| subject.dialect.id().as_bytes() == id).unwrap_or_else(|| &SUBJECTS[other()])
    }

    fn builtin(dialect: Dialect) -> Self {
        let all = cases(dialect.id()).expect("each built-in dialect has vectors").unwrap_or_else(|error| panic!("{error}"));
        let is_fit = |case: &Case| case.expect == Expect::Accepted && case.signing.as_ref().is_some_and(|signing| signing.skip.is_none());
        let case = all.into_iter().find(is_fit).expect("a vector that is accepted and that a signer can make");
        Self::of(dialect, case)
    }

    /// With a key of a vector, and a value for each input.
    fn hostile(text: &str) -> Self {
        let dialect = Dialect::from_yaml(text).unwrap_or_else(|error| panic!("{error}"));
        let mut subject = Self::builtin(Dialects::builtin().ok().and_then(|all| all.get("hmac-sha256").cloned()).expect("built in"));
        let inputs: Inputs = dialect.inputs().iter().map(|input| (input.name.clone(), "value")).collect();
        (subject.case.inputs, subject.signing.options.inputs) = (inputs.clone(), inputs);
        subject.case.dialect = dialect.id().to_owned();
        Self { dialect, reading: Reading::of_text(text).unwrap_or_else(|error| panic!("{error}")), ..subject }
    }

    fn of(dialect: Dialect, case: Case) -> Self {
        let mut signing = case.signing.clone().expect("looked at before");
        // Those of the vector's own request.
        (signing.options.headers, signing.options.body_digest, signing.options.omit) = (None, None, Vec::new());
        let stranger = stranger(&case);
        let reading = Reading::of(&dialect).unwrap_or_else(|error| panic!("{error}"));
        Self { dialect, case, signing, stranger, reading }
    }

    /// The signer's options with this nonce.
    pub(crate) fn options(&self, nonce: &str) -> SignOptions {
        let nonce = (!nonce.is_empty()).then(|| nonce.to_owned()).or_else(|| self.signing.options.nonce.clone());
        SignOptions { nonce: nonce.filter(|_| self.dialect.carries_nonce()), ..self.signing.options.clone() }
    }

    /// The policy under which everything passes whose signature holds.
    pub(crate) fn lenient(&self) -> Policy {
        let waive = ["method", "path", "query", "body", "time", "nonce", "host", "header.content-type"];
        Policy {
            window: Some(Window { past: AGE, future: AGE }),
            waive: waive.into_iter().filter_map(Part::parse).chain(self.case.policy.waive.clone()).collect(),
            allow_unsafe: true,
            allow_cleartext: true,
            allow_ambiguous: true,
            ..Policy::default()
        }
    }
}

const AGE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Another secret of the same length and alphabet: its last letters and digits are moved on by one.
fn stranger(case: &Case) -> Option<Credential> {
    let credential = &case.credential;
    let KeyMaterial::Hmac(secret) = credential.material() else { return None };
    let mut bytes = secret.expose().to_vec();
    // The first characters may say of which form it is, and the last ones may be padding with bits that must be zero.
    let places: Vec<usize> = (0..bytes.len()).rev().filter(|at| bytes[*at].is_ascii_alphanumeric()).skip(1).take(8).collect();
    for at in places {
        bytes[at] = match bytes[at] {
            b'9' => b'0',
            b'f' => b'a',
            b'F' => b'A',
            b'z' => b'g',
            b'Z' => b'G',
            byte => byte + 1,
        };
    }
    let mut stranger = Credential::hmac(credential.key_id(), Secret::new(bytes));
    for (name, secret) in case.keys.parts.iter().flatten() {
        stranger = stranger.with_part(name, secret.as_str());
    }
    Some(credential.algorithms().iter().fold(stranger, |stranger, algorithm| stranger.with_algorithm(*algorithm)))
}
