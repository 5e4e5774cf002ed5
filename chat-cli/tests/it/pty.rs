//! A pseudo-terminal, for tests.

use std::{fs::File, io::Read as _, thread};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// Opens a terminal of this size: the side of the keyboard and the screen, and the side of the program.
pub(crate) fn open(columns: u16, rows: u16) -> (File, File) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let path = ptsname(&controller, Vec::new()).unwrap();
    let path = path.into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(path).unwrap();
    let keyboard = File::from(controller);
    resize(&keyboard, columns, rows);
    (keyboard, terminal)
}

/// Changes the size of a terminal.
pub(crate) fn resize(keyboard: &File, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(keyboard, size).unwrap();
}

/// Passes what the program writes on, in whole characters, until it ends.
pub(crate) fn paint(keyboard: &File, mut write: impl FnMut(&str) + Send + 'static) {
    let mut output = keyboard.try_clone().unwrap();
    thread::spawn(move || {
        let (mut bytes, mut cut) = ([0; 4096], Vec::new());
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            cut.extend_from_slice(&bytes[..count]);
            let whole = match str::from_utf8(&cut) {
                Ok(_) => cut.len(),
                Err(error) => error.valid_up_to(),
            };
            let text: Vec<u8> = cut.drain(..whole).collect();
            write(str::from_utf8(&text).unwrap());
        }
    });
}
