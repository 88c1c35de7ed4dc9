//! An `Admitted` cannot be written down, not even with the help of a genuine one.

use countersign_core::admission::Admitted;
use countersign_core::app::App;

fn forge(app: App, genuine: Admitted) -> Admitted {
    Admitted { app, ..genuine }
}

fn main() {}
