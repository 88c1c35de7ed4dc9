//! One proof admits one request: it is consumed.

use countersign_core::admission::{Admission, Authentic};

async fn twice(admission: &Admission, authentic: Authentic<'_>) {
    let _first = admission.admit(authentic).await;
    let _second = admission.admit(authentic).await;
}

fn main() {}
