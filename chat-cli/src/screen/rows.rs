//! The items of a conversation as rows of the screen. No input or output.

use std::{collections::BTreeSet, sync::Arc};

use chat_cli::clean;
use chat_core::{Seq, UserId};
use chrono::{DateTime, Local, NaiveDateTime, Utc};
use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    links::links,
    model::Settings,
    talk::{Item, Place, Talk, What},
    theme::Theme,
    wrap::wrap,
};
use crate::program::sentences::several;

/// Minutes after which the next message of the same author has a line with the name again.
const PAUSE: i64 = 5;

/// A row, and the links in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) line: Line<'static>,
    pub(crate) links: Vec<Link>,
}

/// A link in a row: its first column, its columns, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) column: usize,
    pub(crate) width: usize,
    pub(crate) url: Arc<str>,
}

/// The open room at a width, as rows.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    talk: &'a Talk,
    me: &'a UserId,
    theme: Theme,
    clock: fn(DateTime<Utc>) -> NaiveDateTime,
    width: usize,
    /// The text that is searched for, in lower case.
    find: String,
    is_up: bool,
    /// The item under which it is said how far it has got.
    last_own: Option<usize>,
    /// The first unread item, above which a line says so.
    first_unread: Option<usize>,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(
        talk: &'a Talk,
        me: &'a UserId,
        settings: &Settings,
        (width, find, is_up): (usize, &str, bool),
    ) -> Self {
        let unread = |item: &Item| {
            item.author != *me
                && matches!(item.what, What::Message { .. })
                && item.seq.is_some_and(|seq| seq > talk.was_read)
        };
        Self {
            talk,
            me,
            theme: settings.theme,
            clock: settings.clock,
            width: width.max(4),
            find: find.to_lowercase(),
            is_up,
            last_own: talk.own_before(me, None),
            first_unread: talk.items.iter().position(unread),
        }
    }

    /// The rows of an item.
    pub(crate) fn of(&self, at: usize) -> Vec<Row> {
        let item = &self.talk.items[at];
        let before = at.checked_sub(1).map(|at| &self.talk.items[at]);
        let mut rows = Vec::new();
        let day = |item: &Item| (self.clock)(item.at).date();
        if !matches!(item.what, What::Note(_))
            && before.is_none_or(|before| day(before) != day(item))
        {
            rows.push(self.rule(&day(item).format("%A, %-d %B %Y").to_string(), Theme::dim()));
        }
        if self.first_unread == Some(at) {
            rows.push(self.rule("new", self.theme.warning()));
        }
        let is_selected = self.talk.selected == Some(at);
        let alone = !rows.is_empty() || before.is_none_or(|before| !goes_on(before, item));
        let time = (self.clock)(item.at).format("%H:%M").to_string();
        match &item.what {
            What::Message { text, edited } => {
                if alone {
                    rows.push(self.name(item, &time));
                }
                let end = if *edited { " (edited)" } else { "" };
                let style = if is_selected {
                    Theme::bar()
                } else {
                    Style::new()
                };
                self.body(&mut rows, text, end, style);
            }
            What::Deleted => {
                if alone {
                    rows.push(self.name(item, &time));
                }
                self.plain(&mut rows, "message taken back", Theme::dim());
            }
            What::Event(sentence) => {
                let author = clean(item.author.as_str());
                self.plain(
                    &mut rows,
                    &format!("{time} {author} {sentence}"),
                    Theme::dim(),
                );
            }
            What::Note(note) => {
                for line in note.lines() {
                    self.plain(&mut rows, &format!("-- {line}"), Theme::dim());
                }
            }
            What::Pending { text, refused, .. } => {
                if alone {
                    rows.push(self.name(item, &time));
                }
                let style = Theme::dim();
                self.body(&mut rows, text, "", style);
                match refused {
                    Some(why) => {
                        let why = format!("not sent: {}", clean(why));
                        self.plain(&mut rows, &why, self.theme.error());
                    }
                    None if self.is_up => self.plain(&mut rows, "sending ...", style),
                    None => self.plain(&mut rows, "waits for the connection", style),
                }
            }
        }
        if self.last_own == Some(at) {
            let state = self.state(item.seq.unwrap_or_default());
            self.plain(&mut rows, &state, Theme::dim());
        }
        rows
    }

    /// The state of an own message: sent, delivered or read.
    fn state(&self, seq: Seq) -> String {
        let others = self.talk.members.iter();
        let others = others.filter(|member| member.presence.user != *self.me);
        let mut readers = BTreeSet::new();
        let (mut count, mut delivered) = (0, 0);
        for member in others {
            count += 1;
            delivered += usize::from(member.watermarks.delivered >= seq);
            if member.watermarks.read >= seq {
                readers.insert(&member.presence.user);
            }
        }
        match readers.len() {
            0 if delivered > 0 && delivered == count => "delivered".to_owned(),
            0 => "sent".to_owned(),
            1 if count == 1 => "read".to_owned(),
            all if all == count => "read by all".to_owned(),
            _ => format!("read by {}", several(readers)),
        }
    }

    /// The columns before the text of a message.
    fn indent(&self) -> usize {
        if self.width < 30 { 1 } else { 2 }
    }

    fn name(&self, item: &Item, time: &str) -> Row {
        let name = clean(item.author.as_str()).into_owned();
        let style = self.theme.author(&item.author, item.author == *self.me);
        Line::from(vec![
            Span::styled(name, style),
            Span::styled(format!(" {time}"), Theme::dim()),
        ])
        .into()
    }

    /// A line across, with a word in it.
    fn rule(&self, word: &str, style: Style) -> Row {
        let word = super::wrap::cut(word, self.width.saturating_sub(2));
        let rest = self.width.saturating_sub(word.width() + 2);
        let (left, right) = (rest / 2, rest - rest / 2);
        let text = format!("{} {word} {}", "─".repeat(left), "─".repeat(right));
        Line::styled(text, style).into()
    }

    /// A text of the program, broken into rows.
    fn plain(&self, rows: &mut Vec<Row>, text: &str, style: Style) {
        let indent = self.indent();
        let text = clean(text);
        for range in wrap(&text, self.width - indent) {
            let part = format!("{:indent$}{}", "", text[range].trim_end());
            rows.push(Line::styled(part, style).into());
        }
    }

    /// The text of a message, with its links and with what is searched for; `end` follows the last word.
    fn body(&self, rows: &mut Vec<Row>, text: &str, end: &str, style: Style) {
        let text = text.replace("\r\n", "\n");
        let count = text.split('\n').count();
        for (at, line) in text.split('\n').enumerate() {
            let shown = clean(line);
            let end = if at + 1 == count { end } else { "" };
            let whole = format!("{shown}{end}");
            let links = links(&shown);
            let found = find(&shown, &self.find);
            for part in wrap(&whole, self.width - self.indent()) {
                let mut row = Row::from(Line::default().style(style));
                let mut column = self.indent();
                row.line.push_span(" ".repeat(column));
                let kept = part.start + whole[part.clone()].trim_end().len();
                let mut from = part.start;
                while from < kept {
                    let link = links.iter().find(|link| link.contains(&from));
                    let is_found = found.iter().any(|found| found.contains(&from));
                    let same = |at: usize| {
                        links.iter().find(|link| link.contains(&at)) == link
                            && found.iter().any(|found| found.contains(&at)) == is_found
                            && (at < shown.len()) == (from < shown.len())
                    };
                    let more = whole[from..kept].char_indices().skip(1);
                    let mut ends = more.map(|(offset, _)| from + offset);
                    let to = ends.find(|at| !same(*at)).unwrap_or(kept);
                    let piece = whole[from..to].to_owned();
                    let look = match (is_found, link) {
                        (true, _) => self.theme.found().remove_modifier(style.add_modifier),
                        (_, Some(_)) => self.theme.link(),
                        _ if from >= shown.len() => Theme::dim(),
                        _ => Style::new(),
                    };
                    let look = style.patch(look);
                    let width = piece.width();
                    if let Some(link) = link {
                        row.links.push(Link {
                            column,
                            width,
                            url: shown[link.clone()].into(),
                        });
                    }
                    row.line.push_span(Span::styled(piece, look));
                    column += width;
                    from = to;
                }
                rows.push(row);
            }
        }
    }

    fn height(&self, at: usize) -> usize {
        self.of(at).len()
    }

    /// The last row of all.
    fn end(&self) -> Option<Place> {
        let item = self.talk.items.len().checked_sub(1)?;
        let row = self.height(item) - 1;
        Some(Place { item, row })
    }

    /// The lowest row that is shown.
    fn lowest(&self) -> Option<Place> {
        let end = self.end()?;
        let place = self.talk.place.unwrap_or(end).min(end);
        let row = place.row.min(self.height(place.item) - 1);
        Some(Place { row, ..place })
    }

    /// The lowest row that is shown in this height: further down where what is above doesn't fill it.
    fn bottom(&self, height: usize) -> Option<Place> {
        let place = self.lowest()?;
        let first = Place { item: 0, row: 0 };
        let fills = self
            .down(first, height.saturating_sub(1))
            .or_else(|| self.end())?;
        Some(place.max(fills))
    }

    /// The rows that are shown in this height, from above, and the first and last item that is seen whole or
    /// in part.
    pub(crate) fn shown(&self, height: usize) -> (Vec<Row>, Option<(usize, usize)>) {
        let Some(place) = self.bottom(height).filter(|_| height > 0) else {
            return (Vec::new(), None);
        };
        let (mut item, mut rows) = (place.item, Vec::new());
        let mut part = self.of(item);
        part.truncate(place.row + 1);
        loop {
            rows.extend(part.into_iter().rev());
            if rows.len() >= height || item == 0 {
                break;
            }
            item -= 1;
            part = self.of(item);
        }
        rows.truncate(height);
        rows.reverse();
        (rows, Some((item, place.item)))
    }

    /// The item in a row of the screen.
    pub(crate) fn at(&self, row: usize, height: usize) -> Option<usize> {
        let (shown, _) = self.shown(height);
        // The rows stand at the bottom.
        let from_end = height.checked_sub(row + 1)?;
        let place = self.bottom(height).filter(|_| from_end < shown.len())?;
        Some(self.up(place, from_end).item)
    }

    /// The place from which `count` rows further up, or down, are seen; `None` for the end. The second value
    /// tells whether the beginning is reached.
    pub(crate) fn scrolled(&self, up: bool, count: usize, height: usize) -> (Option<Place>, bool) {
        let (Some(place), Some(end)) = (self.bottom(height), self.end()) else {
            return (None, true);
        };
        if !up {
            let place = self.down(place, count);
            return (place.filter(|place| *place < end), false);
        }
        let place = self.up(place, count);
        // The rows above fill the screen, or there is nothing more to see.
        let top = self.down(Place { item: 0, row: 0 }, height.saturating_sub(1));
        match top {
            Some(top) if place > top => (Some(place), false),
            Some(top) if top < end => (Some(top), true),
            _ => (None, true),
        }
    }

    fn up(&self, mut place: Place, mut count: usize) -> Place {
        while count > place.row {
            if place.item == 0 {
                return Place { item: 0, row: 0 };
            }
            count -= place.row + 1;
            place.item -= 1;
            place.row = self.height(place.item) - 1;
        }
        place.row -= count;
        place
    }

    /// `None` beyond the end.
    fn down(&self, mut place: Place, mut count: usize) -> Option<Place> {
        loop {
            let left = self.height(place.item) - 1 - place.row;
            if count <= left {
                place.row += count;
                return Some(place);
            }
            count -= left + 1;
            if place.item + 1 == self.talk.items.len() {
                return None;
            }
            place = Place {
                item: place.item + 1,
                row: 0,
            };
        }
    }

    /// The place from which an item is seen: the present one if it is seen already. `top` puts it at the top.
    pub(crate) fn to_item(&self, item: usize, height: usize, top: bool) -> Option<Place> {
        if !top
            && let (_, Some((first, last))) = self.shown(height)
            && (first < item && item < last || item == last)
        {
            return self.talk.place;
        }
        let start = Place { item, row: 0 };
        let rows = if top {
            height
        } else {
            self.height(item).max(height / 2).min(height)
        };
        let place = self.down(start, rows.saturating_sub(1))?;
        Some(place).filter(|place| Some(*place) != self.end())
    }

    /// The first unread item.
    pub(crate) fn first_unread(&self) -> Option<usize> {
        self.first_unread
    }
}

