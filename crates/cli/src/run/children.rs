//! The commands as processes: started, signalled, and collected.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use flightring_monitor::{Monitor, ProcessState, Stream};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

use super::terminal::{Terminal, Use};

/// The kernel's 64 KiB are filled at once: then command and reader take turns, and wait to be woken most of the time.
const PIPE_SIZE: usize = 256 << 10;

/// A command that was started under a monitor.
pub(super) struct Running {
    pub(super) monitor: Arc<Monitor>,
    child: Child,
    /// It leads a process group of its own, which gets the signals.
    group: bool,
    terminal: Option<Terminal>,
    pub(super) ended: Option<ExitStatus>,
}

impl Running {
    /// Starts the command with its standard output and standard error read by the monitor. With `group` it gets a
    /// process group of its own, and no standard input.
    pub(super) fn start(
        mut command: Command,
        monitor: Arc<Monitor>,
        group: bool,
    ) -> io::Result<Self> {
        if group {
            command.process_group(0).stdin(Stdio::null());
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pipes = [
            (Stream::Stdout, child.stdout.take().map(Into::into)),
            (Stream::Stderr, child.stderr.take().map(Into::into)),
        ];
        for pipe in pipes.iter().filter_map(|(_, pipe): &(_, Option<OwnedFd>)| pipe.as_ref()) {
            // Refused where the user's pipes together are too large; then it stays as it is.
            let _ = fcntl_setpipe_size(pipe, PIPE_SIZE);
        }
        Self { monitor, child, group, terminal: None, ended: None }.attach(pipes)
    }

    /// Starts the command in a terminal, which the monitor reads as its standard output.
    pub(super) fn start_in_terminal(
        mut command: Command,
        monitor: Arc<Monitor>,
        used: Use,
    ) -> io::Result<Self> {
        let terminal = Terminal::open(&mut command, used)?;
        let output = terminal.output()?;
        let child = command.spawn()?;
        if used == Use::Alone {
            terminal.type_in(io::stdin())?;
        }
        // The command's side is open in it alone now, so that the terminal ends with it.
        drop(command);
        let running = Self { monitor, child, group: true, terminal: Some(terminal), ended: None };
        running.attach([(Stream::Stdout, Some(output)), (Stream::Stderr, None)])
    }

    fn attach(self, pipes: [(Stream, Option<OwnedFd>); 2]) -> io::Result<Self> {
        let mut running = self;
        let attached = running.monitor.watch(running.child.id()).and_then(|()| {
            pipes.into_iter().try_for_each(|(stream, pipe)| match pipe {
                Some(pipe) => running.monitor.attach(stream, pipe),
                None => Ok(()),
            })
        });
        if let Err(error) = attached {
            // Without a reader of its output it would stand still.
            let _ = running.child.kill();
            let _ = running.child.wait();
            running.monitor.close();
            return Err(error);
        }
        Ok(running)
    }

    /// Passes a signal on, unless the command got it already: a key on the terminal goes to the whole foreground
    /// group.
    pub(super) fn signal(&self, number: i32, from_terminal: bool) {
        if self.ended.is_some() || (from_terminal && !self.group) {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(number)) {
            // It fails only if the command ended this very moment.
            let _ = if self.group {
                kill_process_group(pid, signal)
            } else {
                kill_process(pid, signal)
            };
        }
    }

    /// Our terminal has another size.
    pub(super) fn resize(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.resize();
        }
    }

    /// Collects the command if it has ended, and the monitor has its last output and has seen for itself how it ended, which
    /// cannot be seen any more once it is collected. Returns whether it is collected.
    pub(super) fn collect(&mut self) -> bool {
        let noted = || !matches!(self.monitor.process(), ProcessState::Running { .. });
        if self.ended.is_none() && self.has_ended() && noted() {
            // The only possible error is that there is no such child, which is
            // an end as well, of unknown outcome.
            self.ended = Some(self.child.wait().unwrap_or_else(|_| ExitStatus::from_raw(1 << 8)));
        }
        self.ended.is_some()
    }

    /// Whether the command has ended; it need not be collected.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let waits = |pid| matches!(waitid(WaitId::Pid(pid), options), Ok(None));
        self.ended.is_some() || !pid.is_some_and(waits)
    }
}

/// What a shell would say about a command that cannot be started.
pub(super) fn exit_code_of(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}
