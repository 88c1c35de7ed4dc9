//! `Verified` has no public field and no constructor.

use countersign_protocol::Verified;

fn main() {
    let _ = Verified { key_id: "key-1".to_owned() };
}
