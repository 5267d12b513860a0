use std::fmt;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use flightring_ring::CreateError;

use crate::gate::{Gate, Held};
use crate::storage::{self, Storage};
use crate::sync::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use crate::{FutureOffset, WriteError};

/// How often a read starts over when a writer went once around the whole buffer during its copy, before it reports
/// everything up to the newest byte as skipped. A bound, so that a read always ends.
const ATTEMPTS: usize = 64;

/// The last `capacity` bytes of everything that was written, each under its absolute offset.
///
/// Every method may be called from any thread at any time. Readers and writers do not wait for one another; writers
/// are serialised among themselves. See the [crate documentation](crate) for how, and for an example.
pub struct ReplayBuffer {
    /// What readers look at, on a line of its own: writers queueing for the
    /// gate do not disturb them.
    shared: CachePadded<Shared>,
    writer: CachePadded<Writer>,
    capacity: usize,
    /// If the storage's size is a power of two, what is to be kept of an offset to get its place; 0 if it is not. Dividing takes
    /// longer than copying a line.
    mask: u64,
}

struct Shared {
    /// Offset of the next byte; everything below is complete.
    total: AtomicU64,
    /// What was below this minus `size` may be overwritten.
    reserved: AtomicU64,
    /// Nothing below this is offered: where counting began, or was cleared.
    floor: AtomicU64,
    storage: Storage,
    closed: AtomicBool,
}

struct Writer {
    gate: Gate,
    /// `total % size`, kept because dividing would cost more than a short
    /// copy. Guarded by the gate.
    head: AtomicUsize,
}

/// The right to write into a [`ReplayBuffer`], which excludes other writers.
pub struct WriteGuard<'a> {
    buffer: &'a ReplayBuffer,
    held: Held<'a>,
}

/// What a read found. The bytes are the first `len` of the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Offset of the first byte read. The next read continues at `start + len`.
    pub start: u64,
    /// How many bytes were read. 0 means caught up when `start` equals `total`.
    pub len: usize,
    /// How many bytes between the offset asked for and `start` are gone.
    pub skipped: u64,
    /// Offset of the next byte that will be written, as of this read.
    pub total: u64,
    /// The buffer is closed and this read reached its end: nothing will ever follow.
    pub end: bool,
}

impl Read {
    /// Where the next read continues: the offset after the last byte read.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.start + self.len as u64
    }
}

/// Why a [wait](ReplayBuffer::wait) ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// There is something to read at the offset.
    Ready,
    /// Nothing was written in time.
    TimedOut,
    /// The buffer is closed and everything was read.
    Ended,
    /// The caller's condition to go on waiting no longer holds.
    Interrupted,
}

impl ReplayBuffer {
    /// Creates an empty buffer that retains `capacity` bytes, whose first byte will have offset 0. Nothing is
    /// allocated before the first write.
    pub fn new(capacity: usize) -> Result<Self, CreateError> {
        Self::starting_at(capacity, 0)
    }

    /// Creates an empty buffer whose first byte will have offset `start`: to carry on counting where an earlier
    /// buffer ended.
    pub fn starting_at(capacity: usize, start: u64) -> Result<Self, CreateError> {
        if capacity == 0 {
            return Err(CreateError::ZeroCapacity);
        }
        let size = storage::size_for(capacity).ok_or(CreateError::TooLarge)?;
        Ok(Self {
            shared: CachePadded::new(Shared {
                total: AtomicU64::new(start),
                reserved: AtomicU64::new(start),
                floor: AtomicU64::new(start),
                storage: Storage::new(size),
                closed: AtomicBool::new(false),
            }),
            writer: CachePadded::new(Writer {
                gate: Gate::new(),
                head: AtomicUsize::new((start % size as u64) as usize),
            }),
            capacity,
            mask: if size.is_power_of_two() { size as u64 - 1 } else { 0 },
        })
    }

