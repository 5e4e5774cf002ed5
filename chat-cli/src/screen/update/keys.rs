//! The effect of each key.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::time::Instant;

use super::super::{
    composer::{Composer, Pressed},
    happened::Act,
    layout::{Layout, composer_width},
    model::{Focus, Members, Model, Outcome, Over},
    talk::{Item, What},
};

/// Keys and what they do, as the help shows them.
pub(crate) const HELP: [(&str, &str); 19] = [
    ("Enter", "sends; opens the picked room"),
    ("Alt+Enter, Ctrl+J", "begins another line"),
    ("Tab", "from the message to the rooms and the messages"),
    ("Esc", "back"),
    ("Ctrl+G", "searches your rooms; opens a user's"),
    ("Ctrl+F", "searches the loaded messages"),
    ("Alt+Up, Alt+Down", "the room before, the next one"),
    ("Alt+U", "the next unread room"),
    ("Page Up, Page Down", "scrolls; the wheel does too"),
    (
        "Ctrl+Home, Ctrl+End",
        "the oldest loaded message, the newest",
    ),
    ("Up", "in an empty message: your last one, to edit it"),
    ("e, d", "on a message of yours: edits, takes back"),
    ("Alt+M", "shows and hides the members"),
    (
        "Ctrl+W, Ctrl+U, Ctrl+K",
        "cut a word, to the start, to the end",
    ),
    ("Ctrl+Y", "puts back what was cut"),
    ("Ctrl+L", "paints the screen anew"),
    ("Ctrl+Z", "gives the shell back; fg returns"),
    ("Ctrl+C, Ctrl+D", "leaves"),
    ("Shift+mouse", "selects text, and opens links"),
];

