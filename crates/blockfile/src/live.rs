//! Several live files as one stream.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use crate::filter::Filter;
use crate::follow::Follower;
use crate::merge::{Entry, Merged, OrderBy, key_of};
use crate::reader::Item;

/// Merges files that are still written into one ordered stream.
///
/// A record of a quiet file may reach it long after later ones of a busy file, when its writer flushes; so every record
/// is held back for a while, and those that come meanwhile are put before it if they are earlier. The order is exact if
/// records are held for as long as any writer may take to write them, which is its flush interval; with a shorter hold,
/// records that come too late are delivered late, and counted.
///
/// Why that is enough: let `a` be earlier than `b`. `b` is delivered no sooner than a record not earlier than it has been
/// held since it was read, hence not before its own time and the hold have passed. By then `a` is in its file, and every
/// file is read to its end before anything is delivered.
pub struct LiveMerge {
    sources: Vec<Source>,
    /// `None`: as it comes, each file in its own order.
    order: Option<OrderBy>,
    hold: Duration,
    filter: Filter,
    heap: BinaryHeap<Reverse<Entry>>,
    held: usize,
    window: usize,
    arrivals: u64,
    /// Of each reading of the files: when it ended, and the highest key that it met.
    readings: VecDeque<(Instant, u64)>,
    /// Up to here everything is due.
    horizon: u64,
    reading: Option<Reading>,
    emitted: u64,
    late: u64,
}

struct Source {
    follower: Follower,
    /// The highest key that was read.
    reached: u64,
}

/// A look at all files, one after the other, that has not come to its end.
struct Reading {
    began: Instant,
    source: usize,
    /// Records that were taken in this turn.
    taken: usize,
    highest: Option<u64>,
}

/// Where nothing is put in order, a file that grows as fast as it is read keeps the others waiting for no more records.
const MOST_IN_TURN: usize = 1 << 16;

impl LiveMerge {
    /// How long records are to be held if the writers have the logger's default flush interval: a second longer.
    pub const DEFAULT_HOLD: Duration = Duration::from_secs(11);

    /// Merges what `followers` find, each record `hold` after it was read at the earliest, and sooner only when more than
    /// about `window` bytes of records would be held in memory.
    #[must_use]
    pub fn new(
        followers: Vec<Follower>,
        order: OrderBy,
        filter: Filter,
        hold: Duration,
        window: usize,
    ) -> Self {
        Self::with(followers, Some(order), filter, hold, window)
    }

    /// Delivers records as they are found: those of one file in its order, the files in turn.
    #[must_use]
    pub fn as_found(followers: Vec<Follower>, filter: Filter) -> Self {
        Self::with(followers, None, filter, Duration::ZERO, 0)
    }

    fn with(
        followers: Vec<Follower>,
        order: Option<OrderBy>,
        filter: Filter,
        hold: Duration,
        window: usize,
    ) -> Self {
        let sources =
            followers.into_iter().map(|follower| Source { follower, reached: 0 }).collect();
        Self {
            sources,
            order,
            hold,
            filter,
            heap: BinaryHeap::new(),
            held: 0,
            window,
            arrivals: 0,
            readings: VecDeque::new(),
            horizon: 0,
            reading: None,
            emitted: 0,
            late: 0,
        }
    }

    /// The next record, or a report of damage; `None` if there is nothing more for now: ask again later, at
    /// [`Self::due`] or when a file has grown.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn next_item(&mut self) -> io::Result<Option<Merged>> {
        if let Some(record) = self.pop_due() {
            return Ok(Some(record));
        }
        if let Some(found) = self.read()? {
            return Ok(Some(found));
        }
        Ok(self.pop_due())
    }

    /// When a record that is held will have been held for long enough.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let (read, _) = self.readings.front()?;
        read.checked_add(self.hold)
    }

    /// The first record in order, if it is due or the window is full.
    fn pop_due(&mut self) -> Option<Merged> {
        let Reverse(Entry(key, _)) = self.heap.peek()?;
        if key.0 > self.horizon && self.held <= self.window {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.held -= entry.size();
        let Entry(key, record) = entry;
        self.late += u64::from(key.0 < self.emitted);
        self.emitted = self.emitted.max(key.0);
        Some(Merged::Record(key.1, record))
    }

    /// Reads the files to their ends, or until something is to be delivered at once; then moves the horizon.
    fn read(&mut self) -> io::Result<Option<Merged>> {
        let mut reading = self.reading.take().unwrap_or_else(|| Reading {
            began: Instant::now(),
            source: 0,
            taken: 0,
            highest: None,
        });
        while reading.source < self.sources.len() {
            match self.read_one(&mut reading) {
                Ok(None) if self.held <= self.window || self.order.is_none() => {}
                Ok(None) => {
                    self.reading = Some(reading);
                    return Ok(self.pop_due());
                }
                found_or_failed => {
                    self.reading = Some(reading);
                    return found_or_failed;
                }
            }
        }
        if let Some(highest) = reading.highest {
            self.readings.push_back((Instant::now(), highest));
        }
        while let Some(&(read, highest)) = self.readings.front() {
            if reading.began.saturating_duration_since(read) < self.hold {
                break;
            }
            self.horizon = self.horizon.max(highest);
            self.readings.pop_front();
        }
        Ok(None)
    }

    /// Takes one more item of the file whose turn it is, or ends its turn. Returns what need not be held.
    fn read_one(&mut self, reading: &mut Reading) -> io::Result<Option<Merged>> {
        let index = reading.source;
        let source = &mut self.sources[index];
        let others_wait = self.order.is_none() && reading.taken == MOST_IN_TURN;
        let found = if others_wait { None } else { source.follower.advance()? };
        let Some(found) = found else {
            (reading.source, reading.taken) = (index + 1, 0);
            return Ok(None);
        };
        reading.taken += 1;
        let reader = source.follower.reader();
        let record = match reader.item(found) {
            Item::Damage(damage) => return Ok(Some(Merged::Damage(index, damage))),
            Item::Record(record) => record,
        };
        let admitted = self.filter.admits(&record, reader.block());
        let Some(order) = self.order else {
            return Ok(admitted.then(|| Merged::Record(index, record.into())));
        };
        let key = key_of(order, &record, reader.block(), source.reached);
        source.reached = source.reached.max(key);
        if admitted {
            reading.highest = reading.highest.max(Some(key));
            self.arrivals += 1;
            let entry = Entry((key, index, self.arrivals), record.into());
            self.held += entry.size();
            self.heap.push(Reverse(entry));
        }
        Ok(None)
    }

    /// Records that were delivered after later ones, because they came later than they could be waited for.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// The followers, in the order in which they were given.
    pub fn followers(&self) -> impl Iterator<Item = &Follower> {
        self.sources.iter().map(|source| &source.follower)
    }
}
