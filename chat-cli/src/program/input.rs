//! One line of the input, as a command.

use super::command::Command;

/// One input of the user, or of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    Command(Command),
    Typing,
    /// Not understood, and why.
    Wrong(String),
    /// The end of the input: finish what was asked.
    End,
}

/// The syntax of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Typed on a terminal: `/quit` and the like are commands.
    Slash,
    /// Every line is a message.
    Plain,
    /// A line that begins with `{` is a command in JSON.
    Json,
}

/// The input in a line; `None` when it is blank.
///
/// The mark that some editors put at the beginning of a file (U+FEFF) is left out.
pub(crate) fn read(line: &str, syntax: Syntax) -> Option<Input> {
    let line = line.trim_end_matches(['\r', '\n']);
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let bare = line.trim();
    if bare.is_empty() {
        return None;
    }
    let command = match syntax {
        Syntax::Slash if line.starts_with("//") => Command::send(&line[1..]),
        Syntax::Slash if line.starts_with('/') => {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            match Command::typed(name, rest.trim()) {
                Ok(command) => command,
                Err(why) => return Some(Input::Wrong(why)),
            }
        }
        Syntax::Json if bare.starts_with('{') => match Command::from_json(bare) {
            Ok(command) => command,
            Err(error) => return Some(Input::Wrong(format!("not a command: {error}"))),
        },
        _ => Command::send(line),
    };
    Some(Input::Command(command))
}

#[cfg(test)]
mod tests {
    use super::super::command::{Change, Rooms, Target, Which, Write};
    use super::*;
    use chat_core::Seq;

    fn say(text: &str) -> Input {
        Input::Command(Command::send(text))
    }

    fn change(target: Target, change: Change) -> Input {
        Input::Command(Command::Write(Write::Change(target, change)))
    }

    #[test]
    fn a_slash_is_a_command_only_on_a_terminal() {
        assert_eq!(
            read("/quit", Syntax::Slash),
            Some(Input::Command(Command::Quit))
        );
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
            Some(change(Target::Last, Change::Edit("a  b".to_owned())))
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
            Some(change(Target::Stored(Seq(3)), Change::Delete))
        );
        assert_eq!(
            read(r#"{"more":30}"#, Syntax::Json),
            Some(Input::Command(Command::More(Some(30))))
        );
        assert_eq!(
            read(r#"{"open":{"user":"bob"}}"#, Syntax::Json),
            Some(Input::Command(Command::Rooms(Rooms::Open(Which::User(
                "bob".parse().unwrap()
            )))))
        );
        assert!(matches!(
            read(r#"{"leave":{}}"#, Syntax::Json),
            Some(Input::Command(Command::Rooms(Rooms::Request(_))))
        ));
        for wrong in [
            "{",
            r#"{"shout":"hi"}"#,
            r#"{"send":1}"#,
            r#"{"edit":{"seq":1}}"#,
            r#"{"hello":{"token":"bob"}}"#,
            r#"{"open":{"users":"bob"}}"#,
            r#"{"leave":{},"invites":{}}"#,
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
