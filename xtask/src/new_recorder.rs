//! `cargo xtask vectors new`: a recorder for a dialect, with everything but the rules, which a witness must bring.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use countersign_protocol::{Dialect, Dialects};

use crate::run::Counts;
use crate::{Task, root};

/// Writes the recorder. An existing file is left alone.
pub(crate) fn write(id: &str, out: Option<&Path>) -> Task {
    let dialects = Dialects::builtin()?;
    let dialect = dialects.get(id).ok_or_else(|| format!("no dialect `{id}`: write crates/protocol/dialects/{id}.yaml first"))?;
    let module = id.replace('-', "_");
    let file = out.map_or_else(|| root().join(format!("vectors/record/{module}.py")), Path::to_owned);
    if file.exists() {
        return Err(format!("{} is there already", file.display()).into());
    }
    fs::write(&file, text(dialect)).map_err(|e| format!("{}: {e}", file.display()))?;
    println!("{}: fill in `signed`, from a witness that shares no code with this project", file.display());
    println!("then name it in vectors/record/record.py: \"{id}\": ([{module}.vectors], {module}.made_faults),");
    println!("and record: cargo xtask vectors record");
    Ok(Counts::PASSED)
}

fn text(dialect: &Dialect) -> String {
    let carried: Vec<String> = dialect.carriers().map(|carrier| format!("{} {}", carrier.place.as_str(), carrier.name)).collect();
    let mut inputs = String::new();
    for input in dialect.inputs() {
        let _ = write!(inputs, "{:?}: \"{}-1\", ", input.name, input.name);
    }
    let nonce = if dialect.carries_nonce() { "\"n-0001\"" } else { "\"\"" };
    format!(
        r#""""Witness of {id}: a transcript of its written rules with a standard library alone."""
import faults
from common import BINARY, MEBIBYTE, SDK_CLOCK, Recording, Request, fault, transcript, vector

HOST = "api.example.com"
CREDENTIALS = {{"key_id": "key-1", "secret": "secret-1"}}
INPUTS = {{{inputs}}}
NONCE = {nonce}


def signed(request):
    """The signed request, its stages by name, and the signature's text. It carries: {carried}."""
    raise NotImplementedError("write the rules here, from the vendor's page; never call the signer that is tested")


def recording(method, target, headers=(), body=b""):
    request = Request(method, target, (("Host", HOST), *headers), body)
    placed, stages, signature = signed(request)
    return Recording(source=transcript("{id} rules"), at=SDK_CLOCK, credentials=CREDENTIALS, inputs=INPUTS, nonce=NONCE,
                     request=request, placed=placed, stages=stages, signature=signature)


def vectors():
    def case(name, why, *args, **kw):
        return vector(name, why, recording(*args, **kw))
    octets = (("Content-Type", "application/octet-stream"),)
    yield case("get", "the shortest request", "GET", "/")
    yield case("query", "parameters out of order", "GET", "/v1/items?b=2&a=1")
    yield case("unicode", "unicode in path and query", "GET", "/%E4%BD%A0?name=%E5%A5%BD")
    yield case("empty-value", "an empty value", "GET", "/v1/items?empty=&a=1")
    yield case("repeated-parameter", "two values of a name", "GET", "/v1/items?a=2&a=1")
    yield case("bare-plus", "a plus sign that is not encoded", "GET", "/v1/items?q=1+2")
    yield case("encoded-slash", "%2F in path and query", "GET", "/a%2Fb?r=%2F")
    yield case("dot-segments", "dot segments in the path", "GET", "/a/./b/../c")
    yield case("repeated-header", "two lines of one name", "GET", "/v1/items", (("X-Tag", "b"), ("X-Tag", "a")))
    yield case("empty-body", "a POST without a body", "POST", "/v1/items")
    yield case("binary-body", "octets that are not UTF-8", "PUT", "/v1/blob", octets, BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/v1/blob", octets, b"a" * MEBIBYTE)


def made_faults(by_name):
    origin = "query"
    yield from faults.clock(origin, SDK_CLOCK)
    yield from faults.secret(origin)
    yield from faults.signed([("method", origin, {{"method": "PUT"}}), ("path", origin, {{"target": "/v1/other?b=2&a=1"}})])
    yield fault("unsigned", origin, "nothing that the dialect carries is there", "missing_signature", remove_headers=["Authorization"])
"#,
        id = dialect.id(),
        carried = carried.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_recorder_is_left_alone_and_a_stranger_refused() {
        assert!(write("no-such-dialect", None).unwrap_err().to_string().contains("no-such-dialect"));
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(write("hmac-sha256", Some(&manifest)).unwrap_err().to_string().contains("is there already"));
    }

    #[test]
    fn the_recorder_names_what_the_dialect_carries() {
        let dialects = Dialects::builtin().unwrap();
        let text = text(dialects.get("hmac-sha256").unwrap());
        assert!(text.contains("header Authorization") && text.contains("\"hmac-sha256 rules\""), "{text}");
    }
}
