//! The effect of the mouse.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::super::{
    layout::Layout,
    model::{Focus, Model, Over},
    render::inbox_window,
};

/// Rows that one step of the wheel scrolls.
const STEP: usize = 3;

impl Model {
    pub(super) fn mouse(&mut self, mouse: MouseEvent) {
        let layout = Layout::of(self);
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.wheel(&layout, at, true),
            MouseEventKind::ScrollDown => self.wheel(&layout, at, false),
            MouseEventKind::Down(MouseButton::Left) => self.click(&layout, at),
            _ => {}
        }
    }

    fn wheel(&mut self, layout: &Layout, at: Position, up: bool) {
        if let Some(Over::Help(first)) = &mut self.over {
            *first = if up {
                first.saturating_sub(STEP)
            } else {
                *first + STEP
            };
        } else if layout.inbox.contains(at) {
            self.pick(up);
        } else {
            self.scroll(up, STEP);
        }
    }

    fn click(&mut self, layout: &Layout, at: Position) {
        if self.over.take().is_some() {
            return;
        }
        let Rect { y, height, .. } = layout.inbox;
        if layout.inbox.contains(at) {
            let row = usize::from(at.y - y) + inbox_window(self, height.into());
            match self.inbox.rooms.get(row).map(|known| known.room.id.clone()) {
                Some(room) => self.enter(room),
                None => self.set_focus(Focus::Inbox),
            }
        } else if layout.messages.contains(at) {
            self.click_message(usize::from(at.y - layout.messages.y));
        } else if layout.composer.contains(at) {
            self.set_focus(Focus::Composer);
        } else if layout.bar.contains(at) {
            self.set_focus(Focus::Inbox);
        }
    }

    /// Selects the message in this row.
    fn click_message(&mut self, row: usize) {
        let Some((rows, height)) = self.rows() else {
            return;
        };
        let item = rows.at(row, height);
        self.set_focus(Focus::Messages);
        if let Some(talk) = &mut self.talk {
            let is_message = item.filter(|at| talk.items[*at].text().is_some());
            talk.selected = is_message.or(talk.selected);
        }
    }
}
