//! `chat-server`: see `chat-server --help`.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use chat_server::{
    Server,
    config::{Loaded, LogFilter, Request, StoreUrl, Task, load},
    signal, start,
};

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
        Ok(Request::Import {
            loaded: Loaded { settings, .. },
            from,
            dry_run,
        }) => {
            log(&settings.log);
            import(&settings.store, &from, dry_run).await
        }
        Ok(Request::Maintain {
            loaded: Loaded { settings, .. },
            task,
        }) => {
            log(&settings.log);
            maintain(&settings.store, task).await
        }
        Err(error) => error.exit(),
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
async fn import(store: &StoreUrl, from: &str, dry_run: bool) -> ExitCode {
    match chat_server::legacy::import::import(store, from, dry_run).await {
        Ok(summary) => say(format_args!("{summary}")),
        Err(error) => fail(error.exit_code(), format_args!("{error}")),
    }
}

#[cfg(not(feature = "mongo"))]
async fn import(_: &StoreUrl, _: &str, _: bool) -> ExitCode {
    let missing = start::StartError::Missing {
        setting: "import",
        feature: "mongo",
    };
    fail(missing.exit_code(), format_args!("{missing}"))
}

fn log(filter: &LogFilter) {
    tracing_subscriber::fmt()
        .with_env_filter(&filter.0)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

async fn serve(Loaded { settings, .. }: Loaded) -> ExitCode {
    log(&settings.log);
    let started = match start::start(&settings).await {
        Ok(started) => started,
        Err(error) => return fail(error.exit_code(), format_args!("{error}")),
    };
    // A program that waits for the greeting may stop us right after it.
    let stop = match signal() {
        Ok(stop) => stop,
        Err(error) => return fail(1, format_args!("signals can't be listened for: {error}")),
    };
    say(format_args!("{}", started.greeting(&settings)));
    let server = Server::builder(started.engine).settings(settings).build();
    match server.serve(started.listener, stop).await {
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
