//! What each language's standard library lacks, and the reason that is told.

use std::fmt;

use countersign_protocol::recipe::{Filter, Piece, Recipe, Text};
use countersign_protocol::{Algorithm, Dialect, DigestAlgorithm, KeyFamily};

/// A language in which signers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Language {
    /// Python 3.9 or newer.
    Python,
    /// JavaScript for Node 18 or newer.
    JavaScript,
    /// Go 1.18 or newer.
    Go,
    /// Java 17 or newer.
    Java,
    /// PHP 8.1 or newer.
    Php,
}

impl Language {
    /// Every language, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Self::Python, Self::JavaScript, Self::Go, Self::Java, Self::Php];

    /// The name on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
            Self::Go => "go",
            Self::Java => "java",
            Self::Php => "php",
        }
    }

    /// Why the standard library cannot compute this digest; `None` where it can.
    #[must_use]
    pub const fn lacks_digest(self, digest: DigestAlgorithm) -> Option<&'static str> {
        match (self, digest) {
            (Self::JavaScript, _) => None,
            (Self::Python, DigestAlgorithm::Sm3) => Some("Python's hashlib has SM3 only where the OpenSSL below it does"),
            (Self::Go, DigestAlgorithm::Sm3) => Some("Go's standard library has no SM3"),
            (Self::Java, DigestAlgorithm::Sm3) => Some("Java's standard library has no SM3"),
            (Self::Php, DigestAlgorithm::Sm3) => Some("PHP's hash extension has no SM3"),
            _ => None,
        }
    }

    /// Why the standard library cannot sign by this algorithm; `None` where it can.
    #[must_use]
    pub const fn lacks(self, algorithm: Algorithm) -> Option<&'static str> {
        match (self, algorithm) {
            (_, Algorithm::Hmac(digest) | Algorithm::Plain(digest)) => self.lacks_digest(digest),
            (Self::Python, _) => Some("Python's standard library signs with no private key"),
            (Self::Php, Algorithm::RsaPssSha512) => Some("PHP's openssl extension signs no RSASSA-PSS"),
            _ => None,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why no signer can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// The dialect's rules are code, not a file.
    Native,
    /// The language's standard library lacks what the dialect needs: the reasons.
    Lacks(Vec<&'static str>),
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.write_str("the dialect is native: its rules are code, and there is no plan to write a signer from"),
            Self::Lacks(reasons) => f.write_str(&reasons.join("; ")),
        }
    }
}

impl std::error::Error for Unsupported {}

/// How far a dialect can be written in a language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// The algorithms by which the signer signs; empty where the dialect carries the secret itself.
    pub algorithms: Vec<Algorithm>,
    /// Those that it does not know, each with the reason.
    pub without: Vec<(Algorithm, &'static str)>,
}

/// How far a dialect can be written in a language.
///
/// # Errors
/// When it cannot be at all, with the reason.
pub fn support(dialect: &Dialect, language: Language) -> Result<Support, Unsupported> {
    let recipe = dialect.recipe().ok_or(Unsupported::Native)?;
    of_recipe(&recipe, language)
}

pub(crate) fn of_recipe(recipe: &Recipe, language: Language) -> Result<Support, Unsupported> {
    let digests = digests(recipe);
    let mut reasons: Vec<&'static str> = digests.iter().filter_map(|digest| language.lacks_digest(*digest)).collect();
    let (mut algorithms, mut without) = (Vec::new(), Vec::new());
    for (_, algorithm) in &recipe.algorithms {
        match language.lacks(*algorithm) {
            None if !algorithms.contains(algorithm) => algorithms.push(*algorithm),
            Some(reason) if !without.contains(&(*algorithm, reason)) => without.push((*algorithm, reason)),
            _ => {}
        }
    }
    if algorithms.is_empty() {
        reasons.extend(without.iter().map(|(_, reason)| *reason));
    }
    // A MAC inside the text is made under the shared secret.
    reasons.dedup();
    if reasons.is_empty() { Ok(Support { algorithms, without }) } else { Err(Unsupported::Lacks(reasons)) }
}

/// Every digest that some text of the recipe takes.
pub(crate) fn digests(recipe: &Recipe) -> Vec<DigestAlgorithm> {
    let mut found = Vec::new();
    let lists = [&recipe.query.each, &recipe.form.each, &recipe.params.each, &recipe.headers.each, &recipe.key.from];
    let texts = recipe.texts.iter().map(|(_, text)| text).chain(&recipe.string_to_sign).chain(&recipe.key.chain).chain(lists);
    let more = recipe.headers.pseudo.iter().map(|(_, line)| line).chain(recipe.body_digest.iter().map(|d| &d.is));
    texts.chain(more).for_each(|text| in_text(text, &mut found));
    found.sort_unstable();
    found.dedup();
    found
}

fn in_text(text: &Text, found: &mut Vec<DigestAlgorithm>) {
    for piece in &text.0 {
        match piece {
            Piece::Literal(_) => {}
            Piece::Optional(inner) => in_text(inner, found),
            Piece::Value { filters, .. } => found.extend(filters.iter().filter_map(|filter| match filter {
                Filter::Digest(digest) => Some(*digest),
                _ => None,
            })),
        }
    }
}

/// Whether an algorithm signs with a private key.
pub(crate) fn is_of_pair(algorithm: Algorithm) -> bool {
    algorithm.family() != KeyFamily::Hmac
}
