//! The colours of the screen: of the terminal's own sixteen, so that they fit to its background.

use std::env;

use chat_core::UserId;
use clap::ValueEnum;
use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// The background that colours are chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Theme {
    /// For a dark background.
    Dark,
    /// For a light background.
    Light,
    /// No colours.
    None,
}

impl Theme {
    /// The theme of a terminal: none with `NO_COLOR`, else the one that was chosen, else the one that fits to
    /// what the terminal says of its background.
    pub(crate) fn of_environment(chosen: Option<Self>) -> Self {
        if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
            return Self::None;
        }
        chosen.unwrap_or_else(|| match env::var("COLORFGBG") {
            Ok(colours) if is_light(&colours) => Self::Light,
            _ => Self::Dark,
        })
    }

    fn colour(self, dark: Color, light: Color) -> Style {
        match self {
            Self::Dark => Style::new().fg(dark),
            Self::Light => Style::new().fg(light),
            Self::None => Style::new(),
        }
    }

    /// The style of text of less weight: times, notes, hints. As in line mode it is dim, and not grey: some
    /// palettes have the background in the place of grey.
    pub(crate) fn dim() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// The style of text that the eye is to find.
    pub(crate) fn accent(self) -> Style {
        self.colour(Color::Cyan, Color::Blue)
            .add_modifier(Modifier::BOLD)
    }

    /// The style of users who are online.
    pub(crate) fn online(self) -> Style {
        self.colour(Color::Green, Color::Green)
    }

    /// The style of text that needs attention, such as that a connection is lost.
    pub(crate) fn warning(self) -> Style {
        self.colour(Color::Yellow, Color::Magenta)
            .add_modifier(Modifier::BOLD)
    }

    /// The style of refusals.
    pub(crate) fn error(self) -> Style {
        self.colour(Color::LightRed, Color::Red)
            .add_modifier(Modifier::BOLD)
    }

    /// A link.
    pub(crate) fn link(self) -> Style {
        self.colour(Color::LightBlue, Color::Blue)
            .add_modifier(Modifier::UNDERLINED)
    }

    /// The bar at the top, and what is selected.
    pub(crate) fn bar() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Something that was searched for.
    pub(crate) fn found(self) -> Style {
        match self {
            Self::None => Style::new().add_modifier(Modifier::REVERSED),
            _ => Style::new().fg(Color::Black).bg(Color::Yellow),
        }
    }

    /// The name of an author: each has the same colour everywhere.
    pub(crate) fn author(self, user: &UserId, own: bool) -> Style {
        const DARK: [Color; 6] = [
            Color::LightCyan,
            Color::LightGreen,
            Color::LightYellow,
            Color::LightMagenta,
            Color::LightBlue,
            Color::LightRed,
        ];
        const LIGHT: [Color; 6] = [
            Color::Cyan,
            Color::Green,
            Color::Red,
            Color::Magenta,
            Color::Blue,
            Color::LightRed,
        ];
        let bytes = user.as_str().bytes();
        let sum = bytes.fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        let style = if own {
            Style::new()
        } else {
            self.colour(DARK[sum % DARK.len()], LIGHT[sum % LIGHT.len()])
        };
        style.add_modifier(Modifier::BOLD)
    }
}

/// True if `COLORFGBG`, such as `0;15`, names a light background.
fn is_light(colours: &str) -> bool {
    let background = colours.rsplit(';').next();
    background.is_some_and(|colour| matches!(colour, "7" | "15"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_is_the_last_colour() {
        assert!(is_light("0;15") && is_light("0;default;7"));
        assert!(!is_light("15;0") && !is_light("") && !is_light("15;default"));
    }

    #[test]
    fn without_colours_there_are_none() {
        let user = UserId::new("bob").unwrap();
        for style in [
            Theme::dim(),
            Theme::None.accent(),
            Theme::None.found(),
            Theme::None.author(&user, false),
            Theme::None.error(),
        ] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}
