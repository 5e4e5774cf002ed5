//! The entry points of the server: the list in `SECURITY.md`, and what each answers to a stranger.

use std::{collections::BTreeSet, fs};

use chat_core::ChatEngine;
use chat_server::config::Settings;
use chat_testkit::Server;
use serde_json::Value;

use crate::admin::Administered;

const SECURITY: &str = include_str!("../../../SECURITY.md");

/// The login that an entry point demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Login {
    None,
    /// Unless all logins are open.
    UnlessOpen,
    /// For figures, and only when others can reach the server.
    Metrics,
    Token,
    Administrator,
}

impl Login {
    fn words(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::UnlessOpen => "token, unless the login is open",
            Self::Metrics => "token with the scope `metrics`, once others can reach the server",
            Self::Token => "token",
            Self::Administrator => "administrator",
        }
    }
}

/// What an OpenAPI document describes: each path with its methods.
fn operations(document: &str, usual: Login) -> Vec<(String, String, Login)> {
    let document: Value = serde_json::from_str(document).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let login = match operation["security"].as_array().map(Vec::as_slice) {
                None => usual,
                Some([_]) => Login::None,
                Some(_) if path == "/metrics" => Login::Metrics,
                Some(_) => Login::UnlessOpen,
            };
            operations.push((method.to_uppercase(), path.clone(), login));
        }
    }
    operations
}

/// The same without a document: the protocols that have one of their own, and the files of the web page.
fn others() -> Vec<(String, String, Login)> {
    let entry = |path: &str, login| ("GET".to_owned(), path.to_owned(), login);
    let mut all = vec![
        entry("/v1/ws", Login::Token),
        entry("/socket.io/", Login::Token),
        entry("/app", Login::None),
        entry("/app/", Login::None),
        entry("/app/config.json", Login::None),
    ];
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/web")).unwrap();
    for file in files {
        let name = file.unwrap().file_name().into_string().unwrap();
        if !["gz", "html"].iter().any(|end| name.ends_with(end)) && name != "admin.js" {
            all.push(entry(&format!("/app/{name}"), Login::None));
        }
    }
    all
}

/// The files of the page for administrators.
fn files_of_admin() -> Vec<(String, String, Login)> {
    let paths = [
        "/app",
        "/app/",
        "/app/admin.js",
        "/app/app.css",
        "/app/icon.svg",
    ];
    let entry = |path: &str| ("GET".to_owned(), path.to_owned(), Login::None);
    paths.map(entry).into()
}

async fn by_token() -> Server {
    let settings = Settings::with(&[("listen", "127.0.0.1:0")]).unwrap();
    let engine = ChatEngine::builder().build().unwrap();
    Server::serve_by_token(engine, settings).await
}

async fn described(server: &Server) -> Vec<(String, String, Login)> {
    let (_, _, document) = server.http("GET /v1/openapi.json", "", "").await;
    let mut operations = operations(&document, Login::Token);
    // Its token may also come in the first command.
    operations.retain(|(_, path, _)| path != "/v1/ws");
    operations
}

async fn administered(server: &Administered) -> Vec<(String, String, Login)> {
    let (_, _, document) = server.ask("GET /openapi.json", crate::admin::TOKEN).await;
    operations(&document, Login::Administrator)
}

#[tokio::test]
async fn the_list_in_the_document_is_complete() {
    let mut table = String::from("| port | entry point | login |\n|---|---|---|\n");
    let (public, admin) = (by_token().await, Administered::start(&[]).await);
    let public = [others(), described(&public).await].concat();
    let of_admin = [files_of_admin(), administered(&admin).await].concat();
    for (port, entries) in [("public", public), ("admin", of_admin)] {
        let rows = entries.into_iter().map(|(method, path, login)| {
            let login = login.words();
            (
                path.clone(),
                format!("| {port} | `{method} {path}` | {login} |\n"),
            )
        });
        table.extend(
            rows.collect::<BTreeSet<_>>()
                .into_iter()
                .map(|(_, row)| row),
        );
    }
    assert!(
        SECURITY.contains(&table),
        "SECURITY.md should have:\n{table}"
    );
}

/// The path with an example for each of its parameters.
fn example(path: &str) -> String {
    let examples = [
        ("{room}", "alice,bob"),
        ("{user}", "bob"),
        ("{seq}", "1"),
        ("{jti}", "t-1"),
        ("{token}", "an-invitation"),
        ("{invite}", "01980000-0000-7000-8000-000000000001"),
    ];
    let fill = |path: String, (name, value): (&str, &str)| path.replace(name, value);
    let path = examples.into_iter().fold(path.to_owned(), fill);
    assert!(!path.contains('{'), "{path}: name an example");
    path
}

#[tokio::test]
async fn without_a_token_every_entry_point_that_needs_one_says_so() {
    let (public, admin) = (by_token().await, Administered::start(&[]).await);
    for (method, path, login) in described(&public).await {
        let request = format!("{method} {}", example(&path));
        let (status, _, body) = public.http(&request, "", "").await;
        let refused = status == 401 && body.contains(r#""code":110"#);
        let needed = !matches!(login, Login::None | Login::Metrics);
        assert_eq!(refused, needed, "{request}: {status} {body}");
    }
    for (method, path, login) in administered(&admin).await {
        let request = format!("{method} {}", example(&path));
        let (status, _, body) = chat_testkit::http::ask(admin.admin, &request, "", "").await;
        assert_eq!(
            (status, login),
            (401, Login::Administrator),
            "{request}: {body}"
        );
        // On the port of users there is no such thing.
        let elsewhere = public.http(&request, "", "").await.0;
        assert!(
            [404, 405].contains(&elsewhere) || !path.starts_with("/admin"),
            "{request}"
        );
    }
}
