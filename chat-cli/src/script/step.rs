//! One line of a script. No input or output.

use std::time::Duration;

use chat_core::UserId;

/// One line of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Type(String),
    As(UserId, Option<UserId>),
    Expect(String),
    Never(String),
    Wait(Duration),
    /// Gives what follows this time; only the step that stands behind it, if there is one.
    Within(Duration, Option<Box<Step>>),
    Leave,
}

impl Step {
    /// The step of a line; `None` for one that is for people.
    ///
    /// # Errors
    ///
    /// A sentence about the fault of the line.
    pub(super) fn read(line: &str) -> Result<Option<Self>, String> {
        let line = line.strip_prefix('\u{feff}').unwrap_or(line);
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') {
            return Ok(None);
        }
        if !bare.starts_with('.') {
            return Ok(Some(Self::Type(line.to_owned())));
        }
        let (name, rest) = bare.split_once(char::is_whitespace).unwrap_or((bare, ""));
        let rest = rest.trim();
        let text = || match rest {
            "" => Err(format!("{name} needs a text")),
            text => Ok(text.to_owned()),
        };
        Ok(Some(match name {
            ".as" => users(rest)?,
            ".expect" => Self::Expect(text()?),
            ".never" => Self::Never(text()?),
            ".type" => Self::Type(text()?),
            ".wait" => Self::Wait(time(rest)?),
            ".within" => {
                let (limit, then) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                Self::Within(time(limit)?, Self::read(then)?.map(Box::new))
            }
            ".leave" if rest.is_empty() => Self::Leave,
            _ => {
                return Err(format!(
                    "there is no {name}; `chat-cli script --help` lists what there is, and .type \
                     types a text that begins with a dot"
                ));
            }
        }))
    }

    pub(super) fn is_expectation(&self) -> bool {
        match self {
            Self::Expect(_) | Self::Never(_) => true,
            Self::Within(_, Some(step)) => step.is_expectation(),
            _ => false,
        }
    }
}

fn users(names: &str) -> Result<Step, String> {
    let mut names = names.split_whitespace();
    let user = |name: &str| UserId::new(name).map_err(|error| error.to_string());
    let me = user(names.next().ok_or(".as needs a name")?)?;
    let peer = names.next().map(user).transpose()?;
    match names.next() {
        Some(more) => Err(format!("{more:?} is one name too many")),
        None if peer.as_ref() == Some(&me) => Err(format!("{me} is named twice")),
        None => Ok(Step::As(me, peer)),
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    let parsed = units.iter().find_map(|(unit, millis)| {
        let number: u32 = text.strip_suffix(unit)?.parse().ok()?;
        Some(Duration::from_millis(u64::from(number) * millis))
    });
    parsed.ok_or_else(|| format!("{text:?} is no time, such as 500ms, 2s or 1m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(line: &str) -> Step {
        Step::read(line).unwrap().unwrap()
    }

    #[test]
    fn what_begins_with_a_dot_is_for_the_script_and_the_rest_is_typed() {
        let bob = || UserId::new("bob").unwrap();
        assert_eq!(step("/open bob"), Step::Type("/open bob".to_owned()));
        assert_eq!(step(".type .hello"), Step::Type(".hello".to_owned()));
        assert_eq!(step("  .as bob"), Step::As(bob(), None));
        assert_eq!(step(".expect a  b "), Step::Expect("a  b".to_owned()));
        let limit = Duration::from_secs(2);
        assert_eq!(step(".within 2s"), Step::Within(limit, None));
        let then = Some(Box::new(Step::Never("x".to_owned())));
        assert_eq!(step(".within 2s .never x"), Step::Within(limit, then));
        assert_eq!(step(".wait 20ms"), Step::Wait(Duration::from_millis(20)));
        for line in ["", "  ", "# .as bob", "\u{feff}"] {
            assert_eq!(Step::read(line), Ok(None));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, why) in [
            (".expekt x", "there is no .expekt"),
            (".expect", "needs a text"),
            (".within soon", "no time"),
            (".within 2", "no time"),
            (".as", "needs a name"),
            (".as bob bob", "twice"),
            (".as a b c", "too many"),
            (".as a,b", "U+002C"),
            (".leave now", "there is no .leave"),
        ] {
            let error = Step::read(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
