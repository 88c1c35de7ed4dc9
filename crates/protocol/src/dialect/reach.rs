//! What a definition makes possible: which parts can be signed, and for which reasons a message can be refused.

use super::Dialect;
use super::part::Part;
use super::plan::*;
use crate::encoding::Decoding;
use crate::engine::judge;
use crate::reason::Reason;

impl Dialect {
    /// Whether a signature of this dialect can cover the part at all. For headers: [`Dialect::can_sign_header`].
    #[must_use]
    pub fn can_sign(&self, part: &Part) -> bool {
        self.plan().able.contains(part)
    }

    /// Whether the caller can bring headers into the signature that the file does not name: it lists them, or the file has a prefix.
    #[must_use]
    pub fn can_sign_headers_of_choice(&self) -> bool {
        let plan = self.plan();
        plan.signs_list && (self.carries(Claimed::SignedHeaders) || plan.headers.sign.iter().any(|pattern| pattern.prefix))
    }

    /// Whether two of its algorithms take the same kind of key.
    fn has_choice_of_algorithm(&self) -> bool {
        let all = self.algorithms();
        all.iter().enumerate().any(|(index, one)| all.iter().take(index).any(|other| other.family() == one.family()))
    }

    /// Why no message of this dialect can be refused for this reason; `None` where one can, or where the reason is none of verifying.
    #[must_use]
    pub fn rules_out(&self, reason: Reason) -> Option<&'static str> {
        let plan = self.plan();
        match reason {
            Reason::InsecureTransport if !self.carries_secret() => Some("never sends the secret"),
            Reason::TooOld if !self.carries_time() && !self.carries(Claimed::Expires) => Some("carries neither time nor expiry"),
            Reason::FromTheFuture if !self.carries_time() => Some("carries no time"),
            Reason::AlgorithmNotAllowed if !self.carries(Claimed::Algorithm) => Some("names no algorithm in its messages"),
            Reason::AlgorithmNotAllowed if !self.has_choice_of_algorithm() => Some("knows one algorithm for each kind of key"),
            Reason::DialectNotAllowed if !self.is_unsafe() => Some("is not unsafe by construction"),
            Reason::AmbiguousRequest if !plan.signs() => Some("signs nothing"),
            Reason::AmbiguousRequest if !can_be_ambiguous(plan) => Some("signs nothing that can be read in two ways"),
            Reason::RequiredPartUnsigned if !plan.signs() => Some("signs nothing"),
            Reason::BodyDigestMismatch if !self.carries(Claimed::BodyDigest) => Some("carries no digest of the body"),
            _ => None,
        }
    }
}

/// Whether anything of what [`judge::ambiguity`] looks for can be in a message.
fn can_be_ambiguous(plan: &Plan) -> bool {
    let of_source = |source: &Source| match source {
        Source::Header(_) | Source::Query(_) | Source::Form(_) => true,
        Source::Headers => !matches!(plan.headers.repeated, Repeated::Join(_)),
        Source::QueryList => of_list(&plan.query),
        Source::FormList => of_list(&plan.form),
        Source::ParamsList => of_list(&plan.params),
        _ => false,
    };
    !plan.guards.is_empty() || judge::body_carries(plan) || judge::sources(plan).iter().any(of_source)
}

fn of_list(list: &PairList) -> bool {
    list.decoding != Decoding::None
        || list.from.len() > 1
        || list.from.contains(&PairSource::Form)
        || list.may_vanish
        || !list.name_guard.is_empty()
        || !list.value_guard.is_empty()
        || !matches!(list.repeated, Repeated::All)
        || list.order == Order::NameIgnoreCase
}

#[cfg(test)]
#[cfg(feature = "yaml")]
mod tests {
    use super::*;

    fn dialect(text: &str) -> Dialect {
        let head = "countersign: 1\ndialect: acme\ntitle: t\nalgorithm: hmac-sha256\n";
        Dialect::from_yaml(&format!("{head}{text}")).unwrap()
    }

    #[test]
    fn reasons_follow_from_the_definition() {
        let bare = dialect("string_to_sign: \"{method} {path}\"\ncarry:\n  header:\n    A: \"{key_id}\"\n    S: \"{signature}\"\n");
        for reason in [
            Reason::InsecureTransport,
            Reason::TooOld,
            Reason::FromTheFuture,
            Reason::AlgorithmNotAllowed,
            Reason::DialectNotAllowed,
            Reason::BodyDigestMismatch,
        ] {
            assert!(bare.rules_out(reason).is_some(), "{reason}");
        }
        for reason in [Reason::MissingSignature, Reason::MalformedClaim, Reason::SignatureMismatch, Reason::RequiredPartUnsigned] {
            assert_eq!(bare.rules_out(reason), None, "{reason}");
        }
        assert!(bare.can_sign(&Part::Path) && !bare.can_sign(&Part::Query) && !bare.can_sign_headers_of_choice());
    }

    #[test]
    fn a_header_of_the_text_can_be_there_twice() {
        let text =
            |signed: &str| format!("string_to_sign: \"{signed}\"\ncarry:\n  header:\n    A: \"{{key_id}}\"\n    S: \"{{signature}}\"\n");
        assert_eq!(dialect(&text("{header.X-Note}")).rules_out(Reason::AmbiguousRequest), None);
        assert!(dialect(&text("{method}")).rules_out(Reason::AmbiguousRequest).is_some());
    }
}
