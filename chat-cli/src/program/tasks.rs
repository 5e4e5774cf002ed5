//! The commands beside chatting: login, scripts, completions and man pages.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use chat_cli::clean;
use chat_core::UserId;
use tokio::signal::ctrl_c;

use super::{
    args::{Task, whole},
    exit::{failed, wrong},
    target::{LOCAL, Server, Target},
};
use crate::{
    profile::{
        DEFAULT,
        login::{Login, LoginError, ask},
    },
    script,
};

/// Carries out a command.
pub(super) async fn run(task: Task) -> ExitCode {
    match task {
        Task::Login { server } => tokio::select! {
            done = login(&server) => finish(done),
            // What the terminal was is given back when the login is dropped.
            _ = ctrl_c() => ExitCode::from(130),
        },
        Task::Script { file, server } => match Target::named(server) {
            Ok(target) => script::run(&file, &target).await,
            Err(error) => wrong(&error.to_string()),
        },
        Task::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut whole(), "chat-cli", &mut out);
            finish(io::stdout().write_all(&out))
        }
        Task::Man { folder } => finish(man(folder.as_deref())),
    }
}

/// The name of a user who has no profile.
pub(super) async fn name(url: &str) -> Result<UserId, String> {
    let question = format!("Your name at {}", clean(url));
    let asked = tokio::select! {
        asked = ask(&question, None) => asked,
        _ = ctrl_c() => Err(LoginError::NoAnswer),
    };
    let name = asked.map_err(|error| error.to_string())?;
    UserId::new(&name).map_err(|error| format!("{:?} is no name: {error}", clean(&name)))
}

async fn login(server: &Server) -> Result<(), LoginError> {
    if server.token_command.is_some() {
        let name = server.profile.as_deref().unwrap_or(DEFAULT);
        return Err(LoginError::OtherToken(name.to_owned()));
    }
    let login = Login {
        profile: server.profile.as_deref().unwrap_or(DEFAULT),
        url: server.url.as_deref(),
        offer: LOCAL,
        ca: server.ca.as_deref(),
    };
    let said = login.run().await?;
    writeln!(io::stdout(), "{said}")?;
    Ok(())
}

/// Prints the man page of the program, or writes those of all commands into a folder.
fn man(folder: Option<&Path>) -> io::Result<()> {
    let mut command = whole();
    match folder {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            command.build();
            clap_mangen::generate_to(command, folder)
        }
        None => clap_mangen::Man::new(command).render(&mut io::stdout().lock()),
    }
}

fn finish<E: std::fmt::Display>(done: Result<(), E>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}
