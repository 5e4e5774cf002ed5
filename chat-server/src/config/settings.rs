//! The table of all settings, and the rules between them.

use std::{path::PathBuf, time::Duration};

use chat_core::{Config, OnlineList, OutboxLimits, PolicyStale, rate::RatePolicy};

use super::{
    address::Address,
    hosts::{Hosts, PublicUrl},
    login::{Algorithm, Auth, HttpsUrl, LoginUrl, Names},
    origins::Origins,
    proxies::{Proxies, ProxyProtocol},
    value::{Bytes, CacheUrl, CollectorUrl, LogFilter, LogFormat, Match, Rate, StoreUrl, Value},
};

/// One setting: a line of the table.
#[derive(Debug)]
pub struct Setting {
    /// Its name as a field of [`Settings`].
    pub(super) field: &'static str,
    /// The form of its value, such as `ADDR:PORT`.
    pub form: &'static str,
    /// Its value when no source names it.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Whether a text is a value of it; the error completes the sentence "... is not ...".
    pub(super) check: fn(&str) -> Result<(), String>,
}

impl Setting {
    /// Its name in a file, and with `--` before it the flag.
    pub fn name(&self) -> String {
        self.field.replace('_', "-")
    }

    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("CHAT_{}", self.field.to_uppercase())
    }
}

