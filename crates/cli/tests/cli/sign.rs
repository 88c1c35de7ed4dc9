//! `sign`, `verify` and `dialects`.

use crate::support::{IN_HOUSE, Scratch, command, countersign, finish, with_input};

/// The example that AWS published with version 1 of its signatures.
const AWS_KEY: &str = "10QMXFEV71ZS32XQFTR2";
const AWS_SECRET: &str = "DMADSSfPfdaDjbK+RRUhS/aDrjsiZadgAUm8gRU2";
const AWS_SIGNATURE: &str = "GjH3941IBe6qsgQu+k7FpCJjpnc=";
const AWS_REQUEST: &str = "GET /?Action=DescribeImages&Version=2007-01-03 HTTP/1.1\nHost: ec2.amazonaws.com\n\n";
const AWS_TIME: &str = "2006-12-08T07:48:03Z";

fn aws<'a>(what: &'a str, secret: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[what, "-d", "aws-sigv1", "-k", AWS_KEY, "--secret-file", secret, "--at", AWS_TIME, "-i", "-"], more].concat()
}

#[test]
fn the_published_example_is_signed_and_verified() {
    let scratch = Scratch::new();
    let secret = scratch.file("secret", format!("{AWS_SECRET}\n"));
    let signed = with_input(aws("sign", &secret, &["-o", "json"]), AWS_REQUEST.as_bytes()).ok().json();
    assert_eq!(signed["signature"], AWS_SIGNATURE);
    assert!(signed["stages"]["string_to_sign"].as_str().unwrap().starts_with("ActionDescribeImagesAWSAccessKeyId10QMXFEV71ZS32XQFTR2"));

    let placed = with_input(aws("sign", &secret, &[]), AWS_REQUEST.as_bytes()).ok();
    let accepted = with_input(aws("verify", &secret, &["--unsafe"]), &placed.stdout).ok();
    assert!(accepted.text().starts_with("accepted\n"), "{}", accepted.text());
    assert!(accepted.text().contains("covers: ") && accepted.stderr.is_empty());
}

#[test]
fn each_refusal_has_its_reason_and_exit_code() {
    let scratch = Scratch::new();
    let secret = scratch.file("secret", AWS_SECRET);
    let placed = with_input(aws("sign", &secret, &[]), AWS_REQUEST.as_bytes()).ok().text();
    let changed = placed.replace("DescribeImages", "DeleteImages");
    let other_key = placed.replace(AWS_KEY, "AnotherKey");
    for (message, more, reason) in [
        (&placed, &[][..], "dialect_not_allowed"),
        (&changed, &["--unsafe"], "signature_mismatch"),
        (&other_key, &["--unsafe"], "unknown_key"),
        (&placed, &["--unsafe", "--at", "2006-12-09T07:48:03Z"], "too_old"),
        (&placed, &["--unsafe", "--window", "1s", "--at", "2006-12-08T07:48:01Z"], "from_the_future"),
        (&placed, &["--unsafe", "--require", "host"], "required_part_unsigned"),
        (&AWS_REQUEST.to_owned(), &["--unsafe"], "missing_signature"),
    ] {
        let mut args: Vec<_> = aws("verify", &secret, more);
        if more.contains(&"--at") {
            // The verifier's clock of this row takes the place of the usual one.
            let first = args.iter().position(|arg| *arg == "--at").unwrap();
            args.drain(first..first + 2);
        }
        let run = with_input(args, message.as_bytes());
        assert_eq!((run.code, run.text()), (1, format!("rejected: {reason}\n")), "{}", run.stderr);
        assert!(!run.stderr.is_empty(), "{reason} has a hint");
        assert!(!run.stderr.contains(AWS_SIGNATURE) && !run.stderr.contains(AWS_SECRET));
    }
}

#[test]
fn hints_follow_the_locale() {
    let mut run = command();
    run.args(["verify", "-d", "aws-sigv1", "-k", "k", "--secret", "s", "--unsafe", "--url", "http://h/"]).env("LANG", "zh_CN.UTF-8");
    let run = finish(&mut run, b"");
    assert!(run.stderr.contains("签名"), "{}", run.stderr);
}

#[test]
fn secrets_come_in_four_ways_and_are_never_shown() {
    let scratch = Scratch::new();
    let file = scratch.file("secret", "canary-secret\n");
    let encoded = scratch.file("encoded", "Y2FuYXJ5LXNlY3JldA==\n");
    let sign = ["sign", "-d", "hmac-sha256", "-k", "k", "--url", "http://h/", "--at", "2026-01-02T03:04:05Z", "--nonce", "n-1", "--json"];
    let run = |more: &[&str]| countersign([&sign[..], more].concat()).ok();
    let runs =
        [run(&["--secret-file", &file]), run(&["--secret", "canary-secret"]), run(&["--secret-file", &encoded, "--secret-base64"]), {
            let mut from_environment = command();
            from_environment.args(sign).env("COUNTERSIGN_SECRET", "canary-secret");
            finish(&mut from_environment, b"").ok()
        }];
    for run in &runs {
        assert_eq!(run.json(), runs[0].json());
        assert!(!run.text().contains("canary") && !run.stderr.contains("canary"));
    }
    assert!(runs[1].stderr.contains("warning: --secret"), "{}", runs[1].stderr);
    assert!(runs[0].stderr.is_empty());
}

