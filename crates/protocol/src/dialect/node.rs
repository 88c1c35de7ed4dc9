//! A dialect file as a tree of scalars, lists and maps: what both the YAML parser and the built-in constants give.

use std::borrow::Cow;

/// A value of a dialect file. Maps keep the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Null,
    /// An unquoted number or truth value.
    Plain(Cow<'static, str>),
    Text(Cow<'static, str>),
    List(Cow<'static, [Self]>),
    Map(Cow<'static, [(Cow<'static, str>, Self)]>),
}

impl Node {
    /// What kind of value this is, for error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Plain(text) if is_truth_value(text) => "a truth value",
            Self::Plain(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

fn is_truth_value(text: &str) -> bool {
    matches!(text, "true" | "false")
}

#[cfg(feature = "yaml")]
mod yaml {
    use serde_yaml::Value;

    use super::Node;
    use crate::dialect::LoadError;

    /// The most bytes of a dialect file.
    const MOST_BYTES: usize = 64 * 1024;
    /// The deepest nesting of a dialect file.
    const MOST_DEPTH: usize = 8;

    impl Node {
        /// Reads YAML text.
        pub(crate) fn from_yaml(text: &str) -> Result<Self, LoadError> {
            if text.len() > MOST_BYTES {
                return Err(LoadError::new(
                    "",
                    format!("the file has more than {MOST_BYTES} bytes"),
                    "a dialect is a page, not a book: shorten it",
                ));
            }
            let value: Value =
                serde_yaml::from_str(text).map_err(|e| LoadError::new("", format!("no YAML: {e}"), "mend the YAML at that place"))?;
            convert(&value, "", 0)
        }
    }

    fn convert(value: &Value, path: &str, depth: usize) -> Result<Node, LoadError> {
        if depth > MOST_DEPTH {
            return Err(LoadError::new(
                path,
                format!("nested more than {MOST_DEPTH} levels deep"),
                "no key of a dialect is that deep: check the indentation",
            ));
        }
        Ok(match value {
            Value::Null => Node::Null,
            Value::Bool(b) => Node::Plain(b.to_string().into()),
            Value::Number(n) => Node::Plain(n.to_string().into()),
            Value::String(s) => Node::Text(s.clone().into()),
            Value::Sequence(items) => {
                let items = items.iter().enumerate().map(|(i, item)| convert(item, &format!("{path}[{i}]"), depth + 1));
                Node::List(items.collect::<Result<Vec<_>, _>>()?.into())
            }
            Value::Mapping(pairs) => {
                let pairs = pairs.iter().map(|(key, item)| {
                    let key = key.as_str().ok_or_else(|| LoadError::new(path, "a key that is no text", "put the key in quotes"))?;
                    let below = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                    Ok((key.to_owned().into(), convert(item, &below, depth + 1)?))
                });
                Node::Map(pairs.collect::<Result<Vec<_>, LoadError>>()?.into())
            }
            Value::Tagged(_) => return Err(LoadError::new(path, "a YAML tag", "remove the tag: it has no meaning here")),
        })
    }
}
