//! The parts over the screen: the help, the searches, and the question before a message is taken back.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Clear, Widget as _},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    super::{
        layout::Layout,
        model::{Model, Over},
        theme::Theme,
        update::HELP,
        wrap::cut,
    },
    paint::{put, to_u16, two_sides},
};
use crate::program::{chats::label, command};

pub(super) fn render(model: &Model, screen: Rect, buffer: &mut Buffer) -> Option<Position> {
    match model.over.as_ref()? {
        Over::Help(first) => {
            help(model, *first, screen, buffer);
            None
        }
        Over::Rooms(search, picked) => {
            let cursor = rooms(model, (search.text(), *picked), screen, buffer);
            Some(cursor)
        }
        Over::Find(search) => Some(find(model, search.text(), buffer)),
        Over::Delete => {
            let question = " take this message back? y / n";
            line(model, question, "", buffer);
            None
        }
    }
}

/// An empty box with a title; gives back what is inside.
fn window(model: &Model, title: &str, area: Rect, buffer: &mut Buffer) -> Rect {
    Clear.render(area, buffer);
    let block = Block::bordered()
        .border_style(Theme::dim())
        .title_style(model.settings.theme.accent().remove_modifier(Modifier::DIM))
        .title(format!(" {title} "));
    let inside = block.inner(area);
    block.render(area, buffer);
    inside
}

/// A box of at most this size in the middle of the screen.
fn middle(screen: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(screen.width);
    let height = height.min(screen.height);
    Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    }
}

fn help(model: &Model, first: usize, screen: Rect, buffer: &mut Buffer) {
    let theme = model.settings.theme;
    let area = window(
        model,
        "Keys and commands; any other key closes this",
        middle(screen, 96, 60),
        buffer,
    );
    let width = usize::from(area.width);
    let mut lines = Vec::new();
    for (key, does) in HELP {
        if width >= 50 {
            let gap = 24_usize.saturating_sub(key.width());
            lines.push(Line::from(vec![
                Span::styled(format!(" {key}{:gap$}", ""), theme.accent()),
                Span::raw(does),
            ]));
        } else {
            lines.push(Line::styled(format!(" {key}"), theme.accent()));
            lines.push(Line::raw(format!("   {does}")));
        }
    }
    lines.push(Line::default());
    let commands = command::HELP.into_iter().chain(command::ROOMS_HELP);
    for text in commands {
        let rows = super::super::wrap::wrap(text, width.saturating_sub(2).max(1));
        lines.extend(
            rows.into_iter()
                .map(|row| Line::raw(format!(" {}", &text[row]))),
        );
    }
    let last = lines.len().saturating_sub(area.height.into());
    for (row, line) in lines.iter().skip(first.min(last)).enumerate() {
        put(area, to_u16(row), line, buffer);
    }
}

fn rooms(
    model: &Model,
    (search, picked): (&str, usize),
    screen: Rect,
    buffer: &mut Buffer,
) -> Position {
    let theme = model.settings.theme;
    let area = window(model, "Go to a room", middle(screen, 60, 16), buffer);
    let shown = tail(search, usize::from(area.width).saturating_sub(4));
    let line = Line::from(vec![
        Span::styled(" > ", theme.accent()),
        Span::raw(shown.clone()),
    ]);
    put(area, 0, &line, buffer);
    let found = model.found_rooms(search);
    let height = usize::from(area.height).saturating_sub(1);
    let first = (picked + 1).saturating_sub(height.max(1));
    for (row, room) in found.iter().enumerate().skip(first).take(height) {
        let known = model.inbox.get(room).zip(model.me());
        let name = known.map_or_else(String::new, |(known, me)| label(me, &known.room));
        let style = if row == picked {
            Theme::bar()
        } else {
            Style::new()
        };
        let text = format!(
            "   {}",
            cut(&name, usize::from(area.width).saturating_sub(4))
        );
        let text = format!(
            "{text}{:gap$}",
            "",
            gap = usize::from(area.width).saturating_sub(text.width())
        );
        put(
            area,
            to_u16(row - first + 1),
            &Line::styled(text, style),
            buffer,
        );
    }
    if found.is_empty() && !search.trim().is_empty() {
        let hint = format!("   Enter writes to {}", search.trim());
        put(area, 1, &Line::styled(hint, Theme::dim()), buffer);
    }
    Position::new(area.x + 3 + to_u16(shown.width()), area.y)
}

/// The search in the messages, in the place of the composer.
fn find(model: &Model, search: &str, buffer: &mut Buffer) -> Position {
    let found = model.found();
    let selected = model.talk.as_ref().and_then(|talk| talk.selected);
    let at = selected.and_then(|selected| found.iter().position(|at| *at == selected));
    let count = match (search.is_empty(), at) {
        (true, _) => "Enter: earlier, Down: later, Esc: back ".to_owned(),
        (_, Some(at)) => format!("{} of {} ", at + 1, found.len()),
        (_, None) => format!("{} found ", found.len()),
    };
    let shown = tail(
        search,
        usize::from(Layout::of(model).composer.width).saturating_sub(8 + count.width()),
    );
    let left = format!(" find: {shown}");
    let at = line(model, &left, &count, buffer);
    Position::new(at.x + to_u16(left.width()), at.y)
}

/// A line in the place of the composer; gives back where it begins.
fn line(model: &Model, left: &str, right: &str, buffer: &mut Buffer) -> Position {
    let area = Layout::of(model).composer;
    Clear.render(area, buffer);
    let text = two_sides(left, right, area.width.into());
    put(area, 0, &Line::styled(text, Theme::bar()), buffer);
    area.as_position()
}

/// The end of a text that fits.
fn tail(text: &str, width: usize) -> String {
    let text = chat_cli::clean(text);
    let mut start = 0;
    while text[start..].width() > width {
        start += text[start..].chars().next().map_or(1, char::len_utf8);
    }
    text[start..].to_owned()
}
