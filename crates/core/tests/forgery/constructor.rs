//! The constructor of `Admitted` belongs to the admission.

use countersign_core::admission::Admitted;
use countersign_core::app::Registered;
use countersign_protocol::{Intact, ReplayMode};

fn forge(intact: &Intact, holder: &Registered) -> Admitted {
    Admitted::new(intact, holder, ReplayMode::None, None)
}

fn main() {}
