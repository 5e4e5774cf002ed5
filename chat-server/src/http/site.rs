//! The hosts by which the server may be addressed, and the web pages that may use it.
//!
//! A page can reach a server on the user's own machine, and one whose name the page's owner has moved to
//! the server's address (DNS rebinding). So a request has to name a host that is the server's, and the
//! origin of a page has to be allowed.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{failure::Failure, tls::Tls};
use crate::config::{Address, Allowed, Host, Hosts, Origins, PublicUrl, Settings, read_origin};

/// The rules of one server.
#[derive(Debug, Clone)]
pub(crate) struct Site(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    hosts: Accepted,
    origins: Origins,
    require_origin: bool,
    public: Option<PublicUrl>,
    tls: Option<Arc<Tls>>,
    /// Pages of this machine are allowed with `auto`.
    local: bool,
}

/// The hosts that a request may name.
#[derive(Debug)]
enum Accepted {
    /// Any: the service around the routes has the say.
    Any,
    /// Those that the settings list.
    Listed(Vec<Allowed>),
    /// The names of the certificate and of `public-url`; this machine's own unless the server is exposed.
    Own { loopback: bool },
}

impl Site {
    /// The rules for a server that listens there; `None` for routes that are nested in another service.
    pub(crate) fn new(
        settings: &Settings,
        address: Option<&Address>,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        let exposed = address.is_none_or(|address| settings.exposed_by(address).is_some());
        let hosts = match (&settings.allowed_host, address) {
            (Hosts::These(list), _) => Accepted::Listed(list.clone()),
            (Hosts::Auto, None) => Accepted::Any,
            (Hosts::Auto, Some(_)) => Accepted::Own { loopback: !exposed },
        };
        // The names of a service around are not known, and so no origin is that of its own pages.
        let origins = match (&settings.cors_origin, address) {
            (Origins::Auto, None) => Origins::These(Vec::new()),
            (origins, _) => origins.clone(),
        };
        Self(Arc::new(Rules {
            hosts,
            origins,
            require_origin: settings.require_origin,
            public: settings.public_url.clone(),
            tls,
            local: !exposed && address.is_some_and(Address::is_loopback),
        }))
    }

    fn serves(&self, host: &Host) -> bool {
        let Self(rules) = self;
        match &rules.hosts {
            Accepted::Any => true,
            Accepted::Listed(list) => host.is_among(list),
            Accepted::Own { loopback } => {
                let public = rules.public.as_ref().and_then(PublicUrl::host);
                (*loopback && host.is_loopback())
                    || public.as_ref() == Some(host)
                    || rules.tls.as_ref().is_some_and(|tls| tls.names(host))
            }
        }
    }

    /// Whether a page of this origin may send a request to this host.
    pub(crate) fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        let Self(rules) = self;
        match &rules.origins {
            Origins::Any => true,
            Origins::These(list) => list.iter().any(|one| one == origin),
            Origins::Auto => read_origin(origin)
                .is_ok_and(|origin| self.is_own(&origin, host) || self.is_local(&origin)),
        }
    }

    fn is_own(&self, origin: &str, host: Option<&str>) -> bool {
        let Self(rules) = self;
        if rules.public.as_ref().map(PublicUrl::origin) == Some(origin) {
            return true;
        }
        let scheme = match &rules.public {
            Some(public) => public.scheme(),
            None if rules.tls.is_some() => "https",
            None => "http",
        };
        host.is_some_and(|host| {
            read_origin(&format!("{scheme}://{host}")).is_ok_and(|own| own == origin)
        })
    }

    fn is_local(&self, origin: &str) -> bool {
        let host = origin
            .split_once("://")
            .filter(|(scheme, _)| scheme.starts_with("http"));
        let host = host.and_then(|(_, host)| Host::of_authority(host));
        self.0.local && host.is_some_and(|host| host.is_loopback())
    }
}

/// The host that a request names, with its port: in its target (RFC 9112, 3.2.2), else in its header.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let header = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    uri.authority().map(Authority::as_str).or(header)
}

/// Refuses a request that names a host which is not the server's. HTTP/1.0 names none, and no browser
/// speaks it.
pub(super) async fn refuse_host(
    State(site): State<Site>,
    request: Request,
    next: Next,
) -> Response {
    let served = host(request.uri(), request.headers())
        .is_none_or(|host| Host::of_authority(host).is_some_and(|host| site.serves(&host)));
    if served {
        return next.run(request).await;
    }
    let why = "the server does not go by the name in the header `host`; the setting allowed-host lists \
               its names";
    Failure::new(StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

/// Refuses pages of other origins. CORS alone only hides the answers from them.
pub(super) async fn refuse_origin(
    State(site): State<Site>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let refused = match headers.get(header::ORIGIN) {
        // What is no text is no origin that could be allowed.
        Some(origin) => {
            let origin = origin.to_str().unwrap_or_default();
            let allowed = site.allows(origin, host(request.uri(), headers));
            (!allowed).then_some("pages of this origin may not use the server")
        }
        None if site.0.require_origin
            && is_socket(request.uri().path())
            && !is_own_page(headers) =>
        {
            Some("a connection needs the header `origin` here, as browsers send it")
        }
        None => None,
    };
    match refused {
        Some(why) => Failure::new(StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    }
}

/// Whether messages arrive unasked at this path.
fn is_socket(path: &str) -> bool {
    ["/v1/ws", "/socket.io", "/socket.io/"].contains(&path)
}

/// Whether a browser says that the request comes from a page of the server's own origin: such a GET has
/// no `origin`.
fn is_own_page(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "same-origin")
}
