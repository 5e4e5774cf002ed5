//! The parts that the tasks of all sessions share.

use std::{sync::Arc, time::Duration};

use chat_core::{RandomIds, SystemClock, rate::RatePolicy};
use tokio::sync::mpsc;

use super::{
    engine_packet::MAX_PAYLOAD, online::Reader, session::Timing, sessions::Sessions,
    shared_list::SharedList,
};
use crate::{http::app::App, websocket::socket::Limits};

/// The burst of a client, in seconds of its rate. The npm client keeps what is
/// emitted while it is not connected, and sends it all when it is.
const BURST: u32 = 40;

/// The time from the handshake until a client has connected to the namespace.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Context {
    pub(super) app: App,
    pub(super) sessions: Arc<Sessions>,
    /// Takes each client that has got a name, to send it the list of users online.
    pub(super) newcomers: mpsc::Sender<Reader>,
    pub(super) list: Arc<SharedList>,
    /// Refused messages are shown to their author, with a time and an id though they are not stored.
    pub(super) clock: SystemClock,
    pub(super) ids: RandomIds,
}

impl Context {
    pub(super) fn new(app: App, newcomers: mpsc::Sender<Reader>, list: Arc<SharedList>) -> Self {
        Self {
            app,
            sessions: Arc::default(),
            newcomers,
            list,
            clock: SystemClock::default(),
            ids: RandomIds,
        }
    }

    pub(super) fn timing(&self) -> Timing {
        Timing {
            ping_interval: self.app.settings.ping_interval,
            ping_timeout: self.app.settings.pong_timeout,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// The pace of a client: the rate of native frames, with a larger burst.
    pub(super) fn pace(&self) -> RatePolicy {
        let rate = self.app.settings.frame_rate;
        RatePolicy::Steady {
            interval: rate.per / rate.count,
            burst: rate.count.saturating_mul(BURST),
        }
    }

    /// The limits of a client on a WebSocket.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            message_bytes: MAX_PAYLOAD,
            frames: self.pace(),
            ..Limits::from(&*self.app.settings)
        }
    }
}
