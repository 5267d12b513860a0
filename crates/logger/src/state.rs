//! What the threads that log and the flusher share of one logger.

use std::io;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flightring_blockfile::{EVENT_HEADER, EventHeader, Kind, Level};
use parking_lot::{Condvar, Mutex};

use crate::bell::{Bell, Gong};
use crate::clock;
use crate::counters::Counters;
use crate::local::{self, Inside};
use crate::options::{Geometry, Options, Overflow, TimeSource};
use crate::pool::{Begun, Failed, OverflowGuard, Pool};
use crate::region::{HUGE, Presence, Region};
use crate::seat::{Seat, Seats};
use crate::shard::{LENGTH, Late, Refused, Shard, Slot};
use crate::staging::Staging;
use crate::token;
use crate::watch::Watchers;
use crate::{CloseError, Dropped, FlushError, OpenError, RotateError};

mod reservation;

pub use reservation::Reservation;

/// How much of a shard is made present before anybody uses it, ahead of those who do, and at a time: in bytes.
const POPULATE_FIRST: usize = 64 * 1024;
const POPULATE_AHEAD: usize = HUGE / 2;
const POPULATE_STEP: usize = HUGE;

/// Unique numbers of loggers; 0 means none.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub(crate) struct Core {
    // What every record reads comes first.
    seats: Seats,
    /// Raw records from this length on take the general way; 0 where the records are not raw.
    raw_limit: usize,
    pub(crate) bell: Arc<Bell>,
    kind: Kind,
    time_source: TimeSource,
    level: AtomicU32,
    largest_record: usize,
    /// Bytes of a record before its data: its length, and the header of its kind.
    before_data: usize,
    pub(crate) pool: Arc<Pool>,

    id: u64,
    generation: u32,
    overflow: Overflow,
    flush_timeout: Duration,
    closed: AtomicBool,
    /// The shards are sealed: what they hold now is all there will be.
    shut: AtomicBool,
    /// A writer found no room.
    starved: AtomicBool,
    room: Gong,
    pub(crate) counters: Counters,
    region: Mutex<Option<Region>>,
    pub(crate) memory_locked: bool,
    presence: Presence,
    pub(crate) facts: Facts,
    pub(crate) watchers: Watchers,
    /// Where the shards begin in the region.
    data_offset: usize,
    /// Flushes asked for so far.
    tickets: AtomicU64,
    /// Rotations asked for so far.
    rotations: AtomicU64,
    progress: Mutex<Progress>,
    progressed: Condvar,
}

/// What opening found out and statistics repeat.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// Bytes of both output buffers.
    pub(crate) output_bytes: usize,
    /// The buffer outlives the process.
    pub(crate) staged: bool,
    /// Why it does not, if that was asked for; 0 otherwise.
    pub(crate) staging_errno: i32,
    /// Records that opening brought back.
    pub(crate) recovered: u64,
    /// Bytes that opening set aside.
    pub(crate) set_aside_bytes: u64,
}

/// What the flusher tells those who wait for it.
struct Progress {
    /// Everything accepted before this ticket was drawn is durable.
    durable: u64,
    /// The newest ticket that a failed pass tried to serve, and the error number.
    failed: Option<(u64, i32)>,
    /// The newest rotation that was asked for and tried, and what came of it.
    rotated: (u64, Result<(), RotateError>),
    /// The flusher is done with this logger.
    finished: Option<Result<(), CloseError>>,
}

/// A record that was begun.
struct Ticket<'a> {
    seat: &'a Seat,
    /// Whose seat it is; 0 for the shared one.
    token: usize,
    shard: &'a Shard,
    slot: Slot,
    /// Held to the end of the record if the shard is shared.
    _shared: Option<(OverflowGuard<'a>, Inside)>,
}

