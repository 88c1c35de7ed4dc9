//! What may be registered of a user: the same rules for each store.

use super::{ExternalUser, NewUser};
use crate::error::StoreError;

/// The most bytes of a name.
const NAME: usize = 64;
/// The most bytes of a display name, and of an external service's name for a user.
const TEXT: usize = 255;
/// The most scopes or roles.
const ITEMS: usize = 64;
/// The most bytes of all scopes, or of all roles: both ride in every token.
const ITEM_BYTES: usize = 1_024;

/// Whether this may be a user's name: 1 to 64 ASCII letters, digits and `.`, `_`, `@`, `-`.
///
/// Names that look alike and differ are how users are mistaken for each other. Of ASCII there is one spelling, so that what is typed, stored,
/// logged and told to upstreams is the same bytes, without tables of Unicode. A display name may hold any letter.
#[must_use]
pub fn is_user_name(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'@' | b'-');
    (1..=NAME).contains(&text.len()) && text.bytes().all(is_plain)
}

pub(super) fn check_new(new: &NewUser) -> Result<(), StoreError> {
    if !is_user_name(&new.name) {
        let fault = "it is no name of a user".to_owned();
        return Err(StoreError::Invalid {
            field: "user",
            fault,
            mend: "use 1 to 64 ASCII letters, digits, dots, underscores, hyphens and @",
        });
    }
    new.display_name.iter().try_for_each(|name| check_text("display name", name))?;
    check_rights(&new.scopes, &new.roles)
}

pub(super) fn check_external(told: &ExternalUser) -> Result<(), StoreError> {
    check_text("subject", &told.subject)?;
    check_new(&told.clone().into_new())
}

pub(super) fn check_rights(scopes: &[String], roles: &[String]) -> Result<(), StoreError> {
    check_items("scopes", scopes)?;
    check_items("roles", roles)
}

/// RFC 6749, section 3.3: what stands in a list that blanks divide.
fn check_items(field: &'static str, items: &[String]) -> Result<(), StoreError> {
    let invalid = |fault: &str, mend| Err(StoreError::Invalid { field, fault: fault.to_owned(), mend });
    let is_token = |item: &String| !item.is_empty() && item.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'));
    if !items.iter().all(is_token) {
        return invalid("one is empty, or holds more than printable ASCII", "use printable ASCII without blanks, quotes and backslashes");
    }
    if items.len() > ITEMS || items.iter().map(String::len).sum::<usize>() > ITEM_BYTES {
        return invalid("there are too many", "use at most 64, with at most 1,024 bytes in all");
    }
    Ok(())
}

fn check_text(field: &'static str, text: &str) -> Result<(), StoreError> {
    if (1..=TEXT).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let fault = "it is empty, too long, or holds control characters".to_owned();
    Err(StoreError::Invalid { field, fault, mend: "use 1 to 255 bytes of printable text" })
}
