//! By which hosts the server may be addressed, and which web pages may use it: the same on every protocol.

use chat_testkit::Server;

/// The handshake of a WebSocket, which the server doesn't close.
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// One address of each protocol, the handshake of each WebSocket, and operators' addresses.
const EVERYWHERE: [(&str, &str); 7] = [
    ("/health", ""),
    ("/metrics", ""),
    ("/v1/rooms", "authorization: Bearer alice\r\n"),
    ("/lastmessages?from=alice&to=bob", ""),
    ("/socket.io/?EIO=4&transport=polling", ""),
    ("/socket.io/?EIO=4&transport=websocket", UPGRADE),
    ("/v1/ws", UPGRADE),
];

/// The status of the answer to a GET with these headers, beside those that the address needs.
async fn status(server: &Server, (path, needed): (&str, &str), headers: &str) -> u16 {
    let mut client = server.tcp().await;
    let close = if needed == UPGRADE {
        ""
    } else {
        "connection: close\r\n"
    };
    let request = format!("GET {path} HTTP/1.1\r\n{close}{needed}{headers}\r\n");
    first_line(&mut client, &request).await
}

async fn first_line(client: &mut tokio::net::TcpStream, request: &str) -> u16 {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    client.write_all(request.as_bytes()).await.unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(client);
    lines.read_line(&mut line).await.unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Whether requests to all addresses get further than the rules of this file.
async fn all_pass(server: &Server, headers: &str) -> bool {
    let mut passed = 0;
    for address in EVERYWHERE {
        let status = status(server, address, headers).await;
        passed += usize::from([200, 101].contains(&status));
        assert!(
            [200, 101, 403, 421].contains(&status),
            "{address:?}: {status}"
        );
    }
    assert!(
        [0, EVERYWHERE.len()].contains(&passed),
        "{headers}: {passed}"
    );
    passed > 0
}

#[tokio::test]
async fn a_server_on_loopback_goes_by_the_names_of_this_machine_only() {
    let server = Server::start(&[]).await;
    for (host, allowed) in [
        ("localhost", true),
        ("LocalHost:5000", true),
        ("127.0.0.1:5000", true),
        ("127.8.9.1", true),
        ("[::1]", true),
        ("evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("10.0.0.1", false),
        ("0.0.0.0:5000", false),
    ] {
        let host = format!("host: {host}\r\n");
        assert_eq!(all_pass(&server, &host).await, allowed, "{host}");
    }
    let refused = status(&server, EVERYWHERE[0], "host: evil.example\r\n").await;
    assert_eq!(refused, 421);
}

#[tokio::test]
async fn the_host_in_the_target_of_a_request_counts_before_the_header() {
    let server = Server::start(&[]).await;
    for (target, header, expected) in [
        ("http://evil.example/health", "localhost", 421),
        ("http://localhost/health", "localhost", 200),
    ] {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: {header}\r\nconnection: close\r\n\r\n");
        let answer = server.exchange(request.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected}")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn hosts_that_the_settings_list_replace_those_of_this_machine() {
    let hosts = [("allowed-host", "chat.example,10.0.0.0/8")];
    let server = Server::start(&hosts).await;
    for (host, allowed) in [
        ("chat.example", true),
        ("chat.example.:443", true),
        ("10.1.2.3:5000", true),
        ("localhost", false),
        ("other.example", false),
    ] {
        let host = format!("host: {host}\r\n");
        assert_eq!(all_pass(&server, &host).await, allowed, "{host}");
    }
}

#[tokio::test]
async fn a_public_url_names_the_host_and_the_origin_of_the_servers_own_pages() {
    let server = Server::start(&[
        ("public-url", "https://chat.example"),
        ("allow-open-network", "true"),
        ("allow-plaintext", "true"),
        ("metrics-public", "true"),
    ])
    .await;
    for (headers, allowed) in [
        ("host: chat.example\r\n", true),
        ("host: localhost\r\n", false),
        (
            "host: chat.example\r\norigin: https://chat.example\r\n",
            true,
        ),
        (
            "host: chat.example\r\norigin: http://chat.example\r\n",
            false,
        ),
        (
            "host: chat.example\r\norigin: http://localhost:3000\r\n",
            false,
        ),
    ] {
        assert_eq!(all_pass(&server, headers).await, allowed, "{headers}");
    }
}

#[tokio::test]
async fn on_loopback_pages_of_this_machine_may_use_the_server_and_no_others() {
    let server = Server::start(&[]).await;
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("https://127.0.0.1:8443", true),
        ("http://[::1]:3000", true),
        ("http://localhost:5000", true),
        ("HTTP://LOCALHOST:5000", true),
        ("null", false),
        ("file://localhost", false),
        ("https://evil.example", false),
        ("http://localhost.evil.example", false),
        ("http://me@localhost", false),
        ("\u{fc}", false),
    ] {
        let headers = format!("host: localhost:5000\r\norigin: {origin}\r\n");
        assert_eq!(all_pass(&server, &headers).await, allowed, "{origin}");
    }
    let evil = "host: localhost\r\norigin: https://evil.example\r\n";
    assert_eq!(status(&server, EVERYWHERE[0], evil).await, 403);
    assert!(all_pass(&server, "host: localhost\r\n").await);
}

#[tokio::test]
async fn pages_that_come_from_the_host_that_they_address_may_use_the_server() {
    let server = Server::start(&[("allowed-host", "chat.example")]).await;
    for (host, origin, allowed) in [
        ("chat.example", "http://chat.example", true),
        ("chat.example:80", "http://chat.example", true),
        ("chat.example:5000", "http://chat.example:5000", true),
        ("chat.example:5000", "http://chat.example", false),
        ("chat.example", "https://chat.example", false),
        ("chat.example", "http://other.example", false),
    ] {
        let headers = format!("host: {host}\r\norigin: {origin}\r\n");
        assert_eq!(all_pass(&server, &headers).await, allowed, "{headers}");
    }
}

#[tokio::test]
async fn any_origin_and_the_origin_null_have_to_be_named() {
    for (setting, null, other) in [
        ("null", true, false),
        ("any", true, true),
        ("https://a.example,null", true, false),
        ("https://a.example", false, false),
    ] {
        let server = Server::start(&[("cors-origin", setting)]).await;
        let localhost = "host: localhost\r\n";
        let origin = |origin| format!("{localhost}origin: {origin}\r\n");
        assert_eq!(all_pass(&server, &origin("null")).await, null, "{setting}");
        let evil = origin("https://evil.example");
        assert_eq!(all_pass(&server, &evil).await, other, "{setting}");
    }
}

#[tokio::test]
async fn a_connection_without_an_origin_can_be_refused() {
    let server = Server::start(&[("require-origin", "true")]).await;
    let (bare, page) = ("host: localhost\r\n", "origin: http://localhost\r\n");
    for address in EVERYWHERE {
        let is_socket = address.0.starts_with("/socket.io") || address.0 == "/v1/ws";
        let refused = status(&server, address, bare).await == 403;
        assert_eq!(refused, is_socket, "{address:?}");
        let own = "sec-fetch-site: same-origin\r\n";
        for more in [page, own] {
            let status = status(&server, address, &format!("{bare}{more}")).await;
            assert!([200, 101].contains(&status), "{address:?} {more}: {status}");
        }
    }
}
