//! What is wrong with a dialect file, where, and how to mend it.

use std::borrow::Cow;
use std::fmt;

/// A dialect file that makes no sense. It is the file's author who can mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    path: String,
    fault: Cow<'static, str>,
    mend: Cow<'static, str>,
}

impl LoadError {
    pub(crate) fn new(path: impl Into<String>, fault: impl Into<Cow<'static, str>>, mend: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), fault: fault.into(), mend: mend.into() }
    }

    /// The YAML path, such as `carry.header.Authorization`; empty for the file as a whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there.
    #[must_use]
    pub fn fault(&self) -> &str {
        &self.fault
    }

    /// What to do about it.
    #[must_use]
    pub fn mend(&self) -> &str {
        &self.mend
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}; {}", self.fault, self.mend)
    }
}

impl std::error::Error for LoadError {}
