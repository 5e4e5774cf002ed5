//! Scripts with expectations: those in `tests/scripts` are flows of line mode, and their failures are reports.

use std::{fs, path::Path, time::Duration};

use chat_testkit::{Server, free_port};

use crate::run::{program, to_the_end};

/// The result of a script: the exit code, and what the program wrote to its two outputs.
async fn play(server: &str, file: &str, input: &str) -> (i32, String, String) {
    let mut program = program(&["script", file]);
    program.env("CHAT_SERVER", server);
    let output = to_the_end(program, input).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

async fn server() -> (Server, String) {
    let server = Server::start(&[("rate-limit", "off")]).await;
    let url = format!("http://{}", server.address);
    (server, url)
}

/// Plays a script of `tests/scripts` on a server of its own.
async fn passes(name: &str) {
    let (_server, url) = server().await;
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/scripts")
        .join(name);
    let (code, said, report) = play(&url, file.to_str().unwrap(), "").await;
    assert_eq!(code, 0, "{report}");
    assert!(said.contains("expectations were met"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_found_joined_and_kept_in_order() {
    passes("channel.chat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_corrected_and_taken_back_before_the_eyes_of_the_other() {
    passes("corrections.chat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_blocked_writes_in_vain_until_the_block_ends() {
    passes("block.chat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_in_the_readme_is_met() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = fs::read_to_string(folder.join("tests/scripts/team.chat")).unwrap();
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(
        readme.contains(&format!("```text\n{script}```")),
        "{script}"
    );
    passes("team.chat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_that_is_not_met_is_reported_with_its_line_and_what_came_instead() {
    let (_server, url) = server().await;
    let script = "# two lines before\n.as alice bob\nhello\n.expect hello\nmore\n.within 300ms .expect less\n";
    let (code, _, report) = play(&url, "-", script).await;
    assert_eq!(code, 1, "{report}");
    assert!(
        report.contains("-:6: alice did not see \"less\" within 300ms"),
        "{report}"
    );
    assert!(report.contains("alice: more"), "{report}");
    assert!(
        !report.contains("alice: hello"),
        "it was expected before: {report}"
    );

    let script = ".as alice bob\nhello\n.expect hello\n.never hello\n";
    let (code, _, report) = play(&url, "-", script).await;
    assert_eq!(code, 1, "{report}");
    assert!(report.contains("-:4: alice saw \"hello\""), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_cannot_be_read_is_no_failure_of_the_server() {
    let (_server, url) = server().await;
    let (code, _, report) = play(&url, "-", ".as alice\n.expekt x\n").await;
    assert_eq!(code, 2, "{report}");
    assert!(report.contains("-:2: there is no .expekt"), "{report}");
    let (code, _, report) = play(&url, "/no/such.chat", "").await;
    assert_eq!(code, 2, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_the_first_user_is_not_connected() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let (code, _, report) = play(&nobody, "-", ".within 500ms\n.as alice\n").await;
    assert_eq!(code, 1, "{report}");
    let limit = Duration::from_millis(500);
    assert!(
        report.contains(&format!("alice was not connected within {limit:?}")),
        "{report}"
    );
}
