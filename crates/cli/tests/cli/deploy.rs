//! The files of `deploy/`: systemd takes the unit, the image has what it names, and every config is a config.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;

use crate::support::{Scratch, countersign};

/// Where the binary is installed, in the unit and in the image.
const INSTALLED: &str = "/usr/local/bin/countersign";
/// Where its config is.
const CONFIG: &str = "/etc/countersign/gateway.toml";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn deploy(name: &str) -> String {
    fs::read_to_string(root().join("deploy").join(name)).unwrap()
}

#[test]
fn the_example_configs_have_no_fault() {
    let scratch = Scratch::new();
    for name in ["gateway.toml", "container.toml", "compose.toml"] {
        let text = deploy(name);
        let run = countersign(["config", "check", &scratch.file(name, text)]);
        assert!(run.code == 0 && run.text().contains(" 0 faults"), "{name}: {}", run.text());
    }
}

#[test]
fn systemd_takes_the_unit_and_finds_little_to_attack() {
    let scratch = Scratch::new();
    let unit = deploy("countersign.service");
    let lines: BTreeSet<&str> = unit.lines().collect();
    for line in [
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "SystemCallFilter=@system-service",
        "LoadCredential=master.key:/etc/countersign/master.key",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "StateDirectoryMode=0700",
        "LimitCORE=0",
    ] {
        assert!(lines.contains(line), "{line}");
    }
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert_eq!(start, format!("{INSTALLED} serve --config {CONFIG}"));
    let Some(analyze) = countersign_testbed::find("systemd-analyze") else { return };
    // It looks for the programs too.
    let file = scratch.file("countersign.service", unit.replace(INSTALLED, env!("CARGO_BIN_EXE_countersign")));
    let analyzed = |args: &[&str]| {
        let output = Command::new(&analyze).args(args).arg(&file).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    };
    let (ok, said) = analyzed(&["verify", "--man=no"]);
    assert!(ok && !said.contains("countersign.service"), "{said}");
    let (ok, said) = analyzed(&["security", "--offline=true", "--threshold=20", "--no-pager"]);
    assert!(ok, "{said}");
}

#[test]
fn the_key_that_the_unit_makes_is_the_one_that_the_config_names() {
    let (unit, config) = (deploy("countersign.service"), deploy("gateway.toml"));
    let made = unit.lines().find_map(|line| line.strip_prefix("ExecStartPre=")).unwrap().rsplit(' ').next().unwrap();
    let named = made.replace("%t", "/run");
    assert!(config.contains(&format!("master_key = \"{named}\"")), "{named}");
    assert!(config.contains("data = \"/var/lib/countersign\"") && unit.contains("StateDirectory=countersign\n"));
    let seconds = |text: &str, key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.trim_matches(['"', ' ', 's']).parse::<u32>().unwrap()
    };
    assert!(seconds(&unit, "TimeoutStopSec=") > seconds(&config, "drain = "));
}

/// The instructions of a Dockerfile: name and arguments, continued lines joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, rest)| (name.to_owned(), rest.trim().to_owned())).collect()
}

