//! Fuzzes the target `claim`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: countersign_fuzz::prepare(), |data: &[u8]| countersign_fuzz::claim(data));
