//! The pool of buffers, and their way from the reader over the workers to the writers.
//!
//! ```text
//!   free ──> reader ──> ready ──> workers ──> done ──> writers ──> free
//!            numbers              mask         by       one part
//!            parts                             number   at a time
//! ```
//!
//! There are as many buffers as were made at the start, so memory is bounded: a reader that is ahead waits for a free one.
//! A buffer has one owner at a time, who has it by value; nobody can overwrite what another still reads. Writers take
//! parts in the order of their numbers. The part with the lowest number is always in somebody's hands or ready, so nobody
//! waits for ever.
//!
//! Some thousand parts pass through in a second at most, so one lock is enough.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::part::Part;

/// See the module.
pub(super) struct Exchange {
    state: Mutex<State>,
    /// Something was freed, made ready or done, or the run is over. Few threads wait, so one condition serves all.
    changed: Condvar,
}

struct State {
    free: Vec<Part>,
    ready: VecDeque<Part>,
    done: BTreeMap<u64, Part>,
    /// The number of the next part that the reader gives out.
    next_number: u64,
    /// The number of the next part for a writer.
    next_turn: u64,
    /// A writer has the turn.
    in_turn: bool,
    /// The reader has given out its last part.
    is_complete: bool,
    /// Nothing more is to be read, masked or written.
    is_aborted: bool,
}

impl Exchange {
    pub(super) fn new(parts: impl IntoIterator<Item = Part>) -> Self {
        Self {
            state: Mutex::new(State {
                free: parts.into_iter().collect(),
                ready: VecDeque::new(),
                done: BTreeMap::new(),
                next_number: 0,
                next_turn: 0,
                in_turn: false,
                is_complete: false,
                is_aborted: false,
            }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked left the state whole: nothing between two changes can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// For the reader: an empty part; `None` when the run was aborted.
    pub(super) fn take_free(&self) -> Option<Part> {
        let mut state = self.lock();
        loop {
            if state.is_aborted {
                return None;
            }
            if let Some(part) = state.free.pop() {
                return Some(part);
            }
            state = self.wait(state);
        }
    }

    /// For the reader: hands a part on. One that needs no worker goes to the writers at once.
    pub(super) fn put_read(&self, mut part: Part) {
        let mut state = self.lock();
        part.number = state.next_number;
        state.next_number += 1;
        if part.is_masked() {
            state.done.insert(part.number, part);
        } else {
            state.ready.push_back(part);
        }
        self.changed.notify_all();
    }

    /// For the reader: there is no more.
    pub(super) fn complete(&self) {
        self.lock().is_complete = true;
        self.changed.notify_all();
    }

    /// Ends the run now; parts on their way are dropped.
    pub(super) fn abort(&self) {
        self.lock().is_aborted = true;
        self.changed.notify_all();
    }

    /// For a worker: the next part; `None` when there are no more.
    pub(super) fn take_ready(&self) -> Option<Part> {
        let mut state = self.lock();
        loop {
            if state.is_aborted {
                return None;
            }
            if let Some(part) = state.ready.pop_front() {
                return Some(part);
            }
            if state.is_complete {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// For a worker.
    pub(super) fn put_done(&self, part: Part) {
        self.lock().done.insert(part.number, part);
        self.changed.notify_all();
    }

    /// For a writer: waits for its turn and the next part. Until the [`Turn`] is ended no other writer gets one.
    pub(super) fn take_turn(&self) -> Option<(Turn<'_>, Part)> {
        let mut state = self.lock();
        loop {
            if state.is_aborted {
                return None;
            }
            if !state.in_turn {
                let number = state.next_turn;
                if let Some(part) = state.done.remove(&number) {
                    state.in_turn = true;
                    return Some((Turn { exchange: self }, part));
                }
                if state.is_complete && number == state.next_number {
                    return None;
                }
            }
            state = self.wait(state);
        }
    }

    /// For a writer.
    pub(super) fn put_free(&self, mut part: Part) {
        part.clear();
        self.lock().free.push(part);
        self.changed.notify_all();
    }
}

/// The right to do what has to be done in the order of the lines. It ends when this is dropped.
pub(super) struct Turn<'a> {
    exchange: &'a Exchange,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.exchange.lock();
        state.in_turn = false;
        state.next_turn += 1;
        self.exchange.changed.notify_all();
    }
}
