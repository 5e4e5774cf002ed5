//! Logins by the tokens of identity providers, whose keys the server fetches by HTTPS. The files in
//! `tests/issuers` have the shape of the providers' own tokens; their times count from now.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::{encoding::AsDer as _, rsa};
use chat_core::{Clock as _, SystemClock};
use chat_testkit::{http, program, program::Greeted};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    embedding::Place,
    tls::fixture,
    tokens::{run, status},
};

/// An identity provider that answers every request alike, and counts them.
struct Publisher {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Publisher {
    async fn start(status: &str, headers: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let certificate = CertificateDer::from_pem_file(fixture("one.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture("one.key")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}");
        let asked = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(tcp).await else {
                    continue;
                };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                counter.fetch_add(1, Ordering::SeqCst);
                // A client that has enough of a long answer closes the connection.
                stream.write_all(answer.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
        });
        Self { address, asked }
    }

    async fn of_keys(keys: &Value) -> Self {
        let json = "content-type: application/json\r\n";
        Self::start("200 OK", json, &keys.to_string()).await
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/keys", self.address.port())
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A provider's token as its file describes it, and its key as the provider publishes it.
struct Token {
    claims: Value,
    header: Header,
    key: EncodingKey,
    published: Value,
}

impl Token {
    fn of(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/issuers");
        let text = std::fs::read_to_string(path.join(file)).unwrap();
        let mut token: Value = serde_json::from_str(&text).unwrap();
        let mut claims = token["claims"].take();
        let now = u64::try_from(SystemClock::default().now().timestamp()).unwrap();
        for claim in ["iat", "exp", "auth_time"] {
            if let Some(seconds) = claims[claim].as_u64() {
                claims[claim] = json!(now + seconds);
            }
        }
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", der.as_ref()));
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let kid = token["kid"].as_str().unwrap();
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(kid.to_owned());
        let mut published = Jwk::from_encoding_key(&key, Algorithm::RS256)
            .map(|jwk| serde_json::to_value(jwk).unwrap())
            .unwrap();
        published["kid"] = kid.into();
        published["use"] = "sig".into();
        published["x5t"] = "vK3nMfVTwwqRvV0zNDR1j6d8gkI".into();
        Self {
            claims,
            header,
            key,
            published,
        }
    }

    fn signed(&self) -> String {
        encode(&self.header, &self.claims, &self.key).unwrap()
    }

    /// A token whose `kid` the provider does not know.
    fn of_kid(&self, kid: &str) -> String {
        let mut header = self.header.clone();
        header.kid = Some(kid.to_owned());
        encode(&header, &self.claims, &self.key).unwrap()
    }

    /// The set of the provider: besides the key, one for encryption and one of another algorithm.
    fn set(&self) -> Value {
        let mut encryption = self.published.clone();
        encryption["kid"] = "enc".into();
        encryption["use"] = "enc".into();
        encryption["alg"] = "RSA-OAEP".into();
        let elliptic = json!({
            "kid": "elliptic", "kty": "EC", "alg": "ES256", "use": "sig", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        });
        json!({ "keys": [encryption, elliptic, self.published] })
    }

    fn flags<'a>(&'a self, audience: &'a str, url: &'a str) -> [&'a str; 6] {
        let issuer = self.claims["iss"].as_str().unwrap();
        let claims = ["--jwt-issuer", issuer, "--jwt-audience", audience];
        [
            claims[0],
            claims[1],
            claims[2],
            claims[3],
            "--jwt-keys-url",
            url,
        ]
    }
}

async fn serve(flags: &[&str]) -> (Greeted, Place) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["--store", "memory", "--auth", "jwt"], flags].concat();
    let mut command = program::command(folder.path(), &arguments);
    command.env("SSL_CERT_FILE", fixture("ca.pem"));
    let server = program::greeted(command).await;
    let place = Place::Tcp(server.address, "");
    (server, place)
}

