//! What the benches measure: each built-in dialect with its first accepted vector that a signer can make.

use countersign_protocol::{Dialect, Dialects, LoadError, Reason, Refusal, SignError, Signed};
use countersign_vectors::{Case, Expect, Signing, cases, check};

/// A dialect with the vector that stands for it.
#[derive(Debug, Clone)]
pub struct Subject {
    dialect: Dialect,
    case: Case,
    signing: Signing,
}

impl Subject {
    /// Every built-in dialect that has such a vector.
    ///
    /// # Errors
    /// When a built-in dialect makes no sense, which its own tests rule out.
    pub fn all() -> Result<Vec<Self>, LoadError> {
        Ok(Dialects::builtin()?.iter().filter_map(Self::of).collect())
    }

    fn of(dialect: &Dialect) -> Option<Self> {
        let cases = cases(dialect.id())?.ok()?;
        let is_fit = |case: &Case| case.expect == Expect::Accepted && case.signing.as_ref().is_some_and(|s| s.skip.is_none());
        let case = cases.into_iter().find(is_fit)?;
        let signing = case.signing.clone()?;
        Some(Self { dialect: dialect.clone(), case, signing })
    }

    /// The dialect's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.dialect.id()
    }

    /// Signs the vector's request.
    ///
    /// # Errors
    /// When it cannot be signed, which a vector with a signer's part rules out.
    pub fn sign(&self) -> Result<Signed, SignError> {
        self.dialect.sign(self.signing.message.clone(), &self.signing.credential, &self.signing.options)
    }

    /// Verifies the vector's placed request; the reason when it is refused.
    ///
    /// # Errors
    /// When the request is refused, which a vector that is accepted rules out.
    pub fn verify(&self) -> Result<(), Reason> {
        let verdict = check::admit(&self.dialect, &self.case, &self.case.placed, &self.case.inputs);
        verdict.map(drop).map_err(|refusal: Refusal| refusal.reason())
    }
}