impl Core {
    pub(crate) fn new(
        options: &Options,
        sizes: Geometry,
        bell: Arc<Bell>,
        staged: Option<(&Staging, Region)>,
        facts: Facts,
    ) -> Result<Self, OpenError> {
        let len = sizes.shard * (options.shards + 1);
        let (staging, region) = match staged {
            Some((staging, region)) => (Some(staging), region),
            None => {
                let region = Region::anonymous(len, options.huge_pages, options.lock_memory)
                    .map_err(|source| OpenError::Memory { bytes: len, source })?;
                (None, region)
            }
        };
        let shards = (0..=options.shards)
            .map(|index| {
                let (line, base) = match staging.map(|staging| staging.shard(index)) {
                    Some((line, base)) => (Some(line), base),
                    None => (None, region.base().wrapping_add(index * sizes.shard)),
                };
                // SAFETY: each shard gets a part of the region of its own, and a line; `close` keeps the region mapped
                // until the shards are sealed and quiet.
                unsafe { Shard::new(index, base, sizes.frames, line) }
            })
            .collect();
        // Without the key a thread could not give its shard back, so `local` then leaves all to the overflow.
        local::prepare();
        let before_data = LENGTH + options.kind.record_header();
        let raw_limit =
            if options.kind == Kind::Raw { sizes.largest_record - before_data + 1 } else { 0 };
        let pool = Arc::new(Pool::new(shards));
        Ok(Self {
            seats: pool.seats.clone(),
            raw_limit,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            kind: options.kind,
            time_source: clock::usable(options.time_source),
            level: AtomicU32::new(options.level as u32),
            largest_record: sizes.largest_record,
            before_data,
            bell,
            pool,
            generation: local::generation(),
            overflow: options.overflow,
            flush_timeout: options.flush_timeout,
            closed: AtomicBool::new(false),
            shut: AtomicBool::new(false),
            starved: AtomicBool::new(false),
            room: Gong::default(),
            counters: Counters::new(),
            memory_locked: region.locked,
            presence: Presence::default(),
            facts,
            watchers: Watchers::default(),
            data_offset: staging.map_or(0, Staging::data_offset),
            region: Mutex::new(Some(region)),
            tickets: AtomicU64::new(0),
            progress: Mutex::new(Progress {
                durable: 0,
                failed: None,
                rotated: (0, Ok(())),
                finished: None,
            }),
            rotations: AtomicU64::new(0),
            progressed: Condvar::new(),
        })
    }

    /// Where times come from, which may not be what was asked for.
    pub(crate) fn time_source(&self) -> TimeSource {
        self.time_source
    }

    /// The longest record that is taken, without its length and header.
    pub(crate) fn largest_data(&self) -> usize {
        self.largest_record - self.before_data
    }

    #[inline]
    pub(crate) fn enabled(&self, level: Level) -> bool {
        level as u32 >= self.level.load(Ordering::Relaxed)
    }

    pub(crate) fn set_level(&self, level: Level) {
        self.level.store(level as u32, Ordering::Relaxed);
    }

