//! The list of rooms.

use chat_cli::clean;
use chat_core::{EntryBody, InboxRoom, RoomKind, UNREAD_CAP};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    super::{
        model::{Focus, Model},
        theme::Theme,
    },
    paint::{put, to_u16},
};
use crate::{program::chats::label, screen::wrap::cut};

/// Columns from which on the last message is shown beside the name.
const WITH_LAST: usize = 40;

/// The first room that is shown in this height: the picked one is seen.
pub(crate) fn window(model: &Model, height: usize) -> usize {
    let picked = model.inbox.picked.as_ref();
    let at = picked.and_then(|picked| {
        let mut rooms = model.inbox.rooms.iter();
        rooms.position(|known| known.room.id == *picked)
    });
    (at.unwrap_or_default() + 1).saturating_sub(height.max(1))
}

pub(super) fn render(model: &Model, area: Rect, buffer: &mut Buffer) {
    if area.width < 2 {
        return;
    }
    // Beside another part, a line sets them apart.
    let beside = area.width < buffer.area.width;
    if beside {
        for y in area.top()..area.bottom() {
            buffer.set_string(area.right() - 1, y, "│", Theme::dim());
        }
    }
    let area = Rect {
        width: area.width - u16::from(beside),
        ..area
    };
    if model.inbox.rooms.is_empty() {
        let text = if model.inbox.is_loaded {
            " no rooms yet"
        } else {
            ""
        };
        put(area, 0, &Line::styled(text, Theme::dim()), buffer);
        if model.inbox.is_loaded && model.talk.is_none() && !beside {
            put(
                area,
                1,
                &Line::styled(" Ctrl+G: to a user", Theme::dim()),
                buffer,
            );
            put(
                area,
                2,
                &Line::styled(" / begins a command", Theme::dim()),
                buffer,
            );
        }
        return;
    }
    let height = usize::from(area.height);
    let rooms = model
        .inbox
        .rooms
        .iter()
        .skip(window(model, height))
        .take(height);
    for (row, room) in rooms.enumerate() {
        let line = line(model, room, area.width.into());
        put(area, to_u16(row), &line, buffer);
    }
}

/// A room in the list: its kind or the other's presence, its name, and what is unread.
fn line(model: &Model, known: &InboxRoom, width: usize) -> Line<'static> {
    let theme = model.settings.theme;
    let Some(me) = model.me() else {
        return Line::default();
    };
    let (mark, style) = match (known.room.kind, known.room.id.peer_of(me)) {
        (_, Some(peer)) if model.online.contains(&peer) => ("●", theme.online()),
        (_, Some(_)) => ("○", Theme::dim()),
        (RoomKind::Channel, _) => ("#", Theme::dim()),
        _ => ("&", Theme::dim()),
    };
    let unread = match known.unread {
        0 => String::new(),
        unread if unread >= UNREAD_CAP => format!(" {}+", UNREAD_CAP - 1),
        unread => format!(" {unread}"),
    };
    let mention = if known.mentions > 0 { " @" } else { "" };
    let pin = if known.me.pinned { " ^" } else { "" };
    let right = format!("{pin}{mention}{unread} ");
    let room = width.saturating_sub(3 + right.width());
    let name = cut(&label(me, &known.room), room);
    let is_open = model.is_open(&known.room.id);
    let mut weight = if is_open {
        theme.accent()
    } else {
        Style::new()
    };
    if known.unread > 0 {
        weight = weight.add_modifier(Modifier::BOLD);
    }
    let mut gap = room - name.width().min(room);
    let mut spans = vec![
        Span::styled(if is_open { "▸" } else { " " }, theme.accent()),
        Span::styled(mark, style),
        Span::raw(" "),
        Span::styled(name, weight),
    ];
    if width >= WITH_LAST && gap > 12 {
        let last = cut(&said(model, known), gap - 3);
        gap -= last.width() + 2;
        spans.push(Span::styled(format!("  {last}"), Theme::dim()));
    }
    spans.push(Span::raw(" ".repeat(gap)));
    spans.push(Span::styled(right, theme.accent()));
    let picked = model.inbox.picked.as_ref() == Some(&known.room.id);
    if picked && model.focus == Focus::Inbox {
        // One colour throughout.
        let text: String = spans.iter().map(|span| span.content.as_ref()).collect();
        return Line::styled(text, Theme::bar());
    }
    Line::from(spans)
}

fn said(model: &Model, known: &InboxRoom) -> String {
    let Some(last) = &known.last else {
        return String::new();
    };
    let author = if Some(&last.author) == model.me() {
        "you".into()
    } else {
        clean(last.author.as_str())
    };
    match &last.body {
        EntryBody::Message { text, .. } => format!("{author}: {}", clean(text)),
        _ => format!("{author} took a message back"),
    }
}
