//! The guides for those who come from other gateways: their files and commands, run as they stand there.

use std::path::Path;
use std::process::Command;

use countersign_testbed::free_port;

use crate::serving::upstream;
use crate::support::Scratch;

/// The most lines of a guide.
const LINES: usize = 120;

/// The fenced blocks of a guide: what stands behind the fence, and the text.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fenced = text.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

/// One script of everything that a reader would type. What serves runs in the background, until it takes connections.
fn script(text: &str, folder: &Path, address: &str) -> String {
    let mut script = "set -eu\n".to_owned();
    for (fence, block) in blocks(text) {
        match fence.split_once(' ').unwrap_or((fence, "")) {
            ("sh", "") => script.push_str(&format!("{block}\n")),
            ("sh", "serve") => script.push_str(&format!(
                "{} &\ntrap 'kill $!' EXIT\nuntil curl -s -o answer http://{address}/; do kill -0 $!; sleep 0.05; done\n",
                block.trim_end()
            )),
            ("yaml", name) if !name.is_empty() => {
                let file = folder.join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, block).unwrap();
            }
            other => panic!("{other:?} is not run"),
        }
    }
    script
}

fn run(guide: &str, answer: &str) {
    assert!(guide.lines().count() <= LINES);
    let scratch = Scratch::new();
    let address = format!("127.0.0.1:{}", free_port());
    let text = guide.replace("127.0.0.1:8080", &address).replace("127.0.0.1:9000", &upstream());
    let binary = Path::new(env!("CARGO_BIN_EXE_countersign"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let script = script(&text, scratch.path(), &address);
    let mut shell = Command::new("timeout");
    shell.args(["60", "sh", "-c", &script]).current_dir(scratch.path()).env("PATH", path).env("HOME", scratch.path()).env("TZ", "UTC");
    shell.env_remove("COUNTERSIGN_DIALECTS").env_remove("COUNTERSIGN_DATA");
    let output = shell.output().unwrap();
    let (told, words) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.ends_with(answer), "{told}\n{words}\n{script}");
}

#[test]
fn from_kong() {
    run(include_str!("../../../../docs/from-kong.md"), "POST /orders/1 HTTP/1.1");
}

#[test]
fn from_apisix() {
    run(include_str!("../../../../docs/from-apisix.md"), "GET /orders/1?a=b HTTP/1.1");
}
