//! Waiting for commands to end, and signals that come meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::{
    SIGCHLD, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::flag;
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

use super::LAST_OUTPUT;
use super::children::Running;
use super::pass::Pass;
use crate::failure::complain;

/// What asks a program to end.
const ENDS: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
/// How long several commands may take to end once they were asked to.
const GRACE: Duration = Duration::from_secs(10);
/// How often it is looked whether the last output of an ended command was taken, at most.
const LOOK: Duration = Duration::from_millis(50);

/// The signals that are passed on to the commands.
pub(super) struct Signals {
    watched: SignalsInfo<WithOrigin>,
    ends: Vec<i32>,
}

impl Signals {
    /// Those that are ignored when we are started, as `nohup` has it, stay so, for us and for the commands.
    pub(super) fn watch() -> io::Result<Self> {
        let ignored = ignored();
        let heard = |&signal: &i32| ignored >> (signal - 1) & 1 == 0;
        let ends: Vec<i32> = ENDS.into_iter().filter(heard).collect();
        let users = [SIGUSR1, SIGUSR2].into_iter().filter(heard);
        let watched = ends.iter().copied().chain(users).chain([SIGWINCH, SIGCHLD]);
        Ok(Self { watched: SignalsInfo::new(watched)?, ends })
    }

    /// Waits until we are asked to end.
    pub(super) fn wait_for_end(&mut self) {
        self.watched.forever().find(|origin| ENDS[..3].contains(&origin.signal));
    }

    /// From now on signals that ask to end do so by themselves.
    pub(super) fn end_us(&self) {
        for &signal in &self.ends {
            // It fails for no signal that is watched.
            let _ = flag::register_conditional_default(signal, Arc::new(AtomicBool::new(true)));
        }
    }
}

/// The signals that this process ignores, a bit each from 1 on: what it was started with, as nothing else ignores one. None
/// where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

/// Waits until every command has ended and its last output was taken, and passes signals on meanwhile. Returns the signal
/// that asked to end when all commands had ended, if the reader of our output did not take the rest soon after.
pub(super) fn wait(
    signals: &mut Signals,
    running: &mut [Running],
    passes: &[Arc<Pass>],
    together: bool,
    mut ending: Option<Ending>,
) -> Option<i32> {
    let mut told = vec![false; running.len()];
    let mut pause = Duration::from_millis(1);
    let mut given_up: Option<(i32, Instant)> = None;
    loop {
        let collected = running.iter_mut().map(Running::collect).filter(|&done| done).count();
        if collected == running.len() {
            return None;
        }
        if let Some((signal, since)) = given_up
            && since.elapsed() >= LAST_OUTPUT
        {
            return Some(signal);
        }
        let ended = running.iter().filter(|one| one.has_ended()).count();
        if ended > 0 && together && ending.is_none() {
            ending = Some(Ending::begin(running));
        }
        if ending.as_ref().is_some_and(Ending::is_over) {
            kill(running);
        }
        for ((one, pass), told) in running.iter().zip(passes).zip(&mut told) {
            if pass.is_broken() && !std::mem::replace(told, true) {
                // Nobody reads our output. The command, which writes to us,
                // would not notice by itself.
                one.signal(SIGPIPE, false);
            }
        }
        let last_output = running.iter().find(|one| one.ended.is_none() && one.has_ended());
        let origins = match last_output {
            Some(one) => {
                // No signal tells when it was taken.
                one.monitor.wait_finished(Some(pause));
                pause = (pause * 2).min(LOOK);
                signals.watched.pending()
            }
            None => signals.watched.wait(),
        };
        for origin in origins {
            if origin.signal == SIGWINCH {
                running.iter().for_each(Running::resize);
            } else if origin.signal != SIGCHLD {
                let ends = ENDS.contains(&origin.signal);
                if ends && ended == running.len() {
                    given_up.get_or_insert((origin.signal, Instant::now()));
                    continue;
                }
                if ends && running.len() > 1 {
                    if ending.is_some() {
                        // Whoever asks twice means it.
                        kill(running);
                    }
                    ending.get_or_insert_with(Ending::watch);
                }
                let from_terminal = matches!(origin.cause, Cause::Kernel);
                running.iter().for_each(|one| one.signal(origin.signal, from_terminal));
            }
        }
    }
}

/// The commands were asked to end.
pub(super) struct Ending {
    since: Instant,
}

impl Ending {
    /// Asks them to end.
    pub(super) fn begin(running: &[Running]) -> Self {
        running.iter().for_each(|one| one.signal(SIGTERM, false));
        Self::watch()
    }

    /// They were asked already.
    fn watch() -> Self {
        let timer = || {
            std::thread::sleep(GRACE);
            // The main thread sleeps until something ends, and so has this time.
            let _ = kill_process(getpid(), Signal::CHILD);
        };
        // Without a thread the next signal ends what does not end by itself.
        let _ = std::thread::Builder::new().spawn(timer);
        Self { since: Instant::now() }
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() >= GRACE
    }
}

/// Ends what did not end when it was asked to.
fn kill(running: &[Running]) {
    for one in running.iter().filter(|one| !one.has_ended()) {
        complain(format_args!("{} did not end and is killed", one.monitor.name()));
        one.signal(SIGKILL, false);
    }
}
