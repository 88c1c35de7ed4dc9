//! The target `http`: bytes of a connection. Whatever is accepted of them is read in the same way by others, however the bytes are cut.

use std::time::Duration;

use countersign_protocol::{Reason, Refusal};
use countersign_server::limits::Limits;
use countersign_server::testing::{Exchange, Read, ReadBody, ReadHead, read};

mod witness;

use witness::{Body, Witnessed};

/// The first byte says where the rest is cut in two.
///
/// # Panics
/// When something does not hold.
pub fn http(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    let whole = exchanges(vec![bytes.to_vec()]);
    let (front, back) = bytes.split_at(bytes.len() * usize::from(*cut) / 255);
    assert_alike(&whole, &exchanges(vec![front.to_vec(), back.to_vec()]), "cut in two");
    let step = 1 + bytes.len() / MOST_PIECES;
    assert_alike(&whole, &exchanges(bytes.chunks(step).map(<[u8]>::to_vec).collect()), "in small pieces");
    if let Some(exchanges) = &whole {
        assert_witnessed(exchanges, bytes);
    }
}

/// In more pieces an input is not cut.
const MOST_PIECES: usize = 1024;

/// Small, so that inputs reach them.
fn limits() -> Limits {
    Limits {
        head_bytes: 1024,
        header_lines: 16,
        target_bytes: 256,
        parameters: 8,
        head_time: Duration::from_secs(3600),
        ..Limits::default()
    }
}

/// `None` for HTTP/2, of which nothing is read here.
fn exchanges(pieces: Vec<Vec<u8>>) -> Option<Vec<Exchange>> {
    match read(pieces, &limits()) {
        Ok(Read::Http1(exchanges)) => Some(exchanges),
        Ok(Read::Http2) => None,
        Err(error) => panic!("no runtime: {error}"),
    }
}

fn assert_alike(whole: &Option<Vec<Exchange>>, cut: &Option<Vec<Exchange>>, how: &str) {
    let (Some(whole), Some(cut)) = (whole, cut) else {
        assert_eq!(whole, cut, "{how}");
        return;
    };
    assert_eq!(whole.len(), cut.len(), "{how}: {whole:?} against {cut:?}");
    for (a, b) in whole.iter().zip(cut) {
        match (&a.head, &b.head) {
            // What comes first is told: a head that is too large, or the fault in it.
            (Some(Err(a)), Some(Err(b))) => {
                assert!(a.reason() == b.reason() || is_of_head(a) && is_of_head(b), "{how}: {a:?} against {b:?}")
            }
            _ => assert_eq!(a, b, "{how}"),
        }
    }
}

fn is_of_head(refusal: &Refusal) -> bool {
    matches!(refusal.reason(), Reason::MalformedRequest | Reason::HeadTooLarge)
}

/// Another reader finds the same requests in the same places.
fn assert_witnessed(exchanges: &[Exchange], bytes: &[u8]) {
    let mut rest = bytes;
    for (place, exchange) in exchanges.iter().enumerate() {
        let is_last = place + 1 == exchanges.len();
        let head = match exchange.head.as_ref().expect("a request without a head of its own") {
            Ok(head) => head,
            Err(refusal) => {
                assert!(is_of_head(refusal), "{refusal:?}");
                assert!(is_last, "a request behind a head that was refused: {exchanges:?}");
                return;
            }
        };
        assert_eq!(exchange.method, head.method, "the head belongs to another request");
        assert_bounded(head);
        let witnessed = Witnessed::read(rest).unwrap_or_else(|fault| panic!("{fault}: {head:?}"));
        assert_eq!(witnessed.head, *head, "another reader reads another head");
        match (&exchange.body, witnessed.body) {
            (ReadBody::Whole(body), Body::Whole(other, behind)) => {
                assert_eq!(body.escape_ascii().to_string(), other.escape_ascii().to_string(), "another reader reads another body");
                rest = behind;
            }
            // The strict reader of chunks may refuse what others take.
            (ReadBody::Broken, _) | (ReadBody::Open, Body::Open | Body::Broken) => assert!(is_last, "a request behind a broken body"),
            (body, other) => panic!("{body:?} where another reader reads {other:?}"),
        }
    }
}

fn assert_bounded(head: &ReadHead) {
    let limits = limits();
    let bytes: usize = head.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(
        head.headers.len() <= limits.header_lines && head.target.len() <= limits.target_bytes && bytes <= limits.head_bytes,
        "{head:?}"
    );
}
