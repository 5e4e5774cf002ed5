//! What a login by token costs: `cargo bench -p benches --bench login`.
//!
//! The same request of the REST interface with an open login and with a token of each algorithm, without a
//! socket: the difference is the login.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench fails by panicking; its macros write items"
)]

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use chat_core::{Rank, UserId};
use chat_server::{
    config::{Algorithm, Settings},
    start::start,
    tokens,
};
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Builder;
use tower::ServiceExt as _;

/// A server with these settings, as its routes.
async fn routes(settings: &[(&str, &str)]) -> (Router, Settings) {
    let all = [&[("store", "memory"), ("listen", "127.0.0.1:0")], settings].concat();
    let settings = Settings::with(&all).unwrap();
    let started = start(&settings).await.unwrap();
    let (server, _) = started.server(settings.clone());
    (server.router(), settings)
}

async fn ask(routes: &Router, authorization: &str) {
    let request = Request::get("/v1/rooms")
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, authorization)
        .body(Body::empty())
        .unwrap();
    let answer = routes.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

fn login(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = c.benchmark_group("login");
    let (open, _) = runtime.block_on(routes(&[]));
    group.bench_function("open", |b| {
        b.iter(|| runtime.block_on(ask(&open, "Bearer alice")));
    });
    for algorithm in [Algorithm::Hs256, Algorithm::EdDsa, Algorithm::Rs256] {
        let folder = tempfile::tempdir().unwrap();
        let files = tokens::generate(algorithm, folder.path()).unwrap();
        let key = files.lines().next().unwrap();
        let (routes, settings) = runtime.block_on(routes(&[
            ("auth", "jwt"),
            ("jwt-alg", algorithm.name()),
            ("jwt-key-file", key),
            ("jwt-audience", "chat"),
            ("jwt-issuer", "benches"),
        ]));
        let alice = UserId::new("alice").unwrap();
        let hour = Duration::from_hours(1);
        let token = tokens::issue(&settings, &alice, hour, Rank::User).unwrap();
        let authorization = format!("Bearer {token}");
        group.bench_function(algorithm.name(), |b| {
            b.iter(|| runtime.block_on(ask(&routes, &authorization)));
        });
    }
    group.finish();
}

criterion_group!(benches, login);
criterion_main!(benches);
