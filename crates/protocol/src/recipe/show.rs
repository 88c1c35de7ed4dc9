//! Texts and carried entries as the dialect language writes them, for people: comments, documents.

use std::fmt;

use super::{Carried, Claim, Filter, Piece, Shape, Slot, Text, Value};

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Literal(bytes) => f.write_str(&literal(bytes))?,
                Piece::Optional(inner) => write!(f, "[{inner}]")?,
                Piece::Value { value, filters } => {
                    write!(f, "{{{value}")?;
                    filters.iter().try_for_each(|filter| write!(f, " | {filter}"))?;
                    f.write_str("}")?;
                }
            }
        }
        Ok(())
    }
}

fn literal(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().flat_map(|c| std::iter::repeat_n(c, if "{}[]".contains(c) { 2 } else { 1 })).collect()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "method",
            Self::Scheme => "scheme",
            Self::HttpVersion => "http_version",
            Self::Status => "status",
            Self::Host => "host",
            Self::Hostname => "hostname",
            Self::Port => "port",
            Self::Authority => "authority",
            Self::Path => "path",
            Self::Target => "target",
            Self::Body => "body",
            Self::BodyWithoutSignature => "body_without_signature",
            Self::Header(name) => return write!(f, "header.{name}"),
            Self::Query(name) => return write!(f, "query.{name}"),
            Self::Form(name) => return write!(f, "form.{name}"),
            Self::Headers => "headers",
            Self::QueryList => "query",
            Self::FormList => "form",
            Self::ParamsList => "params",
            Self::Secret => "secret",
            Self::SecretPart(name) | Self::Named(name) => name,
            Self::Claim(claim) => return claim.fmt(f),
            Self::Name => "name",
            Self::ItemValue => "value",
        })
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyId => "key_id",
            Self::Time => "time",
            Self::Nonce => "nonce",
            Self::Expires => "expires",
            Self::Algorithm => "algorithm",
            Self::SignedHeaders => "signed_headers",
            Self::BodyDigest => "body_digest",
            Self::Signature => "signature",
            Self::Secret => "secret",
            Self::SecretPart(name) | Self::Input(name) => name,
        })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Trim => "trim",
            Self::Squeeze => "squeeze",
            Self::Percent => "percent",
            Self::PercentPath => "percent-path",
            Self::Decode => "decode",
            Self::Normalize => "normalize",
            Self::ClosingSlash => "closing-slash",
            Self::Digest(algorithm) => algorithm.as_str(),
            Self::Hmac => "hmac",
            Self::Hex => "hex",
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::FromHex => "from-hex",
            Self::FromBase64 => "from-base64",
            Self::Without(text) => return write!(f, "without {}", String::from_utf8_lossy(text)),
            Self::Drop(text) => return write!(f, "drop {}", String::from_utf8_lossy(text)),
            Self::UnlessHeader(name) => return write!(f, "unless header.{name}"),
            Self::MediaType => "media-type",
            Self::First(count) => return write!(f, "first {count}"),
            Self::Time(format) => format,
        })
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.place.as_str(), self.name)?;
        match &self.shape {
            Shape::Slots(list) if self.optional => write!(f, "[{}]", slots(list)),
            Shape::Slots(list) => f.write_str(&slots(list)),
            Shape::Parameters { scheme, list } => {
                f.write_str(scheme)?;
                for (i, parameter) in list.iter().enumerate() {
                    let before = if i > 0 { literal(&parameter.before) } else { " ".repeat(usize::from(!scheme.is_empty())) };
                    let quote = if parameter.quoted { "\"" } else { "" };
                    let item = format!("{before}{}={quote}{}{quote}", parameter.name, slots(&parameter.value));
                    if parameter.optional { write!(f, "[{item}]")? } else { f.write_str(&item)? }
                }
                Ok(())
            }
        }
    }
}

fn slots(list: &[Slot]) -> String {
    let slot = |slot: &Slot| match slot {
        Slot::Literal(bytes) => literal(bytes),
        Slot::Claim { claim, percent, may_be_empty } => {
            let filter = if *percent { " | percent" } else { "" };
            if *may_be_empty { format!("[{{{claim}{filter}}}]") } else { format!("{{{claim}{filter}}}") }
        }
        Slot::Computed(text) => text.to_string(),
    };
    list.iter().map(slot).collect()
}
