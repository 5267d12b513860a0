//! A terminal for a command (`--pty`): what it writes to, and what is typed.

use std::io::{self, IsTerminal, Read, Stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, Winsize, tcgetattr,
    tcgetwinsize, tcsetattr, tcsetwinsize,
};

use super::pass::write_all;

/// How a command's terminal is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It stands for our own: keys reach it, and its output is shown as it is.
    Alone,
    /// It has no input, and its lines are shown behind a name that takes so many columns.
    Beside { columns: u16 },
}

/// Our side of a command's terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    side: OwnedFd,
    used: Use,
}

impl Terminal {
    /// Makes a terminal like ours, and has `command` started in it: with it as its output and, unless it is one of
    /// several, its input, as the leader of a session of its own.
    pub(super) fn open(command: &mut Command, used: Use) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let side = openpt(flags)?;
        grantpt(&side)?;
        unlockpt(&side)?;
        let other = ioctl_tiocgptpeer(&side, flags)?;
        let typed = used == Use::Alone && io::stdin().is_terminal();
        let mut modes = if typed { tcgetattr(io::stdin())? } else { tcgetattr(&other)? };
        if !typed {
            // What is piped in would be seen twice, and nobody needs the carriage returns: our own terminal, if there is
            // one, adds them itself.
            modes.local_modes -= LocalModes::ECHO;
            modes.output_modes -= OutputModes::ONLCR;
        }
        tcsetattr(&other, OptionalActions::Now, &modes)?;
        if used == Use::Alone {
            command.stdin(Stdio::from(other.try_clone()?));
        } else {
            command.stdin(Stdio::null());
        }
        command.stdout(Stdio::from(other.try_clone()?)).stderr(Stdio::from(other));
        lead_session(command);
        let terminal = Self { side, used };
        terminal.resize();
        Ok(terminal)
    }

    /// Where the command's output is read.
    pub(super) fn output(&self) -> io::Result<OwnedFd> {
        self.side.try_clone()
    }

    /// Gives it the size of ours, if there is one. The kernel tells the command.
    pub(super) fn resize(&self) {
        let mut size = own_size();
        if let Use::Beside { columns } = self.used {
            size.ws_col = size.ws_col.saturating_sub(columns).max(20);
        }
        // It fails only if the command's side is gone.
        let _ = tcsetwinsize(&self.side, size);
    }

    /// Has everything that comes on `input` typed into the terminal, by a thread that ends with the process, or with the
    /// input.
    pub(super) fn type_in(&self, mut input: Stdin) -> io::Result<()> {
        let side = self.side.try_clone()?;
        let typing = move || {
            let mut buffer = [0; 4096];
            let mut at_line_start = true;
            while let Ok(read @ 1..) = input.read(&mut buffer) {
                if write_all(side.as_fd(), &buffer[..read]).is_err() {
                    return;
                }
                at_line_start = buffer[read - 1] == b'\n';
            }
            // A program that reads lines is told by a key that there are no more; in the middle of one the key has to be
            // pressed twice.
            if let Ok(modes) = tcgetattr(&side)
                && modes.local_modes.contains(LocalModes::ICANON)
            {
                let key = modes.special_codes[SpecialCodeIndex::VEOF];
                let keys = [key, key];
                let _ = write_all(side.as_fd(), &keys[usize::from(at_line_start)..]);
            }
        };
        thread::Builder::new().name("input".to_owned()).spawn(typing).map(drop)
    }
}

/// Has the command lead a session whose terminal is its standard output.
#[expect(unsafe_code, reason = "the standard library has no safe way to do this in the child")]
fn lead_session(command: &mut Command) {
    let begin = || {
        setsid()?;
        ioctl_tiocsctty(rustix::stdio::stdout())?;
        Ok(())
    };
    // SAFETY: between fork and exec the child makes two system calls and nothing else: no memory is allocated and no lock
    // is taken.
    unsafe { command.pre_exec(begin) };
}

/// The size of our terminal, or what programs take for one that does not say.
fn own_size() -> Winsize {
    let of = |fd: &dyn AsFd| tcgetwinsize(fd.as_fd()).ok().filter(|size| size.ws_col > 0);
    of(&io::stdout())
        .or_else(|| of(&io::stderr()))
        .or_else(|| of(&io::stdin()))
        .unwrap_or(Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 })
}

/// Our own terminal while every key goes to the command's; given back as it was by dropping.
#[derive(Debug)]
pub(super) struct Raw {
    before: Termios,
}

impl Raw {
    /// `None` if standard input is no terminal.
    pub(super) fn begin() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Some(Self { before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // It fails if the terminal is gone; then there is nothing to give back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
