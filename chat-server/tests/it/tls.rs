//! TLS in the server. The certificates in `tests/tls` are valid until 2125, `two.pem` a day longer than
//! `one.pem`; the key of the authority that signed them is gone.

use std::{
    fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chat_testkit::{
    Client, PATIENCE, Server, http,
    program::{self, Greeted},
    until,
};
use rustls::{
    ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    embedding::{Place, converse},
    tokens::run,
};

/// Ends of the certificates, in seconds since 1970.
const ONE_ENDS: u64 = 4_906_384_355;
const TWO_ENDS: u64 = ONE_ENDS + 86_400;

pub(crate) fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "tls", name]
        .iter()
        .collect()
}

/// The two files that a server is started with.
pub(crate) struct Files {
    _folder: TempDir,
    certificate: String,
    key: String,
}

impl Files {
    /// With this certificate, and this key.
    pub(crate) fn of(certificate: &str, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name).to_str().unwrap().to_owned();
        let files = Self {
            certificate: path("certificate.pem"),
            key: path("key.pem"),
            _folder: folder,
        };
        files.put(certificate, key);
        files
    }

    fn put(&self, certificate: &str, key: &str) {
        fs::copy(fixture(certificate), &self.certificate).unwrap();
        fs::copy(fixture(key), &self.key).unwrap();
        fs::set_permissions(&self.key, fs::Permissions::from_mode(0o600)).unwrap();
    }

    async fn start(&self, more: &[(&str, &str)]) -> Server {
        let files = [
            ("tls-cert-file", &*self.certificate),
            ("tls-key-file", &*self.key),
        ];
        Server::start(&[&files, more].concat()).await
    }

    pub(crate) fn flags(&self) -> [&str; 4] {
        [
            "--tls-cert-file",
            &self.certificate,
            "--tls-key-file",
            &self.key,
        ]
    }
}

fn connector(versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(fixture("ca.pem")).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
    config.alpn_protocols = protocols.collect();
    TlsConnector::from(Arc::new(config))
}

/// As most clients are.
fn usual() -> TlsConnector {
    connector(rustls::ALL_VERSIONS, &[])
}

async fn shake(tcp: TcpStream, connector: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    let shaking = timeout(PATIENCE, connector.connect(name, tcp)).await;
    shaking.expect("a handshake or a refusal")
}

async fn dial(address: SocketAddr, connector: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    shake(TcpStream::connect(address).await?, connector).await
}

async fn native(address: SocketAddr, user: &str) -> Client<TlsStream<TcpStream>> {
    let stream = dial(address, &usual()).await.unwrap();
    let mut client = Client::over(stream, "/v1/ws").await.expect("a WebSocket");
    client.hello(user, json!([])).await;
    client
}

async fn get(address: SocketAddr, path: &str) -> http::Answer {
    let stream = dial(address, &usual()).await.unwrap();
    http::ask_on(stream, &format!("GET {path}"), "", "").await
}

#[tokio::test]
async fn all_protocols_work_in_both_versions_of_tls() {
    let files = Files::of("one.pem", "one.key");
    for (version, name) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let server = files.start(&[]).await;
        let connector = connector(&[version], &["http/1.1"]);
        let stream = dial(server.address, &connector).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(name));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        converse(&Place::Tls(server.address, connector)).await;
    }
}

/// More than TLS takes at once, in one frame and in many.
#[tokio::test]
async fn large_frames_and_many_of_them_arrive() {
    let files = Files::of("one.pem", "one.key");
    let server = files.start(&[("frame-rate", "1000/1s")]).await;
    let (mut alice, mut bob) = (
        native(server.address, "alice").await,
        native(server.address, "bob").await,
    );
    let room = alice.open("bob").await;
    let text = "x".repeat(3_900);
    for _ in 0..100 {
        alice.say(&room, &text).await;
    }
    for _ in 0..100 {
        assert_eq!(bob.hear().await, text);
    }
    let history = json!({ "type": "history", "room": room, "limit": 100 });
    let page = bob.result(history).await;
    assert!(page.to_string().len() > 390_000);
}

#[tokio::test]
async fn every_answer_asks_browsers_for_tls_only() {
    let files = Files::of("one.pem", "one.key");
    let server = files.start(&[]).await;
    let strict = "strict-transport-security: max-age=31536000";
    for (path, status) in [("/health", 200), ("/nothing", 404), ("/v1/rooms", 401)] {
        let (answered, head, _) = get(server.address, path).await;
        assert_eq!(answered, status);
        assert!(head.contains(strict), "{head}");
    }
    let plain = Server::start(&[]).await;
    let (_, head, _) = plain.http("GET /health", "", "").await;
    assert!(!head.contains("strict-transport-security"), "{head}");
}

