//! The OpenAPI document, checked by programs of others: openapi-spec-validator says whether it is valid,
//! schemathesis sends what it describes, and what it doesn't, and compares the answers with it.
//!
//! `scripts/test` installs both; where there is no Python, `CHAT_SKIP_PYTHON=1` leaves these tests out.

use std::{env, path::PathBuf, time::Duration};

use chat_testkit::Server;
use tokio::{process::Command, time::timeout};

#[cfg(unix)]
use crate::admin::{Administered, TOKEN};

/// Longer than either of them takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// A program of the virtual environment; `None` when it is to be left out.
fn program(name: &str) -> Option<Command> {
    if env::var_os("CHAT_SKIP_PYTHON").is_some() {
        return None;
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/openapi");
    let program = folder.join(".venv/bin").join(name);
    assert!(
        program.exists(),
        "{} is not there: scripts/test makes it; or set CHAT_SKIP_PYTHON=1",
        program.display()
    );
    let mut command = Command::new(program);
    command.current_dir(folder).kill_on_drop(true);
    Some(command)
}

async fn ends_well(command: &mut Command) {
    let output = timeout(PATIENCE, command.output()).await;
    let output = output.expect("it ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
}

#[tokio::test]
async fn the_document_is_valid() {
    let Some(mut validator) = program("openapi-spec-validator") else {
        return;
    };
    let server = Server::start(&[]).await;
    let (_, _, document) = server.http("GET /v1/openapi.json", "", "").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document).unwrap();
    ends_well(validator.args(["--schema", "3.1"]).arg(file)).await;
}

#[tokio::test]
async fn the_server_answers_as_the_document_says() {
    let Some(mut schemathesis) = program("schemathesis") else {
        return;
    };
    let server = Server::start(&[("text-chars", "100")]).await;
    let document = format!("http://{}/v1/openapi.json", server.address);
    schemathesis.args(["run", &document]);
    ends_well(&mut schemathesis).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_document_of_the_administration_is_valid_and_answered_as_it_says() {
    let (Some(mut validator), Some(mut schemathesis)) =
        (program("openapi-spec-validator"), program("schemathesis"))
    else {
        return;
    };
    let administered = Administered::start(&[]).await;
    let (_, _, document) = administered.ask("GET /openapi.json", TOKEN).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document).unwrap();
    ends_well(validator.args(["--schema", "3.1"]).arg(&file)).await;
    let url = format!("http://{}", administered.admin);
    let token = format!("Authorization: Bearer {TOKEN}");
    schemathesis
        .args(["run", "--url", &url, "--header", &token])
        .arg(&file);
    ends_well(&mut schemathesis).await;
}
