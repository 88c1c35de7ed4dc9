//! What is published: each crate says what a registry asks for, and its package holds every file that its code takes in.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::{fs, iter};

use serde_json::Value;

use crate::run::{Count, Counts, cargo, counted, output};
use crate::{Task, root};

/// The crates that are published, each after those that it needs.
const PUBLISHED: [&str; 8] = [
    "countersign-protocol",
    "countersign-codegen",
    "countersign-dialects",
    "countersign-envelope",
    "countersign-core",
    "countersign-client",
    "countersign-server",
    "countersign",
];

/// Looks at the manifests and at what each package would hold, then makes the packages without building them.
pub(crate) fn run() -> Task {
    let metadata: Value = serde_json::from_str(&output(cargo(&["metadata", "--no-deps", "--format-version", "1", "--offline"]))?)?;
    let packages: Vec<Package> = metadata["packages"].as_array().into_iter().flatten().map(Package::of).collect();
    let mut counts = Counts::default();
    for package in &packages {
        let mut faults = package.faults();
        if package.is_published {
            faults.extend(lost_files(package)?);
        }
        println!("{} {}", if faults.is_empty() { "ok  " } else { "FAIL" }, package.name);
        faults.iter().for_each(|fault| println!("    {fault}"));
        counts += Counts::of(faults.is_empty());
    }
    let all: BTreeSet<&str> = packages.iter().filter(|package| package.is_published).map(|package| package.name.as_str()).collect();
    counts += Counts::of(all == BTreeSet::from(PUBLISHED));
    counts += counted(of_published(cargo(&["package", "--no-verify", "--offline", "--allow-dirty", "--quiet"])), Count::Program)?;
    Ok(counts)
}

/// Builds each crate from its package, as whoever takes it from a registry would.
pub(crate) fn built() -> Task {
    let mut counts = counted(of_published(cargo(&["package", "--allow-dirty"])), Count::Program)?;
    // One command for all: each was built, or it failed.
    if counts.failed == 0 {
        counts.passed = PUBLISHED.len() as u64;
    }
    Ok(counts)
}

/// Compares each library with the last release. Before the first one there is nothing to be compared with but the commit itself.
pub(crate) fn semver() -> Task {
    if !Command::new("cargo-semver-checks").args(["semver-checks", "--version"]).output().is_ok_and(|out| out.status.success()) {
        return Err("cargo-semver-checks is not installed: cargo install cargo-semver-checks --locked".into());
    }
    let mut tags = Command::new("git");
    tags.args(["tag", "--list", "v*", "--sort=-version:refname"]).current_dir(root());
    let baseline = output(tags)?.lines().next().unwrap_or("HEAD").to_owned();
    println!("compared with {baseline}");
    let mut counts = Counts::default();
    // The last one is a program.
    for name in &PUBLISHED[..PUBLISHED.len() - 1] {
        let command = cargo(&["semver-checks", "--all-features", "--baseline-rev", &baseline, "--package", name]);
        counts += counted(command, Count::Program)?;
    }
    Ok(counts)
}

fn of_published(mut command: Command) -> Command {
    command.args(PUBLISHED.into_iter().flat_map(|name| ["--package", name]));
    command
}

/// A crate of the workspace, as its manifest describes it.
struct Package {
    name: String,
    folder: PathBuf,
    is_published: bool,
    /// What a registry shows and is not there.
    missing: Vec<&'static str>,
    /// Dependencies on other crates of the workspace: name, whether for tests only, whether with a version.
    own: Vec<(String, bool, bool)>,
}

impl Package {
    fn of(metadata: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let is_empty = |key: &&'static str| match &metadata[*key] {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => true,
        };
        let own = metadata["dependencies"].as_array().into_iter().flatten().filter(|dependency| dependency["path"].is_string());
        let own = own.map(|d| (text(&d["name"]), d["kind"] == "dev", d["req"] != "*")).collect();
        let manifest = PathBuf::from(text(&metadata["manifest_path"]));
        Self {
            name: text(&metadata["name"]),
            folder: manifest.parent().map(Path::to_owned).unwrap_or_default(),
            is_published: metadata["publish"].is_null(),
            missing: ["description", "license", "readme", "keywords", "categories"].into_iter().filter(is_empty).collect(),
            own,
        }
    }

    fn faults(&self) -> Vec<String> {
        if !self.is_published {
            return Vec::new();
        }
        let mut faults: Vec<String> = self.missing.iter().map(|key| format!("Cargo.toml has no {key}")).collect();
        for (name, for_tests, has_version) in &self.own {
            let is_published = PUBLISHED.contains(&name.as_str());
            // A dependency of tests without a version is left out of a package; one with a version must be found in the registry.
            if is_published != *has_version {
                faults.push(format!("{name}: a published crate has a version beside its path, and one that is not published has none"));
            }
            if !is_published && !for_tests {
                faults.push(format!("{name} is needed and is not published"));
            }
        }
        for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
            let own = fs::read(self.folder.join(name)).ok();
            if own.is_none() || own != fs::read(root().join(name)).ok() {
                faults.push(format!("{name} is not the one of the project"));
            }
        }
        faults
    }
}

