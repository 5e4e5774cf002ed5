//! The terminal as the full screen has it: taken over, given back, and given back whatever happens.

use std::{
    io::{self, Stdout},
    panic,
    sync::Once,
};

use crossterm::{
    cursor::Show,
    event::{
        DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
        EnableFocusChange, EnableMouseCapture,
    },
    execute,
    style::ResetColor,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};
use rustix::process::{Signal, getpgrp, getsid, kill_current_process_group};

use super::{model::Model, render::render};

/// The terminal. Dropped, it gives itself back as it was.
#[derive(Debug)]
pub(crate) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal over. A panic gives it back before it says what happened.
    pub(crate) fn open() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let hook = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                hook(info);
            }));
        });
        let mut screen = Self(Terminal::new(CrosstermBackend::new(io::stdout()))?);
        screen.take_over()?;
        Ok(screen)
    }

    /// Takes the terminal over, again after it was given back, and forgets what is on it.
    pub(crate) fn take_over(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableMouseCapture,
            EnableBracketedPaste,
            EnableFocusChange
        )?;
        self.0.clear()
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.0.size()?;
        Ok((size.width, size.height))
    }

    /// Forgets what is on the terminal, so that all of it is painted.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    /// Paints the model, at the size that the terminal has now.
    pub(crate) fn draw(&mut self, model: &mut Model) -> io::Result<()> {
        self.0.autoresize()?;
        model.size = self.size()?;
        self.0.draw(|frame| {
            if let Some(cursor) = render(model, frame.buffer_mut()) {
                frame.set_cursor_position(cursor);
            }
        })?;
        Ok(())
    }

    /// Gives the terminal to the shell until it continues the program; `false` if there is no shell that
    /// could.
    pub(crate) fn suspend(&mut self) -> io::Result<bool> {
        // The group of the session's first process has nobody outside who would continue it.
        if getsid(None)? == getpgrp() {
            return Ok(false);
        }
        give_back();
        kill_current_process_group(Signal::STOP)?;
        self.take_over()?;
        Ok(true)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Makes the terminal what it was. What can't be done is left: there is nobody to tell.
fn give_back() {
    let _ = execute!(
        io::stdout(),
        DisableFocusChange,
        DisableBracketedPaste,
        DisableMouseCapture,
        ResetColor,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}
