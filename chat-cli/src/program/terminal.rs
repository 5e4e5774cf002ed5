//! The terminal: a line being edited, a status line above it, and the conversation scrolling by.
//!
//! The editor's prompt has two rows, and the first is the status line, so a change of status is
//! only a repaint. Lines of the conversation go through the editor's printer, which puts them above
//! the prompt. They wait while an entered line is replaced by nothing (its message comes back as an
//! entry of the log): a line printed just then would be wiped away with it.

use std::{
    io::Write as _,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustyline::{
    Config, Context, Editor, ExternalPrinter, Helper, Prompt,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::MemHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};
use tokio::sync::mpsc;
use unicode_width::UnicodeWidthStr as _;

use super::{
    input::{Input, Syntax, read},
    shown::{Status, Style},
};

const PROMPT: &str = "> ";

/// Up a row and down again: nothing, but the prompt is painted anew.
const REPAINT: &str = "\x1b[1A\n";

/// The screen as the conversation sees it.
#[derive(Debug)]
pub(crate) struct Terminal {
    lines: mpsc::Sender<String>,
    status: Arc<AtomicUsize>,
    before: Option<nix::sys::termios::Termios>,
}

impl Terminal {
    /// Takes the terminal over. What the user does goes into `inputs`.
    pub(crate) fn open(
        peer: &str,
        style: Style,
        inputs: mpsc::Sender<Input>,
    ) -> rustyline::Result<Self> {
        let before = nix::sys::termios::tcgetattr(std::io::stdin()).ok();
        let config = Config::builder().build();
        let mut editor = Editor::with_history(config, MemHistory::new())?;
        let printer = editor.create_external_printer()?;
        let gate = Arc::new(Gate::default());
        let status = Arc::new(AtomicUsize::new(0));
        let columns = editor.dimensions().map_or(80, |(columns, _)| columns);
        let prompt = Statuses::new(peer, usize::from(columns), style, Arc::clone(&status));
        editor.set_helper(Some(Assistant {
            gate: Arc::clone(&gate),
            inputs: inputs.clone(),
        }));
        let (lines, queue) = mpsc::channel(256);
        let printing = Arc::clone(&gate);
        thread::Builder::new().spawn(move || print(printer, queue, &printing))?;
        thread::Builder::new().spawn(move || edit(editor, &prompt, &gate, &inputs))?;
        Ok(Self {
            lines,
            status,
            before,
        })
    }

    /// Puts a line above the prompt.
    pub(crate) async fn print(&self, line: String) {
        let _ = self.lines.send(line).await;
    }

    pub(crate) async fn status(&self, status: Status) {
        if self.status.swap(status as usize, Ordering::Relaxed) != status as usize {
            self.print(REPAINT.to_owned()).await;
        }
    }
}

impl Drop for Terminal {
    /// Gives the terminal back as it was, even while the editor waits for a key.
    fn drop(&mut self) {
        use nix::sys::termios::{SetArg, tcsetattr};
        // What was printed last has a moment to come out.
        thread::sleep(Duration::from_millis(50));
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, before);
        }
        // Off: bracketed paste, which the editor had on.
        let _ = write!(std::io::stdout(), "\x1b[?2004l\r\x1b[K");
        let _ = std::io::stdout().flush();
    }
}

/// Says when lines may be printed: while the editor shows the prompt.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    printing: bool,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) {
        self.state().open = true;
        self.changed.notify_all();
    }

    /// From now on nothing is printed. A line that the printer has begun with comes first, or is
    /// in the editor's own queue and comes with the next prompt.
    fn close(&self) {
        let mut state = self.state();
        state.open = false;
        let moment = Duration::from_millis(20);
        drop(
            self.changed
                .wait_timeout_while(state, moment, |state| state.printing),
        );
    }

    fn through(&self, print: impl FnOnce()) {
        let state = self.state();
        let waited = self.changed.wait_while(state, |state| !state.open);
        waited.unwrap_or_else(PoisonError::into_inner).printing = true;
        print();
        self.state().printing = false;
        self.changed.notify_all();
    }
}

