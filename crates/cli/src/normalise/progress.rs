//! A bar on standard error while lines are masked, if somebody is there to see it.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flightring_normalise::pipeline::Control;
use indicatif::{ProgressBar, ProgressStyle};

/// Shown until it is dropped.
pub(crate) struct Progress(Option<(Sender<()>, JoinHandle<()>)>);

const STEP: Duration = Duration::from_millis(100);

impl Progress {
    /// A bar over `bytes` bytes, or a count when how many there are is not known.
    pub(crate) fn start(bytes: Option<u64>, control: &Arc<Control>) -> Self {
        if !io::stderr().is_terminal() {
            return Self(None);
        }
        let (end, ended) = channel();
        let control = Arc::clone(control);
        let body = move || show(bytes, &control, &ended);
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(body);
        Self(thread.ok().map(|thread| (end, thread)))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            // It only draws; if it failed there is nothing to be said about the result.
            let _ = thread.join();
        }
    }
}

fn show(bytes: Option<u64>, control: &Control, ended: &Receiver<()>) {
    let started = Instant::now();
    let (bar, template) = match bytes {
        Some(bytes) => {
            (ProgressBar::new(bytes), "{bar:30} {percent:>3} % {binary_bytes_per_sec} {eta} {msg}")
        }
        None => {
            (ProgressBar::new_spinner(), "{spinner} {binary_bytes} {binary_bytes_per_sec} {msg}")
        }
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    // The end is seen as the sender going away.
    while ended.recv_timeout(STEP) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(control.bytes_read());
        let lines = control.lines();
        let rate = lines as f64 / started.elapsed().as_secs_f64();
        bar.set_message(format!("{lines} lines, {rate:.0} lines/s"));
    }
    bar.finish_and_clear();
}
