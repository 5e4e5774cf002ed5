//! Where settings come from, and what a wrong one looks like.

use std::ffi::OsString;

use chat_server::config::{Loaded, Origin, Request, TABLE, load};

/// Loads from flags, an environment and a `.env`.
fn from(flags: &[&str], environment: &[(&str, &str)], dot_env: &str) -> Result<Loaded, String> {
    let args = std::iter::once("chat-server")
        .chain(flags.iter().copied())
        .map(OsString::from);
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    match load(args, environment, Some(dot_env)) {
        Ok(
            Request::Serve(loaded)
            | Request::Print(loaded)
            | Request::Check(loaded)
            | Request::Health(loaded)
            | Request::Import { loaded, .. }
            | Request::Maintain { loaded, .. }
            | Request::Token { loaded, .. },
        ) => Ok(loaded),
        Ok(Request::Admin(_)) => unreachable!("it has no settings"),
        Err(error) => {
            assert_eq!(error.exit_code(), 2);
            Err(error.to_string())
        }
    }
}

fn value(loaded: &Loaded, name: &str) -> (String, Origin) {
    let found = loaded
        .origins
        .iter()
        .find(|(setting, ..)| setting.name() == name)
        .unwrap();
    (found.1.clone(), found.2.clone())
}

#[test]
fn flag_beats_environment_beats_dot_env_beats_file_beats_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.toml");
    std::fs::write(&path, "mute = \"1s\"\nbad-frames = 11\n").unwrap();
    let file = ["--config", path.to_str().unwrap()];
    let variable = [("CHAT_MUTE", "3s")];
    let steps = [
        (from(&[], &[], ""), "5s", Origin::Default),
        (from(&file, &[], ""), "1s", Origin::File(path.clone())),
        (
            from(&file, &[], "CHAT_MUTE=2s"),
            "2s",
            Origin::DotEnv("CHAT_MUTE".to_owned()),
        ),
        (
            from(&file, &variable, "CHAT_MUTE=2s"),
            "3s",
            Origin::Environment("CHAT_MUTE".to_owned()),
        ),
        (
            from(
                &[&file[..], &["--mute", "4s"]].concat(),
                &variable,
                "CHAT_MUTE=2s",
            ),
            "4s",
            Origin::Flag,
        ),
    ];
    for (loaded, text, origin) in steps {
        assert_eq!(value(&loaded.unwrap(), "mute"), (text.to_owned(), origin));
    }
}

#[test]
fn the_port_of_the_old_server_is_understood() {
    let loaded = from(&[], &[("PORT", "8080")], "").unwrap();
    assert_eq!(loaded.settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(
        value(&loaded, "listen").1,
        Origin::Environment("PORT".to_owned())
    );
    let loaded = from(&[], &[("PORT", "8080"), ("CHAT_LISTEN", "127.0.0.1:1")], "").unwrap();
    assert_eq!(loaded.settings.listen.port(), Some(1));
}

#[test]
fn every_setting_can_be_set_by_flag_variable_and_file() {
    let folder = tempfile::tempdir().unwrap();
    for setting in TABLE {
        let (name, text) = (setting.name(), setting.default);
        let flag = format!("--{name}={text}");
        let by_flag = from(&[&flag], &[], "").unwrap();
        assert_eq!(value(&by_flag, &name), (text.to_owned(), Origin::Flag));
        let variable = setting.variable();
        let by_variable = from(&[], &[(&variable, text)], "").unwrap();
        assert_eq!(value(&by_variable, &name).1, Origin::Environment(variable));
        let path = folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, format!("{name} = {text:?}\n")).unwrap();
        let by_file = from(&["--config", path.to_str().unwrap()], &[], "").unwrap();
        assert_eq!(
            value(&by_file, &name),
            (text.to_owned(), Origin::File(path))
        );
    }
}

#[test]
fn what_print_config_shows_is_a_file_that_gives_the_same() {
    let loaded = from(
        &[
            "--cors-origin",
            "https://a.example",
            "--cors-origin",
            "http://b:1",
            "--rate-limit=off",
        ],
        &[],
        "",
    )
    .unwrap();
    let shown = loaded.to_string();
    assert!(shown.contains("rate-limit = \"off\"  # flag\n"), "{shown}");
    assert!(shown.contains("mute = \"5s\"  # default\n"), "{shown}");
    assert_eq!(shown.lines().count(), TABLE.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.toml");
    std::fs::write(&path, &shown).unwrap();
    let again = from(&["--config", path.to_str().unwrap()], &[], "").unwrap();
    assert_eq!(again.settings, loaded.settings);
}

#[test]
fn a_wrong_value_is_one_line_that_names_the_setting_and_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("bad.toml");
        std::fs::write(&path, text).unwrap();
        from(&["--config", path.to_str().unwrap()], &[], "")
    };
    let problems = vec![
        (
            from(&["--mute", "soon"], &[], ""),
            "mute (flag): \"soon\" is not a time",
        ),
        (
            from(&[], &[("CHAT_STORE", "postgres:x")], ""),
            "store (environment CHAT_STORE): \"postgres:x\" is not sqlite:PATH, mongodb://HOST/DATABASE or memory",
        ),
        (
            from(&[], &[("PORT", "http")], ""),
            "listen (environment PORT)",
        ),
        (
            from(&[], &[], "CHAT_BAD_FRAMES=-1"),
            "bad-frames (.env CHAT_BAD_FRAMES)",
        ),
        (from(&[], &[], "no equals sign"), ".env can't be read"),
        (file("mute = \"soon\""), "mute (file "),
        (file("moot = \"5s\""), "moot (file "),
        (file("mute = 1979-05-27"), "mute (file "),
        (file("a = 1\nmute = = 5"), "line 2 is not TOML"),
        (
            from(&["--config", "/nowhere/chat.toml"], &[], ""),
            "config (file /nowhere/chat.toml): can't be read",
        ),
        (
            from(&["--presence-refresh", "40s"], &[], ""),
            "presence-refresh (flag): \"40s\" won't do",
        ),
        (
            from(&["--history-page", "201"], &[], ""),
            "history-page (flag)",
        ),
        (
            from(&["--frame-bytes", "1KiB"], &[], ""),
            "frame-bytes (flag)",
        ),
        (from(&["--log", "x=loud"], &[], ""), "log (flag)"),
    ];
    for (problem, says) in problems {
        let line = problem.expect_err(says);
        assert!(line.contains(says), "{line}\n{says}");
        assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    }
}