impl Model {
    pub(super) fn key(&mut self, now: Instant, key: KeyEvent) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        self.note = None;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('z') if control => return self.acts.push(Act::Suspend),
            KeyCode::Char('l') if control => return self.acts.push(Act::Redraw),
            KeyCode::Char('c' | 'q') if control => {
                self.outcome = Some(Outcome::Left);
                return;
            }
            _ => {}
        }
        if self.over.is_some() {
            return self.over_key(now, key);
        }
        if self.everywhere(key) {
            return;
        }
        match self.focus {
            Focus::Inbox => self.inbox_key(key),
            Focus::Messages => self.messages_key(now, key),
            Focus::Composer => self.composer_key(now, key),
        }
    }

    /// Keys that do the same everywhere; `true` for one of these.
    fn everywhere(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::F(1) => self.over = Some(Over::Help(0)),
            KeyCode::Char('g') if control => {
                self.over = Some(Over::Rooms(Composer::default(), 0));
            }
            KeyCode::Char('f') if control && self.talk.is_some() => {
                self.over = Some(Over::Find(Composer::default()));
            }
            KeyCode::Char('m') if alt => {
                let shown = Layout::of(self).members.width > 0;
                self.members = if shown {
                    Members::Hidden
                } else {
                    Members::Shown
                };
            }
            KeyCode::Char('u') if alt => {
                if let Some(room) = self.inbox.unread().cloned() {
                    self.enter(room);
                }
            }
            KeyCode::Up | KeyCode::Down if alt => {
                let here = self.talk.as_ref().map(|talk| &talk.room);
                let back = key.code == KeyCode::Up;
                if let Some(room) = self.inbox.step(here, back).cloned() {
                    self.enter(room);
                }
            }
            KeyCode::PageUp => self.page(true),
            KeyCode::PageDown => self.page(false),
            KeyCode::Home if control => self.scroll(true, usize::MAX / 2),
            KeyCode::End if control => self.show_end(),
            KeyCode::Tab => self.next_focus(false),
            KeyCode::BackTab => self.next_focus(true),
            _ => return false,
        }
        true
    }

    fn page(&mut self, up: bool) {
        if self.focus == Focus::Inbox && Layout::of(self).messages.width == 0 {
            for _ in 1..Layout::of(self).inbox.height.max(2) {
                self.pick(up);
            }
            return;
        }
        let height = Layout::of(self).messages.height;
        self.scroll(up, usize::from(height.saturating_sub(1).max(1)));
    }

    fn next_focus(&mut self, back: bool) {
        let order = [Focus::Composer, Focus::Inbox, Focus::Messages];
        let at = order.iter().position(|focus| *focus == self.focus);
        let step = if back { 2 } else { 1 };
        self.set_focus(order[(at.unwrap_or_default() + step) % 3]);
    }

    pub(super) fn set_focus(&mut self, focus: Focus) {
        self.focus = focus;
        let Some(talk) = &mut self.talk else {
            if focus == Focus::Messages {
                self.focus = Focus::Composer;
            }
            return;
        };
        if focus == Focus::Messages {
            if talk.selected.is_none() {
                talk.select(true);
            }
            self.show_selected();
        } else {
            talk.selected = None;
        }
    }

    fn show_selected(&mut self) {
        if let Some(at) = self.talk.as_ref().and_then(|talk| talk.selected) {
            self.show_item(at, false);
        }
    }

    /// Picks the room before or after the picked one.
    pub(super) fn pick(&mut self, back: bool) {
        let next = self.inbox.step(self.inbox.picked.as_ref(), back);
        self.inbox.picked = next.cloned();
    }

    fn inbox_key(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => self.pick(true),
            KeyCode::Down | KeyCode::Char('j') => self.pick(false),
            KeyCode::Home => self.inbox.picked = self.inbox.step(None, false).cloned(),
            KeyCode::End => self.inbox.picked = self.inbox.step(None, true).cloned(),
            KeyCode::Enter | KeyCode::Right => {
                if let Some(room) = self.inbox.picked.clone() {
                    self.enter(room);
                }
            }
            KeyCode::Esc | KeyCode::Left if self.talk.is_some() => self.set_focus(Focus::Composer),
            KeyCode::Char('?') => self.over = Some(Over::Help(0)),
            KeyCode::Char('d') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.outcome = Some(Outcome::Left);
            }
            // A command is typed from here too.
            KeyCode::Char('/') => {
                self.set_focus(Focus::Composer);
                self.composer.set("/");
            }
            _ => {}
        }
    }

    fn messages_key(&mut self, now: Instant, key: KeyEvent) {
        let Some(talk) = &mut self.talk else { return };
        let selected = talk.selected;
        match key.code {
            KeyCode::Up | KeyCode::Char('k') => {
                talk.select(true);
                let top = talk.selected == selected;
                self.show_selected();
                if top {
                    self.scroll(true, 3);
                }
            }
            KeyCode::Down | KeyCode::Char('j') => {
                talk.select(false);
                if talk.selected.is_none() {
                    self.show_end();
                    self.set_focus(Focus::Composer);
                } else {
                    self.show_selected();
                }
            }
            KeyCode::Home => self.scroll(true, usize::MAX / 2),
            KeyCode::End => self.show_end(),
            KeyCode::Char('e') | KeyCode::Enter => {
                if let Some(at) = selected {
                    self.set_focus(Focus::Composer);
                    self.edit(now, at);
                }
            }
            KeyCode::Char('d') | KeyCode::Delete if selected.is_some() => {
                self.over = Some(Over::Delete);
            }
            KeyCode::Char('?') => self.over = Some(Over::Help(0)),
            KeyCode::Esc | KeyCode::Char('i' | 'q') => self.set_focus(Focus::Composer),
            _ => {}
        }
    }

    fn composer_key(&mut self, now: Instant, key: KeyEvent) {
        let width = composer_width(Layout::of(self).composer.width);
        let empty = self.composer.text().is_empty();
        match key.code {
            KeyCode::Esc => self.escape(),
            KeyCode::Up if empty && self.composer.edits.is_none() => {
                let last = self.talk.as_ref().zip(self.me());
                let last = last.and_then(|(talk, me)| talk.own_before(me, None));
                if !self.take_back()
                    && let Some(at) = last
                {
                    self.edit(now, at);
                }
            }
            _ => match self.composer.press(key, width) {
                Pressed::Entered(text) => self.entered(now, text),
                Pressed::Changed => self.typing(),
                Pressed::Quit => self.outcome = Some(Outcome::Left),
                Pressed::Moved | Pressed::Nothing => {}
            },
        }
    }

    /// Takes a message that was refused back into the composer.
    fn take_back(&mut self) -> bool {
        let Some(talk) = &mut self.talk else {
            return false;
        };
        let refused = talk.items.last().is_some_and(Item::is_refused);
        if refused && let Some(What::Pending { text, .. }) = talk.items.pop().map(|item| item.what)
        {
            self.composer.set(&text);
        }
        refused
    }

    /// One step back: from an edit, from what is searched for, from what is scrolled, to the rooms.
    fn escape(&mut self) {
        if self.composer.edits.take().is_some() {
            self.composer.set("");
        } else if !self.find.is_empty() {
            self.find.clear();
        } else if self.talk.as_ref().is_some_and(|talk| talk.place.is_some()) {
            self.show_end();
        } else {
            self.set_focus(Focus::Inbox);
        }
    }

    fn typing(&mut self) {
        let text = self.composer.text();
        if let Some(talk) = &self.talk
            && !text.is_empty()
            && !text.starts_with('/')
            && self.composer.edits.is_none()
        {
            self.acts.push(Act::Typing(talk.room.clone()));
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        match &mut self.over {
            Some(Over::Rooms(search, picked)) => {
                search.paste(&text.replace(['\r', '\n'], " "));
                *picked = 0;
            }
            Some(Over::Find(search)) => {
                search.paste(&text.replace(['\r', '\n'], " "));
                search.text().clone_into(&mut self.find);
            }
            Some(_) => {}
            None => {
                self.set_focus(Focus::Composer);
                self.composer.paste(text);
                self.typing();
            }
        }
    }
}