/// The files that the package's code takes in and the package does not hold.
fn lost_files(package: &Package) -> Task<Vec<String>> {
    let listing = output(cargo(&["package", "--list", "--offline", "--allow-dirty", "--quiet", "--package", &package.name]))?;
    let held: BTreeSet<PathBuf> = listing.lines().map(PathBuf::from).collect();
    let mut lost = Vec::new();
    for file in held.iter().filter(|path| path.extension().is_some_and(|e| e == "rs")) {
        if !file.starts_with("src") && file.as_path() != Path::new("build.rs") {
            continue;
        }
        let text = fs::read_to_string(package.folder.join(file))?;
        lost.extend(missing(file, &text, &held));
    }
    Ok(lost)
}

/// What a file takes in that is not among the files of its package.
fn missing(file: &Path, text: &str, held: &BTreeSet<PathBuf>) -> Vec<String> {
    let wanted = taken_in(text).filter(|path| !resolved(file, path).is_some_and(|path| held.contains(&path)));
    wanted.map(|path| format!("{} takes in {path}, which the package does not hold", file.display())).collect()
}

/// The paths in `include_str!("..")` and `include_bytes!("..")`.
fn taken_in(text: &str) -> impl Iterator<Item = &str> {
    ["include_str!(\"", "include_bytes!(\""].into_iter().flat_map(move |open| {
        let mut rest = text;
        iter::from_fn(move || {
            let (_, behind) = rest.split_once(open)?;
            let (path, behind) = behind.split_once('"')?;
            rest = behind;
            Some(path)
        })
    })
}

/// The path below the crate's folder; `None` where it leads out.
fn resolved(file: &Path, path: &str) -> Option<PathBuf> {
    let mut below = file.parent()?.to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => below.pop().then_some(())?,
            Component::Normal(name) => below.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(paths: &[&str]) -> BTreeSet<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_file_that_the_package_lacks_is_found() {
        let text = "const A: &str = include_str!(\"a/b.sql\");\nconst B: &[u8] = include_bytes!(\"../tests/c\");";
        let file = Path::new("src/store.rs");
        assert_eq!(missing(file, text, &held(&["src/store.rs", "src/a/b.sql", "tests/c"])), Vec::<String>::new());
        assert_eq!(missing(file, text, &held(&["src/store.rs", "tests/c"])).len(), 1);
        assert_eq!(missing(file, text, &held(&[])).len(), 2);
    }

    #[test]
    fn a_file_outside_of_the_crate_is_found() {
        for outside in ["../../README.md", "/etc/hosts", "../../../a"] {
            assert_eq!(
                missing(Path::new("src/lib.rs"), &format!("include_str!(\"{outside}\")"), &held(&["README.md", "a"])).len(),
                1,
                "{outside}"
            );
        }
        assert_eq!(resolved(Path::new("src/a/b.rs"), "./../c"), Some(PathBuf::from("src/c")));
    }

    #[test]
    fn a_manifest_that_says_too_little_is_found() {
        let whole = serde_json::json!({
            "name": "countersign-dialects", "manifest_path": root().join("crates/dialects/Cargo.toml"), "publish": null,
            "description": "d", "license": "MIT", "readme": "README.md", "keywords": ["k"], "categories": ["c"],
            "dependencies": [{ "name": "countersign-protocol", "path": "/p", "kind": null, "req": "^0.1.0" },
                             { "name": "countersign-testbed", "path": "/t", "kind": "dev", "req": "*" }],
        });
        assert_eq!(Package::of(&whole).faults(), Vec::<String>::new());
        let changed = |change: fn(&mut Value)| {
            let mut metadata = whole.clone();
            change(&mut metadata);
            Package::of(&metadata).faults().len()
        };
        assert_eq!(changed(|m| m["keywords"] = serde_json::json!([])), 1);
        assert_eq!(changed(|m| m["readme"] = Value::Null), 1);
        assert_eq!(changed(|m| m["dependencies"][0]["req"] = "*".into()), 1);
        assert_eq!(changed(|m| m["dependencies"][1]["req"] = "^0.1.0".into()), 1);
        assert_eq!(changed(|m| m["dependencies"][1]["kind"] = Value::Null), 1);
        assert_eq!(changed(|m| m["manifest_path"] = root().join("xtask/Cargo.toml").display().to_string().into()), 2);
    }
}
