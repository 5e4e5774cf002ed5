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
use ratatui::{Terminal, backend::CrosstermBackend, layout::Rect};
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
        // A shell that stopped the program has changed the mode, and what is on already is not set again.
        disable_raw_mode()?;
        enable_raw_mode()?;
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableMouseCapture,
            EnableBracketedPaste,
            EnableFocusChange
        )?;
        self.clear()
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.0.size()?;
        Ok((size.width, size.height))
    }

    /// Forgets what is on the terminal, so that all of it is painted.
    ///
    /// Ratatui's own `clear` asks the terminal for the cursor, and the answer would go to the keyboard's
    /// reader.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        let size = self.0.size()?;
        self.0.resize(Rect::new(0, 0, size.width, size.height))
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

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read as _};

    use chat_testkit::child;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    #[ignore = "a part of the test below, in a process of its own"]
    fn child_that_panics() {
        let _screen = Screen::open().unwrap();
        panic!("on purpose");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_says_what_happened() {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let path = ptsname(&controller, Vec::new()).unwrap();
        let path = path.into_string().unwrap();
        let terminal = || File::options().read(true).write(true).open(&path).unwrap();
        let mut child = child::command("screen::terminal::tests::child_that_panics")
            .stdin(terminal())
            .stdout(terminal())
            .stderr(terminal())
            .spawn()
            .unwrap();
        let (mut bytes, mut said) = ([0; 4096], Vec::new());
        let mut output = File::from(controller);
        // The read fails once the child is gone.
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            said.extend_from_slice(&bytes[..count]);
        }
        child.wait().unwrap();
        let said = String::from_utf8_lossy(&said).into_owned();
        let at = |text: &str| {
            said.find(text)
                .unwrap_or_else(|| panic!("{text:?} in {said:?}"))
        };
        assert!(at("\x1b[?1049h") < at("\x1b[?1049l"));
        assert!(at("\x1b[?1049l") < at("on purpose"));
        assert!(
            at("\x1b[?1000l") < at("on purpose"),
            "the mouse is the shell's again"
        );
    }
}
