//! The web page: how its files are served, and what people do with it in a browser.

use std::{env, path::Path, process::Stdio, time::Duration};

use chat_core::ChatEngine;
use chat_server::config::Settings;
use chat_testkit::{Server, program, service};
use tokio::{process::Command, time::timeout};

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

#[tokio::test]
async fn the_page_may_use_its_own_files_and_server_and_nothing_else() {
    let server = Server::start(&[]).await;
    for (path, kind) in [
        ("/app", "text/html; charset=utf-8"),
        ("/app/app.js", "text/javascript; charset=utf-8"),
        ("/app/app.css", "text/css; charset=utf-8"),
        ("/app/icon.svg", "image/svg+xml"),
        ("/app/manifest.json", "application/manifest+json"),
        ("/app/widget.js", "text/javascript; charset=utf-8"),
    ] {
        let (status, head, _) = server.http(&format!("GET {path}"), "", "").await;
        assert_eq!(
            (status, header(&head, "content-type")),
            (200, Some(kind)),
            "{path}"
        );
        let policy = header(&head, "content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(
                policy.split("; ").any(|one| one.trim() == rule),
                "{path}: {policy}"
            );
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&head, "referrer-policy"), Some("no-referrer"));
    }
    let (status, head, _) = server.http("GET /app/", "", "").await;
    assert_eq!((status, header(&head, "location")), (308, Some("../app")));
    let (_, head, _) = server.http("GET /health", "", "").await;
    let policy = header(&head, "content-security-policy");
    assert_eq!(
        policy,
        Some("default-src 'none'; frame-ancestors 'none'"),
        "of all other answers"
    );
}

#[tokio::test]
async fn a_browser_gets_a_file_compressed_and_only_once() {
    let server = Server::start(&[]).await;
    let (_, plain, body) = server.http("GET /app/app.css", "", "").await;
    let (_, packed, _) = server
        .http(
            "GET /app/app.css",
            "accept-encoding: deflate, gzip, br\r\n",
            "",
        )
        .await;
    assert_eq!(header(&plain, "content-encoding"), None);
    assert_eq!(header(&packed, "content-encoding"), Some("gzip"));
    let length = |head| header(head, "content-length").unwrap().parse::<usize>();
    assert_eq!(length(&plain), Ok(body.len()));
    assert!(length(&packed).unwrap() * 2 < body.len());
    assert_eq!(header(&plain, "cache-control"), Some("no-cache"));
    assert_eq!(header(&plain, "vary"), Some("accept-encoding"));
    let tag = header(&plain, "etag").unwrap();
    for (tags, status) in [
        (format!("\"of another release\", W/{tag}"), 304),
        ("\"of another release\"".to_owned(), 200),
    ] {
        let ask = format!("if-none-match: {tags}\r\n");
        let (answered, _, body) = server.http("GET /app/app.css", &ask, "").await;
        assert_eq!((answered, body.is_empty()), (status, status == 304));
    }
}

#[tokio::test]
async fn the_page_learns_how_users_log_in() {
    let open = Server::start(&[]).await;
    let (_, _, body) = open.http("GET /app/config.json", "", "").await;
    assert_eq!(body, r#"{"login":"name"}"#);
    let settings = [
        ("listen", "127.0.0.1:0"),
        ("web-login-url", "https://app.example/login?to=chat"),
    ];
    let engine = ChatEngine::builder().build().unwrap();
    let by_token = Server::serve_by_token(engine, Settings::with(&settings).unwrap()).await;
    let (_, _, body) = by_token.http("GET /app/config.json", "", "").await;
    assert_eq!(
        body,
        r#"{"login":"token","login_url":"https://app.example/login?to=chat"}"#
    );
    for wrong in [
        "javascript:alert(1)",
        "app.example",
        "https://me@app.example",
    ] {
        let refused = Settings::with(&[("web-login-url", wrong)]);
        assert!(refused.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn without_the_page_its_addresses_are_unknown() {
    let server = Server::start(&[("web", "off")]).await;
    for path in ["/app", "/app/", "/app/app.js", "/app/config.json"] {
        let (status, _, body) = server.http(&format!("GET {path}"), "", "").await;
        assert_eq!(status, 404, "{path}");
        assert!(body.contains(r#""code":105"#), "{path}: {body}");
    }
}

/// Runs the tests in `clients/web/tests/browser`, each of which has a server and people at browsers.
#[tokio::test]
async fn people_do_in_their_browsers_what_the_page_offers() {
    /// The tests take about a minute, unless other jobs have the machine.
    const LONGEST: Duration = Duration::from_mins(10);

    if env::var_os("CHAT_SKIP_NODE").is_some() {
        return;
    }
    let Some(browser) = service("CHROMIUM") else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/web");
    let tests = folder.join("build/tests/browser");
    assert!(
        tests.exists(),
        "run `npm ci && npm run check` in clients first, or set CHAT_SKIP_NODE=1"
    );
    let running = Command::new("node")
        .args(["--test", "--test-concurrency=2", "--test-reporter=spec"])
        .arg(&tests)
        .env("CHAT_SERVER", program::path())
        .env("CHROMIUM", browser)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .output();
    let output = timeout(LONGEST, running).await.expect("they end in time");
    let output = output.expect("Node is installed; or set CHAT_SKIP_NODE=1");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}
