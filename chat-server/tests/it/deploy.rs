//! The files under `deploy/` and beside the dashboard name settings and metrics that are there, and a server
//! with their settings would start.

use std::{ffi::OsString, fs, path::Path};

use chat_server::config::{Loaded, Request, Standing, TABLE, load};
use chat_testkit::Server;

use crate::exposure::private;

const COMPOSE: &str = include_str!("../../../deploy/compose/compose.yaml");
const ENVIRONMENT: &str = include_str!("../../../deploy/compose/.env.example");
const KUBERNETES: &str = include_str!("../../../deploy/kubernetes/config.yaml");
const UNIT: &str = include_str!("../../../deploy/systemd/chat-server.service");
const OF_THE_UNIT: &str = include_str!("../../../deploy/systemd/chat.toml");
const IMAGE: &str = include_str!("../../../deploy/Dockerfile");
const ALERTS: &str = include_str!("../../../docs/prometheus-alerts.yaml");

/// The settings that a server with this environment and this file has.
fn settings(environment: &[(String, String)], file: Option<&Path>) -> Loaded {
    let file = file.map(|file| [OsString::from("--config"), file.into()]);
    let program = ["chat-server", "check"].map(OsString::from);
    let arguments = program.into_iter().chain(file.into_iter().flatten());
    match load(arguments, environment.iter().cloned(), None) {
        Ok(Request::Check(loaded)) => loaded,
        Ok(other) => panic!("{other:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// Others can reach the server, and it does without nothing that it needs for them, but for these settings.
fn would_start(loaded: &Loaded, without: &[&str]) {
    assert!(loaded.exposed_by().is_some());
    let rows = loaded.rows();
    let missing = rows.iter().filter(|row| row.standing != Standing::Pass);
    let missing: Vec<_> = missing.map(|row| row.setting).collect();
    assert_eq!(missing, without, "{rows:?}");
}

/// The variables that the image or a list of `NAME: VALUE` or `NAME=VALUE` sets.
fn variables(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim);
    let assigned = lines.filter_map(|line| {
        let line = line.strip_prefix("ENV ").unwrap_or(line);
        let line = line.strip_prefix("Environment=").unwrap_or(line);
        let (name, value) = line.split_once(": ").or_else(|| line.split_once('='))?;
        let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
        let value = value.trim_matches('"').to_owned();
        (name.starts_with("CHAT_") && name.chars().all(is_name)).then(|| (name.to_owned(), value))
    });
    assigned.collect()
}

/// Each of them is a setting, and a value of it.
fn are_settings(variables: &[(String, String)]) {
    assert!(!variables.is_empty());
    for (name, _) in variables {
        let known = TABLE.iter().any(|setting| setting.variable() == *name);
        assert!(known, "{name} is no setting");
    }
}

#[test]
fn the_server_of_the_compose_file_would_start() {
    let (_, chat) = COMPOSE.split_once("\n  chat:\n").unwrap();
    let (chat, _) = chat.split_once("\n  mongo:\n").unwrap();
    let filled = |value: &str| {
        let mut value = value.to_owned();
        while let Some((before, rest)) = value.split_once("${") {
            let (name, after) = rest.split_once('}').unwrap();
            let name = name.split(':').next().unwrap();
            assert!(ENVIRONMENT.contains(&format!("\n{name}=")), "{name}");
            value = format!("{before}chat.example.org{after}");
        }
        value
    };
    let mut environment = variables(IMAGE);
    for (name, value) in variables(chat) {
        environment.push((name, filled(&value)));
    }
    are_settings(&environment);
    would_start(&settings(&environment, None), &[]);
}

#[test]
fn the_server_of_the_kubernetes_manifests_would_start() {
    let (_, toml) = KUBERNETES.split_once("chat.toml: |\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    private(&credentials, "store", b"mongodb://chat:PASSWORD@mongo/chat");
    private(&credentials, "cache", b"redis://chat:PASSWORD@redis:6379");
    let toml: Vec<_> = toml.lines().map(str::trim).collect();
    let toml = toml.join("\n");
    let toml = toml.replace("/credentials", credentials.to_str().unwrap());
    let file = folder.path().join("chat.toml");
    fs::write(&file, toml).unwrap();
    let loaded = settings(&variables(IMAGE), Some(&file));
    would_start(&loaded, &["metrics-public"]);
}

#[test]
fn the_server_of_the_systemd_unit_would_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.toml");
    fs::write(&file, OF_THE_UNIT).unwrap();
    let environment = variables(UNIT);
    are_settings(&environment);
    would_start(&settings(&environment, Some(&file)), &[]);
}

#[tokio::test]
async fn the_alerts_ask_for_figures_that_are_there() {
    let server = Server::start(&[]).await;
    let (_, _, figures) = server.http("GET /metrics", "", "").await;
    let mut asked = 0;
    for query in ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "))
    {
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("chat_")) {
            let is = |line: &str| {
                line.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with([' ', '{']))
            };
            assert!(figures.lines().any(is), "{name}: {query}");
            asked += 1;
        }
        // A label whose value is misspelt never fires.
        for label in query
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
        {
            let known = label == "job=\"chat\"" || figures.contains(label);
            assert!(known, "{label}: {query}");
        }
    }
    assert!(asked >= 14, "{asked}");
}
