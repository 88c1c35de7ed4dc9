//! A gateway as an operator runs it: its log as configured, an app that registers itself, approved on the command line.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::support::{IN_HOUSE, Scratch, command, countersign, finish};

/// A running gateway, stopped at the end of the test.
struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    fn start(config: &str) -> Self {
        let mut command = command();
        let mut child = command.args(["serve", "--config", config]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// The rest of the first line that holds this.
    fn after(&mut self, words: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it ended before it said {words}");
            if let Some((_, rest)) = line.split_once(words) {
                return rest.trim_end().to_owned();
            }
        }
    }
}

fn curl(arguments: &[&str]) -> Value {
    let run = Command::new("curl").args(["-sS"]).args(arguments).output().unwrap();
    serde_json::from_slice(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run:?}"))
}

#[test]
fn an_app_that_registered_itself_is_approved_and_every_line_of_the_log_is_json() {
    let scratch = Scratch::new();
    let (data, folder) = (scratch.path().join("data"), scratch.path().join("dialects"));
    std::fs::create_dir(&folder).unwrap();
    scratch.file("dialects/in-house.yaml", IN_HOUSE);
    let (data, folder) = (data.to_str().unwrap(), folder.to_str().unwrap());
    let config = format!(
        "listen = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\ndata = \"{data}\"\ndialects = [\"{folder}\"]\n\
         [register]\npath = \"/register\"\ndialects = [\"in-house\"]\n\
         [log]\nformat = \"json\"\nlevel = \"countersign::access=info\"\nrequest_ids_from = [\"127.0.0.0/8\"]\n\
         [[route]]\nprefix = \"/V1\"\nupstream = \"echo\"\ndialects = [\"in-house\"]\n"
    );
    let mut serving = Serving::start(&scratch.file("gateway.toml", config));
    let address = serving.after("listening on ");
    let admin = serving.after("admin on ");
    let register = format!("{address}/register");
    let json = ["-H", "Content-Type: application/json", "-d", "{\"name\":\"shop\",\"dialects\":[\"in-house\"]}"];
    let given = curl(&[&json[..], &["-H", "X-Request-Id: edge-1", &register]].concat());
    assert_eq!(given["status"], "pending");
    let mut sign = command();
    sign.args(["sign", "-d", "in-house", "--dialects", folder, "-k", given["key_id"].as_str().unwrap(), "-o", "curl", "--url"]);
    sign.arg(format!("{address}/V1/a"));
    let line = |sign: &mut Command| finish(sign.env("COUNTERSIGN_SECRET", given["secret"].as_str().unwrap()), b"").ok().text();
    let shell = |line: &str| -> Value { serde_json::from_slice(&Command::new("sh").args(["-c", line]).output().unwrap().stdout).unwrap() };
    assert_eq!(shell(&line(&mut sign))["code"], "key_disabled");
    countersign(["app", "--data", data, "enable", given["app"].as_str().unwrap()]).ok();
    // The gateway asks its store for changes of others once a second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert_eq!(shell(&line(&mut sign))["target"], "/V1/a");
    let metrics = Command::new("curl").args(["-sS", &format!("{admin}/metrics")]).output().unwrap().stdout;
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(metrics.contains("countersign_requests_total{route=\"/V1\",dialect=\"in-house\",reason=\"key_disabled\",class=\"4xx\"} 1\n"));

    let told: Vec<Value> = (0..3).map(|_| serde_json::from_str(&format!("{{{}", serving.after("{"))).unwrap()).collect();
    let fields: Vec<_> =
        told.iter().map(|line| (line["fields"]["status"].as_u64().unwrap(), line["fields"]["reason"].as_str().unwrap())).collect();
    assert_eq!(fields, [(202, ""), (401, "key_disabled"), (200, "")]);
    assert_eq!((told[0]["fields"]["id"].as_str(), told[0]["fields"]["route"].as_str()), (Some("edge-1"), Some("/register")));
    assert!(told.iter().all(|line| line["target"] == "countersign::access"));
}