    /// Whether this process is a fork of the one that opened the logger.
    pub(crate) fn is_forked(&self) -> bool {
        self.generation != local::generation()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether nothing can be accepted any more.
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Acquire)
    }

    // ---- Writing ----

    #[inline(always)]
    pub(crate) fn write(&self, level: Level, data: &[u8]) -> Result<(), Dropped> {
        let token = token::token();
        let need = LENGTH + data.len();
        let seat = self.seats.first(token);
        if data.len() < self.raw_limit
            && let Some((shard, slot)) = seat.begin(token, need)
        {
            let length = (data.len() as u32).to_le_bytes();
            // SAFETY: the slot was begun for the length and the data; no slice of the caller's can overlap it: it is free
            // memory of a shard, which nobody outside this crate sees.
            unsafe {
                ptr::copy_nonoverlapping(length.as_ptr(), slot.at, LENGTH);
                ptr::copy_nonoverlapping(data.as_ptr(), slot.at.add(LENGTH), data.len());
            }
            return match seat.publish(token, shard, slot, need) {
                Ok(()) => Ok(()),
                Err(late) => self.decide(shard, late),
            };
        }
        self.write_any(level, data)
    }

    /// Writes a record of any kind, wherever there is room.
    #[inline(never)]
    fn write_any(&self, level: Level, data: &[u8]) -> Result<(), Dropped> {
        let need = self.before_data.saturating_add(data.len());
        let ticket = self.begin(need)?;
        // SAFETY: the ticket's slot was begun for the record and all that stands before its data; that no slice of the
        // caller's can overlap it is said in `write`.
        unsafe {
            self.put_prefix(&ticket, level, data.len());
            let to = ticket.slot.at.add(self.before_data);
            ptr::copy_nonoverlapping(data.as_ptr(), to, data.len());
        }
        self.publish(&ticket, need)
    }

    /// Begins a record of `need` bytes, all included.
    #[inline]
    fn begin(&self, need: usize) -> Result<Ticket<'_>, Dropped> {
        if need > self.largest_record {
            return Err(self.drop_one(Dropped::TooLarge));
        }
        let token = token::token();
        for seat in [self.seats.first(token), self.seats.second(token)] {
            if let Some((shard, slot)) = seat.begin(token, need) {
                return Ok(Ticket { seat, token, shard, slot, _shared: None });
            }
        }
        self.begin_slow(need)
    }

    fn publish(&self, ticket: &Ticket<'_>, used: usize) -> Result<(), Dropped> {
        let Ticket { seat, token, shard, slot, .. } = *ticket;
        seat.publish(token, shard, slot, used).or_else(|late| self.decide(shard, late))
    }

    /// The logger may have been closed while the record was being written.
    #[cold]
    #[inline(never)]
    fn decide(&self, shard: &Shard, late: Late) -> Result<(), Dropped> {
        if shard.took(late) { Ok(()) } else { Err(self.drop_one(Dropped::Closed)) }
    }

    /// Writes what stands before the data of a record.
    ///
    /// # Safety
    ///
    /// The slot must have room for `before_data` bytes.
    #[inline(always)]
    unsafe fn put_prefix(&self, ticket: &Ticket<'_>, level: Level, len: usize) {
        let Ticket { seat, shard, slot, .. } = *ticket;
        let length = ((self.before_data - LENGTH + len) as u32).to_le_bytes();
        // SAFETY: the length comes first, and the header of the kind lies within `before_data`.
        unsafe {
            ptr::copy_nonoverlapping(length.as_ptr(), slot.at, LENGTH);
            let header = slot.at.add(LENGTH);
            match self.kind {
                Kind::Raw | Kind::Marker => {}
                Kind::Timed => {
                    let time = clock::now(self.time_source).to_le_bytes();
                    ptr::copy_nonoverlapping(time.as_ptr(), header, time.len());
                }
                Kind::Event => {
                    let event = EventHeader {
                        time_ns: clock::now(self.time_source),
                        sequence: shard.accepted(),
                        thread: match seat.thread() {
                            // The seat of the overflow has no thread of its own.
                            0 => local::thread_id(),
                            thread => thread,
                        },
                        shard: shard.id(),
                        level,
                    };
                    ptr::copy_nonoverlapping(event.to_bytes().as_ptr(), header, EVENT_HEADER);
                }
            }
        }
    }

    fn drop_one(&self, cause: Dropped) -> Dropped {
        self.counters.drop_one(cause);
        cause
    }

    #[cold]
    #[inline(never)]
    fn begin_slow(&self, need: usize) -> Result<Ticket<'_>, Dropped> {
        if self.is_forked() {
            return Err(self.drop_one(Dropped::Forked));
        }
        let mut waiting_since = None;
        loop {
            if self.is_closed() {
                return Err(self.drop_one(Dropped::Closed));
            }
            let Some(inside) = Inside::enter() else {
                return Err(self.drop_one(Dropped::Reentered));
            };
            let index = match self.acquire(inside, need) {
                Ok(ticket) => return Ok(ticket),
                Err(Failed::Refused(index, Refused::Full)) => index,
                Err(Failed::Refused(_, Refused::Sealed)) => {
                    return Err(self.drop_one(Dropped::Closed));
                }
                Err(Failed::Reentered) => return Err(self.drop_one(Dropped::Reentered)),
            };
            self.starved.store(true, Ordering::Relaxed);
            self.bell.ring();
            match self.patience(&mut waiting_since) {
                Ok(patience) => self.room.wait(patience, || {
                    self.is_closed()
                        || self.pool.shard(index).has_room(need)
                        || self.pool.may_move(need)
                }),
                Err(cause) => {
                    self.pool.shard(index).dropped.fetch_add(1, Ordering::Relaxed);
                    return Err(self.drop_one(cause));
                }
            }
        }
    }

    /// How long a call may go on waiting for room, which it began at `since`.
    fn patience(&self, since: &mut Option<Instant>) -> Result<Duration, Dropped> {
        /// Woken by the flusher; this is only in case that it is stuck while the logger is closed.
        const LOOK_AGAIN: Duration = Duration::from_millis(100);
        match self.overflow {
            Overflow::DropNewest => Err(Dropped::Full),
            _ if local::is_worker() => Err(Dropped::Full),
            Overflow::Block => Ok(LOOK_AGAIN),
            Overflow::BlockFor(limit) => {
                let since = since.get_or_insert_with(Instant::now);
                match limit.checked_sub(since.elapsed()) {
                    Some(left) if !left.is_zero() => Ok(left.min(LOOK_AGAIN)),
                    _ => Err(Dropped::TimedOut),
                }
            }
        }
    }

    /// Begins a record in a shard of the thread's own, or in the overflow.
    fn acquire(&self, inside: Inside, need: usize) -> Result<Ticket<'_>, Failed> {
        let pool = &self.pool;
        let token = token::token();
        // Only events need to know, and asking the kernel takes a third of a thread's first call.
        let thread = || if self.kind == Kind::Event { local::thread_id() } else { 0 };
        // First choice: a shard with room. A thread that finds none with room takes any that is free.
        let first = || {
            let shard = pool.claim(need).or_else(|| pool.claim(0))?;
            pool.seat(token, thread(), shard)
        };
        let own = inside.with_claim(
            self.id,
            || Arc::downgrade(pool),
            first,
            |claim| {
                if claim.seat.is_none() && claim.kept && pool.any_free() {
                    claim.seat = pool.leave_overflow(token, thread(), need);
                }
                let index = claim.seat?;
                let begun = pool.begin_seated(index, need, &self.bell);
                if begun.is_none() {
                    claim.seat = None;
                }
                begun.map(|begun| {
                    let Begun { shard, slot } = begun?;
                    Ok(Ticket { seat: pool.seats.get(index), token, shard, slot, _shared: None })
                })
            },
        );
        own.unwrap_or_else(|| {
            let (guard, begun) = pool.begin_overflow(need, &self.bell);
            let Begun { shard, slot } = begun?;
            Ok(Ticket {
                seat: pool.shared(),
                token: 0,
                shard,
                slot,
                _shared: Some((guard, inside)),
            })
        })
    }

    // ---- The flusher's view ----

    /// Whether the flusher has something to do now.
    pub(crate) fn wants_flush(&self) -> bool {
        self.starved.load(Ordering::Relaxed) || self.pool.shards().iter().any(Shard::asks)
    }

    /// Begins a pass over what is published now, and returns the newest ticket, which the pass serves, and whether a writer
    /// found no room since the last one.
    pub(crate) fn begin_pass(&self) -> (u64, bool) {
        let starved = self.starved.swap(false, Ordering::Relaxed);
        self.pool.shards().iter().for_each(Shard::answer);
        (self.tickets.load(Ordering::Acquire), starved)
    }

    /// Tells those who wait that everything before `ticket` is durable.
    pub(crate) fn served(&self, ticket: u64) {
        self.progress.lock().durable = ticket;
        self.progressed.notify_all();
    }

    /// Tells those who wait for tickets up to `ticket` that it did not work.
    pub(crate) fn failed(&self, ticket: u64, error: &io::Error) {
        self.progress.lock().failed = Some((ticket, errno(error)));
        self.progressed.notify_all();
    }

    /// Tells writers who wait that there may be room.
    pub(crate) fn made_room(&self) {
        self.room.strike();
    }

    pub(crate) fn finished(&self, result: Result<(), CloseError>) {
        self.progress.lock().finished = Some(result);
        self.progressed.notify_all();
    }

    /// Makes more of the buffer present where threads have come near, before they fault on it; `present` says how much of
    /// each shard is. Returns whether there was something to do. The overflow's shard is left alone until it is used.
    pub(crate) fn populate(&self, present: &mut [usize]) -> bool {
        let shards = self.pool.shards();
        let unused = shards.len() - 1;
        for (index, (shard, present)) in shards.iter().zip(present).enumerate() {
            let (capacity, touched) = (shard.capacity() as usize, shard.touched() as usize);
            let first = if index == unused { 0 } else { POPULATE_FIRST };
            let wanted = if touched == 0 { first } else { touched + POPULATE_AHEAD };
            if *present >= wanted.min(capacity) {
                continue;
            }
            let len = POPULATE_STEP.min(capacity - *present);
            if let Some(region) = &*self.region.lock() {
                let from = self.data_offset + index * capacity + *present;
                region.populate(from, len);
            }
            *present += len;
            return true;
        }
        false
    }

    /// Bytes of the shards that are in memory, and of those in huge pages.
    pub(crate) fn presence(&self) -> Option<(u64, u64)> {
        self.presence.of(&self.region)
    }

    // ---- Flushing and closing ----

    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        if self.is_forked() {
            return Err(FlushError::Forked);
        }
        if local::is_worker() {
            return Err(FlushError::TimedOut);
        }
        let ticket = self.tickets.fetch_add(1, Ordering::AcqRel) + 1;
        self.bell.ring();
        let deadline = Instant::now().checked_add(timeout);
        let mut progress = self.progress.lock();
        loop {
            if progress.durable >= ticket {
                return Ok(());
            }
            if let Some((tried, errno)) = progress.failed
                && tried >= ticket
            {
                return Err(FlushError::Io(errno));
            }
            match progress.finished {
                Some(Ok(())) => return Ok(()),
                Some(Err(_)) => return Err(FlushError::Closed),
                None => {}
            }
            let timed_out = match deadline {
                Some(deadline) => self.progressed.wait_until(&mut progress, deadline).timed_out(),
                None => {
                    self.progressed.wait(&mut progress);
                    false
                }
            };
            if timed_out && progress.durable < ticket {
                return Err(FlushError::TimedOut);
            }
        }
    }

    /// Has the flusher begin a new file after everything accepted so far, and waits for it.
    pub(crate) fn rotate(&self) -> Result<(), RotateError> {
        if self.is_forked() {
            return Err(RotateError::Forked);
        }
        if self.is_closed() || local::is_worker() {
            return Err(RotateError::Closed);
        }
        let ticket = self.rotations.fetch_add(1, Ordering::AcqRel) + 1;
        self.bell.ring();
        let mut progress = self.progress.lock();
        loop {
            if progress.rotated.0 >= ticket {
                return progress.rotated.1;
            }
            if progress.finished.is_some() {
                return Err(RotateError::Closed);
            }
            self.progressed.wait(&mut progress);
        }
    }

    /// The newest rotation that was asked for, if it was not tried yet.
    pub(crate) fn rotation_asked(&self) -> Option<u64> {
        let newest = self.rotations.load(Ordering::Acquire);
        (newest > self.progress.lock().rotated.0).then_some(newest)
    }

    pub(crate) fn rotated(&self, ticket: u64, result: Result<(), RotateError>) {
        self.progress.lock().rotated = (ticket, result);
        self.progressed.notify_all();
    }

    /// Whether a flush is waiting that no pass has tried to serve yet.
    pub(crate) fn has_waiting(&self) -> bool {
        let newest = self.tickets.load(Ordering::Acquire);
        let progress = self.progress.lock();
        newest > progress.durable.max(progress.failed.map_or(0, |(tried, _)| tried))
    }

    /// Closes the door: no call enters after this, and every record is either published or dropped.
    ///
    /// Returns false if the door was closed before.
    pub(crate) fn shut(&self) -> bool {
        if self.closed.swap(true, Ordering::AcqRel) {
            return false;
        }
        let deadline = Instant::now() + self.flush_timeout;
        let quiet = self.pool.seal(|| Instant::now() < deadline);
        if !quiet {
            // Somebody may still be writing to it, so it stays for ever.
            std::mem::forget(self.region.lock().take());
        }
        self.shut.store(true, Ordering::Release);
        self.room.strike();
        true
    }

    /// Waits until the flusher is done, and gives the memory back.
    pub(crate) fn wait_finished(&self) -> Result<(), CloseError> {
        let mut progress = self.progress.lock();
        loop {
            if let Some(result) = progress.finished {
                drop(self.region.lock().take());
                return result;
            }
            self.progressed.wait(&mut progress);
        }
    }
}

/// The operating system's number for an error, or that of a plain I/O error for one without.
pub(crate) fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
