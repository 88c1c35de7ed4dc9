//! curl and boto3.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::answer::Seen;
use crate::gateway::Registration;
use crate::program::{installed, pinned, script};
use crate::relay::Change;
use crate::trial::{Trial, Twice};

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

const fn registration(dialect: &str) -> Registration<'_> {
    Registration { dialect, key_id: KEY_ID, secret: SECRET, parts: &[], inputs: &[], algorithm: None }
}

const CURL_ROUTE: &str = r#"host = "127.0.0.1"
prefix = "/api"
inputs = { region = "us-east-1", service = "service" }
"#;

fn curl(relay: SocketAddr, home: &Path, rest: &[&str], path: &str) -> Command {
    let mut command = installed("curl", home);
    command.args(["--silent", "--show-error", "--fail", "--max-time", "15", "--aws-sigv4", "aws:amz:us-east-1:service"]);
    command.args(["--user", &format!("{KEY_ID}:{SECRET}")]).args(rest).arg(format!("http://{relay}{path}"));
    command
}

#[test]
fn curl_aws_sigv4_get() {
    Trial {
        name: "curl --aws-sigv4, GET",
        route: CURL_ROUTE,
        registration: registration("aws-sigv4"),
        client: &|relay, home| curl(relay, home, &[], "/api/items?colour=green"),
        takes_json: true,
        seen: Seen { method: "GET", target: "/api/items?colour=green", body: "" },
        changes: &[
            (Change { from: "/api/items", to: "/api/itemz" }, "signature_mismatch"),
            (Change { from: "colour=green", to: "colour=grein" }, "signature_mismatch"),
            (Change { from: "GET /", to: "PET /" }, "signature_mismatch"),
        ],
        unsigned: &[Change { from: "User-Agent: curl/", to: "User-Agent: curl-" }],
        twice: Twice::Accepted,
    }
    .run();
}

