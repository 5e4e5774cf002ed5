//! The old protocol with every client library that the old clients may use: socket.io-client 3.0, 4.0,
//! 4.5 and 4.8, and python-socketio, each over polling, over WebSocket, with an upgrade from one to the
//! other, and behind proxies that let no WebSocket through.
//!
//! `scripts/test` installs them; where there is no Node, `CHAT_SKIP_NODE=1` leaves those tests out, and
//! where there is no Python, `CHAT_SKIP_PYTHON=1`.

use std::{env, path::PathBuf, process::Stdio, time::Duration};

use chat_testkit::Server;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::broken_proxy::{Break, BrokenProxy};

/// Longer than a client takes for all its messages.
const PATIENCE: Duration = Duration::from_secs(90);

/// The most requests of two clients in the 15 s that they take: 200 each in 30 s.
const MAX_REQUESTS: usize = 200;

/// The scenario of all clients: two of them talk.
const TALK: &str = "all_messages_arrive_both_ways";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/socketio")
}

/// The npm client, which plays a scenario for each place that is added; `None` when it is to be left out.
pub(crate) fn node(scenario: &str) -> Option<Command> {
    if env::var_os("CHAT_SKIP_NODE").is_some() {
        return None;
    }
    let installed = folder().join("node_modules/socket.io-client-3.0").exists();
    assert!(
        installed,
        "run `npm ci` in {} first, or set CHAT_SKIP_NODE=1",
        folder().display()
    );
    let mut node = Command::new("node");
    node.args(["run.mjs", scenario]);
    Some(node)
}

/// The Python client; `None` when it is to be left out.
fn python() -> Option<Command> {
    if env::var_os("CHAT_SKIP_PYTHON").is_some() {
        return None;
    }
    let python = folder().join(".venv/bin/python");
    assert!(
        python.exists(),
        "{} is not there: scripts/test makes it; or set CHAT_SKIP_PYTHON=1",
        python.display()
    );
    let mut command = Command::new(python);
    command.arg("client.py");
    Some(command)
}

/// Starts such a client.
pub(crate) fn begin(mut client: Command) -> Child {
    client.current_dir(folder()).kill_on_drop(true);
    client
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    client
        .spawn()
        .expect("it is installed; or set CHAT_SKIP_NODE=1")
}

/// Waits until a client has played, and all went as it should.
pub(crate) async fn ends_well(client: Child) {
    let played = timeout(PATIENCE, client.wait_with_output()).await;
    let played = played.expect("it ends in time").unwrap();
    let errors = String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{errors}");
}

async fn play(client: Command) {
    ends_well(begin(client)).await;
}

#[tokio::test]
async fn messages_go_both_ways_with_every_version_of_the_npm_client() {
    let Some(mut node) = node(TALK) else { return };
    let mut servers = Vec::new();
    for version in ["3.0", "4.0", "4.5"] {
        for transport in ["polling", "websocket", "upgrade"] {
            let server = Server::start(&[]).await;
            node.arg(format!("{transport}@{version}=http://{}", server.address));
            servers.push(server);
        }
    }
    for transport in ["polling", "websocket", "upgrade"] {
        let server = Server::start(&[]).await;
        node.arg(format!("{transport}=http://{}", server.address));
        servers.push(server);
    }
    play(node).await;
}

#[tokio::test]
async fn messages_go_both_ways_with_the_python_client() {
    for transport in ["polling", "websocket", "upgrade"] {
        let Some(mut python) = python() else { return };
        let server = Server::start(&[]).await;
        python.args([transport, &format!("http://{}", server.address)]);
        play(python).await;
    }
}

/// Plays all clients behind proxies that break every WebSocket in this way.
async fn behind(way: Break) {
    let server = async || {
        let server = Server::start(&[]).await;
        let proxy = BrokenProxy::to(server.address, way).await;
        (server, proxy)
    };
    let mut places = Vec::new();
    if let Some(mut node) = node(TALK) {
        for version in ["@3.0", "@4.0", "@4.5", ""] {
            let (server, proxy) = server().await;
            node.arg(format!("broken{version}=http://{}", proxy.address));
            places.push((server, proxy));
        }
        play(node).await;
    }
    if let Some(mut python) = python() {
        let (server, proxy) = server().await;
        python.args(["broken", &format!("http://{}", proxy.address)]);
        places.push((server, proxy));
        play(python).await;
    }
    for (_, proxy) in places {
        let requests = proxy.requests();
        assert!(requests <= MAX_REQUESTS, "{requests} requests: {way:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_that_cuts_websockets_all_messages_arrive() {
    behind(Break::CutAfterTheAnswer).await;
}

#[tokio::test]
async fn behind_a_proxy_that_mutes_websockets_all_messages_arrive() {
    behind(Break::Mute).await;
}

#[tokio::test]
async fn behind_a_proxy_that_swallows_the_answer_all_messages_arrive() {
    behind(Break::SwallowTheAnswer).await;
}

#[tokio::test]
async fn behind_a_proxy_without_websockets_all_messages_arrive() {
    behind(Break::BadGateway).await;
}
