//! The body is not checked before the cover was judged.

use countersign_protocol::Verified;

fn skip(verified: Verified) {
    let _ = verified.check_body(b"");
}

fn main() {}
