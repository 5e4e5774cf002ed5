//! Web pages in a real browser: which of them may use the server, and how the client's tabs share a
//! connection.

use std::{env, fs, path::Path as File, process::Stdio};

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header::CONTENT_TYPE},
    response::Html,
    routing::{get, post},
};
use chat_testkit::{PATIENCE, Server, service};
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command, sync::mpsc, time::timeout};

const PAGE: &str = include_str!("../browser/page.html");
const TABS: &str = include_str!("../browser/tabs.html");

/// A server of pages, each of which reports what it could do.
struct Pages {
    port: u16,
    results: mpsc::Receiver<Value>,
}

impl Pages {
    async fn serve() -> Self {
        let (report, results) = mpsc::channel(1);
        let take = async move |body: String| {
            report.send(serde_json::from_str(&body).unwrap()).await.ok();
        };
        let routes = Router::new()
            .route("/", get(async || Html(PAGE)))
            .route("/tabs", get(async || Html(TABS)))
            .route("/client/{module}", get(module))
            .route("/result", post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { port, results }
    }

    fn origin(&self, host: &str) -> String {
        format!("http://{host}:{}", self.port)
    }

    /// What the page of this host could do at the server.
    async fn visit(&mut self, browser: &str, host: &str, server: &Server) -> Value {
        self.visit_page(browser, host, "/", server).await
    }

    /// The report of one of the pages.
    async fn visit_page(
        &mut self,
        browser: &str,
        host: &str,
        page: &str,
        server: &Server,
    ) -> Value {
        let profile = tempfile::tempdir().unwrap();
        let _browser = Command::new(browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-background-networking",
            ])
            .args([
                "--disable-gpu",
                "--no-first-run",
                "--disable-component-update",
            ])
            .arg("--host-resolver-rules=MAP *.example 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("{}{page}#{}", self.origin(host), server.address))
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let result = timeout(PATIENCE, self.results.recv()).await;
        result.expect("the page reports").unwrap()
    }
}

/// The compiled modules of the TypeScript client.
fn modules() -> std::path::PathBuf {
    File::new(env!("CARGO_MANIFEST_DIR")).join("../clients/typescript/dist")
}

/// A module of the TypeScript client.
async fn module(
    Path(name): Path<String>,
) -> Result<([(axum::http::HeaderName, &'static str); 1], Vec<u8>), StatusCode> {
    let code = fs::read(modules().join(name)).map_err(|_| StatusCode::NOT_FOUND)?;
    Ok(([(CONTENT_TYPE, "text/javascript")], code))
}

/// The report of a page that may use every protocol.
fn all() -> Value {
    json!({ "rest": 200, "polling": "open", "native": "open", "old": "open" })
}

/// The report of a page that may use none.
fn nothing() -> Value {
    json!({ "rest": "blocked", "polling": "blocked", "native": "blocked", "old": "blocked" })
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_uses_every_protocol_and_any_other_none() {
    let Some(browser) = service("CHROMIUM") else {
        return;
    };
    let mut pages = Pages::serve().await;
    let server = Server::start(&[("cors-origin", &pages.origin("app.example"))]).await;
    assert_eq!(pages.visit(&browser, "app.example", &server).await, all());
    assert_eq!(
        pages.visit(&browser, "evil.example", &server).await,
        nothing()
    );
    assert_eq!(pages.visit(&browser, "localhost", &server).await, nothing());
}

#[tokio::test]
async fn on_a_machine_of_ones_own_its_pages_use_the_server_and_those_of_others_do_not() {
    let Some(browser) = service("CHROMIUM") else {
        return;
    };
    let mut pages = Pages::serve().await;
    let server = Server::start(&[]).await;
    assert_eq!(pages.visit(&browser, "localhost", &server).await, all());
    assert_eq!(
        pages.visit(&browser, "evil.example", &server).await,
        nothing()
    );
}

#[tokio::test]
async fn tabs_share_a_connection_and_the_next_one_takes_it_when_its_tab_is_closed() {
    let Some(browser) = service("CHROMIUM") else {
        return;
    };
    if env::var_os("CHAT_SKIP_NODE").is_some() {
        return;
    }
    assert!(
        modules().exists(),
        "run `npm ci && npm run check` in clients first, or set CHAT_SKIP_NODE=1"
    );
    let mut pages = Pages::serve().await;
    let server = Server::start(&[]).await;
    let report = pages.visit_page(&browser, "localhost", "/tabs", &server);
    let expected = json!({
        "shared": 1,
        "connections": 2,
        "second": ["one", "two", "three"],
        "third": ["three"],
    });
    assert_eq!(report.await, expected);
}
