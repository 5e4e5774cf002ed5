//! What the user, or a script, asks for.

use chat_core::Seq;
use serde::Deserialize;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Say(String),
    /// A new text for the message `seq`; without a number, for the last own one on the screen.
    Edit(Option<Seq>, String),
    Delete(Option<Seq>),
    /// Show entries before those shown; without a number, a page.
    More(Option<usize>),
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
    More(usize),
}

/// How to read a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Typed on a terminal: `/quit` and the like are commands.
    Slash,
    /// Every line is a message.
    Plain,
    /// A line that begins with `{` is a command in JSON.
    Json,
}

/// What a line asks for; `None` when it is blank.
///
/// The mark that some editors put at the beginning of a file (U+FEFF) is left out.
pub(crate) fn read(line: &str, syntax: Syntax) -> Option<Input> {
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let bare = line.trim();
    if bare.is_empty() {
        return None;
    }
    Some(match syntax {
        Syntax::Slash if line.starts_with("//") => Input::Say(line[1..].to_owned()),
        Syntax::Slash if line.starts_with('/') => slash(line),
        Syntax::Json if bare.starts_with('{') => match serde_json::from_str(bare) {
            Ok(Command::Send(text)) => Input::Say(text),
            Ok(Command::Edit { seq, text }) => Input::Edit(Some(seq), text),
            Ok(Command::Delete { seq }) => Input::Delete(Some(seq)),
            Ok(Command::More(count)) => Input::More(Some(count)),
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
        ("/more", "") => Input::More(None),
        ("/help", _) => Input::Help,
        ("/delete", "") => Input::Delete(None),
        ("/edit", text) if !text.is_empty() => Input::Edit(None, text.to_owned()),
        _ => Input::Wrong(format!(
            "not a command: {line}; /help shows the commands, and //TEXT sends /TEXT"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Input {
        Input::Say(text.to_owned())
    }

    #[test]
    fn a_slash_is_a_command_only_on_a_terminal() {
        assert_eq!(read("/quit", Syntax::Slash), Some(Input::Quit));
        assert_eq!(read("//quit", Syntax::Slash), Some(say("/quit")));
        assert_eq!(read("/quit", Syntax::Plain), Some(say("/quit")));
        assert_eq!(read("//quit", Syntax::Plain), Some(say("//quit")));
        assert_eq!(read("/quit\r\n", Syntax::Json), Some(say("/quit")));
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
        assert_eq!(read(r#"{"send":"a\nb"}"#, Syntax::Json), Some(say("a\nb")));
        assert_eq!(
            read(r#"{"send":"hi"}"#, Syntax::Plain),
            Some(say(r#"{"send":"hi"}"#))
        );
        assert_eq!(
            read(r#"{"delete":{"seq":3}}"#, Syntax::Json),
            Some(Input::Delete(Some(Seq(3))))
        );
        assert_eq!(
            read(r#"{"more":30}"#, Syntax::Json),
            Some(Input::More(Some(30)))
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

    #[test]
    fn a_byte_order_mark_or_blanks_before_a_command_are_left_out() {
        for line in [
            "\u{feff}{\"send\":\"hi\"}",
            "  {\"send\":\"hi\"} ",
            "\t{\"send\":\"hi\"}\r\n",
            "\u{feff} {\"send\":\"hi\"}",
        ] {
            assert_eq!(read(line, Syntax::Json), Some(say("hi")), "{line:?}");
        }
        assert_eq!(read("\u{feff}hello", Syntax::Plain), Some(say("hello")));
        assert_eq!(
            read("  hello", Syntax::Plain),
            Some(say("  hello")),
            "a text is kept"
        );
        assert_eq!(read("\u{feff}", Syntax::Plain), None);
    }
}