async fn ready(place: &Place) -> http::Answer {
    place.http("GET", "/ready", "").await
}

#[tokio::test]
async fn tokens_of_keycloak_and_auth0_log_in() {
    for (file, audience) in [
        ("keycloak.json", "chat"),
        ("auth0.json", "https://chat.example/api"),
    ] {
        let token = Token::of(file);
        let publisher = Publisher::of_keys(&token.set()).await;
        let url = publisher.url();
        let (_server, place) = serve(&token.flags(audience, &url)).await;
        let (_, welcome) = place.native(&token.signed()).await;
        let result = &welcome["result"];
        assert_eq!(result["user"], token.claims["sub"], "{file}: {welcome}");
        assert_eq!(status(&place, &token.signed()).await, 200, "{file}");
        let (_socket, ack) = place.socketio(&token.signed()).await;
        assert_eq!(ack, "431[{}]", "{file}");
        assert_eq!(ready(&place).await.2, "READY");
    }
}

#[tokio::test]
async fn invented_keys_cause_no_fetch_by_a_login() {
    let token = Token::of("keycloak.json");
    let publisher = Publisher::of_keys(&token.set()).await;
    let url = publisher.url();
    let (_server, place) = serve(&token.flags("chat", &url)).await;
    // An address may fail five times.
    for kid in ["enc", "elliptic", "../keys", "x"] {
        assert_eq!(status(&place, &token.of_kid(kid)).await, 401, "{kid}");
    }
    assert_eq!(status(&place, &token.signed()).await, 200);
    // It was before the server served.
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn without_keys_logins_are_answered_later_and_nobody_is_refused_for_good() {
    let token = Token::of("keycloak.json");
    let set = token.set().to_string();
    let wrong = Publisher::start("200 OK", "", "no set of keys").await;
    let away = Publisher::start("503 Service Unavailable", "", &set).await;
    let large = Publisher::start("200 OK", "", &format!("{set}{}", " ".repeat(256 << 10))).await;
    let elsewhere = Publisher::of_keys(&token.set()).await;
    let location = format!("location: {}\r\n", elsewhere.url());
    let moved = Publisher::start("302 Found", &location, &set).await;
    // The certificate is for localhost.
    let foreign = Publisher::of_keys(&token.set()).await;
    let foreign = format!("https://127.0.0.2:{}/keys", foreign.address.port());
    for url in [wrong.url(), away.url(), large.url(), moved.url(), foreign] {
        let (_server, place) = serve(&token.flags("chat", &url)).await;
        let authorization = format!("authorization: Bearer {}\r\n", token.signed());
        let (status, head, body) = place.http("GET", "/v1/rooms", &authorization).await;
        assert_eq!(status, 503, "{url}: {body}");
        assert!(body.contains("305"), "{url}: {body}");
        assert!(head.to_lowercase().contains("retry-after"), "{url}: {head}");
        let (_, refused) = place.native(&token.signed()).await;
        assert_eq!(refused["error"]["code"], 305, "{url}: {refused}");
        let says = ready(&place).await.2;
        assert!(says.contains("nobody can log in"), "{url}: {says}");
    }
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn the_address_of_the_keys_has_to_be_safe_and_the_only_source() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["--jwt-issuer", "i", "--jwt-audience", "a"];
    for (flags, words) in [
        (
            ["--jwt-keys-url", "http://localhost/keys"].as_slice(),
            "https://",
        ),
        (
            &["--jwt-keys-url", "https://me:secret@localhost/"],
            "holds no password",
        ),
        (
            &[
                "--jwt-keys-url",
                "https://localhost/",
                "--jwt-key-file",
                "k",
            ],
            "name one of them",
        ),
    ] {
        let arguments = [&["--auth", "jwt"], flags, &names].concat();
        let (code, said) = run(folder.path(), &arguments, "").await;
        assert!(code == Some(2) && said.contains(words), "{said}");
    }
}
