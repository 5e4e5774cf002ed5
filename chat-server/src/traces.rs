//! Traces for a collector of OpenTelemetry: the spans of the engine and the server, sent by OTLP over HTTP.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use axum::{
    body::Bytes,
    http::{HeaderValue, Request, Response, Uri, header},
};
use http_body_util::Full;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, runtime::Handle, task::spawn_blocking, time::timeout};
use tokio_rustls::TlsConnector;
use tracing::Level;
use tracing_subscriber::{Layer as _, filter::Targets};

use crate::{config::Settings, http::client, logging};

/// The name of the service, and of what makes the spans.
const NAME: &str = "chat-server";

/// The longest time that a batch of spans may take to be sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer of a collector, in bytes.
const LARGEST: usize = 64 << 10;

/// Spans that have ended wait here to be sent.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// Traces can't be sent, in one line that names the setting.
#[derive(Debug, thiserror::Error)]
#[error("otlp-endpoint: {0}")]
pub struct TracesError(String);

/// Starts the log, as [`logging::start`] does, and sends traces to where `otlp-endpoint` says. Call it once in a
/// process, inside a tokio runtime.
///
/// Whatever `log` says, the spans of the level debug are sent, and the events in them. A collector that is away
/// costs the spans, and a line in the log for each batch of them.
///
/// # Errors
///
/// A machine that trusts no authority, if the collector speaks TLS.
pub fn start(settings: &Settings) -> Result<Option<Traces>, TracesError> {
    let Some(collector) = &settings.otlp_endpoint else {
        logging::start(settings);
        return Ok(None);
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}v1/traces", collector.0))
        .with_http_client(Collector::new(&collector.0)?)
        .build();
    let exporter = exporter.map_err(|error| TracesError(error.to_string()))?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder()
        .with_service_name(NAME)
        .with_attribute(version);
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build();
    let ours = [
        "chat_core",
        "chat_server",
        "chat_store_mongo",
        "chat_store_sqlite",
        "chat_cache_redis",
    ];
    let ours = Targets::new().with_targets(ours.map(|name| (name, Level::DEBUG)));
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer(NAME));
    logging::start_with(settings, Some(spans.with_filter(ours).boxed()));
    Ok(Some(Traces(provider)))
}

impl Traces {
    /// Sends what waits, for at most some seconds. Call it before the process ends.
    pub async fn end(self) {
        // It blocks until it is done.
        let ended = spawn_blocking(move || self.0.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// Sends requests to the collector. It is called from a thread that belongs to no runtime.
#[derive(Clone)]
struct Collector {
    runtime: Handle,
    /// With `https`.
    tls: Option<TlsConnector>,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl Collector {
    fn new(url: &Uri) -> Result<Self, TracesError> {
        let tls = (url.scheme_str() == Some("https")).then(client::tls);
        Ok(Self {
            runtime: Handle::current(),
            tls: tls.transpose().map_err(TracesError)?,
        })
    }

    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut parts, body) = request.into_parts();
        let url = std::mem::take(&mut parts.uri);
        let host = url.host().unwrap_or_default();
        let bare = host.trim_matches(['[', ']']).to_owned();
        let port = url
            .port_u16()
            .unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        parts.uri = url.path().parse()?;
        let authority = url.authority().map_or(host, |it| it.as_str());
        parts.headers.insert(header::HOST, authority.parse()?);
        parts
            .headers
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        let request = Request::from_parts(parts, Full::new(body));
        let tcp = TcpStream::connect((&*bare, port)).await?;
        let (status, answer) = match &self.tls {
            None => client::exchange(tcp, request, LARGEST).await?,
            Some(tls) => {
                let stream = tls.connect(ServerName::try_from(bare)?, tcp).await?;
                client::exchange(stream, request, LARGEST).await?
            }
        };
        Ok(Response::builder().status(status).body(answer)?)
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let collector = self.clone();
        let sending = async move { timeout(PATIENCE, collector.send(request)).await };
        self.runtime.spawn(sending).await??
    }
}