macro_rules! settings {
    ($($(#[doc = $help:literal])+ $field:ident: $type:ty = $default:literal, $form:literal;)+) => {
        /// All settings of the server; `--help` lists them with their defaults.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Settings { $($(#[doc = $help])+ pub $field: $type,)+ }

        /// The table.
        pub const TABLE: &[Setting] = &[$(Setting {
            field: stringify!($field),
            form: $form,
            default: $default,
            help: concat!($($help),+),
            check: |text| <$type>::parse(text).map(drop),
        },)+];

        impl Settings {
            /// Reads each value; `text` gives the text of a setting by the name of its field.
            pub(super) fn read(text: impl Fn(&str) -> String) -> Result<Self, String> {
                Ok(Self { $($field: <$type>::parse(&text(stringify!($field)))?,)+ })
            }
        }
    };
}

settings! {
    /// Where to listen: at an IP address and a port, or at a Unix socket, for which the limits by address
    /// don't hold. `PORT` in the environment sets only the port.
    listen: Address = "127.0.0.1:5000", "ADDR:PORT|unix:PATH";
    /// Serve others than this machine's users although anybody can take any name.
    allow_open_network: bool = "false", "BOOL";
    /// Serve others than this machine's users although the network can read everything.
    allow_plaintext: bool = "false", "BOOL";
    /// Give the metrics to everybody who can reach the server.
    metrics_public: bool = "false", "BOOL";
    /// A file with the server's certificate as PEM, and after it those that lead to its authority. With it
    /// the server speaks TLS. It is read again when it changes, and at SIGHUP.
    tls_cert_file: Option<PathBuf> = "", "FILE";
    /// A file with the key of that certificate as PEM. Only its owner may be able to read it.
    tls_key_file: Option<PathBuf> = "", "FILE";
    /// Where to listen for administration, in the same forms; beyond this machine only with TLS.
    admin_listen: Option<Address> = "off", "ADDR:PORT|unix:PATH|off";
    /// A file with the token of the administration: one line of at least 32 bytes. Only its owner may be able
    /// to read it. It is read again when it changes, and at SIGHUP.
    admin_token_file: Option<PathBuf> = "", "FILE";
    /// A file for the record of what administrators did, one line of JSON for each. Only its owner may read it.
    audit_file: Option<PathBuf> = "", "FILE";
    /// How users log in: `open` believes everybody, and the token is the name; `jwt` wants a signed token.
    auth: Auth = "open", "open|jwt";
    /// A file with the key of all tokens: a secret for HS256, a public or private key as PEM otherwise.
    /// Only its owner may be able to read it. It is read again when it changes, and at SIGHUP.
    jwt_key_file: Option<PathBuf> = "", "FILE";
    /// The algorithm of that key.
    jwt_alg: Algorithm = "HS256", "HS256|EdDSA|RS256";
    /// A file with several keys instead, as a set (RFC 7517); each has its `alg` and its `kid`.
    jwt_keys_file: Option<PathBuf> = "", "FILE";
    /// The address of such a set that an identity provider publishes; it is fetched every 10 minutes.
    jwt_keys_url: Option<HttpsUrl> = "", "https://...";
    /// How long keys from there are believed while it is away.
    jwt_keys_stale: Duration = "24h", "TIME";
    /// The audience (`aud`) that a token has to name.
    jwt_audience: Option<String> = "", "NAME";
    /// The issuer (`iss`) that a token has to name.
    jwt_issuer: Option<String> = "", "NAME";
    /// The longest time from the issue of a token, or from now, to its end.
    jwt_max_lifetime: Duration = "24h", "TIME";
    /// Which names of users (`sub`) a token may have: visible ASCII, the user names of RFC 8265, or any that
    /// the server allows at all.
    jwt_names: Names = "any", "ascii|precis|any";
    /// Of the users whose names look alike (by UTS #39), let in only the first one who logs in.
    names_unique_look: bool = "false", "BOOL";
    /// Believe a token's claim `chat_rank`: user, moderator or admin.
    jwt_ranks: bool = "false", "BOOL";
    /// The treatment of new logins when the store has not shown for 60 s which users are revoked or banned.
    policy_stale: PolicyStale = "refuse", "refuse|allow";
    /// How long the record keeps decisions that are not in force any more.
    audit_keep: Duration = "400d", "TIME";
    /// The users in a list of the users online: everybody, those who share a room with the caller, or nobody.
    /// `auto` is `all` with `auth = open`, else `rooms`. Presence of single users follows it.
    online_list: Option<OnlineList> = "auto", "auto|all|rooms|off";
    /// Where users find the server, such as `https://chat.example.org`, if a proxy is in front of it.
    public_url: Option<PublicUrl> = "", "URL";
    /// The proxies that may name the address of a client in `X-Forwarded-For`: addresses or networks, and
    /// `unix` for the peers on a Unix socket. May be given several times.
    trusted_proxy: Proxies = "", "CIDR|unix";
    /// The header of the PROXY protocol that these proxies send before everything else on a connection.
    proxy_protocol: ProxyProtocol = "off", "off|v1|v2";
    /// The hosts by which requests may address the server: names, addresses or networks. `auto` is this
    /// machine's own (`localhost`, `127.0.0.0/8`, `[::1]`) or, for a server that others can reach, those of
    /// its certificate and of `public-url`. May be given several times.
    allowed_host: Hosts = "auto", "auto|HOST|CIDR";
    /// Which web pages may use the server. `auto` allows those that come from the host that they address
    /// and, on a loopback address, those of this machine; `null` has to be named. May be given several
    /// times.
    cors_origin: Origins = "auto", "auto|any|null|ORIGIN";
    /// Refuse a WebSocket and Socket.IO to clients that send no `Origin`, as only browsers do.
    require_origin: bool = "false", "BOOL";
    /// Serve the web page at `/app`, and the widget for other pages at `/app/widget.js`.
    web: bool = "on", "on|off";
    /// The page that gives users of the web page their tokens, and sends them back to `/app#token=TOKEN`.
    web_login_url: Option<LoginUrl> = "", "URL";
    /// Where messages are kept. `Atlas_URI` in the environment, as the old server had it, sets it too.
    store: StoreUrl = "sqlite:./chat.db", "sqlite:PATH|mongodb://HOST/DATABASE|memory";
    /// Where presence and rate limits are kept, and through which several nodes notify each other.
    cache: CacheUrl = "memory", "redis://HOST:PORT|memory";
    /// A file with the value of `store`, for one with a password. Only its owner may be able to read it.
    store_file: Option<PathBuf> = "", "FILE";
    /// A file with the value of `cache`, likewise.
    cache_file: Option<PathBuf> = "", "FILE";
    /// What is logged. `RUST_LOG` in the environment sets it as well.
    log: LogFilter = "info", "FILTER";
    /// The form of the log: lines for people, or an object of JSON on each line.
    log_format: LogFormat = "text", "text|json";
    /// Log each request when it is answered: method, route, status, time, address of the client, user.
    access_log: bool = "false", "BOOL";
    /// Where traces are sent: a collector of OpenTelemetry, by OTLP over HTTP. Needs the feature `otel`.
    otlp_endpoint: Option<CollectorUrl> = "", "http://HOST:PORT";

    /// How many messages a user may send in which time.
    rate_limit: Option<Rate> = "5/60s", "N/TIME|off";
    /// For how long one message too many mutes its user.
    mute: Duration = "5s", "TIME";
    /// A file with words that are refused, one per line; without a file they are `war` and `gun`.
    moderation_words: Option<PathBuf> = "", "FILE";
    /// Whether these match as whole words, or anywhere in a text.
    moderation_match: Match = "word", "word|substring";
    /// The longest text, in characters.
    text_chars: usize = "4000", "N";
    /// The longest text, in bytes.
    text_bytes: Bytes = "16KiB", "SIZE";
    /// How often others are sent that a user is typing.
    typing_throttle: Duration = "3s", "TIME";
    /// How long typing lasts unless it is renewed.
    typing_expiry: Duration = "6s", "TIME";
    /// How many entries a page of history has if the client names no number.
    history_page: usize = "50", "N";
    /// How many entries a page of history has at most.
    history_max: usize = "200", "N";
    /// How many missed entries of a room are sent again; more of them become a gap.
    resume_max: usize = "300", "N";
    /// How long a device counts as online without a sign of life.
    presence_lease: Duration = "45s", "TIME";
    /// How often that lease is renewed.
    presence_refresh: Duration = "15s", "TIME";

    /// How many connections there may be; `auto` is what the limit of open files allows, less 10 %.
    connections: Option<usize> = "auto", "N|auto";
    /// How many connections an IPv4 address, or an IPv6 /64 network, may have.
    connections_per_ip: usize = "1000", "N";
    /// How many connections a trusted proxy may have.
    connections_per_proxy: usize = "50000", "N";
    /// How many sessions the address of a client may have, also behind a proxy: connections of the native
    /// protocol, and sessions of Socket.IO.
    sessions_per_ip: usize = "1000", "N";
    /// How many of an address's connections may be without a request, and how many of its sessions without
    /// a name.
    pending_per_ip: usize = "200", "N";
    /// How many requests the address of a client may send, also behind a proxy; twice as many at once.
    requests_per_ip: Option<Rate> = "100/1s", "N/TIME|off";
    /// How many requests with a token a user may send; twice as many at once.
    requests_per_user: Option<Rate> = "50/1s", "N/TIME|off";
    /// How many connections a user may have.
    connections_per_user: usize = "20", "N";
    /// How many members a room may have.
    room_members: usize = "10000", "N";
    /// How long a new WebSocket may take to say `hello`.
    auth_timeout: Duration = "5s", "TIME";
    /// The largest frame and message of a WebSocket.
    frame_bytes: Bytes = "64KiB", "SIZE";
    /// How many frames of any kind a WebSocket may send; twice as many at once.
    frame_rate: Rate = "50/1s", "N/TIME";
    /// How many frames that can't be read a WebSocket may send.
    bad_frames: usize = "10", "N";
    /// How long one message may take to arrive.
    message_timeout: Duration = "10s", "TIME";
    /// How long a WebSocket may be silent before it is pinged.
    ping_interval: Duration = "25s", "TIME";
    /// How long it may take to answer the ping.
    pong_timeout: Duration = "20s", "TIME";
    /// How many frames may wait for one client.
    outbox_frames: usize = "1024", "N";
    /// How much may wait for one client.
    outbox_bytes: Bytes = "1MiB", "SIZE";
    /// How long a client may read nothing while something is being written to it.
    write_timeout: Duration = "10s", "TIME";
    /// How long the head of a request may take, and a new connection to send one.
    header_timeout: Duration = "5s", "TIME";
    /// How long a connection may stay without a request after an answer.
    keep_alive: Duration = "75s", "TIME";
    /// The largest head of a request, at least 8KiB.
    header_bytes: Bytes = "16KiB", "SIZE";
    /// How long a request may take, its body included.
    request_timeout: Duration = "10s", "TIME";
    /// The largest body of a request.
    body_bytes: Bytes = "64KiB", "SIZE";
    /// How long stopping may take.
    drain_timeout: Duration = "30s", "TIME";
}

impl Settings {
    /// The settings that are the engine's.
    pub fn engine(&self) -> Config {
        Config {
            text_chars: self.text_chars,
            text_bytes: self.text_bytes.0,
            send_limit: self.rate_limit.map(|rate| RatePolicy::Window {
                limit: rate.count,
                window: rate.per,
                mute: self.mute,
            }),
            typing_throttle: self.typing_throttle,
            typing_expiry: self.typing_expiry,
            outbox: OutboxLimits {
                frames: self.outbox_frames,
                bytes: self.outbox_bytes.0,
            },
            sessions_per_user: self.connections_per_user,
            room_members: self.room_members,
            presence_lease: self.presence_lease,
            presence_refresh: self.presence_refresh,
            history_page: self.history_page,
            history_max: self.history_max,
            resume_max: self.resume_max,
            policy_stale: self.policy_stale,
            audit_keep: self.audit_keep,
            unique_looks: self.names_unique_look,
            online_list: self.online_list.unwrap_or(match self.auth {
                Auth::Open => OnlineList::All,
                Auth::Jwt => OnlineList::Rooms,
            }),
            ..Config::default()
        }
    }

    /// What doesn't fit together: the setting to change, and why.
    pub(super) fn conflict(&self) -> Option<(&'static str, String)> {
        /// Of a `send` command beside its text, every byte of which may need six in JSON.
        const SEND: usize = 1 << 10;
        let fits = [
            (
                self.tls_key_file.is_some() || self.tls_cert_file.is_none(),
                "tls-cert-file",
                "a certificate needs its key; name tls-key-file too".to_owned(),
            ),
            (
                self.tls_cert_file.is_some() || self.tls_key_file.is_none(),
                "tls-key-file",
                "a key needs its certificate; name tls-cert-file too".to_owned(),
            ),
            (
                self.tls_cert_file.is_none() || matches!(self.listen, Address::Tcp(_)),
                "tls-cert-file",
                "a Unix socket has no TLS, for nobody can listen in there; leave TLS to the proxy, or \
                 listen at an address"
                    .to_owned(),
            ),
            (
                self.admin_listen.as_ref().is_none_or(Address::is_local)
                    || self.tls_cert_file.is_some(),
                "admin-listen",
                "others could read its token on the way; name tls-cert-file and tls-key-file, or \
                 listen at 127.0.0.1"
                    .to_owned(),
            ),
            (
                self.admin_listen.is_none()
                    || self.admin_token_file.is_some()
                    || self.jwt_ranks && self.auth == Auth::Jwt,
                "admin-listen",
                "nobody could be admitted; name admin-token-file, or have administrators log in with \
                 --auth jwt --jwt-ranks"
                    .to_owned(),
            ),
            (
                self.proxy_protocol == ProxyProtocol::Off || !self.trusted_proxy.is_empty(),
                "proxy-protocol",
                "only trusted proxies may send the header; name them with trusted-proxy".to_owned(),
            ),
            (
                self.presence_refresh * 2 <= self.presence_lease,
                "presence-refresh",
                format!(
                    "it is more than half of presence-lease, {:?}",
                    self.presence_lease
                ),
            ),
            (
                self.history_page <= self.history_max,
                "history-page",
                format!("it is more than history-max, {}", self.history_max),
            ),
            (
                self.text_bytes.0 + SEND <= self.frame_bytes.0,
                "frame-bytes",
                format!(
                    "a text of text-bytes, {} bytes, doesn't fit",
                    self.text_bytes.0
                ),
            ),
            (
                self.header_bytes.0 >= 8 << 10,
                "header-bytes",
                "it is less than 8KiB".to_owned(),
            ),
        ];
        let conflict = fits.into_iter().find(|(fits, ..)| !fits);
        conflict.map(|(_, setting, why)| (setting, why))
    }

    /// The first setting that logins by token lack, and the reason why they need it.
    pub(crate) fn jwt_conflict(&self) -> Option<(&'static str, String)> {
        let named = [
            self.jwt_key_file.is_some(),
            self.jwt_keys_file.is_some(),
            self.jwt_keys_url.is_some(),
        ];
        let fault = match named {
            [false, false, false] => Some((
                "jwt-key-file",
                "tokens need a key; name this, jwt-keys-file or jwt-keys-url",
            )),
            [true, true, _] => Some((
                "jwt-keys-file",
                "there is a jwt-key-file too; name one of them",
            )),
            [true, _, true] | [_, true, true] => Some((
                "jwt-keys-url",
                "there is a file with keys too; name one of them",
            )),
            _ if self.jwt_audience.is_none() => Some((
                "jwt-audience",
                "a token has to name whom it is for, or those for other services would do",
            )),
            _ if self.jwt_issuer.is_none() => {
                Some(("jwt-issuer", "a token has to name who has issued it"))
            }
            _ => None,
        };
        fault.map(|(setting, why)| (setting, why.to_owned()))
    }
}