    /// Appends `data` and returns the offset of its first byte. The oldest bytes are evicted to make room; of data
    /// longer than the capacity only the last `capacity` bytes are retained, though all of it is counted. Writing
    /// nothing does nothing and allocates nothing.
    #[inline]
    pub fn write(&self, data: &[u8]) -> Result<u64, WriteError> {
        match self.locked(|guard| guard.try_write(data)) {
            Some(start) => Ok(start),
            None => self.write_first_or_fail(data),
        }
    }

    #[cold]
    fn write_first_or_fail(&self, data: &[u8]) -> Result<u64, WriteError> {
        self.lock().write(data)
    }

    /// Keeps other writers out while the guard lives, so that what belongs to a write can be done together with it.
    /// Readers are not concerned. Taking it twice in one thread is a deadlock or a panic, and so is anything that takes it
    /// inside, as `write`, `clear` and `close` do.
    pub fn lock(&self) -> WriteGuard<'_> {
        WriteGuard { buffer: self, held: self.writer.gate.lock() }
    }

    /// As [`lock`](Self::lock), around `body`, and faster where this thread is the only writer: that case is compiled by
    /// itself, with a guard that never leaves the registers.
    #[inline]
    pub fn locked<T>(&self, body: impl FnOnce(&mut WriteGuard<'_>) -> T) -> T {
        match self.writer.gate.lock_as_owner() {
            Some(held) => body(&mut WriteGuard { buffer: self, held }),
            None => self.locked_by_word(body),
        }
    }

    #[inline(never)]
    fn locked_by_word<T>(&self, body: impl FnOnce(&mut WriteGuard<'_>) -> T) -> T {
        body(&mut WriteGuard { buffer: self, held: self.writer.gate.lock_word() })
    }

    /// Copies retained bytes from `offset` on into `dst`, as many as fit.
    ///
    /// An offset below the oldest retained byte is moved up to it, and [`Read::skipped`] says by how much. An offset
    /// equal to the total is caught up: 0 bytes. A larger one is refused. Bytes that are overwritten while they
    /// are copied count as skipped. Never blocks and never allocates.
    #[inline]
    pub fn read_from(&self, offset: u64, dst: &mut [u8]) -> Result<Read, FutureOffset> {
        // In this order: whoever sees the buffer closed sees its last byte.
        let end = self.is_closed();
        let total = self.total();
        if offset >= total {
            return if offset == total {
                Ok(Read { start: offset, len: 0, skipped: 0, total, end })
            } else {
                Err(FutureOffset { offset, total })
            };
        }
        self.copy_from(offset, dst)
    }

    /// The offset is below the total. The result is [`read_from`](Self::read_from)'s own, so that it is made where it is wanted:
    /// to move it costs as much as to copy some cache lines.
    fn copy_from(&self, offset: u64, dst: &mut [u8]) -> Result<Read, FutureOffset> {
        let Shared { reserved, floor, storage, .. } = &*self.shared;
        for _ in 0..ATTEMPTS {
            let closed = self.is_closed();
            let total = self.total();
            let start = offset
                .max(floor.load(Ordering::Acquire))
                .max(total.saturating_sub(self.capacity as u64));
            if start > total {
                // Cleared just now, after more was written.
                continue;
            }
            let len = usize::try_from(total - start).map_or(dst.len(), |held| held.min(dst.len()));
            let read = |start: u64, len: usize| {
                let end = closed && start + len as u64 == total;
                Ok(Read { start, len, skipped: start - offset, total, end })
            };
            if len == 0 {
                return read(start, 0);
            }
            // Something was written, so it is there.
            let Some(bytes) = storage.get() else { continue };
            bytes.read(self.place(start), &mut dst[..len]);
            // Whatever write a copied byte came from, its reservation is seen; and if it was discarded, the new floor is.
            fence(Ordering::Acquire);
            let intact = reserved.load(Ordering::Relaxed).saturating_sub(storage.size() as u64);
            let intact = intact.max(floor.load(Ordering::Relaxed));
            if intact <= start {
                return read(start, len);
            }
            if intact < start + len as u64 {
                let lost = (intact - start) as usize;
                dst.copy_within(lost..len, 0);
                return read(intact, len - lost);
            }
        }
        let total = self.total();
        Ok(Read { start: total, len: 0, skipped: total - offset, total, end: false })
    }

    /// Where in the storage the byte at `offset` is.
    #[inline]
    fn place(&self, offset: u64) -> usize {
        let size = self.shared.storage.size() as u64;
        (if self.mask != 0 { offset & self.mask } else { offset % size }) as usize
    }

    /// Waits until there is something to read at `offset`, at most for `timeout` (`None`: for ever), and says why
    /// the wait ended. Woken by the write itself; nothing is polled.
    pub fn wait(&self, offset: u64, timeout: Option<Duration>) -> Result<Wait, FutureOffset> {
        self.wait_while(offset, timeout, || true)
    }

    /// As [`wait`](Self::wait), but ends with [`Wait::Interrupted`] once `condition` is false. It is evaluated at
    /// the beginning and after each [`interrupt`](Self::interrupt).
    pub fn wait_while(
        &self,
        offset: u64,
        timeout: Option<Duration>,
        condition: impl Fn() -> bool,
    ) -> Result<Wait, FutureOffset> {
        // A deadline that no clock can express is as good as none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(outcome) = self.outcome(offset, &condition)? {
                return Ok(outcome);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Wait::TimedOut);
            }
            self.writer
                .gate
                .sleep(deadline, || !matches!(self.outcome(offset, &condition), Ok(None)));
        }
    }

    /// What a wait at `offset` would return at once; `None` if it would sleep.
    fn outcome(
        &self,
        offset: u64,
        condition: impl Fn() -> bool,
    ) -> Result<Option<Wait>, FutureOffset> {
        let closed = self.is_closed();
        let total = self.total();
        if offset > total {
            Err(FutureOffset { offset, total })
        } else if offset < total {
            Ok(Some(Wait::Ready))
        } else if closed {
            Ok(Some(Wait::Ended))
        } else {
            Ok((!condition()).then_some(Wait::Interrupted))
        }
    }

    /// What [`wait`](Self::wait) at `offset` would return without sleeping; or nothing, and then `waker` is called,
    /// once, when that may have changed. For event loops.
    ///
    /// The waker is called by the thread that writes, after it released everything. One that is no longer wanted
    /// is taken back by [`forget`](Self::forget).
    pub fn poll_wait(&self, offset: u64, waker: &Waker) -> Result<Poll<Wait>, FutureOffset> {
        let outcome = || self.outcome(offset, || true).transpose();
        match outcome().or_else(|| self.writer.gate.call_later(waker, outcome)) {
            Some(outcome) => outcome.map(Poll::Ready),
            None => Ok(Poll::Pending),
        }
    }

    /// Takes a waker back that [`poll_wait`](Self::poll_wait) was given.
    pub fn forget(&self, waker: &Waker) {
        self.writer.gate.call_no_more(waker);
    }

    /// Makes everybody who waits look at the state and at its condition again.
    pub fn interrupt(&self) {
        self.writer.gate.alarm();
    }

    /// Ends the stream: later writes fail, and readers who have read everything learn that nothing will follow. What
    /// is retained stays readable. Closing again does nothing.
    pub fn close(&self) {
        let mut guard = self.lock();
        self.shared.closed.store(true, Ordering::Release);
        guard.held.published = true;
    }

    /// Forgets what is retained and gives its memory back, also while others read and write. Offsets go on from
    /// where they are, so a reader from before sees a gap and not other data.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Offset of the next byte that will be written: all bytes ever written, plus the start.
    #[inline]
    #[must_use]
    pub fn total(&self) -> u64 {
        self.shared.total.load(Ordering::Acquire)
    }

    /// Offset of the oldest byte that is retained; equal to the total when there is none.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        let total = self.total();
        let floor = self.shared.floor.load(Ordering::Acquire);
        // A clear between the two loads may have moved the floor past `total`; it is right nevertheless.
        floor.max(total.saturating_sub(self.capacity as u64))
    }

    /// The most bytes that can be retained.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of memory held for the history now: 0 before the first write and after [`clear`](Self::clear).
    #[must_use]
    pub fn allocated(&self) -> usize {
        let Shared { total, floor, storage, .. } = &*self.shared;
        // In this order: a clear between the two makes it 0.
        let floor = floor.load(Ordering::Acquire);
        if total.load(Ordering::Acquire) > floor { storage.size() } else { 0 }
    }

    /// Whether [`close`](Self::close) was called.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }
}