#[test]
fn the_image_copies_what_is_there_and_runs_for_nobody() {
    const KNOWN: [&str; 13] =
        ["FROM", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD", "ARG", "ENV"];
    let all = instructions(&deploy("Dockerfile"));
    let last_stage = all.iter().rposition(|(name, _)| name == "FROM").unwrap();
    assert!(all[0].0 == "FROM" && last_stage > 0, "one stage");
    for (name, arguments) in &all {
        assert!(KNOWN.contains(&name.as_str()), "{name}");
        if name == "COPY" && !arguments.contains("--from=") {
            let words: Vec<&str> = arguments.split(' ').collect();
            for source in &words[..words.len() - 1] {
                assert!(root().join(source).exists(), "COPY {source}");
            }
        }
    }
    let last: BTreeMap<&str, &str> = all[last_stage..].iter().map(|(name, rest)| (name.as_str(), rest.as_str())).collect();
    assert_eq!(last["USER"], "65532:65532");
    assert_eq!(last["ENTRYPOINT"], format!("[\"{INSTALLED}\"]"));
    assert_eq!(last["CMD"], format!("[\"serve\", \"--config\", \"{CONFIG}\"]"));
    let copied: Vec<&str> = all[last_stage..].iter().filter(|(name, _)| name == "COPY").map(|(_, rest)| rest.as_str()).collect();
    assert!(copied.contains(&format!("--from=build /src/target/release/countersign {INSTALLED}").as_str()));
    assert!(copied.contains(&format!("deploy/container.toml {CONFIG}").as_str()));
    // Every member of the workspace is copied: a build that is locked needs all of them.
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    for member in members.trim_matches(['[', ']']).split(", ").map(|member| member.trim_matches('"').trim_end_matches("/*")) {
        assert!(all.iter().any(|(name, rest)| name == "COPY" && rest.starts_with(&format!("{member} "))), "{member} is not copied");
    }
    for config in ["container.toml", "compose.toml"] {
        let config = deploy(config);
        assert!(config.contains(&format!("listen = [\"0.0.0.0:{}\"]", last["EXPOSE"])));
        let admin = config.lines().find_map(|line| line.strip_prefix("admin = ")).unwrap().trim_matches('"');
        assert!(last["HEALTHCHECK"].contains(&format!("[\"{INSTALLED}\", \"probe\", \"http://{admin}/readyz\"]")), "{admin}");
        assert!(config.contains(&format!("data = \"{}\"", last["VOLUME"])));
    }
}

#[test]
fn the_compose_file_names_what_is_there() {
    let compose: Value = serde_yaml::from_str(&deploy("compose.yaml")).unwrap();
    let config = deploy("compose.toml");
    let services = compose["services"].as_mapping().unwrap();
    let volumes = compose["volumes"].as_mapping().unwrap();
    for (name, service) in services {
        let name = name.as_str().unwrap();
        assert!(service["image"].is_string() != service["build"].is_mapping(), "{name}: one of image and build");
        assert!(service["privileged"].is_null() && service["network_mode"].is_null(), "{name}");
        for volume in service["volumes"].as_sequence().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let there =
                source.strip_prefix("./").map_or_else(|| volumes.contains_key(source), |file| root().join("deploy").join(file).is_file());
            assert!(there, "{name}: {source}");
        }
        for (other, how) in service["depends_on"].as_mapping().into_iter().flatten() {
            let healthy = how["condition"] == "service_healthy" && !services[other]["healthcheck"].is_null();
            assert!(healthy, "{name} waits for {other:?}");
        }
    }
    let gateway = &services["gateway"];
    assert!(
        root()
            .join("deploy")
            .join(gateway["build"]["context"].as_str().unwrap())
            .join(gateway["build"]["dockerfile"].as_str().unwrap())
            .is_file()
    );
    assert!(gateway["read_only"] == true && gateway["cap_drop"][0] == "ALL");
    for name in ["postgres", "valkey"] {
        assert!(config.contains(&format!("{name}:")) && services.contains_key(name), "{name}");
    }
    let password = services["postgres"]["environment"]["POSTGRES_PASSWORD"].as_str().unwrap();
    assert!(config.contains(&format!(":{password}@postgres")));
    let valkey: Vec<&str> = services["valkey"]["command"].as_sequence().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(valkey.windows(2).any(|pair| pair == ["--maxmemory-policy", "noeviction"]), "an evicted entry is a replay");
}

#[test]
fn apps_are_registered_on_the_store_of_a_config() {
    let scratch = Scratch::new();
    let key = scratch.path().join("keys/master.key");
    let data = scratch.path().join("data");
    let text = deploy("gateway.toml")
        .replace("/var/lib/countersign", data.to_str().unwrap())
        .replace("/run/countersign/master.key", key.to_str().unwrap());
    let config = scratch.file("gateway.toml", text);
    countersign(["app", "--config", &config, "add", "shop", "-d", "hmac-sha256"]).ok();
    assert!(key.is_file() && !data.join("master.key").exists());
    assert!(countersign(["app", "--config", &config, "list"]).ok().text().starts_with("shop"));
}
