//! The members of the open room.

use chat_cli::clean;
use chat_core::Role;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    super::{model::Model, theme::Theme},
    put, to_u16,
};

pub(super) fn render(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.settings.theme;
    let Some(talk) = model.talk.as_ref().filter(|_| area.width > 2) else {
        return;
    };
    for y in area.top()..area.bottom() {
        buffer.set_string(area.x, y, "│", Theme::dim());
    }
    let area = Rect {
        x: area.x + 1,
        width: area.width - 1,
        ..area
    };
    let count = talk.about.as_ref().map_or(0, |room| room.members);
    let title = Line::styled(format!(" {count} members"), theme.accent());
    put(area, 0, &title, buffer);
    if talk.members.is_empty() && talk.is_loaded() {
        put(
            area,
            1,
            &Line::styled(" /members lists them", Theme::dim()),
            buffer,
        );
        return;
    }
    // Those who are there first.
    let mut members: Vec<_> = talk.members.iter().collect();
    members.sort_by_key(|member| {
        (
            !model.online.contains(&member.presence.user),
            &member.presence.user,
        )
    });
    for (row, member) in members.into_iter().enumerate() {
        let user = &member.presence.user;
        let (mark, style) = if model.online.contains(user) {
            ("●", theme.online())
        } else {
            ("○", Theme::dim())
        };
        let mut spans = vec![
            Span::raw(" "),
            Span::styled(mark, style),
            Span::raw(" "),
            Span::raw(clean(user.as_str()).into_owned()),
        ];
        let is_direct = talk.peer.is_some();
        if member.role != Role::Member && !is_direct {
            spans.push(Span::styled(
                format!(" {}", member.role.name()),
                Theme::dim(),
            ));
        }
        put(area, to_u16(row + 1), &Line::from(spans), buffer);
    }
}
