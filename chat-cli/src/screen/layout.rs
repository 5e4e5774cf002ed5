//! The places of the parts of the screen. No input or output.

use ratatui::layout::Rect;

use super::{
    composer::Composer,
    model::{Focus, Members, Model},
};

/// Columns below which one part is shown at a time.
const NARROW: u16 = 60;

/// Columns from which on the members are shown without being asked for.
const WIDE: u16 = 110;

/// The mark before the composer's text.
pub(crate) const PROMPT: &str = "> ";

/// The parts of the screen; a part without room is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The program's line, at the top.
    pub(crate) bar: Rect,
    pub(crate) inbox: Rect,
    /// The line that names the open room.
    pub(crate) head: Rect,
    pub(crate) messages: Rect,
    /// The line that says who is typing, and the like.
    pub(crate) status: Rect,
    pub(crate) composer: Rect,
    pub(crate) members: Rect,
}

impl Layout {
    /// The layout of the model's screen.
    pub(crate) fn of(model: &Model) -> Self {
        let (columns, rows) = model.size;
        let all = Rect::new(0, 0, columns, rows);
        let (bar, rest) = top(all, u16::from(rows >= 6));
        let mut layout = Self {
            bar,
            ..Self::default()
        };
        let mut main = rest;
        if columns < NARROW {
            if model.focus == Focus::Inbox || model.talk.is_none() {
                let writes = model.focus == Focus::Composer;
                (main, layout.composer) = bottom(rest, u16::from(writes));
                (layout.inbox, layout.status) = bottom(main, 1);
                return layout;
            }
            if model.members == Members::Shown {
                layout.members = rest;
                return layout;
            }
        } else {
            (layout.inbox, main) = left(rest, (columns / 4).clamp(18, 34));
            let members = match model.members {
                Members::Auto => columns >= WIDE && model.talk.is_some(),
                Members::Shown => model.talk.is_some(),
                Members::Hidden => false,
            };
            if members {
                (main, layout.members) = right(main, (columns / 6).clamp(14, 30));
            }
        }
        (layout.head, main) = top(main, u16::from(rows >= 8));
        let wanted = composer_rows(&model.composer, main.width);
        let most = (main.height / 3).max(1);
        (main, layout.composer) = bottom(main, wanted.min(most));
        (layout.messages, layout.status) = bottom(main, u16::from(main.height > 2));
        layout
    }
}

/// The columns of the composer's text.
pub(crate) fn composer_width(width: u16) -> usize {
    usize::from(width).saturating_sub(PROMPT.len()).max(1)
}

fn composer_rows(composer: &Composer, width: u16) -> u16 {
    let (rows, _) = composer.rows(composer_width(width));
    u16::try_from(rows.len()).unwrap_or(u16::MAX)
}

fn top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let rest = Rect {
        y: area.y + height,
        height: area.height - height,
        ..area
    };
    (Rect { height, ..area }, rest)
}

fn bottom(area: Rect, height: u16) -> (Rect, Rect) {
    top(area, area.height - height.min(area.height))
}

fn left(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    let rest = Rect {
        x: area.x + width,
        width: area.width - width,
        ..area
    };
    (Rect { width, ..area }, rest)
}

fn right(area: Rect, width: u16) -> (Rect, Rect) {
    left(area, area.width - width.min(area.width))
}
