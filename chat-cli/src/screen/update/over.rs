//! The effect of each key while something lies over the screen: the help, a search, or a question.

use chat_core::RoomId;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use super::super::{
    composer::{Composer, Pressed},
    model::{Model, Over},
    rows::find,
};
use crate::program::command::Which;

/// Columns of a search; it has one row.
const WIDTH: usize = usize::MAX;

impl Model {
    pub(super) fn over_key(&mut self, now: Instant, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match self.over.take() {
            Some(Over::Help(first)) => {
                let next = match key.code {
                    KeyCode::Down | KeyCode::Char('j') => first + 1,
                    KeyCode::Up | KeyCode::Char('k') => first.saturating_sub(1),
                    KeyCode::PageDown | KeyCode::Char(' ') => first + 10,
                    KeyCode::PageUp => first.saturating_sub(10),
                    _ => return,
                };
                self.over = Some(Over::Help(next));
            }
            Some(Over::Rooms(search, picked)) => self.search_rooms(now, key, search, picked),
            Some(Over::Find(search)) => match key.code {
                KeyCode::Esc => self.find.clear(),
                KeyCode::Enter | KeyCode::Up => self.find_next(search, true),
                KeyCode::Down => self.find_next(search, false),
                KeyCode::Char('f' | 'p') if control => self.find_next(search, true),
                KeyCode::Char('n') if control => self.find_next(search, false),
                _ => self.search(key, search),
            },
            Some(Over::Delete) => {
                if matches!(key.code, KeyCode::Char('y' | 'Y') | KeyCode::Enter) {
                    self.delete_selected();
                }
            }
            None => {}
        }
    }

    fn search_rooms(&mut self, now: Instant, key: KeyEvent, mut search: Composer, picked: usize) {
        let found = self.found_rooms(search.text());
        let last = found.len().saturating_sub(1);
        let picked = match key.code {
            KeyCode::Esc => return,
            KeyCode::Up => picked.saturating_sub(1),
            KeyCode::Down | KeyCode::Tab => (picked + 1).min(last),
            KeyCode::Enter => {
                match found.into_iter().nth(picked) {
                    Some(room) => self.enter(room),
                    None => self.open(now, Which::Name(search.text().trim().to_owned())),
                }
                return;
            }
            _ => {
                search.press(key, WIDTH);
                0
            }
        };
        self.over = Some(Over::Rooms(search, picked));
    }

    /// The rooms that a search has found.
    pub(crate) fn found_rooms(&self, text: &str) -> Vec<RoomId> {
        let me = self.me();
        me.map_or_else(Vec::new, |me| self.inbox.search(me, text.trim()))
    }

    fn search(&mut self, key: KeyEvent, mut search: Composer) {
        if search.press(key, WIDTH) == Pressed::Changed {
            search.text().clone_into(&mut self.find);
            if let Some(talk) = &mut self.talk {
                talk.selected = None;
            }
            self.find_next(search, true);
        } else {
            self.over = Some(Over::Find(search));
        }
    }

    /// The messages that hold what is searched for.
    pub(crate) fn found(&self) -> Vec<usize> {
        let folded = self.find.to_lowercase();
        let items = self.talk.iter().flat_map(|talk| &talk.items).enumerate();
        let holds = items.filter(|(_, item)| {
            let text = item.text();
            text.is_some_and(|text| !find(text, &folded).is_empty())
        });
        holds.map(|(at, _)| at).collect()
    }

    /// Selects the message before or after the selected one that holds what is searched for.
    fn find_next(&mut self, search: Composer, up: bool) {
        self.over = Some(Over::Find(search));
        let found = self.found();
        let Some(talk) = &mut self.talk else { return };
        let next = match (talk.selected, up) {
            (None, _) => found.last(),
            (Some(at), true) => found.iter().rev().find(|found| **found < at),
            (Some(at), false) => found.iter().find(|found| **found > at),
        };
        match next.copied() {
            Some(at) => {
                talk.selected = Some(at);
                self.show_item(at, false);
            }
            // What is not loaded yet may hold it.
            None if up && !self.find.is_empty() => self.ask_earlier(),
            None => {}
        }
    }
}
