//! What the user, or a script, asks for.

use chat_core::Seq;
use serde::Deserialize;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Say(String),
    /// Another text for the message `seq`; for the last own one when there is no number.
    Edit(Option<Seq>, String),
    Delete(Option<Seq>),
    Who,
    Help,
    Typing,
    /// Not understood, and why.
    Wrong(String),
    /// The end of the input: finish what was asked.
    End,
    /// Leave now.
    Quit,
}

/// A command of a script.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    Send(String),
    Edit { seq: Seq, text: String },
    Delete { seq: Seq },
}

/// How to read a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// A terminal: `/quit` and the like are commands.
    Slash,
    /// Every line is a message.
    Plain,
    /// A line that begins with `{` is a command in JSON.
    Json,
}

/// What a line asks for; `None` when it is blank.
pub(crate) fn read(line: &str, syntax: Syntax) -> Option<Input> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.trim().is_empty() {
        return None;
    }
    Some(match syntax {
        Syntax::Slash if line.starts_with("//") => Input::Say(line[1..].to_owned()),
        Syntax::Slash if line.starts_with('/') => slash(line),
        Syntax::Json if line.starts_with('{') => match serde_json::from_str(line) {
            Ok(Command::Send(text)) => Input::Say(text),
            Ok(Command::Edit { seq, text }) => Input::Edit(Some(seq), text),
            Ok(Command::Delete { seq }) => Input::Delete(Some(seq)),
            Err(error) => Input::Wrong(format!("not a command: {error}")),
        },
        _ => Input::Say(line.to_owned()),
    })
}

fn slash(line: &str) -> Input {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (command, rest.trim()) {
        ("/quit" | "/exit" | "/q", "") => Input::Quit,
        ("/who", "") => Input::Who,
        ("/help", _) => Input::Help,
        ("/delete", "") => Input::Delete(None),
        ("/edit", text) if !text.is_empty() => Input::Edit(None, text.to_owned()),
        _ => Input::Wrong(format!(
            "there is no command {command} used so; /help shows them, //... sends a slash"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_is_a_command_only_on_a_terminal() {
        let say = |text: &str| Some(Input::Say(text.to_owned()));
        assert_eq!(read("/quit", Syntax::Slash), Some(Input::Quit));
        assert_eq!(read("//quit", Syntax::Slash), say("/quit"));
        assert_eq!(read("/quit", Syntax::Plain), say("/quit"));
        assert_eq!(read("/quit\r\n", Syntax::Json), say("/quit"));
        assert!(matches!(
            read("/quti", Syntax::Slash),
            Some(Input::Wrong(_))
        ));
        assert!(matches!(
            read("/edit", Syntax::Slash),
            Some(Input::Wrong(_))
        ));
        assert_eq!(
            read("/edit a  b", Syntax::Slash),
            Some(Input::Edit(None, "a  b".to_owned()))
        );
        assert_eq!(read("  ", Syntax::Plain), None);
    }

    #[test]
    fn a_brace_is_a_command_only_in_json() {
        let say = |text: &str| Some(Input::Say(text.to_owned()));
        assert_eq!(read(r#"{"send":"a\nb"}"#, Syntax::Json), say("a\nb"));
        assert_eq!(
            read(r#"{"send":"hi"}"#, Syntax::Plain),
            say(r#"{"send":"hi"}"#)
        );
        assert_eq!(
            read(r#"{"delete":{"seq":3}}"#, Syntax::Json),
            Some(Input::Delete(Some(Seq(3))))
        );
        for wrong in [
            "{",
            r#"{"shout":"hi"}"#,
            r#"{"send":1}"#,
            r#"{"edit":{"seq":1}}"#,
        ] {
            assert!(
                matches!(read(wrong, Syntax::Json), Some(Input::Wrong(_))),
                "{wrong}"
            );
        }
    }
}