#[tokio::test]
async fn what_is_not_tls_of_today_is_closed() {
    let files = Files::of("one.pem", "one.key");
    let server = files.start(&[]).await;
    let answer = server
        .exchange(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await;
    assert!(!answer.contains("HTTP"), "{answer}");
    // A hello of TLS 1.1: the version, a random number, no session, two suites, no compression, and the
    // signatures that it knows.
    let mut hello = vec![0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0x00, 0x00, 0x04, 0xc0, 0x13, 0x00, 0x2f, 0x01, 0x00]);
    hello.extend([0x00, 0x08, 0x00, 0x0d, 0x00, 0x04, 0x00, 0x02, 0x04, 0x03]);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![0x16, 0x03, 0x01, 0x00, length + 4, 0x01, 0x00, 0x00, length];
    record.extend(hello);
    let mut tcp = server.tcp().await;
    tcp.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, tcp.read_to_end(&mut answer)).await;
    reading.expect("the server closes").ok();
    // A fatal alert (21): protocol_version (70).
    assert_eq!((answer[0], &answer[5..]), (21, &[2, 70][..]), "{answer:?}");
}

#[tokio::test]
async fn http_2_is_not_chosen_and_other_names_are_not_served() {
    let files = Files::of("one.pem", "one.key");
    let server = files.start(&[]).await;
    let both = connector(rustls::ALL_VERSIONS, &["h2", "http/1.1"]);
    let stream = dial(server.address, &both).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let only = connector(rustls::ALL_VERSIONS, &["h2"]);
    let refused = dial(server.address, &only).await.unwrap_err();
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
    for (name, reason) in [("chat.example", "AccessDenied"), ("127.0.0.1", "")] {
        let tcp = server.tcp().await;
        let connecting = usual().connect(ServerName::try_from(name).unwrap(), tcp);
        match timeout(PATIENCE, connecting).await.unwrap() {
            Ok(_) => assert_eq!(reason, ""),
            Err(error) => assert!(error.to_string().contains(reason), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_stops_in_the_handshake_counts_as_new_and_is_closed_in_time() {
    let files = Files::of("one.pem", "one.key");
    let settings = [("pending-per-ip", "3"), ("header-timeout", "3s")];
    let server = files.start(&settings).await;
    let begun = Instant::now();
    let mut stopped = Vec::new();
    for bytes in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut tcp = server.tcp().await;
        tcp.write_all(bytes).await.unwrap();
        stopped.push(tcp);
    }
    let refused = dial(server.address, &usual()).await.unwrap_err();
    let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
    assert!(kinds.contains(&refused.kind()), "{refused}");
    for mut tcp in stopped {
        http::read_to_end(&mut tcp).await;
    }
    let took = begun.elapsed();
    assert!(
        (Duration::from_secs(3)..PATIENCE).contains(&took),
        "{took:?}"
    );
    let (_, _, metrics) = get(server.address, "/metrics").await;
    let counted = r#"chat_connections_refused_total{limit="new"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_as_slow() {
    let files = Files::of("one.pem", "one.key");
    let settings = [
        ("frame-rate", "100000/1s"),
        ("outbox-bytes", "128KiB"),
        ("write-timeout", "500ms"),
    ];
    let server = files.start(&settings).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let tcp = socket.connect(server.address).await.unwrap();
    let stream = shake(tcp, &usual()).await.unwrap();
    let mut bob = Client::over(stream, "/v1/ws").await.expect("a WebSocket");
    bob.hello("bob", json!([])).await;
    let mut alice = native(server.address, "alice").await;
    let room = alice.open("bob").await;
    let text = "x".repeat(3_900);
    until("bob's connection has ended", async || {
        alice.say(&room, &text).await;
        let (_, _, metrics) = get(server.address, "/metrics").await;
        // Alice, and the one that asks.
        metrics.contains("\nchat_connections 2\n")
    })
    .await;
    drop(bob);
}

async fn serve(files: &Files) -> (TempDir, Greeted) {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        &["--store", "memory", "--rate-limit", "off"][..],
        &["--frame-rate", "100000/1s"],
        &files.flags()[..],
    ]
    .concat();
    let server = program::greeted(program::command(folder.path(), &flags)).await;
    (folder, server)
}

/// The name of the certificate that a new connection gets.
async fn certificate(address: SocketAddr, connector: &TlsConnector) -> &'static str {
    let stream = dial(address, connector).await.unwrap();
    let certificates = stream.get_ref().1.peer_certificates().unwrap();
    let is = |name| CertificateDer::from_pem_file(fixture(name)).unwrap() == certificates[0];
    if is("one.pem") { "one" } else { "two" }
}

#[tokio::test]
async fn a_certificate_is_replaced_under_load_and_a_wrong_key_changes_nothing() {
    let files = Files::of("one.pem", "one.key");
    let (_folder, mut server) = serve(&files).await;
    let address = server.address;
    let greeting = &server.greeting;
    assert!(greeting.contains("https://127.0.0.1"), "{greeting}");
    let (mut alice, mut bob) = (native(address, "alice").await, native(address, "bob").await);
    let room = alice.open("bob").await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let load = tokio::spawn(async move {
        let mut count = 0;
        while stopped.is_empty() {
            count += 1;
            assert_eq!(alice.say(&room, &count.to_string()).await, count);
        }
        count
    });
    let hearing = tokio::spawn(async move {
        for expected in 1_u64.. {
            match bob.hear().await.parse() {
                Ok(0) => return expected - 1,
                heard => assert_eq!(heard, Ok(expected)),
            }
        }
        unreachable!("the end comes first")
    });
    // Sessions of the old certificate are not resumed.
    let connector = usual();
    assert_eq!(certificate(address, &connector).await, "one");
    let metrics = async || get(address, "/metrics").await.2;
    let ends = |time: u64| format!("chat_tls_not_after_seconds {time}\n");
    assert!(metrics().await.contains(&ends(ONE_ENDS)));
    files.put("two.pem", "two.key");
    server.signal("HUP");
    until("new connections get the new certificate", async || {
        certificate(address, &connector).await == "two"
    })
    .await;
    assert!(metrics().await.contains(&ends(TWO_ENDS)));

    files.put("two.pem", "one.key");
    server.signal("HUP");
    until("the failure is counted", async || {
        metrics().await.contains("chat_tls_reload_failures_total 1")
    })
    .await;
    assert_eq!(certificate(address, &connector).await, "two");
    let (status, _, ready) = get(address, "/ready").await;
    assert!(status == 200 && ready.contains("certificate"), "{ready}");

    // A pair that fits is noticed without a signal.
    files.put("one.pem", "one.key");
    until("the certificate is followed", async || {
        certificate(address, &connector).await == "one"
    })
    .await;
    assert_eq!(get(address, "/ready").await.2, "READY");

    stop.send(()).unwrap();
    let said = load.await.unwrap();
    let mut alice = native(address, "alice").await;
    alice.say("alice,bob", "0").await;
    assert_eq!(hearing.await.unwrap(), said);
    server.process.kill().await.unwrap();
    let mut log = String::new();
    let mut stderr = server.process.stderr.take().unwrap();
    stderr.read_to_string(&mut log).await.unwrap();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert!(
        errors.len() == 1 && errors[0].contains("tls-key-file"),
        "{errors:?}"
    );
}

#[tokio::test]
async fn a_server_without_a_fitting_pair_does_not_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let good = Files::of("one.pem", "one.key");
    let crossed = Files::of("one.pem", "two.key");
    let readable = Files::of("one.pem", "one.key");
    fs::set_permissions(&readable.key, fs::Permissions::from_mode(0o640)).unwrap();
    let no_certificate = Files::of("one.key", "one.key");
    let no_key = Files::of("one.pem", "one.pem");
    let missing = Files::of("one.pem", "one.key");
    fs::remove_file(&missing.certificate).unwrap();
    let on_a_socket = [&good.flags()[..], &["--listen", "unix:chat.sock"]].concat();
    for (flags, setting, words) in [
        (&good.flags()[..2], "tls-cert-file", "tls-key-file"),
        (&good.flags()[2..], "tls-key-file", "tls-cert-file"),
        (&crossed.flags(), "tls-key-file", "not the key"),
        (&readable.flags(), "tls-key-file", "chmod 600"),
        (&no_certificate.flags(), "tls-cert-file", "no certificate"),
        (&no_key.flags(), "tls-key-file", "no private key"),
        (&missing.flags(), "tls-cert-file", "No such file"),
        (&on_a_socket, "tls-cert-file", "Unix socket"),
    ] {
        let (code, said) = serve_wrongly(folder, flags).await;
        assert_eq!(code, Some(2), "{flags:?}: {said}");
        let names = said.starts_with(&format!("error: {setting}"));
        assert!(names && said.contains(words), "{flags:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

async fn serve_wrongly(folder: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let mut all = vec!["--store", "memory"];
    if !flags.contains(&"--listen") {
        all.extend(["--listen", "127.0.0.1:0"]);
    }
    all.extend(flags);
    run(folder, &all, "").await
}
