//! The lists of a recipe: which items are taken, how they are sorted and rendered.

use super::{Filter, Text};

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By the name as rendered.
    Name,
    /// By the name as rendered, then by the value as rendered.
    NameValue,
    /// By the name in lower case.
    NameIgnoreCase,
    /// By the whole item as rendered.
    Line,
    /// Not at all.
    AsIs,
}

/// What becomes of items of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeated {
    /// All are taken; of headers the first.
    All,
    /// The first is taken.
    First,
    /// The values are joined by this text.
    Join(Vec<u8>),
}

/// What becomes of a listed header that is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// The message cannot be signed.
    Refuse,
    /// An item without value.
    Empty,
    /// No item.
    Skip,
}

/// The list of headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRule {
    /// The template of one item.
    pub each: Text,
    /// The filters of the name in `each`.
    pub name_filters: Vec<Filter>,
    /// What stands between items.
    pub join: Vec<u8>,
    /// How items are sorted.
    pub order: Order,
    /// What becomes of a repeated header.
    pub repeated: Repeated,
    /// Whether items without a value are left out.
    pub drop_empty: bool,
    /// Names that are never items, in lower case.
    pub except: Vec<String>,
    /// What is signed when the caller lists nothing: names, prefixes with a star behind, pseudo names.
    pub sign: Vec<String>,
    /// Signed whether listed or not.
    pub always: Vec<String>,
    /// Lower-case name, and the line that stands in while no such header is there.
    pub pseudo: Vec<(String, Text)>,
    /// What becomes of a listed header that is absent.
    pub missing: Missing,
    /// What joins the names of `{signed_headers}`.
    pub names: String,
}

/// A list of query, form or merged parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairRule {
    /// The template of one item.
    pub each: Text,
    /// The filters of the name in `each`.
    pub name_filters: Vec<Filter>,
    /// The filters of the value in `each`.
    pub value_filters: Vec<Filter>,
    /// What stands between items.
    pub join: Vec<u8>,
    /// What stands between the items of two sources, where that is something else.
    pub between: Option<Vec<u8>>,
    /// How items are sorted.
    pub order: Order,
    /// What becomes of a repeated name.
    pub repeated: Repeated,
    /// Whether items without a value are left out.
    pub drop_empty: bool,
    /// Names that are never items.
    pub except: Vec<String>,
    /// Names that are no items where they stand in the header of parameters.
    pub header_except: Vec<String>,
    /// The only names that are items.
    pub only: Option<Vec<String>>,
    /// Where items come from, in order.
    pub from: Vec<PairSource>,
    /// How names and values are decoded.
    pub decode: PairDecoding,
}

/// Where the items of a list come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairSource {
    /// The query.
    Query,
    /// A form body.
    Form,
    /// The parameters of the header that is a parameter list.
    Authorization,
}

/// How parameters are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairDecoding {
    /// Percent triplets.
    Percent,
    /// Percent triplets, and `+` is a blank.
    Form,
    /// Not at all.
    None,
}