#[test]
fn curl_aws_sigv4_post() {
    Trial {
        name: "curl --aws-sigv4, POST",
        route: CURL_ROUTE,
        registration: registration("aws-sigv4"),
        client: &|relay, home| curl(relay, home, &["--header", "Content-Type: application/json", "--data", r#"{"a":"b"}"#], "/api/items"),
        takes_json: true,
        seen: Seen { method: "POST", target: "/api/items", body: r#"{"a":"b"}"# },
        changes: &[
            (Change { from: r#"{"a":"b"}"#, to: r#"{"a":"c"}"# }, "signature_mismatch"),
            (Change { from: "application/json", to: "application/jsom" }, "signature_mismatch"),
        ],
        unsigned: &[],
        twice: Twice::Replayed,
    }
    .run();
}

fn boto3(relay: SocketAddr, home: &Path, call: &str) -> Command {
    let mut command = pinned("python", home);
    command.env("AWS_EC2_METADATA_DISABLED", "true").arg(script("boto3_client.py"));
    command.args([&format!("http://{relay}"), KEY_ID, SECRET, call]);
    command
}

const S3_ROUTE: &str = r#"host = "127.0.0.1"
prefix = "/bucket"
inputs = { region = "us-east-1", service = "s3" }
"#;

#[test]
fn boto3_s3_get_object() {
    Trial {
        name: "boto3, S3 get_object",
        route: S3_ROUTE,
        registration: registration("aws-sigv4-s3"),
        client: &|relay, home| boto3(relay, home, "get-object"),
        takes_json: true,
        seen: Seen { method: "GET", target: "/bucket/folder/a%20b%2Bc.txt", body: "" },
        changes: &[
            (Change { from: "a%20b%2Bc", to: "a%20c%2Bc" }, "signature_mismatch"),
            (Change { from: "bytes=0-99", to: "bytes=0-98" }, "signature_mismatch"),
        ],
        unsigned: &[Change { from: "User-Agent: Boto3/", to: "User-Agent: Boto4/" }],
        twice: Twice::Accepted,
    }
    .run();
}

const S3_V2_ROUTE: &str = "host = \"127.0.0.1\"\nprefix = \"/bucket\"\n";

#[test]
fn boto3_s3_v2_get_object() {
    Trial {
        name: "boto3, S3 V2 get_object",
        route: S3_V2_ROUTE,
        registration: registration("s3-v2"),
        client: &|relay, home| boto3(relay, home, "get-object-v2"),
        takes_json: true,
        seen: Seen { method: "GET", target: "/bucket/folder/a%20b%2Bc.txt?versionId=v%201", body: "" },
        changes: &[
            (Change { from: "a%20b%2Bc", to: "a%20c%2Bc" }, "signature_mismatch"),
            (Change { from: "versionId=v%201", to: "versionId=v%202" }, "signature_mismatch"),
        ],
        unsigned: &[Change { from: "User-Agent: Boto3/", to: "User-Agent: Boto4/" }],
        twice: Twice::Accepted,
    }
    .run();
}

#[test]
fn boto3_s3_v2_put_object() {
    Trial {
        name: "boto3, S3 V2 put_object",
        route: S3_V2_ROUTE,
        registration: registration("s3-v2"),
        client: &|relay, home| boto3(relay, home, "put-object-v2"),
        // It takes a 200 with a body that is no XML for a failure.
        takes_json: false,
        seen: Seen { method: "PUT", target: "/bucket/greeting.txt", body: "hello world" },
        changes: &[
            (Change { from: "hello world", to: "hello World" }, "body_digest_mismatch"),
            (Change { from: "x-amz-meta-colour: green", to: "x-amz-meta-colour: greem" }, "signature_mismatch"),
            (Change { from: "/greeting.txt", to: "/greetinh.txt" }, "signature_mismatch"),
        ],
        unsigned: &[],
        twice: Twice::Replayed,
    }
    .run();
}

#[test]
fn boto3_s3_put_object() {
    Trial {
        name: "boto3, S3 put_object",
        route: S3_ROUTE,
        registration: registration("aws-sigv4-s3"),
        client: &|relay, home| boto3(relay, home, "put-object"),
        // It takes a 200 with a body that is no XML for a failure.
        takes_json: false,
        seen: Seen { method: "PUT", target: "/bucket/greeting.txt", body: "hello world" },
        changes: &[
            (Change { from: "hello world", to: "hello World" }, "body_digest_mismatch"),
            (Change { from: "x-amz-meta-colour: green", to: "x-amz-meta-colour: greem" }, "signature_mismatch"),
            (Change { from: "/greeting.txt", to: "/greetinh.txt" }, "signature_mismatch"),
        ],
        unsigned: &[],
        twice: Twice::Replayed,
    }
    .run();
}

#[test]
fn boto3_s3_presigned_url() {
    Trial {
        name: "boto3 presigned URL, urllib",
        route: S3_ROUTE,
        registration: registration("aws-sigv4-s3-presigned"),
        client: &|relay, home| boto3(relay, home, "presigned"),
        takes_json: true,
        seen: Seen { method: "GET", target: "/bucket/greeting.txt", body: "" },
        changes: &[
            (Change { from: "/greeting.txt", to: "/greetinh.txt" }, "signature_mismatch"),
            (Change { from: "X-Amz-Expires=60", to: "X-Amz-Expires=90" }, "signature_mismatch"),
        ],
        unsigned: &[],
        twice: Twice::Accepted,
    }
    .run();
}

#[test]
fn boto3_dynamodb_list_tables() {
    Trial {
        name: "boto3, DynamoDB list_tables",
        route: r#"host = "127.0.0.1"
prefix = "/"
inputs = { region = "us-east-1", service = "dynamodb" }
"#,
        registration: registration("aws-sigv4"),
        client: &|relay, home| boto3(relay, home, "list-tables"),
        takes_json: true,
        seen: Seen { method: "POST", target: "/", body: r#"{"Limit": 7}"# },
        changes: &[
            (Change { from: "\"Limit\"", to: "\"Limir\"" }, "signature_mismatch"),
            (Change { from: ".ListTables", to: ".ListTablet" }, "signature_mismatch"),
        ],
        unsigned: &[Change { from: "amz-sdk-request: attempt=1", to: "amz-sdk-request: attempt=2" }],
        twice: Twice::Replayed,
    }
    .run();
}