impl From<Line<'static>> for Row {
    fn from(line: Line<'static>) -> Self {
        Self {
            line,
            links: Vec::new(),
        }
    }
}

/// True if the second item goes on under the name of the first.
fn goes_on(before: &Item, item: &Item) -> bool {
    let says = |item: &Item| !matches!(item.what, What::Event(_) | What::Note(_));
    says(before)
        && says(item)
        && before.author == item.author
        && (item.at - before.at).num_minutes() < PAUSE
}

/// The ranges of a line that hold a text, which is in lower case.
pub(crate) fn find(line: &str, folded: &str) -> Vec<std::ops::Range<usize>> {
    if folded.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(rest) = line.get(from..).filter(|rest| !rest.is_empty()) {
        let mut expected = folded.chars();
        let mut length = 0;
        let mut chars = rest.chars();
        let mut is_here = true;
        while !expected.as_str().is_empty() {
            let Some(c) = chars.next() else {
                is_here = false;
                break;
            };
            if !c.to_lowercase().all(|c| expected.next() == Some(c)) {
                is_here = false;
                break;
            }
            length += c.len_utf8();
        }
        if is_here {
            found.push(from..from + length);
            from += length;
        } else {
            from += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    found
}

/// The time on the clock of this computer.
pub(crate) fn local(at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&Local).naive_local()
}
