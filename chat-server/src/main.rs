//! `chat-server`: see `chat-server --help`.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

#[cfg(target_os = "linux")]
use chat_server::service_manager;
use chat_server::{
    admin_command,
    config::{Loaded, Request, Settings, Standing, StoreUrl, Task, TokenTask, load},
    health, logging, signal, start, tokens,
};

/// More than the longest token has.
const TOKEN: u64 = 64 << 10;

#[tokio::main]
async fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let dot_env = match std::fs::read_to_string(".env") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return fail(2, format_args!(".env can't be read: {error}"));
        }
        text => text.ok(),
    };
    match load(std::env::args_os(), environment, dot_env.as_deref()) {
        Ok(Request::Serve(loaded)) => serve(loaded).await,
        Ok(Request::Print(loaded)) => say(format_args!("{}", loaded.to_string().trim_end())),
        Ok(Request::Check(loaded)) => check(&loaded),
        Ok(Request::Health(loaded)) => match health::ask(&loaded.settings).await {
            Ok(()) => say(format_args!("OK")),
            Err(error) => fail(1, format_args!("{error}")),
        },
        Ok(Request::Import {
            loaded: Loaded { settings, .. },
            from,
            time_format,
            dry_run,
        }) => {
            logging::start(&settings);
            import(&settings.store, &from, time_format.as_deref(), dry_run).await
        }
        Ok(Request::Maintain {
            loaded: Loaded { settings, .. },
            task,
        }) => {
            logging::start(&settings);
            maintain(&settings.store, task).await
        }
        Ok(Request::Admin(invocation)) => match admin_command::run(invocation).await {
            Ok(answer) => say(format_args!("{answer}")),
            Err(error) => fail(error.exit_code(), format_args!("{error}")),
        },
        Ok(Request::Token {
            loaded: Loaded { settings, .. },
            task,
        }) => {
            logging::start(&settings);
            tokens(&settings, task).await
        }
        Err(error) => error.exit(),
    }
}

/// Prints how a server with these settings stands; fails if it would not start.
fn check(loaded: &Loaded) -> ExitCode {
    let exposed = loaded.exposed_by();
    match &exposed {
        Some(by) => say(format_args!("others can reach the server, by {by}")),
        None => say(format_args!(
            "only users of this machine can reach the server"
        )),
    };
    let rows = loaded.rows();
    for row in &rows {
        say(format_args!("{row}"));
    }
    ExitCode::from(u8::from(
        rows.iter().any(|row| row.standing == Standing::Fail),
    ))
}

async fn tokens(settings: &Settings, task: TokenTask) -> ExitCode {
    let done = match task {
        TokenTask::Issue { user, ttl, rank } => tokens::issue(settings, &user, ttl, rank),
        TokenTask::Check => match io::read_to_string(io::stdin().take(TOKEN)) {
            Ok(token) => tokens::check(settings, &token).await,
            Err(error) => return fail(1, format_args!("the token can't be read: {error}")),
        },
        TokenTask::Generate(algorithm, folder) => tokens::generate(algorithm, &folder),
    };
    match done {
        Ok(line) => say(format_args!("{line}")),
        Err(error) => fail(error.exit_code(), format_args!("{error}")),
    }
}

#[cfg(feature = "sqlite")]
async fn maintain(store: &StoreUrl, task: Task) -> ExitCode {
    let name = task.name();
    let report = move |percent| drop(writeln!(io::stderr(), "{name}: {percent} %"));
    match chat_server::maintenance::maintain(store, &task, report).await {
        Ok(summary) => say(format_args!("{summary}")),
        Err(error) => fail(error.exit_code(), format_args!("{error}")),
    }
}

#[cfg(not(feature = "sqlite"))]
async fn maintain(_: &StoreUrl, task: Task) -> ExitCode {
    let missing = start::StartError::Missing {
        setting: task.name(),
        feature: "sqlite",
    };
    fail(missing.exit_code(), format_args!("{missing}"))
}

#[cfg(feature = "mongo")]
async fn import(
    store: &StoreUrl,
    from: &str,
    time_format: Option<&str>,
    dry_run: bool,
) -> ExitCode {
    match chat_server::legacy::import::import(store, from, time_format, dry_run).await {
        Ok(summary) => say(format_args!("{summary}")),
        Err(error) => fail(error.exit_code(), format_args!("{error}")),
    }
}

#[cfg(not(feature = "mongo"))]
async fn import(_: &StoreUrl, _: &str, _: Option<&str>, _: bool) -> ExitCode {
    let missing = start::StartError::Missing {
        setting: "import",
        feature: "mongo",
    };
    fail(missing.exit_code(), format_args!("{missing}"))
}

/// Keeps the memory of the process, keys and messages in it, out of core dumps and from other processes of
/// the same user.
#[cfg(target_os = "linux")]
fn refuse_dumps() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "a core dump of this process would hold its secrets");
    }
}

async fn serve(loaded: Loaded) -> ExitCode {
    #[cfg(feature = "otel")]
    let traces = match chat_server::traces::start(&loaded.settings) {
        Ok(traces) => traces,
        Err(error) => return fail(2, format_args!("{error}")),
    };
    #[cfg(not(feature = "otel"))]
    logging::start(&loaded.settings);
    let code = serve_until_stopped(loaded).await;
    #[cfg(feature = "otel")]
    if let Some(traces) = traces {
        traces.end().await;
    }
    code
}

async fn serve_until_stopped(loaded: Loaded) -> ExitCode {
    #[cfg(target_os = "linux")]
    refuse_dumps();
    let rows = loaded.rows();
    let settings = loaded.settings;
    let started = match start::start(&settings).await {
        Ok(started) => started,
        Err(error) => return fail(error.exit_code(), format_args!("{error}")),
    };
    for row in rows.iter().filter(|row| row.standing == Standing::Warn) {
        tracing::warn!("{}: {}", row.setting, row.says);
    }
    // A program that waits for the greeting may stop us right after it.
    let stop = match signal() {
        Ok(stop) => stop,
        Err(error) => return fail(1, format_args!("signals can't be listened for: {error}")),
    };
    say(format_args!("{}", started.greeting(&settings)));
    let (server, listener) = started.server(settings);
    #[cfg(target_os = "linux")]
    service_manager::ready();
    let stop = async {
        stop.await;
        #[cfg(target_os = "linux")]
        service_manager::stopping();
    };
    match server.serve(listener, stop).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, format_args!("{error}")),
    }
}

/// Prints a line for the person or program that started us. A closed standard output is no reason to stop.
fn say(what: std::fmt::Arguments<'_>) -> ExitCode {
    drop(writeln!(io::stdout(), "{what}"));
    ExitCode::SUCCESS
}

fn fail(code: u8, why: std::fmt::Arguments<'_>) -> ExitCode {
    drop(writeln!(io::stderr(), "error: {why}"));
    ExitCode::from(code)
}