impl WriteGuard<'_> {
    /// As [`ReplayBuffer::write`]. Readers see the bytes at once; those who wait are woken when the guard goes.
    #[inline]
    pub fn write(&mut self, data: &[u8]) -> Result<u64, WriteError> {
        match self.try_write(data) {
            Some(start) => Ok(start),
            None => self.write_first_or_fail(data),
        }
    }

    /// As [`write`](Self::write), but `None` where that fails, and for the first byte, for which there is no storage yet: then
    /// [`prepare`](Self::prepare) says why, or changes it. What this returns is returned in registers, and that is worth a
    /// third of a short write.
    // Inlined, so that the guard stays in registers, too.
    #[inline(always)]
    pub fn try_write(&mut self, data: &[u8]) -> Option<u64> {
        let Shared { total, reserved, storage, closed, .. } = &*self.buffer.shared;
        let size = storage.size();
        if closed.load(Ordering::Relaxed) {
            return None;
        }
        let start = total.load(Ordering::Relaxed);
        if data.is_empty() {
            return Some(start);
        }
        let end = start.checked_add(data.len() as u64)?;
        let bytes = storage.get()?;

        let (mut kept, mut head) = (data, self.buffer.writer.head.load(Ordering::Relaxed));
        if data.len() > self.buffer.capacity {
            kept = &data[data.len() - self.buffer.capacity..];
            head = self.buffer.place(end - kept.len() as u64);
        }
        reserved.store(end, Ordering::Relaxed);
        // Whoever sees a byte of what follows also sees the reservation.
        fence(Ordering::Release);
        bytes.write(head, kept);
        total.store(end, Ordering::Release);

        head += kept.len();
        self.buffer
            .writer
            .head
            .store(if head < size { head } else { head - size }, Ordering::Relaxed);
        self.held.published = true;
        Some(start)
    }

    #[cold]
    fn write_first_or_fail(&mut self, data: &[u8]) -> Result<u64, WriteError> {
        self.prepare(data.len())?;
        // It has all that it needs.
        self.try_write(data).ok_or(WriteError::Closed)
    }

    /// Makes sure that `len` bytes can be written: allocates the storage if there is none.
    pub fn prepare(&mut self, len: usize) -> Result<(), WriteError> {
        let Shared { total, storage, closed, .. } = &*self.buffer.shared;
        if closed.load(Ordering::Relaxed) {
            return Err(WriteError::Closed);
        }
        if total.load(Ordering::Relaxed).checked_add(len as u64).is_none() {
            return Err(WriteError::OffsetsExhausted);
        }
        if len > 0 && storage.get().is_none() {
            storage.allocate().ok_or(WriteError::OutOfMemory { bytes: storage.size() })?;
        }
        Ok(())
    }

    /// As [`ReplayBuffer::clear`].
    pub fn clear(&mut self) {
        let Shared { total, floor, storage, .. } = &*self.buffer.shared;
        floor.store(total.load(Ordering::Relaxed), Ordering::Release);
        // Whoever sees a zero of what follows also sees the floor.
        fence(Ordering::Release);
        storage.discard();
    }

    /// As [`ReplayBuffer::total`]; nobody else can change it while the guard lives.
    #[inline]
    #[must_use]
    pub fn total(&self) -> u64 {
        self.buffer.shared.total.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for WriteGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteGuard").field(self.buffer).finish()
    }
}

impl fmt::Debug for ReplayBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBuffer")
            .field("oldest", &self.oldest())
            .field("total", &self.total())
            .field("capacity", &self.capacity)
            .field("closed", &self.is_closed())
            .finish()
    }
}
