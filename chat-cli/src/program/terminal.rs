//! The terminal: its mode, the bytes that come from it, and the screen at its bottom.
//!
//! A thread reads the keyboard. It and the conversation share the screen behind a lock, which is
//! held only while one change is painted.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Write as _},
    os::fd::AsFd as _,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustix::{
    process::{Signal, getpid, kill_process},
    termios::{
        InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr,
        tcgetwinsize, tcsetattr,
    },
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    command::Command,
    input::{Input, Syntax, read},
    line::{Effect, Text},
    screen::{Screen, Size},
    shown::{Status, Style},
};

/// Bracketed paste: the terminal marks where what is pasted begins and ends.
const PASTES_ON: &str = "\x1b[?2004h";
const PASTES_OFF: &str = "\x1b[?2004l";

/// The size of a terminal that does not know its own.
const SIZE: Size = (80, 24);

/// The screen as the conversation sees it. Dropped, it gives the terminal back as it was.
#[derive(Debug)]
pub(crate) struct Terminal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` when the terminal has been given back.
    screen: Mutex<Option<Screen>>,
    before: Termios,
}

impl Terminal {
    /// Takes the terminal over. What the user does goes into `inputs`.
    pub(crate) fn open(style: Style, inputs: mpsc::Sender<Input>) -> io::Result<Self> {
        let keyboard = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let mut resizes = signal(SignalKind::window_change())?;
        let shared = Arc::new(Shared {
            before: tcgetattr(&keyboard)?,
            screen: Mutex::new(Some(Screen::new(style))),
        });
        shared.take_over()?;
        let reading = Arc::clone(&shared);
        thread::Builder::new().spawn(move || reading.read(keyboard, &inputs))?;
        let resizing = Arc::clone(&shared);
        tokio::spawn(async move {
            while resizes.recv().await.is_some() {
                resizing.change(Screen::repaint);
            }
        });
        Ok(Self(shared))
    }

    /// Puts a line above the prompt.
    pub(crate) fn print(&self, line: &str) {
        self.0.change(|screen, size| screen.print(line, size));
    }

    pub(crate) fn set_status(&self, status: Status) {
        self.0
            .change(|screen, size| screen.set_status(status, size));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.0.give_back();
        let mut screen = self.0.screen.lock().unwrap_or_else(PoisonError::into_inner);
        *screen = None;
    }
}

impl Shared {
    /// Changes the screen, and writes what the change gives. A terminal that takes nothing any
    /// more also sends nothing, and that ends the program.
    fn change(&self, change: impl FnOnce(&mut Screen, Size) -> String) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(screen) = &mut *screen {
            write(&change(screen, size()));
        }
    }

    /// Keys come one by one and are not echoed. What was typed before is kept.
    fn take_over(&self) -> io::Result<()> {
        let mut mode = self.before.clone();
        mode.input_modes -= InputModes::BRKINT
            | InputModes::ICRNL
            | InputModes::INPCK
            | InputModes::ISTRIP
            | InputModes::IXON;
        mode.local_modes -=
            LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN | LocalModes::ISIG;
        mode.special_codes[SpecialCodeIndex::VMIN] = 1;
        mode.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Drain, &mode)?;
        write(PASTES_ON);
        self.change(Screen::repaint);
        Ok(())
    }

    fn give_back(&self) {
        self.change(Screen::erase);
        write(PASTES_OFF);
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }

    /// Reads the keyboard until the user leaves, or the terminal is gone.
    fn read(&self, mut keyboard: File, inputs: &mpsc::Sender<Input>) {
        let mut bytes = [0; 4096];
        'reading: loop {
            let count = match keyboard.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let (mut effects, mut writing) = (Vec::new(), false);
            self.change(|screen, size| {
                let (out, did) = screen.type_in(&bytes[..count], size);
                let text = screen.text();
                writing =
                    did.contains(&Effect::Changed) && !text.is_empty() && !text.starts_with('/');
                effects = did;
                out
            });
            for effect in effects {
                let input = match effect {
                    Effect::None | Effect::Changed | Effect::Redraw => continue,
                    Effect::Suspend => {
                        self.suspend();
                        continue;
                    }
                    Effect::Quit => break 'reading,
                    Effect::Entered(Text { text, pasted }) => {
                        read(&text, if pasted { Syntax::Plain } else { Syntax::Slash })
                    }
                };
                // Without a lock on the screen: the conversation may be printing meanwhile.
                if let Some(input) = input
                    && inputs.blocking_send(input).is_err()
                {
                    return;
                }
            }
            if writing {
                let _ = inputs.try_send(Input::Typing);
            }
        }
        let _ = inputs.blocking_send(Input::Command(Command::Quit));
    }

    /// Gives the terminal back until the shell continues the program.
    fn suspend(&self) {
        self.give_back();
        let _ = kill_process(getpid(), Signal::TSTP);
        let _ = self.take_over();
    }
}

fn size() -> Size {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => SIZE,
    }
}

fn write(bytes: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes.as_bytes()).and_then(|()| out.flush());
}
