//! The log of the program, on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{LogFormat, Settings};

/// Something else that becomes of spans and events.
pub(crate) type Also = Box<dyn Layer<Registry> + Send + Sync>;

/// Logs from now on what `log` asks for, in the form of `log-format`. Call it once in a process.
pub fn start(settings: &Settings) {
    start_with(settings, None);
}

/// The same, and hands spans and events to `also`.
pub(crate) fn start_with(settings: &Settings, also: Option<Also>) {
    let filter = EnvFilter::new(&settings.log.0);
    let lines = fmt::layer().with_writer(io::stderr);
    let shown = match settings.log_format {
        LogFormat::Text => {
            let lines = lines.with_ansi(io::stderr().is_terminal());
            lines.with_filter(filter).boxed()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            lines.with_filter(filter).boxed()
        }
    };
    tracing_subscriber::registry().with(also).with(shown).init();
}
