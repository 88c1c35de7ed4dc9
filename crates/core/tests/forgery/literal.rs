//! An `Admitted` cannot be written down.

fn main() {
    let app = countersign_core::app::App::new("a", countersign_protocol::Timestamp::from_seconds(0).unwrap());
    let _forged = countersign_core::admission::Admitted { app };
}
