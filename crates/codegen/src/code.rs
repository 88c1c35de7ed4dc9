//! The small intermediate form between a recipe and a language: expressions over byte texts, and straight statements.
//!
//! It knows no dialect and no language. Each value has one type: a byte text, a list of texts, a list of rows of texts, or a truth value.

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Texts,
    Rows,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    /// Bytes.
    Lit(Vec<u8>),
    /// A word for a helper: a text of the language itself.
    Word(&'static str),
    /// A variable.
    Var(String),
    /// A text of the message: `method`, `scheme`, `version`, `target` or `body`.
    Message(&'static str),
    /// The instant of signing, moved by so many milliseconds. An argument of time helpers only.
    At(i64),
    /// A number. An argument of helpers only.
    Number(i64),
    /// Something that the caller gave.
    Given(Given),
    /// Texts one behind the other.
    Concat(Vec<Self>),
    /// A helper of the prelude. The message is the first argument of those that need it.
    Call(&'static str, Vec<Self>),
    /// The message itself. An argument of helpers only.
    TheMessage,
    /// The credential itself. An argument of helpers only.
    TheCredential,
    /// The options themselves. An argument of helpers only.
    TheOptions,
    /// A list of texts.
    List(Vec<Self>),
    /// A row of texts.
    Row(Vec<Self>),
    /// One text of a row or of a list.
    Item(Box<Self>, usize),
    /// The text, one where it is empty the other.
    FirstOf(Box<Self>, Box<Self>),
    /// One text or the other.
    Pick(Box<Test>, Box<Self>, Box<Self>),
}

/// Something that the caller gave; an absent text is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    KeyId,
    Secret,
    PrivateKey,
    Algorithm,
    Part(String),
    Input(String),
    Nonce,
    Expires,
    BodyDigest,
    /// The names of the headers to sign.
    Headers,
}

/// A truth value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    Filled(Expr),
    Empty(Expr),
    NoItems(Expr),
    Same(Expr, Expr),
    Holds(&'static str, Vec<Expr>),
    /// The caller named the headers to sign.
    HeadersGiven,
    /// The caller leaves this part out.
    Omits(&'static str),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stmt {
    /// What the dialect says, one line each.
    Comment(Vec<String>),
    Blank,
    Let {
        name: String,
        kind: Kind,
        value: Expr,
    },
    Set {
        name: String,
        value: Expr,
    },
    If {
        test: Test,
        then: Vec<Self>,
        otherwise: Vec<Self>,
    },
    /// Over texts or rows.
    Each {
        item: String,
        of: Kind,
        list: Expr,
        body: Vec<Self>,
    },
    /// The next item of the loop.
    Next,
    Push {
        list: String,
        item: Expr,
    },
    /// A helper, for what it does.
    Do(&'static str, Vec<Expr>),
    /// The signer stops with these words.
    Fail(Expr),
    /// A stage for diagnostics.
    Stage {
        name: String,
        value: Expr,
    },
}

/// A whole signer.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    /// The dialect's id.
    pub(crate) id: String,
    /// What stands on top of the file, one line each.
    pub(crate) preface: Vec<String>,
    /// Whether responses are signed.
    pub(crate) of_response: bool,
    pub(crate) body: Vec<Stmt>,
    /// The digests that the signer may have to compute.
    pub(crate) digests: Vec<&'static str>,
}

impl Expr {
    pub(crate) fn lit(text: &str) -> Self {
        Self::Lit(text.as_bytes().to_vec())
    }

    pub(crate) fn var(name: &str) -> Self {
        Self::Var(name.to_owned())
    }

    pub(crate) fn empty() -> Self {
        Self::Lit(Vec::new())
    }

    pub(crate) fn texts<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::lit(text.as_ref())).collect())
    }

    /// Parts one behind the other: nested ones opened, literals that touch made one.
    pub(crate) fn concat(parts: Vec<Self>) -> Self {
        let mut flat: Vec<Self> = Vec::new();
        let opened = parts.into_iter().flat_map(|part| match part {
            Self::Concat(inner) => inner,
            other => vec![other],
        });
        for part in opened {
            match (flat.last_mut(), part) {
                (_, Self::Lit(bytes)) if bytes.is_empty() => {}
                (Some(Self::Lit(before)), Self::Lit(bytes)) => before.extend(bytes),
                (_, part) => flat.push(part),
            }
        }
        match flat.len() {
            0 => Self::empty(),
            1 => flat.swap_remove(0),
            _ => Self::Concat(flat),
        }
    }

    /// What must be filled so that this is: a helper that gives a byte for a byte is looked through. `None`: it always is.
    pub(crate) fn filled(&self) -> Option<Test> {
        match self {
            Self::Lit(bytes) if !bytes.is_empty() => None,
            Self::Call("digest" | "hmac" | "mac" | "format_time" | "unix" | "unix_ms" | "http_date" | "path_of", _) => None,
            Self::Call("lower" | "upper" | "percent" | "percent_path" | "decode" | "hex" | "base64" | "base64url", arguments) => {
                arguments.last().and_then(Self::filled)
            }
            Self::Concat(parts) => {
                let tests: Option<Vec<Test>> = parts.iter().map(Self::filled).collect();
                tests.map(any)
            }
            other => Some(Test::Filled(other.clone())),
        }
    }
}

/// Some of these.
pub(crate) fn any(mut tests: Vec<Test>) -> Test {
    tests.dedup();
    if tests.len() == 1 { tests.swap_remove(0) } else { Test::Any(tests) }
}

/// All of these.
pub(crate) fn all(mut tests: Vec<Test>) -> Test {
    tests.dedup();
    if tests.len() == 1 { tests.swap_remove(0) } else { Test::All(tests) }
}

/// These statements when the test holds; without one, always.
pub(crate) fn when(test: Option<Test>, then: Vec<Stmt>) -> Vec<Stmt> {
    match test {
        Some(test) => vec![Stmt::If { test, then, otherwise: Vec::new() }],
        None => then,
    }
}

impl Signer {
    /// Whether anything is signed: else the secret itself is carried.
    pub(crate) fn signs(&self) -> bool {
        declares(&self.body, "signature")
    }

    /// What is signed.
    pub(crate) const fn kind(&self) -> &'static str {
        if self.of_response { "response" } else { "request" }
    }
}

fn declares(body: &[Stmt], wanted: &str) -> bool {
    body.iter().any(|stmt| matches!(stmt, Stmt::Let { name, .. } if name == wanted))
}
