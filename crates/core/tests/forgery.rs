//! What must not compile: an `Admitted` without an admission, and an admission without its steps.

#[test]
fn an_admission_cannot_be_forged() {
    trybuild::TestCases::new().compile_fail("tests/forgery/*.rs");
}
