//! Generated signers behind a small program of their language that speaks the protocol for adapters: one process for all dialects.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_codegen::{Language, file_name, generate};
use countersign_protocol::{Dialect, Message, Request, Response, Scheme};
use countersign_vectors::check::Given;
use serde_json::{Map, Value, json};

/// The process, and the folder with its signers.
pub(crate) struct Adapter {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Adapter {
    /// Writes a signer of each dialect that the language can hold, and starts the language's program over them.
    pub(crate) fn over<'d>(language: Language, dialects: impl IntoIterator<Item = &'d Dialect>) -> Self {
        let sources = dialects.into_iter().filter_map(|dialect| Some((dialect.id().to_owned(), generate(dialect, language).ok()?)));
        Self::start(language, sources.collect())
    }

    /// The same over one signer whose source was changed.
    pub(crate) fn changed(language: Language, dialect: &Dialect, change: impl FnOnce(&str) -> String) -> Self {
        let source = generate(dialect, language).unwrap();
        let changed = change(&source);
        assert_ne!(source, changed, "nothing was changed");
        Self::start(language, vec![(dialect.id().to_owned(), changed)])
    }

    fn start(language: Language, sources: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        sources.iter().for_each(|(id, source)| place(folder.path(), id, language, source));
        let ids: Vec<String> = sources.into_iter().map(|(id, _)| id).collect();
        let mut command = program(language, folder.path(), &ids);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout, _folder: folder }
    }

    /// One line there, one line back.
    pub(crate) fn ask(&mut self, line: &Value) -> Value {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
        stdin.flush().unwrap();
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e}: {answer:?} to {line}"))
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Where the programs of the languages are.
fn programs(language: Language) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/generated").join(language.as_str())
}

/// A package in Go is a folder of its own; elsewhere signers stand side by side.
fn place(folder: &Path, id: &str, language: Language, source: &str) {
    let name = file_name(id, language);
    let folder = if language == Language::Go { folder.join(name.trim_end_matches(".go")) } else { folder.to_owned() };
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), source).unwrap();
}

fn program(language: Language, folder: &Path, ids: &[String]) -> Command {
    let main = programs(language);
    let run = |name: &str, arguments: &[&Path]| {
        let mut command = Command::new(name);
        command.args(arguments);
        command
    };
    match language {
        Language::Python => run("python3", &[&main.join("main.py"), folder]),
        Language::JavaScript => run("node", &[&main.join("main.js"), folder]),
        Language::Php => run("php", &[&main.join("main.php"), folder]),
        Language::Java => {
            let sources = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            let sources: Vec<PathBuf> = sources.chain([main.join("Main.java")]).collect();
            let classes = folder.join("classes");
            let mut compile = Command::new("javac");
            must(compile.args(["-J-XX:TieredStopAtLevel=1", "-proc:none", "-Xlint:all", "-Werror", "-d"]).arg(&classes).args(sources));
            let mut command = run("java", &[]);
            command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"]).arg(classes).arg("Main");
            command
        }
        Language::Go => {
            fs::copy(main.join("main.go"), folder.join("main.go")).unwrap();
            fs::write(folder.join("go.mod"), "module signers\n\ngo 1.18\n").unwrap();
            for id in ids {
                let package = file_name(id, language).trim_end_matches(".go").to_owned();
                let glue = include_str!("../../../../conformance/generated/go/register.go.in");
                let glue = glue.replace("PACKAGE", &package).replace("DIALECT", id);
                fs::write(folder.join(format!("register_{package}_signer.go")), glue).unwrap();
            }
            let mut build = Command::new("go");
            must(build.args(["build", "-o", "signers", "."]).current_dir(folder).env("GOFLAGS", "-mod=mod").env("GOPROXY", "off"));
            run(folder.join("signers").to_str().unwrap(), &[])
        }
        other => panic!("no program for {other}"),
    }
}

fn must(command: &mut Command) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

/// Text under a name, or base64 under the name with `_base64`.
pub(crate) fn put(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

/// A message as the protocol has it.
pub(crate) fn written(message: &Message) -> Value {
    let mut object = Map::new();
    match message {
        Message::Request(request) => {
            object.insert("kind".to_owned(), "request".into());
            object.insert("method".to_owned(), request.method.clone().into());
            object.insert("scheme".to_owned(), request.scheme.as_str().into());
            put(&mut object, "target", &request.target);
        }
        Message::Response(response) => {
            object.insert("kind".to_owned(), "response".into());
            object.insert("status".to_owned(), response.status.into());
        }
    }
    let value = |bytes: &[u8]| std::str::from_utf8(bytes).map_or_else(|_| json!({ "base64": STANDARD.encode(bytes) }), Value::from);
    let headers = message.headers().iter().map(|(name, bytes)| json!([name, value(bytes)])).collect();
    object.insert("headers".to_owned(), Value::Array(headers));
    object.insert("body_base64".to_owned(), STANDARD.encode(message.body_bytes()).into());
    Value::Object(object)
}

fn bytes(object: &Value, name: &str) -> Vec<u8> {
    match object[format!("{name}_base64")].as_str() {
        Some(encoded) => STANDARD.decode(encoded).unwrap(),
        None => object[name].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

/// What a signed request holds.
pub(crate) fn read(answer: &Value) -> Given {
    let message = &answer["message"];
    let mut placed = Request::new(message["method"].as_str().unwrap(), bytes(message, "target"));
    placed.scheme = if message["scheme"] == "http" { Scheme::Http } else { Scheme::Https };
    placed.headers = headers(message);
    placed.body = bytes(message, "body");
    Given { stages: stages(answer), signature: answer["signature"].as_str().unwrap().to_owned(), placed }
}

/// What a signed response holds.
pub(crate) fn read_response(answer: &Value) -> Given<Response> {
    let message = &answer["message"];
    let status = message["status"].as_u64().unwrap().try_into().unwrap();
    let placed = Response { status, headers: headers(message), body: bytes(message, "body") };
    Given { stages: stages(answer), signature: answer["signature"].as_str().unwrap().to_owned(), placed }
}

fn headers(message: &Value) -> Vec<(String, Vec<u8>)> {
    let line = |header: &Value| {
        let value = match &header[1] {
            Value::String(text) => text.clone().into_bytes(),
            other => STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
        };
        (header[0].as_str().unwrap().to_owned(), value)
    };
    message["headers"].as_array().unwrap().iter().map(line).collect()
}

fn stages(answer: &Value) -> Vec<(String, Vec<u8>)> {
    let names = answer["stages"].as_object().into_iter().flatten().map(|(name, _)| name.trim_end_matches("_base64").to_owned());
    names.map(|name| (name.clone(), bytes(&answer["stages"], &name))).collect()
}
