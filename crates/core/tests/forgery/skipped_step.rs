//! A claim whose tag was not compared cannot be admitted.

use countersign_core::admission::{Admission, Admitted, Begun, Denial};

async fn skip(admission: &Admission, begun: Begun<'_>) -> Result<Admitted, Denial> {
    admission.admit(begun).await
}

fn main() {}
