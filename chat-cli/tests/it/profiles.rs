//! Profiles, `chat-cli login`, and what the program writes for shells and manuals.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use chat_core::ChatEngine;
use chat_server::config::Settings;
use chat_testkit::{DatedLogin, Server};
use chrono::TimeDelta;

use crate::run::{program, to_the_end};

/// Runs the program with its configuration in this folder; gives its exit code and all that it wrote.
async fn run(home: &Path, args: &[&str], input: &str) -> (i32, String) {
    let mut program = program(args);
    program
        .env_remove("CHAT_SERVER")
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_STATE_HOME", home.join("state"));
    let output = to_the_end(program, input).await;
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_by_token_is_tried_and_kept_for_the_user_only() {
    let engine = ChatEngine::builder().build().unwrap();
    let server = Server::serve_by_token(engine, Settings::with(&[]).unwrap()).await;
    let url = format!("http://{}", server.address);
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let login = ["login", "--profile", "work", "--server", &url];
    let (code, said) = run(home, &login, "nonsense\n").await;
    assert_eq!(code, 1, "{said}");
    assert!(
        !home.join("config").exists(),
        "nothing is kept of a token that is refused"
    );

    let token = DatedLogin::token_for("alice", TimeDelta::hours(1));
    let (code, said) = run(home, &login, &format!("{token}\n")).await;
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("as alice") && !said.contains(&token),
        "{said}"
    );
    let config = fs::read_to_string(home.join("config/chat-cli/config.toml")).unwrap();
    let expected = format!("\n[profiles.work]\nurl = \"{url}\"\nuser = \"alice\"\n");
    assert_eq!(config, expected);
    let kept = home.join("state/chat-cli/tokens/work");
    assert_eq!(fs::read_to_string(&kept).unwrap(), format!("{token}\n"));
    assert_eq!(
        fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let (code, said) = run(home, &["--profile", "work", "alice", "bob"], "by profile\n").await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("alice: by profile [SENT]"), "{said}");
    let (code, said) = run(
        home,
        &["--server", &url, "alice", "bob", "--patience", "1"],
        "x\n",
    )
    .await;
    assert_eq!(code, 1, "without the profile its token is not used: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_by_name_keeps_a_profile_and_no_token() {
    let server = Server::start(&[]).await;
    let url = format!("http://{}", server.address);
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (code, said) = run(home, &["login"], &format!("{url}\n\nbob\n")).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("`chat-cli` opens the screen"), "{said}");
    let config = fs::read_to_string(home.join("config/chat-cli/config.toml")).unwrap();
    assert!(
        config.contains("[profiles.default]") && config.contains("user = \"bob\""),
        "{config}"
    );
    assert!(!home.join("state").exists());
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_is_wrong_usage_and_says_why() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let folder = home.join("config/chat-cli");
    fs::create_dir_all(&folder).unwrap();
    let config = "[profiles.two]\ntoken-file = \"a\"\ntoken-command = \"b\"\n";
    fs::write(folder.join("config.toml"), config).unwrap();
    for (profile, why) in [
        ("two", "keep one of them"),
        ("none", "there is no profile \"none\""),
        ("../x", "no name of a profile"),
    ] {
        let (code, said) = run(home, &["--profile", profile, "alice", "bob"], "").await;
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(why), "{said}");
    }
    fs::write(folder.join("config.toml"), "[profiles.x]\ntokens = 1\n").unwrap();
    let (code, said) = run(home, &["--profile", "x", "alice", "bob"], "").await;
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("config.toml can't be used") && said.contains("tokens"),
        "{said}"
    );
}

#[tokio::test]
async fn completions_and_man_pages_are_there_for_all_commands() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, said) = run(home, &["completions", shell], "").await;
        assert_eq!(code, 0, "{said}");
        for word in ["login", "script", "profile", "theme"] {
            assert!(said.contains(word), "{shell} has no {word}");
        }
    }
    let (code, said) = run(home, &["man"], "").await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(".TH chat-cli 1"), "{said}");
    let folder = home.join("man");
    let (code, said) = run(home, &["man", folder.to_str().unwrap()], "").await;
    assert_eq!(code, 0, "{said}");
    for page in [
        "chat-cli",
        "chat-cli-login",
        "chat-cli-script",
        "chat-cli-completions",
        "chat-cli-man",
    ] {
        let text = fs::read_to_string(folder.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(&format!(".TH {page} 1")), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_called_like_a_command_stands_behind_two_dashes() {
    let server = Server::start(&[]).await;
    let url = format!("http://{}", server.address);
    let home = tempfile::tempdir().unwrap();
    let args = ["--server", &url, "--", "login", "script"];
    let (code, said) = run(home.path(), &args, "hello\n").await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("login: hello [SENT]"), "{said}");
    let args = ["--server", &url, "alice", "login"];
    let (code, said) = run(home.path(), &args, "hello\n").await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("alice: hello [SENT]"), "{said}");
}