fn print(mut printer: impl ExternalPrinter, mut lines: mpsc::Receiver<String>, gate: &Gate) {
    while let Some(mut line) = lines.blocking_recv() {
        if !line.ends_with('\n') {
            line.push('\n');
        }
        gate.through(|| drop(printer.print(line)));
    }
}

fn edit(
    mut editor: Editor<Assistant, MemHistory>,
    prompt: &Statuses,
    gate: &Gate,
    inputs: &mpsc::Sender<Input>,
) {
    loop {
        match editor.readline(prompt) {
            Ok(line) => {
                let columns = editor.dimensions().map_or(80, |(columns, _)| columns);
                // The status line, and the rows of the prompt with what was entered.
                let rows = 1 + rows(&line, usize::from(columns));
                let _ = write!(std::io::stdout(), "\x1b[{rows}A\r\x1b[J");
                let _ = std::io::stdout().flush();
                let Some(input) = read(&line, Syntax::Slash) else {
                    continue;
                };
                let _ = editor.add_history_entry(line.as_str());
                if inputs.blocking_send(input).is_err() {
                    return;
                }
            }
            Err(ReadlineError::Signal(_)) => {}
            Err(error) => {
                if !matches!(error, ReadlineError::Eof | ReadlineError::Interrupted) {
                    let _ = inputs.blocking_send(Input::Wrong(error.to_string()));
                }
                gate.open();
                let _ = inputs.blocking_send(Input::Quit);
                return;
            }
        }
    }
}

/// How many rows the prompt and an entered text take.
fn rows(text: &str, columns: usize) -> usize {
    let columns = columns.max(1);
    let mut before = PROMPT.len();
    text.split('\n')
        .map(|line| {
            let width = before + line.width();
            before = 0;
            width / columns + 1
        })
        .sum()
}

/// The prompt: one of a few status lines, all of one row, and the row where the line is edited.
#[derive(Debug)]
struct Statuses {
    raw: [String; 3],
    styled: [String; 3],
    now: Arc<AtomicUsize>,
}

impl Statuses {
    fn new(peer: &str, columns: usize, style: Style, now: Arc<AtomicUsize>) -> Self {
        let texts = [
            String::new(),
            format!("{peer} is typing..."),
            "not connected, trying again...".to_owned(),
        ]
        .map(|text| {
            let fits = text.width() < columns;
            if fits { text } else { "...".to_owned() }
        });
        Self {
            raw: texts.clone().map(|text| format!("{text}\n{PROMPT}")),
            styled: texts.map(|text| format!("{}\n{PROMPT}", style.dim(&text))),
            now,
        }
    }
}

impl Prompt for Statuses {
    fn raw(&self) -> &str {
        &self.raw[self.now.load(Ordering::Relaxed)]
    }

    fn styled(&self) -> &str {
        &self.styled[self.now.load(Ordering::Relaxed)]
    }
}

/// What the editor tells while a line is edited.
#[derive(Debug)]
struct Assistant {
    gate: Arc<Gate>,
    inputs: mpsc::Sender<Input>,
}

impl Helper for Assistant {}

impl Highlighter for Assistant {}

impl Completer for Assistant {
    type Candidate = String;
}

impl Hinter for Assistant {
    type Hint = String;

    /// There are no hints; but this is called when a prompt appears, and with every change.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        self.gate.open();
        if !line.is_empty() && !line.starts_with('/') {
            let _ = self.inputs.try_send(Input::Typing);
        }
        None
    }
}

impl Validator for Assistant {
    /// Every line is good; but this is called when one is entered, before the cursor moves on.
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.gate.close();
        Ok(ValidationResult::Valid(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_wide_characters_and_line_breaks() {
        assert_eq!(rows("", 80), 1);
        assert_eq!(rows(&"x".repeat(77), 80), 1);
        assert_eq!(rows(&"x".repeat(79), 80), 2);
        assert_eq!(rows(&"李".repeat(50), 80), 2);
        assert_eq!(rows("one\ntwo\nthree", 80), 3);
    }
}
