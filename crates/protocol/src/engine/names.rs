//! Which headers a signer signs, and how it lists them.

use super::filters::apply_all;
use super::lists::is_own_carrier;
use super::read::check_names;
use super::scene::Scene;
use crate::dialect::Part;
use crate::dialect::plan::{Filter, HeaderPattern, Order, Plan};
use crate::message::MessageView;
use crate::reason::{Reason, Refusal};

/// The headers that patterns of the file choose among those that are there; pseudo names are always there.
pub(crate) fn select(plan: &Plan, message: &dyn MessageView, patterns: &[HeaderPattern]) -> Vec<String> {
    let list = &plan.headers;
    let mut chosen: Vec<String> = Vec::new();
    for pattern in patterns {
        if list.pseudo.iter().any(|(name, _)| pattern.matches(name)) && !pattern.prefix {
            if !chosen.iter().any(|c| c.eq_ignore_ascii_case(&pattern.name)) {
                chosen.push(pattern.name.clone());
            }
            continue;
        }
        for line in message.lines().filter(|line| pattern.matches(line.name)) {
            let excepted = list.except.contains(&line.name.to_ascii_lowercase()) || is_own_carrier(plan, line.name);
            if !excepted && !chosen.iter().any(|c| c.eq_ignore_ascii_case(line.name)) {
                chosen.push(if pattern.prefix { line.name.to_owned() } else { pattern.name.clone() });
            }
        }
    }
    chosen
}

/// The text of `{signed_headers}`. Where it is signed itself it has one form: spelled as the lines spell the names, and in their order. Elsewhere
/// it stays as the caller listed it.
pub(crate) fn list_text(scene: &Scene<'_>, listed_by_caller: bool) -> Result<String, Refusal> {
    let list = &scene.plan.headers;
    let further = scene.names.iter().filter(|name| !list.always.iter().any(|a| a.eq_ignore_ascii_case(name)));
    check_names(scene.plan, &further.clone().map(String::as_str))?;
    if listed_by_caller && !scene.plan.able.contains(&Part::SignedHeaders) {
        return Ok(further.map(String::as_str).collect::<Vec<_>>().join(&list.names));
    }
    // Another filter would write what names no header.
    let spelling: Vec<Filter> = list.name_filters.iter().filter(|f| matches!(f, Filter::Lower | Filter::Upper)).cloned().collect();
    let mut names = further.map(|name| apply_all(&spelling, name.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    if list.order != Order::AsIs {
        names.sort();
    }
    String::from_utf8(names.join(list.names.as_bytes())).map_err(|_| Refusal::new(Reason::MalformedClaim, "a header's name is not UTF-8"))
}
