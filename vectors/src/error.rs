//! What is wrong with a vectors file, and where.

use std::fmt;

/// A vectors file that makes no sense. It is the file's author who can mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorError {
    file: String,
    vector: Option<String>,
    fault: Fault,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The text is no YAML of the right shape; the parser's words.
    Shape(String),
    /// The file's `dialect` is not the stem of its name.
    Stem {
        /// What the file says.
        dialect: String,
    },
    /// Two vectors have one name.
    NameTwice,
    /// A required field is absent.
    Missing(&'static str),
    /// A field that makes no sense beside `from`.
    BesideFrom(&'static str),
    /// Two fields of which only one may stand.
    Both(&'static str, &'static str),
    /// A time that is not RFC 3339.
    Time(String),
    /// A text that is not padded base64.
    Base64,
    /// A body that is repeated to more than this many bytes.
    TooLong(usize),
    /// The vector named by `from` is not there, or starts from another itself.
    From(String),
    /// A name that is no part of a message.
    Part(String),
    /// A name that is no algorithm.
    Algorithm(String),
    /// A key that cannot be read; the reader's words.
    Key(String),
    /// `replace` names a place that does not exist.
    Place(String),
    /// `replace` names a text that does not occur there.
    NotThere(String),
}

impl VectorError {
    pub(crate) fn of_file(file: &str, fault: Fault) -> Self {
        Self { file: file.to_owned(), vector: None, fault }
    }

    pub(crate) fn of_vector(file: &str, vector: &str, fault: Fault) -> Self {
        Self { file: file.to_owned(), vector: Some(vector.to_owned()), fault }
    }

    /// The stem of the file's name.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The vector's name; `None` for the file as a whole.
    #[must_use]
    pub fn vector(&self) -> Option<&str> {
        self.vector.as_deref()
    }

    /// What is wrong.
    #[must_use]
    pub const fn fault(&self) -> &Fault {
        &self.fault
    }
}

impl fmt::Display for VectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vectors/{}.yaml: ", self.file)?;
        if let Some(vector) = &self.vector {
            write!(f, "{vector}: ")?;
        }
        self.fault.fmt(f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape(words) => f.write_str(words),
            Self::Stem { dialect } => write!(f, "`dialect: {dialect}` is not the stem of the file's name; rename one of them"),
            Self::NameTwice => f.write_str("another vector has this name; give each its own"),
            Self::Missing(field) => write!(f, "`{field}` is absent; a vector without `from` needs it"),
            Self::BesideFrom(field) => write!(f, "`{field}` stands beside `from`; put it into `change`"),
            Self::Both(a, b) => write!(f, "`{a}` and `{b}` both stand here; keep one"),
            Self::Time(text) => write!(f, "`{text}` is no RFC 3339 time; write it like 2026-01-02T03:04:05Z"),
            Self::Base64 => f.write_str("a base64 text is not padded base64"),
            Self::TooLong(most) => write!(f, "`body_repeat` makes more than {most} bytes; repeat it less often"),
            Self::From(name) => write!(f, "`from: {name}` names no vector of this file that stands without `from`"),
            Self::Part(text) => write!(f, "`{text}` is no part of a message"),
            Self::Algorithm(text) => write!(f, "`{text}` is no algorithm"),
            Self::Key(words) => f.write_str(words),
            Self::Place(text) => write!(f, "`in: {text}` is none of target, body, header.NAME with a header that is there"),
            Self::NotThere(text) => write!(f, "`text: {text}` does not occur there"),
        }
    }
}

impl std::error::Error for VectorError {}
