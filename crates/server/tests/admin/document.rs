//! The OpenAPI document is the one that is committed, and tells every path that is served.

use crate::support::Operated;

/// Set this to write the document anew.
const WRITE: &str = "COUNTERSIGN_WRITE_OPENAPI";

#[test]
fn the_committed_document_is_what_the_code_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let document = countersign_server::admin::document().to_pretty_json().unwrap() + "\n";
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(committed == document, "openapi.json is not what the code says; run this test with {WRITE}=1 and commit the file");
}

#[tokio::test]
async fn every_path_of_the_document_is_served_and_has_answers() {
    let operated = Operated::house().await;
    let document = operated.get("/openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 10);
    let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
    let ids: Vec<_> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            let called = path.replace("{name}", "nobody").replace("{key_id}", "none");
            let answer = operated.ask(&method.to_uppercase(), &called, None).await;
            let text = String::from_utf8(answer.body.clone()).unwrap();
            // What is missing there is the app, not the path.
            assert!(answer.status != 405 && !text.contains("nothing at this path"), "{method} {path}: {text}");
            assert!(operation["responses"].as_object().unwrap().len() > usize::from(answer.status != 200), "{method} {path}");
        }
    }
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}
