//! An embedded user who only needs HMAC gets by without a C compiler and with few crates.

use std::collections::BTreeSet;

use crate::Task;
use crate::run::{Count, Counts, cargo, counted, output};

/// The most crates, build scripts' included.
const CRATES: usize = 50;

/// Looks at the dependency tree, then builds and lints with a C compiler that fails.
pub(crate) fn run() -> Task {
    let package = ["--package", "countersign-protocol", "--no-default-features"];
    let mut tree = cargo(&["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    tree.args(package);
    let text = output(tree)?;
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).collect();
    let native: Vec<_> = names.iter().filter(|name| is_native(name)).collect();
    println!("{} crates of at most {CRATES}; those that need C: {native:?}", names.len());
    let mut counts = Counts::of(names.len() <= CRATES);
    counts += Counts::of(native.is_empty());
    let mut clippy = cargo(&["clippy"]);
    clippy.args(package).args(["--", "-D", "warnings"]).env("CC", "/bin/false").env("CXX", "/bin/false");
    counts += counted(clippy, Count::Program)?;
    Ok(counts)
}

fn is_native(name: &str) -> bool {
    ["cc", "cmake", "bindgen", "nasm-rs"].contains(&name) || name.ends_with("-sys")
}

#[cfg(test)]
mod tests {
    use super::is_native;

    #[test]
    fn crates_that_build_c_are_recognised() {
        assert!(["cc", "aws-lc-sys", "bindgen"].into_iter().all(is_native));
        assert!(!["sha2", "cpufeatures", "countersign-protocol"].into_iter().any(is_native));
    }
}
