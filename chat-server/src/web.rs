//! The web page at `/app`, the widget for pages of others, and the view of administrators.
//!
//! Their sources are in `clients/web`. What is built of them is in `web/`, beside a compressed copy of each
//! file, and becomes part of the program, so that a build of the server needs no Node.

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Redirect},
    routing::get,
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::Serialize;

use crate::{
    config::{LoginUrl, Settings},
    http::{app::App, auth::Login},
};

/// The policy of the page: it uses its own files and its own server, and puts no text into itself as HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// Needed by a page that is isolated from other origins (COEP) and loads the widget.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// One file of the page.
#[derive(Debug, Clone, Copy)]
struct File {
    path: &'static str,
    kind: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

macro_rules! files {
    ($($path:literal: $name:literal, $kind:literal;)+) => {
        [$(File {
            path: $path,
            kind: $kind,
            plain: include_bytes!(concat!("../web/", $name)),
            gzip: include_bytes!(concat!("../web/", $name, ".gz")),
        }),+]
    };
}

const FILES: [File; 6] = files! {
    "/app": "index.html", "text/html; charset=utf-8";
    "/app/app.js": "app.js", "text/javascript; charset=utf-8";
    "/app/app.css": "app.css", "text/css; charset=utf-8";
    "/app/icon.svg": "icon.svg", "image/svg+xml";
    "/app/manifest.json": "manifest.json", "application/manifest+json";
    "/app/widget.js": "widget.js", "text/javascript; charset=utf-8";
};

/// Those on the listener for administration.
const OF_ADMIN: [File; 4] = files! {
    "/app": "admin.html", "text/html; charset=utf-8";
    "/app/admin.js": "admin.js", "text/javascript; charset=utf-8";
    "/app/app.css": "app.css", "text/css; charset=utf-8";
    "/app/icon.svg": "icon.svg", "image/svg+xml";
};

/// The files of the page, and what it has to know of the server; nothing with `web = off`.
pub(crate) fn routes(settings: &Settings) -> Router<App> {
    if !settings.web {
        return Router::new();
    }
    let routes = serve(&FILES);
    routes.route("/app/config.json", get(about))
}

/// The files of the view of administrators; nothing with `web = off`. They are for everybody who reaches the
/// listener, as what they show is not.
pub(crate) fn routes_of_admin(settings: &Settings) -> Router<App> {
    if settings.web {
        serve(&OF_ADMIN)
    } else {
        Router::new()
    }
}

fn serve(files: &[File]) -> Router<App> {
    let redirect = get(async || Redirect::permanent("../app"));
    let routes = Router::new().route("/app/", redirect);
    files.iter().fold(routes, |routes, &file| {
        let tag = digest(&SHA256, file.plain);
        let tag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&tag.as_ref()[..12]));
        routes.route(
            file.path,
            get(async move |headers: HeaderMap| file.answer(&headers, tag)),
        )
    })
}

impl File {
    fn answer(self, headers: &HeaderMap, tag: String) -> impl IntoResponse + use<> {
        let names = |name: HeaderName, wanted: &str| {
            let mut lines = headers.get_all(name).iter();
            lines.any(|line| {
                let mut items = line.to_str().unwrap_or_default().split(',');
                items.any(|item| item.trim().trim_start_matches("W/") == wanted)
            })
        };
        let known = names(header::IF_NONE_MATCH, &tag);
        let packed = names(header::ACCEPT_ENCODING, "gzip");
        let (status, body) = match (known, packed) {
            (true, _) => (StatusCode::NOT_MODIFIED, &[][..]),
            (false, true) => (StatusCode::OK, self.gzip),
            (false, false) => (StatusCode::OK, self.plain),
        };
        let encoding = (status == StatusCode::OK && packed).then_some("gzip");
        (
            status,
            encoding.map(|encoding| [(header::CONTENT_ENCODING, encoding)]),
            [(header::ETAG, tag)],
            [
                (header::CONTENT_TYPE, self.kind),
                (header::VARY, "accept-encoding"),
                // A browser keeps it, and asks each time whether it is still the same.
                (header::CACHE_CONTROL, "no-cache"),
                (header::CONTENT_SECURITY_POLICY, POLICY),
                (RESOURCE_POLICY, "cross-origin"),
            ],
            body,
        )
    }
}

/// The facts about the server that the page needs before a login.
#[derive(Debug, Serialize)]
struct About {
    /// The kind of login: users name themselves, or need a token.
    login: &'static str,
    /// The page where a user gets a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    login_url: Option<String>,
}

async fn about(State(app): State<App>) -> Json<About> {
    let login_url = app.settings.web_login_url.as_ref();
    Json(About {
        login: match app.login {
            Login::Open => "name",
            Login::Checked(_) => "token",
        },
        login_url: login_url.map(|LoginUrl(url)| url.to_string()),
    })
}
