//! Writes lines into a part of the screen.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};
use unicode_width::UnicodeWidthStr as _;

use super::super::wrap::cut;

/// Writes a line, cut to the area's first row.
pub(super) fn put(area: Rect, row: u16, line: &Line<'_>, buffer: &mut Buffer) {
    if row < area.height {
        buffer.set_line(area.x, area.y + row, line, area.width);
        buffer.set_style(
            Rect {
                y: area.y + row,
                height: 1,
                ..area
            },
            line.style,
        );
    }
}

/// A line with something at its left and something at its right, which goes before.
pub(super) fn two_sides(left: &str, right: &str, width: usize) -> String {
    let right = cut(right, width);
    let room = width - right.width();
    let left = cut(left, room.saturating_sub(1));
    let gap = room - left.width();
    format!("{left}{:gap$}{right}", "")
}

/// A number of cells; a terminal has no more.
pub(super) fn to_u16(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
