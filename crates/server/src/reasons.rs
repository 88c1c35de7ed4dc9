//! A page for each reason, in English and Chinese: what it means, likely causes, the mend, what the peer sees and what the log keeps.
//!
//! The pages are the files of `reasons/`, embedded when the crate is built. The `type` of a problem body names its page.

use countersign_protocol::{Language, Reason};

use crate::problem::TYPE_PREFIX;

include!(concat!(env!("OUT_DIR"), "/reasons.rs"));

/// The page of one reason in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    language: Language,
    text: &'static str,
}

/// A section of a page. Each page has each of them once, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// What the reason means.
    Meaning,
    /// Likely causes.
    Causes,
    /// The mend.
    Mend,
    /// What the peer sees, with an example of the problem body.
    Peer,
    /// What the log keeps.
    Log,
}

impl Page {
    /// The page of this reason. Every reason has one.
    #[must_use]
    pub fn of(reason: Reason, language: Language) -> Option<Self> {
        let (_, english, chinese) = PAGES.iter().find(|(name, ..)| *name == reason.as_str())?;
        let text = match language {
            Language::English => english,
            Language::Chinese => chinese,
        };
        Some(Self { language, text })
    }

    /// The whole page: Markdown.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// What stands under the heading of this section, without blank lines around it.
    #[must_use]
    pub fn section(&self, section: Section) -> &'static str {
        let heading = format!("\n## {}\n", section.heading(self.language));
        let Some((_, rest)) = self.text.split_once(heading.as_str()) else { return "" };
        rest.split_once("\n## ").map_or(rest, |(own, _)| own).trim()
    }
}

impl Section {
    /// Every section, in the order of a page.
    pub const ALL: [Self; 5] = [Self::Meaning, Self::Causes, Self::Mend, Self::Peer, Self::Log];

    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Meaning => "meaning",
            Self::Causes => "causes",
            Self::Mend => "mend",
            Self::Peer => "peer",
            Self::Log => "log",
        }
    }

    /// Its heading.
    #[must_use]
    pub const fn heading(self, language: Language) -> &'static str {
        match (self, language) {
            (Self::Meaning, Language::English) => "What it means",
            (Self::Causes, Language::English) => "Likely causes",
            (Self::Mend, Language::English) => "Mend",
            (Self::Peer, Language::English) => "What the peer sees",
            (Self::Log, Language::English) => "What the log keeps",
            (Self::Meaning, Language::Chinese) => "含义",
            (Self::Causes, Language::Chinese) => "常见原因",
            (Self::Mend, Language::Chinese) => "处理方法",
            (Self::Peer, Language::Chinese) => "调用方看到什么",
            (Self::Log, Language::Chinese) => "日志记录什么",
        }
    }
}

/// The reason that a name, or the `type` of a problem body, stands for.
#[must_use]
pub fn named(text: &str) -> Option<Reason> {
    Reason::from_name(text.strip_prefix(TYPE_PREFIX).unwrap_or(text))
}

#[cfg(test)]
mod suite;
