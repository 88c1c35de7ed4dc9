//! What a definition makes possible: which parts can be signed, and for which reasons a message can be refused.

use super::Dialect;
use super::part::Part;
use super::plan::*;
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

    /// Why no message of this dialect can be refused for this reason; `None` where one can, or where the reason is none of verifying.
    #[must_use]
    pub fn rules_out(&self, reason: Reason) -> Option<&'static str> {
        let plan = self.plan();
        match reason {
            Reason::InsecureTransport if !self.carries_secret() && !takes_unsigned_body(plan) => Some("never sends the secret"),
            Reason::TooOld if !self.carries_time() && !self.carries(Claimed::Expires) => Some("carries neither time nor expiry"),
            Reason::FromTheFuture if !self.carries_time() => Some("carries no time"),
            Reason::AlgorithmNotAllowed if !plan.signs() => Some("signs nothing"),
            Reason::DialectNotAllowed if !self.is_unsafe() => Some("is not unsafe by construction"),
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
        Source::Headers => !matches!(plan.headers.repeated, Repeated::Join(_)) || plan.headers.missing == Missing::Empty,
        Source::QueryList => of_list(&plan.query),
        Source::FormList => of_list(&plan.form),
        Source::ParamsList => of_list(&plan.params),
        _ => false,
    };
    plan.guards.iter().any(|guard| can_find(plan, guard)) || judge::body_carries(plan) || judge::sources(plan).iter().any(of_source)
}

/// Whether a word may stand in place of the body's digest, which only a protected connection makes safe.
fn takes_unsigned_body(plan: &Plan) -> bool {
    plan.digest.as_ref().is_some_and(|digest| !digest.unsigned.is_empty())
}

/// Whether a guard can find what it looks for. Not in a claim that is read from behind that very byte.
fn can_find(plan: &Plan, guard: &Guard) -> bool {
    let Guard::Byte { source: Source::Claim(what), byte, filters } = guard else { return true };
    // A filter may write the byte.
    !filters.is_empty()
        || !plan.carry.iter().any(|entry| {
            let pattern = match &entry.shape {
                Shape::Constant(_) => None,
                Shape::Pattern(pattern) => Some(pattern),
                Shape::Parameters(all) => {
                    all.list.iter().filter(|one| !one.optional).map(|one| &one.value).find(|value| holds(value, *what))
                }
            };
            is_always_read(plan, entry) && pattern.is_some_and(|pattern| follows(pattern, *what, *byte))
        })
}

/// Whether no message is taken without this entry: something rides in it that nothing else brings.
fn is_always_read(plan: &Plan, entry: &Entry) -> bool {
    let elsewhere = |what: &Claimed| plan.carry.iter().filter(|other| other.holds(*what)).count() > 1;
    !entry.optional && entry.holds.iter().any(|what| !matches!(what, Claimed::Input(_)) && !elsewhere(what))
}

fn holds(pattern: &Pattern, wanted: Claimed) -> bool {
    pattern.0.iter().any(|slot| matches!(slot, Slot::Claim { what, .. } if *what == wanted))
}

/// Whether the claim begins behind the last occurrence of the byte: a pattern is read from the right.
fn follows(pattern: &Pattern, wanted: Claimed, byte: u8) -> bool {
    pattern.0.windows(2).any(|pair| match pair {
        [Slot::Literal(literal), Slot::Claim { what, percent: false, .. }] => *what == wanted && literal[..] == [byte],
        _ => false,
    })
}

/// A query with a `%` that begins no triplet is no well-formed head; a form with one is.
fn of_list(list: &PairList) -> bool {
    list.from.len() > 1
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
            Reason::DialectNotAllowed,
            Reason::AmbiguousRequest,
            Reason::BodyDigestMismatch,
        ] {
            assert!(bare.rules_out(reason).is_some(), "{reason}");
        }
        for reason in [
            Reason::MalformedRequest,
            Reason::MissingSignature,
            Reason::MalformedClaim,
            Reason::SignatureMismatch,
            Reason::AlgorithmNotAllowed,
            Reason::RequiredPartUnsigned,
        ] {
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

    #[test]
    fn a_list_of_encoded_pairs_of_one_source_is_read_in_one_way() {
        let text = |list: &str, more: &str| {
            format!("string_to_sign: \"{{{list}}}\"\n{more}carry:\n  header:\n    A: \"{{key_id}}\"\n    S: \"{{signature}}\"\n")
        };
        assert!(dialect(&text("query", "")).rules_out(Reason::AmbiguousRequest).is_some());
        for (list, more) in [
            ("form", ""),
            ("params", ""),
            ("query", "query: { repeated: first }\n"),
            ("query", "query: { each: \"{name}={value}\" }\n"),
            ("headers", "headers: { always: [X-A], missing: empty }\n"),
            ("headers", "headers: { always: [X-A], repeated: first }\n"),
        ] {
            assert_eq!(dialect(&text(list, more)).rules_out(Reason::AmbiguousRequest), None, "{list} {more}");
        }
    }

    #[test]
    fn a_claim_that_is_read_from_behind_a_byte_does_not_hold_it() {
        let text = |carried: &str| format!("inputs: [region, service]\nstring_to_sign: \"{{region}}/{{service}}\"\ncarry: {carried}\n");
        let in_one = text("{ header: { Authorization: \"Acme {key_id}/{region}/{service}/{signature}\" } }");
        let percent = text("{ header: { Authorization: \"Acme {key_id}/{region | percent}/{service}/{signature}\" } }");
        let alone = text("{ header: { R: \"{region}\", Authorization: \"Acme {key_id}/{service}/{signature}\" } }");
        let optional = text("{ header: { R: \"[a/{region}/{service}]\", Authorization: \"Acme {key_id}/{signature}\" } }");
        assert!(dialect(&in_one).rules_out(Reason::AmbiguousRequest).is_some());
        for open in [percent, alone, optional] {
            assert_eq!(dialect(&open).rules_out(Reason::AmbiguousRequest), None, "{open}");
        }
    }

    #[test]
    fn a_word_in_place_of_a_digest_needs_a_protected_connection() {
        let text = |rule: &str| {
            format!(
                "string_to_sign: \"{{body_digest}}\"\nbody_digest: {rule}\ncarry: {{ header: {{ D: \"{{body_digest}}\", S: \"{{signature}}\" }} }}\n"
            )
        };
        assert!(dialect(&text("\"{body | sha256 | hex}\"")).rules_out(Reason::InsecureTransport).is_some());
        assert_eq!(dialect(&text("{ is: \"{body | sha256 | hex}\", unsigned: NONE }")).rules_out(Reason::InsecureTransport), None);
    }

    #[test]
    fn what_signs_nothing_names_no_algorithm() {
        let shown = "countersign: 1\ndialect: acme\ntitle: t\ncarry: { header: { K: \"{secret}\" } }\n";
        let shown = Dialect::from_yaml(shown).unwrap();
        assert!(shown.rules_out(Reason::AlgorithmNotAllowed).is_some() && shown.rules_out(Reason::AmbiguousRequest).is_some());
    }
}
