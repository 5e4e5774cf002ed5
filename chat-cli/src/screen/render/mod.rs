//! Shows the model. It changes nothing, and knows no terminal: a frame is a buffer of cells.
//!
//! Each text from others is [`clean`]ed on its way here, so that nothing in a cell is obeyed by the terminal,
//! but for the links (OSC 8) that this program makes itself.

mod inbox;
mod members;
mod messages;
mod over;
mod paint;

use chat_cli::clean;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
};

use super::{
    layout::{Layout, PROMPT, composer_width},
    model::{Connection, Focus, Model},
    theme::Theme,
};
use crate::program::{chats::label, sentences::several};

use paint::{put, to_u16, two_sides};

pub(crate) use inbox::window as inbox_window;

/// Paints the screen into a buffer of its size; returns where the cursor stands, if it is shown.
pub(crate) fn render(model: &Model, buffer: &mut Buffer) -> Option<Position> {
    let layout = Layout::of(model);
    bar(model, layout.bar, buffer);
    inbox::render(model, layout.inbox, buffer);
    members::render(model, layout.members, buffer);
    if model.talk.is_some() {
        head(model, layout.head, buffer);
        messages::render(model, layout.messages, buffer);
    } else {
        messages::home(model, layout.messages, buffer);
    }
    status(model, layout.status, buffer);
    let cursor = composer(model, layout.composer, buffer);
    if model.over.is_some() {
        return over::render(model, buffer.area, buffer);
    }
    cursor.filter(|_| model.focus == Focus::Composer)
}

/// The line at the top: the user, the server, and the connection.
fn bar(model: &Model, area: Rect, buffer: &mut Buffer) {
    let server = clean(&model.settings.server);
    let server = server.split_once("://").map_or(&*server, |(_, host)| host);
    let me = model
        .me()
        .map_or_else(String::new, |me| clean(me.as_str()).into_owned());
    let unread = match model.unread() {
        0 => String::new(),
        unread => format!("({unread}) "),
    };
    let left = format!(" {unread}{me} at {server}");
    let (right, style) = match &model.connection {
        Connection::Up => ("F1 help ", Theme::bar()),
        Connection::New => ("connecting ... ", Theme::bar()),
        Connection::Down(_) => (
            "not connected ",
            model
                .settings
                .theme
                .warning()
                .add_modifier(Modifier::REVERSED),
        ),
    };
    let line = Line::styled(two_sides(&left, right, area.width.into()), style);
    put(area, 0, &line, buffer);
}

/// The line above the messages: the room, its topic, and who is there.
fn head(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.settings.theme;
    let (Some(talk), Some(me)) = (&model.talk, model.me()) else {
        return;
    };
    let about = talk.about.as_ref();
    let known = model.inbox.get(&talk.room).map(|known| &known.room);
    let name = match (about.or(known), &talk.peer) {
        (_, Some(peer)) => clean(peer.as_str()).into_owned(),
        (Some(room), None) => label(me, room),
        (None, None) => clean(talk.room.as_str()).into_owned(),
    };
    let (who, style) = match (&talk.peer, about) {
        (_, None) => ("loading ...".to_owned(), Theme::dim()),
        (Some(peer), _) if model.online.contains(peer) => ("online".to_owned(), theme.online()),
        (Some(peer), _) => (last_seen(model, peer), Theme::dim()),
        (None, Some(room)) => {
            let members = talk.members.iter();
            let here = members.filter(|member| member.presence.online).count();
            let count = match here {
                0 => format!("{} members", room.members),
                here => format!("{} members, {here} online", room.members),
            };
            (count, Theme::dim())
        }
    };
    let topic = about.map_or("", |room| room.details.topic.as_str());
    let archived = about.is_some_and(|room| room.details.archived);
    let mut spans = vec![
        Span::raw(" "),
        Span::styled(name, theme.accent()),
        Span::raw("  "),
        Span::styled(who, style),
    ];
    if archived {
        spans.push(Span::styled("  archived", theme.warning()));
    }
    if !topic.is_empty() {
        spans.push(Span::styled(format!("  {}", clean(topic)), Theme::dim()));
    }
    put(area, 0, &Line::from(spans), buffer);
}

fn last_seen(model: &Model, user: &chat_core::UserId) -> String {
    let talk = model.talk.as_ref();
    let mut members = talk.iter().flat_map(|talk| &talk.members);
    let member = members.find(|member| member.presence.user == *user);
    match member.and_then(|member| member.presence.last_seen) {
        Some(at) => {
            let at = (model.settings.clock)(at).format("%-d %b %H:%M");
            format!("last seen {at}")
        }
        None => "not online".to_owned(),
    }
}

/// The line above the composer: who is typing, what was refused, what the keys do.
fn status(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = model.settings.theme;
    let talk = model.talk.as_ref();
    let typists = talk
        .map(|talk| &talk.typists)
        .filter(|typists| !typists.is_empty());
    let (left, style) = if let Some((note, _)) = &model.note {
        (clean(note).into_owned(), theme.warning())
    } else if let Connection::Down(why) = &model.connection {
        (format!("trying again: {}", clean(why)), theme.warning())
    } else if model.composer.edits.is_some() {
        (
            "editing; Esc leaves it as it was".to_owned(),
            theme.accent(),
        )
    } else if let Some(typists) = typists {
        let are = if typists.len() > 1 { "are" } else { "is" };
        (
            format!("{} {are} typing ...", several(typists.keys())),
            Theme::dim(),
        )
    } else {
        let hint = match model.focus {
            Focus::Inbox => "Enter opens, Ctrl+G searches, / begins a command",
            Focus::Messages => "e edits, d takes back, Esc goes back",
            Focus::Composer => "",
        };
        (hint.to_owned(), Theme::dim())
    };
    let right = match talk {
        Some(talk) if talk.place.is_some() && talk.below > 0 => {
            format!("{} new below ", talk.below)
        }
        Some(talk) if talk.place.is_some() => "Ctrl+End: newest ".to_owned(),
        _ => String::new(),
    };
    let text = two_sides(&format!(" {left}"), &right, area.width.into());
    put(area, 0, &Line::styled(text, style), buffer);
}

/// The text that is being written.
fn composer(model: &Model, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    if area.width == 0 || area.height == 0 {
        return None;
    }
    let (rows, (row, column)) = model.composer.rows(composer_width(area.width));
    let height = usize::from(area.height);
    let first = (row + 1).saturating_sub(height);
    for (at, range) in rows.iter().enumerate().skip(first).take(height) {
        let prompt = if at == 0 { PROMPT } else { "  " };
        let text = clean(model.composer.text()[range.clone()].trim_end_matches('\n')).into_owned();
        let style = if model.focus == Focus::Composer {
            model.settings.theme.accent()
        } else {
            Theme::dim()
        };
        let line = Line::from(vec![
            Span::styled(prompt, style),
            Span::styled(text, Style::new()),
        ]);
        put(area, to_u16(at - first), &line, buffer);
    }
    if model.talk.is_none() && model.composer.text().is_empty() {
        let hint = Line::styled("  /open NAME, /new NAME, /help", Theme::dim());
        put(Rect { x: area.x, ..area }, 0, &hint, buffer);
    }
    let x = area.x + to_u16(PROMPT.len() + column).min(area.width.saturating_sub(1));
    Some(Position::new(x, area.y + to_u16(row - first)))
}
