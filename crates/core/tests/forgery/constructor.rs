//! The constructor of `Admitted` belongs to the admission.

use countersign_core::admission::{Admitted, BodyProof};
use countersign_core::app::Registered;
use countersign_protocol::{ReplayMode, Verified};

fn forge(verified: &Verified, holder: &Registered) -> Admitted {
    Admitted::new(verified, BodyProof::Intact, holder, ReplayMode::None, None)
}

fn main() {}
