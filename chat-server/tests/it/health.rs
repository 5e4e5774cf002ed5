//! The subcommand `health`, with which a container asks its own server.

use chat_testkit::program;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UnixStream},
};

use crate::{tls::Files, tokens::run};

#[tokio::test]
async fn a_server_is_found_by_its_settings_alone() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::of("one.pem", "one.key");
    let behind = |version| {
        let proxy = ["--trusted-proxy", "127.0.0.1", "--allow-open-network"];
        let name = ["--public-url", "https://chat.example"];
        [&proxy[..], &name, &["--proxy-protocol", version]].concat()
    };
    for flags in [
        vec![],
        // It goes by a name that is not asked for here.
        behind("off"),
        behind("v1"),
        behind("v2"),
        files.flags().to_vec(),
    ] {
        let flags = [&["--store", "memory"], &flags[..]].concat();
        let server = program::greeted(program::command(folder.path(), &flags)).await;
        // A container listens at all its addresses.
        for ip in ["127.0.0.1", "0.0.0.0"] {
            let listen = format!("{ip}:{}", server.address.port());
            let asked = [&["health", "--listen", &listen], &flags[..]].concat();
            let said = run(folder.path(), &asked, "").await;
            assert_eq!(said, (Some(0), "OK".to_owned()), "{flags:?}");
        }
    }
}

#[tokio::test]
async fn a_server_on_a_unix_socket_is_found_too() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--store", "memory", "--listen", "unix:./chat.sock"];
    let mut server = program::command(folder.path(), &flags).spawn().unwrap();
    let path = folder.path().join("chat.sock");
    chat_testkit::until("it listens", async || {
        UnixStream::connect(&path).await.is_ok()
    })
    .await;
    let asked = [&["health"], &flags[..]].concat();
    let said = run(folder.path(), &asked, "").await;
    assert_eq!(said, (Some(0), "OK".to_owned()));
    server.kill().await.unwrap();
    let (code, said) = run(folder.path(), &asked, "").await;
    assert_eq!(code, Some(1), "{said}");
}

#[tokio::test]
async fn what_is_not_healthy_is_one_line_and_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let busy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = busy.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = busy.accept().await.unwrap();
        let mut request = [0; 1_024];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /health HTTP/1.0\r\n"));
        let answer = b"HTTP/1.0 503 Service Unavailable\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    });
    let nobody = "127.0.0.1:1";
    for (address, why) in [(&*address, "503"), (nobody, "refused")] {
        let (code, said) = run(folder.path(), &["health", "--listen", address], "").await;
        assert_eq!(code, Some(1), "{said}");
        let start = format!("error: {address} is not healthy: ");
        assert!(said.starts_with(&start) && said.contains(why), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
