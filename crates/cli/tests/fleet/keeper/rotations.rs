//! Two processes and one token file: however often they rotate it, and however they die, the user stays logged in.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use countersign_client::{Bind, Session, SigningClient};
use countersign_protocol::{Credential, Dialects};

use super::{Hand, ada, client, eager, status, token_file};
use crate::sessions::Home;

/// Where the processes find the file, the gateway and the number: `FILE\nURL\nCOUNT`.
const TASK: &str = "COUNTERSIGN_TEST_ROTATIONS_OF";

/// How often the tokens are rotated.
fn rotations() -> u64 {
    std::env::var("COUNTERSIGN_ROTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

/// The generation of the access token in the file.
fn generation(file: &Path) -> u64 {
    use base64::Engine;
    let stored: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let claims = stored["grant"]["access_token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["rtg"].as_u64().unwrap()
}

fn process(task: &str) -> Child {
    let test = "keeper::rotations::what_each_of_two_processes_does";
    Command::new(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]).env(TASK, task).spawn().unwrap()
}

/// Run by the test below in processes of their own; by itself it has no task.
#[tokio::test]
async fn what_each_of_two_processes_does() {
    let Ok(task) = std::env::var(TASK) else { return };
    let [file, url, count] = task.split('\n').collect::<Vec<_>>().try_into().unwrap();
    let dialect = Dialects::builtin().unwrap().get("hmac-sha256").unwrap().clone();
    let client = SigningClient::new(reqwest::Client::builder(), dialect, Credential::hmac("shop", "the secret of the shop")).unwrap();
    let hand = Hand::default();
    let session = Session::resume(&client, url, hand.keeping().with_file(file)).await.unwrap();
    while generation(Path::new(file)) < count.parse().unwrap() {
        hand.over();
        assert_eq!(status(&session, url, "/own").await.unwrap(), 200);
    }
}

#[tokio::test]
async fn two_processes_rotate_one_token_file_and_are_never_logged_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let home = Home::with(folder, &eager(), vec!["--data".to_owned(), data]);
    let (url, file) = (format!("http://{}", home.gateway.address()), token_file(&home));
    for bind in [Bind::App, Bind::Session] {
        let hand = Hand::default();
        let session = Session::login(&client(&home), &url, ada().bind(bind), hand.keeping().with_file(&file)).await.unwrap();
        let task = format!("{}\n{url}\n{}", file.display(), rotations());
        let mut steady = process(&task);
        // The other one is killed wherever it is: between the server's commit and the file, or while it writes.
        let mut deaths = 0;
        while steady.try_wait().unwrap().is_none() {
            let mut other = process(&task);
            tokio::time::sleep(Duration::from_millis(150 + 37 * (deaths % 5))).await;
            if other.try_wait().unwrap().is_none() {
                other.kill().unwrap();
                deaths += 1;
            }
            other.wait().unwrap();
        }
        assert!(steady.wait().unwrap().success(), "a process was refused");
        assert!(generation(&file) >= rotations() && deaths > 0, "{} {deaths}", generation(&file));
        // Who has slept through all of it goes on as well.
        hand.over();
        assert_eq!(status(&session, &url, "/own").await.unwrap(), 200);
        println!("{} rotations, {deaths} deaths of the other process", generation(&file));
        session.logout().await.unwrap();
    }
}
