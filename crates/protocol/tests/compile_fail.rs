//! What must not compile: a forged proof, and a stage that is skipped.

#[test]
fn proofs_cannot_be_forged_and_stages_cannot_be_skipped() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
