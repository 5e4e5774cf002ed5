//! The messages of the open room, or what there is to know without one.

use std::num::NonZeroU16;

use ratatui::{
    buffer::{Buffer, CellDiffOption},
    layout::Rect,
    text::Line,
};

use super::{
    super::{
        model::{Model, Over},
        rows::Row,
        talk::Older,
        theme::Theme,
        wrap::wrap,
    },
    paint::{put, to_u16},
};

pub(super) fn render(model: &Model, area: Rect, buffer: &mut Buffer) {
    let Some((rows, height)) = model.rows() else {
        return;
    };
    let (rows, _) = rows.shown(height);
    let first = height - rows.len();
    if let Some(talk) = &model.talk
        && first > 0
    {
        let hint = match (talk.is_loaded(), talk.older) {
            (false, _) => " loading ...",
            (true, Older::Asked) => " loading earlier messages ...",
            (true, Older::None) if talk.items.is_empty() => " no messages yet",
            (true, _) => "",
        };
        put(
            area,
            to_u16(first - 1),
            &Line::styled(hint, Theme::dim()),
            buffer,
        );
    }
    for (at, row) in rows.into_iter().enumerate() {
        let y = to_u16(first + at);
        put(area, y, &row.line, buffer);
        // A link is one cell for the terminal, and nothing can lie over a part of it.
        if model.settings.links && !matches!(model.over, Some(Over::Help(_) | Over::Rooms(..))) {
            link(area, y, &row, buffer);
        }
    }
}

/// Makes the links of a row links for the terminal: each is one cell for it, as wide as its text.
fn link(area: Rect, y: u16, row: &Row, buffer: &mut Buffer) {
    for link in &row.links {
        let x = area.x + to_u16(link.column);
        let Some(width) = NonZeroU16::new(to_u16(link.width)) else {
            continue;
        };
        // The text of a link is ASCII: a byte is a cell.
        let mut text = String::new();
        for column in x..x + width.get() {
            if let Some(cell) = buffer.cell((column, area.y + y)) {
                text.push_str(cell.symbol());
            }
        }
        if let Some(cell) = buffer.cell_mut((x, area.y + y)) {
            let url = &link.url;
            cell.set_symbol(&format!("\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"));
            cell.set_diff_option(CellDiffOption::ForcedWidth(width));
        }
    }
}

/// Draws the middle of the screen while no room is open.
pub(super) fn home(model: &Model, area: Rect, buffer: &mut Buffer) {
    let mut lines = vec![
        "Pick a room at the left and press Enter.".to_owned(),
        "Ctrl+G searches your rooms and opens a user's.".to_owned(),
        "/new NAME MEMBER... makes a group, F1 shows all keys.".to_owned(),
    ];
    if !model.notes.is_empty() {
        lines.push(String::new());
        lines.extend(model.notes.iter().cloned());
    }
    let width = usize::from(area.width).saturating_sub(2).max(1);
    let rows: Vec<String> = lines
        .iter()
        .flat_map(|line| {
            let rows = wrap(line, width).into_iter();
            rows.map(|row| format!(" {}", &line[row]))
        })
        .collect();
    let first = rows.len().saturating_sub(area.height.into());
    for (at, row) in rows[first..].iter().enumerate() {
        put(
            area,
            to_u16(at),
            &Line::styled(row.as_str(), Theme::dim()),
            buffer,
        );
    }
}
