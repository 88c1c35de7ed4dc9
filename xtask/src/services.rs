//! `cargo xtask services`: what the tests need on a machine besides Rust.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use clap::Subcommand;

use crate::run::{Count, Counts, cargo, counted, output};
use crate::{Task, root};

/// What is done.
#[derive(Subcommand, Clone, Copy)]
pub(crate) enum Action {
    /// Bring what is missing
    Install,
    /// Tell what is missing
    Check,
}

/// A Debian package, and the programs by which it is recognised.
struct Package {
    name: &'static str,
    programs: &'static [&'static str],
}

const PACKAGES: &[Package] = &[
    Package { name: "curl", programs: &["curl"] },
    Package { name: "redis-server", programs: &["redis-server"] },
    Package { name: "postgresql", programs: &["postgres", "initdb"] },
    Package { name: "nginx-light", programs: &["nginx"] },
    Package { name: "caddy", programs: &["caddy"] },
    Package { name: "chromium", programs: &["chromium"] },
    Package { name: "chromium-driver", programs: &["chromedriver"] },
    Package { name: "openssl", programs: &["openssl"] },
    Package { name: "python3", programs: &["python3"] },
    Package { name: "nodejs", programs: &["node"] },
    Package { name: "npm", programs: &["npm"] },
    Package { name: "php-cli", programs: &["php"] },
    Package { name: "default-jdk-headless", programs: &["java", "javac"] },
    Package { name: "golang-go", programs: &["go"] },
];

/// Runs an action.
pub(crate) fn run(action: Action) -> Task {
    match action {
        Action::Check => check(),
        Action::Install => install(),
    }
}

/// Installs when something is missing.
pub(crate) fn ready() -> Task {
    let found = check()?;
    if found.failed == 0 { Ok(found) } else { install() }
}

fn check() -> Task {
    let mut counts = Counts::default();
    let mut say = |what: &str, there: bool| {
        println!("{} {what}", if there { "there   " } else { "missing " });
        counts += Counts::of(there);
    };
    for package in PACKAGES {
        say(package.name, is_there(package));
    }
    say("cargo-nextest", has_nextest());
    say(".services/venv", is_venv_current()?);
    for list in &NODE_LISTS {
        say(list.shown, list.is_current()?);
    }
    Ok(counts)
}

fn install() -> Task {
    let missing: Vec<&str> = PACKAGES.iter().filter(|package| !is_there(package)).map(|package| package.name).collect();
    if !missing.is_empty() {
        apt_get(&["update", "-qq"])?;
        apt_get(&[&["install", "-y", "-qq", "--no-install-recommends"], &missing[..]].concat())?;
    }
    if !has_nextest() {
        must(cargo(&["install", "--locked", "cargo-nextest"]))?;
    }
    if !is_venv_current()? {
        make_venv()?;
    }
    for list in &NODE_LISTS {
        if !list.is_current()? {
            list.install()?;
        }
    }
    check()
}

fn is_there(package: &Package) -> bool {
    package.programs.iter().all(|program| find(program).is_some())
}

/// A program on the path, among the system's own, or among PostgreSQL's, which Debian keeps off the path.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let system = [PathBuf::from("/usr/sbin")];
    env::split_paths(&path).chain(system).chain(versions).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn has_nextest() -> bool {
    let mut command = cargo(&["nextest", "--version"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn apt_get(arguments: &[&str]) -> Task<()> {
    let mut id = Command::new("id");
    id.arg("-u");
    let is_root = output(id)?.trim() == "0";
    let mut command = Command::new(if is_root { "apt-get" } else { "sudo" });
    if !is_root {
        command.arg("apt-get");
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    must(command)
}

/// The interpreter with the pinned packages.
pub(crate) fn python() -> PathBuf {
    venv().join("bin/python")
}

fn venv() -> PathBuf {
    root().join(".services/venv")
}

/// Whether the environment was made from the requirements as they are now.
fn is_venv_current() -> Task<bool> {
    let wanted = requirements_text(&requirements()?)?;
    Ok(python().exists() && fs::read_to_string(venv_stamp()).is_ok_and(|made| made == wanted))
}

fn make_venv() -> Task<()> {
    let files = requirements()?;
    let mut make = Command::new("python3");
    make.args(["-m", "venv", "--clear"]).arg(venv());
    must(make)?;
    let mut pip = Command::new(python());
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for file in &files {
        pip.arg("--requirement").arg(file);
    }
    must(pip)?;
    fs::write(venv_stamp(), requirements_text(&files)?)?;
    Ok(())
}

/// A pinned list of packages of Node, and the folder into which they are installed.
struct NodeList {
    shown: &'static str,
    home: &'static str,
}

/// The packages of the conformance adapter.
const ADAPTER: NodeList = NodeList { shown: ".services/node/adapter", home: "conformance/adapters/node" };

const NODE_LISTS: [NodeList; 2] = [ADAPTER, NodeList { shown: ".services/node/tokens", home: "crates/core/tests/differential" }];

/// The folder of the packages of the conformance adapter.
pub(crate) fn node_packages() -> PathBuf {
    root().join(ADAPTER.shown)
}

impl NodeList {
    const FILES: [&str; 2] = ["package.json", "package-lock.json"];

    /// Whether the packages were installed from the list as it is now. npm writes a list of its own last.
    fn is_current(&self) -> Task<bool> {
        let folder = root().join(self.shown);
        let mut current = folder.join("node_modules/.package-lock.json").exists();
        for file in Self::FILES {
            let wanted = fs::read_to_string(root().join(self.home).join(file))?;
            current &= fs::read_to_string(folder.join(file)).is_ok_and(|made| made == wanted);
        }
        Ok(current)
    }

    fn install(&self) -> Task<()> {
        let folder = root().join(self.shown);
        fs::create_dir_all(&folder)?;
        let modules = folder.join("node_modules");
        if modules.exists() {
            fs::remove_dir_all(modules)?;
        }
        for file in Self::FILES {
            fs::copy(root().join(self.home).join(file), folder.join(file))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error", "--prefix"]).arg(folder);
        must(npm)
    }
}

/// Every pinned list of Python packages in the project, in the order of their paths.
fn requirements() -> Task<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(&root(), &mut found)?;
    found.sort();
    if found.is_empty() { Err("no requirements.txt in the project".into()) } else { Ok(found) }
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Task<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_hidden = name.to_str().is_none_or(|n| n.starts_with('.') || n == "target");
        if entry.file_type()?.is_dir() && !is_hidden {
            collect(&entry.path(), found)?;
        } else if name == "requirements.txt" {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn requirements_text(files: &[PathBuf]) -> Task<String> {
    let mut text = String::new();
    for file in files {
        text.push_str(&fs::read_to_string(file)?);
    }
    Ok(text)
}

fn venv_stamp() -> PathBuf {
    venv().join("requirements.stamp")
}

fn must(command: Command) -> Task<()> {
    let line = format!("{command:?}");
    if counted(command, Count::Program)?.failed == 0 { Ok(()) } else { Err(format!("{line} failed").into()) }
}
