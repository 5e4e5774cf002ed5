//! The full screen in a window: two people, their keys, and a terminal that is given back.

use chat_testkit::{Server, signal};
use tempfile::TempDir;

use super::window::Window;

const SIZE: (u16, u16) = (80, 24);

/// A user's window, and the folder of the user's configuration.
struct Person {
    window: Window,
    _home: TempDir,
}

/// Writes a configuration with one profile.
fn home(server: &Server, user: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("chat-cli");
    std::fs::create_dir_all(&folder).unwrap();
    let address = server.address;
    let config = format!("[profiles.default]\nurl = \"http://{address}\"\nuser = \"{user}\"\n");
    std::fs::write(folder.join("config.toml"), config).unwrap();
    home
}

fn open(server: &Server, user: &str, command: &[&str]) -> Person {
    let home = home(server, user);
    let path = home.path().to_str().unwrap();
    let envs = [
        ("XDG_CONFIG_HOME", path),
        ("XDG_STATE_HOME", path),
        ("HOME", path),
    ];
    Person {
        window: Window::open(SIZE, command, &envs),
        _home: home,
    }
}

/// A user who has started the program without names.
async fn person(server: &Server, user: &str) -> Person {
    let person = open(server, user, &[env!("CARGO_BIN_EXE_chat-cli")]);
    person.window.sees("F1 help").await;
    person
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_write_see_each_other_and_make_a_group() {
    let server = Server::start(&[]).await;
    let mut alice = person(&server, "alice").await.window;
    let mut bob = person(&server, "bob").await.window;
    alice.types("/open bob\r");
    alice.sees("bob  online").await;
    alice.types("hello\x1b\rin two lines");
    alice.sees("  in two lines").await;
    alice.types("\r");
    alice.sees("delivered").await;
    bob.sees("alice has written to you").await;
    bob.sees("alice         1").await;
    bob.types("\r");
    bob.sees("hello").await;
    alice.sees("read").await;
    bob.types("an ans");
    alice.sees("bob is typing ...").await;
    bob.types("wer\r");
    alice.sees("an answer").await;
    bob.types("/new Team alice\r");
    bob.sees("Team  2 members, 2 online").await;
    alice.sees("& Team").await;
    bob.types("to the team\r");
    alice.sees("bob has written in Team").await;
    alice.types("\x1bu");
    alice.sees("to the team").await;
    bob.sees("read").await;
    for mut person in [alice, bob] {
        person.types("\x03");
        assert_eq!(person.ends().await.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_leaves_without_a_connection_is_told_what_was_not_sent() {
    let server = Server::start(&[]).await;
    let mut alice = person(&server, "alice").await.window;
    alice.types("/open bob\r");
    alice.sees("bob  not online").await;
    server.stop().await;
    alice.sees("not connected").await;
    alice.types("in vain\r");
    alice.sees("waits for the connection").await;
    alice.types("\x03");
    assert_eq!(alice.ends().await.code(), Some(1));
    alice.sees("chat-cli: one message was not sent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_follows_the_size_of_its_window() {
    let server = Server::start(&[]).await;
    let mut alice = person(&server, "alice").await.window;
    alice.types("/open bob\rhello\r");
    alice.sees("hello").await;
    alice.sees("sent").await;
    for (columns, rows) in [(20, 10), (400, 100), (40, 20)] {
        alice.resize(columns, rows);
        alice.sees("hello").await;
        assert_eq!(alice.cells().lines().len(), usize::from(rows));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_not_obeyed_by_the_terminal() {
    let server = Server::start(&[]).await;
    let mut alice = person(&server, "alice").await.window;
    let mut bob = server.connect("bob").await;
    let room = bob.open("alice").await;
    alice.types("/open bob\r");
    alice.sees("bob  online").await;
    // The server itself takes no control characters.
    bob.say(&room, "\u{202e}moc.elpmaxe \u{2066}\u{200f}\ttab\nline")
        .await;
    bob.say(
        &room,
        "https://safe.example/x and https://bank@evil.example/",
    )
    .await;
    alice.sees("moc.elpmaxe").await;
    alice.sees("bank@evil.example").await;
    let raw = alice.cells().raw.clone();
    for part in [
        "\t",
        "\u{202e}",
        "\u{2066}",
        "\u{200f}",
        "\x1b]8;;https://bank",
    ] {
        assert!(!raw.contains(part), "{part:?}");
    }
    assert!(raw.contains("\x1b]8;;https://safe.example/x\x1b\\"));
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_give_the_terminal_back() {
    let server = Server::start(&[]).await;
    for name in ["TERM", "HUP", "INT", "QUIT"] {
        let mut alice = person(&server, "alice").await.window;
        assert!(!alice.is_plain());
        signal(alice.id(), name);
        assert_eq!(alice.ends().await.code(), Some(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_the_shell_back_and_fg_the_screen() {
    let server = Server::start(&[]).await;
    let script = "set -m; \"$0\"; echo the shell; read line; fg >/dev/null; echo the end";
    let shell = ["sh", "-c", script, env!("CARGO_BIN_EXE_chat-cli")];
    let person = open(&server, "alice", &shell);
    let mut alice = person.window;
    alice.sees("F1 help").await;
    alice.types("/open bob\r");
    alice.sees("bob  not online").await;
    alice.types("\x1a");
    alice.sees("the shell").await;
    assert!(alice.is_plain());
    let mut bob = server.connect("bob").await;
    let room = bob.open("alice").await;
    bob.say(&room, "meanwhile").await;
    alice.types("\r");
    alice.sees("meanwhile").await;
    assert!(!alice.is_plain());
    alice.types("\x03");
    alice.sees("the end").await;
    assert_eq!(alice.ends().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_profile_the_name_is_asked_for() {
    let server = Server::start(&[]).await;
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_str().unwrap();
    let url = format!("http://{}", server.address);
    let envs = [
        ("XDG_CONFIG_HOME", path),
        ("XDG_STATE_HOME", path),
        ("HOME", path),
        ("CHAT_SERVER", url.as_str()),
        ("NO_COLOR", "1"),
    ];
    let mut carol = Window::open(SIZE, &[env!("CARGO_BIN_EXE_chat-cli")], &envs);
    carol.sees("Your name at http://").await;
    carol.types("carol\r");
    carol.sees(&format!("carol at {}", server.address)).await;
    let raw = carol.cells().raw.clone();
    assert!(!raw.contains("38;5;") && !raw.contains("48;5;"), "{raw:?}");
    carol.types("\x03");
    assert_eq!(carol.ends().await.code(), Some(0));
}