#[test]
fn a_nonce_is_new_each_time() {
    let sign = || countersign(["sign", "-d", "hmac-sha256", "-k", "k", "--secret", "s", "--url", "http://h/"]).ok().stdout;
    assert_ne!(sign(), sign());
}

#[test]
fn an_in_house_dialect_needs_no_new_build() {
    let scratch = Scratch::new();
    scratch.file("in-house.yaml", IN_HOUSE);
    let folder = scratch.path().to_str().unwrap();
    let key = ["-d", "in-house", "-k", "k", "--secret", "s", "--dialects", folder];
    let placed = countersign([&["sign", "--url", "http://h/a?b", "--data", "c"][..], &key].concat()).ok();
    let verified = with_input([&["verify", "-i", "-"][..], &key].concat(), &placed.stdout).ok();
    assert!(verified.text().contains("covers: "));
    let changed = placed.text().replace("\r\n\r\nc", "\r\n\r\nd");
    assert_eq!(with_input([&["verify", "-i", "-"][..], &key].concat(), changed.as_bytes()).text(), "rejected: signature_mismatch\n");

    let mut by_environment = command();
    let shown = finish(by_environment.args(["dialects", "show", "in-house"]).env("COUNTERSIGN_DIALECTS", folder), b"").ok().text();
    for words in ["An in-house scheme", "X-House-Signature", "plan:", "in-house.yaml", "time: { format: unix, window: 5m }"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn what_a_dialect_cannot_leave_out_is_refused() {
    let refused = |more: &[&str]| {
        let args = ["sign", "--secret", "s", "-k", "k", "--url", "https://h/"];
        let run = countersign([&args[..], more].concat());
        assert_eq!(run.code, 2, "{more:?} {}", run.text());
        run.stderr
    };
    for part in ["zzz", "body", "time", "nonce", ""] {
        let said = refused(&["-d", "hmac-sha256", "--omit", part]);
        assert!(said.contains(&format!("--omit {part}: no part that may be left out; 'hmac-sha256' ")), "{said}");
    }
    let said = refused(&["-d", "x-ca", "--omit", "body"]);
    assert!(said.contains("'x-ca' can leave out time, nonce, algorithm"), "{said}");
    let said = refused(&["-d", "x-ca", "--nonce", ""]);
    assert!(said.contains("--nonce: it is empty") && said.contains("--omit nonce"), "{said}");
    assert!(!refused(&["-d", "hmac-sha256", "--nonce", ""]).contains("--omit"));
    let args = ["sign", "--secret", "s", "-k", "k", "--url", "https://h/", "-d", "x-ca", "--omit", "nonce", "--omit", "time"];
    let left = countersign(args).ok().text().to_lowercase();
    assert!(!left.contains("x-ca-nonce:") && !left.contains("x-ca-timestamp:"), "{left}");
}

#[test]
fn what_is_dropped_of_a_url_is_said() {
    let run = countersign(["sign", "-d", "hmac-sha256", "-k", "k", "--secret", "s", "--url", "https://user:pw@h/"]).ok();
    assert!(run.stderr.contains("note: user and password in the URL were left out"), "{}", run.stderr);
    assert!(!run.text().contains("pw") && !run.stderr.contains("pw"));
}

#[test]
fn an_unknown_dialect_is_told_from_one_that_was_mistyped() {
    let said = |id: &str| countersign(["dialects", "show", id]).stderr;
    for (id, meant) in [("hmac-sha265", "hmac-sha256"), ("aws-sigv4-s4", "aws-sigv4-s3"), ("Stripe", "stripe"), ("gihtub", "github")] {
        let said = said(id);
        assert!(said.contains(&format!("no dialect '{id}'; did you mean '{meant}'? 'countersign dialects list'")), "{said}");
    }
    let said = said("no-such");
    assert!(
        said.contains("no dialect 'no-such'. 'countersign dialects list' names those that are known; one of your own needs --dialects"),
        "{said}"
    );
}

#[test]
fn dialects_are_listed() {
    let list = countersign(["dialects", "list"]).ok().text();
    for id in ["aws-sigv1", "aws-sigv4", "hmac-sha256", "qlm-open"] {
        assert!(list.lines().any(|line| line.starts_with(id)), "{list}");
    }
    assert!(list.lines().any(|line| line.starts_with("aws-sigv1 ") && line.ends_with("[unsafe]")));
    let list = countersign(["--json", "dialects", "list"]).ok().json();
    let sigv4 = list.as_array().unwrap().iter().find(|dialect| dialect["id"] == "aws-sigv4").unwrap();
    assert_eq!(sigv4["inputs"][0]["name"], "region");
    let shown = countersign(["dialects", "show", "aws-sigv4", "--json"]).ok().json();
    assert!(shown["plan"].as_str().unwrap().contains("AWS4-HMAC-SHA256"));
}

#[test]
fn bad_usage_is_two_and_says_why() {
    for (args, words) in [
        (&["sign", "-d", "no-such", "--secret", "s", "--url", "http://h/"][..], "no dialect 'no-such'"),
        (&["sign", "-d", "aws-sigv4", "-k", "k", "--secret", "s", "--url", "http://h/"], "region"),
        (&["sign", "-d", "aws-sigv4", "-k", "k", "--secret", "s", "--url", "http://h/", "--set", "rgion=x"], "--set rgion"),
        (&["sign", "-d", "qlm-open", "--secret", "s", "--url", "http://h/"], "--key-id"),
        (&["sign", "-d", "qlm-open", "-k", "k", "--url", "http://h/"], "no secret"),
        (&["sign", "-d", "qlm-open", "-k", "k", "--secret", "s"], "no message"),
        (&["sign", "-d", "qlm-open", "-k", "k", "--secret", "s", "--url", "http://h/a b"], "blank"),
        (&["sign", "-d", "qlm-open", "-k", "k", "--secret", "s", "--url", "http://h/#f"], "fragment"),
        (&["sign", "-d", "qlm-open", "-k", "k", "--secret", "s", "--url", "http://h/", "--header", "a"], "--header"),
        (&["sign", "-d", "qlm-open", "-k", "k", "--secret", "s", "--url", "http://h/", "--at", "yesterday"], "2015-08-30T12:36:00Z"),
        (&["sign", "-d", "qlm-open", "-k", "k", "--secret-file", "/no/such/file", "--url", "http://h/"], "/no/such/file"),
        (&["verify", "-d", "qlm-open", "-k", "k", "--secret", "s", "--url", "http://h/", "--require", "moon"], "--require moon"),
        (&["dialects", "show", "no-such"], "no dialect"),
        (&["dialects", "list", "--dialects", "/no/such/folder"], "/no/such/folder"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let run = countersign(args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(words) && run.stdout.is_empty(), "{args:?}: {}", run.stderr);
    }
}

/// The key pair of RFC 8410, section 10.
const PRIVATE: &str =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

#[test]
fn a_private_key_signs_and_its_public_key_verifies() {
    let scratch = Scratch::new();
    scratch.file("in-house.yaml", IN_HOUSE.replace("hmac-sha256", "[ed25519, hmac-sha256]"));
    let (private, public) = (scratch.file("private.pem", PRIVATE), scratch.file("public.pem", PUBLIC));
    let common = ["-d", "in-house", "-k", "k", "--dialects", scratch.path().to_str().unwrap()];
    let placed = countersign([&["sign", "--url", "http://h/", "--private-key", &private][..], &common].concat()).ok().stdout;
    let verify = |key: &[&str]| with_input([&["verify", "-i", "-"][..], key, &common].concat(), &placed);
    assert!(verify(&["--public-key", &public]).ok().text().contains("algorithm: ed25519"));
    assert_eq!(verify(&["--secret-file", &public]).text(), "rejected: signature_mismatch\n");
    // A public key is never a shared secret.
    let forged = countersign([&["sign", "--url", "http://h/", "--secret-file", &public][..], &common].concat()).ok().stdout;
    let verdict = with_input([&["verify", "-i", "-", "--public-key", &public][..], &common].concat(), &forged);
    assert_eq!(verdict.text(), "rejected: signature_mismatch\n");
    let mixed_up = countersign([&["sign", "--url", "http://h/", "--private-key", &public][..], &common].concat());
    assert!(mixed_up.code == 2 && mixed_up.stderr.contains("public.pem"), "{}", mixed_up.stderr);
}

#[test]
fn further_secret_parts_count() {
    let scratch = Scratch::new();
    let token = scratch.file("token", "token-secret\n");
    let common = ["-d", "oauth1", "-k", "k", "--secret", "s", "--set", "token=t"];
    let part = format!("token_secret={token}");
    let placed = countersign([&["sign", "--url", "https://h/a?b=c", "--part-file", &part][..], &common].concat()).ok().stdout;
    let verify = |more: &[&str]| with_input([&["verify", "-i", "-"][..], more, &common].concat(), &placed);
    assert_eq!(verify(&["--part", "token_secret=token-secret"]).ok().code, 0);
    assert_eq!(verify(&["--part", "token_secret=other"]).text(), "rejected: signature_mismatch\n");
}
