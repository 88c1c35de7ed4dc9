//! A stage is consumed by the next.

use countersign_protocol::{Fresh, Keys};

fn twice(fresh: Fresh<'_>) {
    let _ = fresh.verify(Keys::Unknown);
    let _ = fresh.verify(Keys::Unknown);
}

fn main() {}
