//! Models of claim, publish, flush and close, for loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p flightring-logger --release --lib model`.
//!
//! The ring's bytes are plain memory, which loom does not see. So each model keeps one tracked cell for each four bytes,
//! writes it where the owner fills a slot and reads it where the flusher copies: loom then reports an access that
//! the atomics do not order.

use std::sync::Arc;

use flightring_blockfile::{HEADER_LEN, TRAILER_LEN};
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread;

use crate::bell::Bell;
use crate::cursor::Cursor;
use crate::frame::Frames;
use crate::options::PAGE;
use crate::pool::{Begun, Failed, Pool};
use crate::seat::Seat;
use crate::shard::{Late, Refused, Shard, Slot};
use crate::sync::{AtomicU32, Ordering};

const RECORD: usize = 8;

/// A shard's memory, and its shadow that loom watches.
struct Ring {
    bytes: Box<[u64]>,
    shadow: Box<[UnsafeCell<u32>]>,
}

// SAFETY: the shadow is the point: loom checks that its accesses are ordered.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    fn new(capacity: usize) -> Self {
        Self {
            bytes: vec![0; capacity / 8].into(),
            shadow: (0..capacity / 4).map(|_| UnsafeCell::new(0)).collect(),
        }
    }

    fn capacity(&self) -> usize {
        self.shadow.len() * 4
    }

    /// Frames of a page, of which a few records fill one.
    fn framed(&self, id: usize) -> Shard {
        let frames = Frames::divided(self.capacity(), PAGE).unwrap();
        // SAFETY: as in `shard`.
        unsafe { Shard::new(id, self.bytes.as_ptr().cast_mut().cast(), frames, None) }
    }

    fn shard(&self, id: usize) -> Shard {
        // SAFETY: the models keep the ring as long as the shard, and give each shard one of its own.
        unsafe {
            Shard::new(
                id,
                self.bytes.as_ptr().cast_mut().cast(),
                Frames::undivided(self.capacity()),
                None,
            )
        }
    }

    fn touch(&self, offset: usize, write: bool) {
        let cell = &self.shadow[offset % self.capacity() / 4];
        if write {
            // SAFETY: loom's own check is what is being asked for.
            cell.with_mut(|value| unsafe { *value += 1 });
        } else {
            // SAFETY: as above.
            cell.with(|value| unsafe { *value });
        }
    }

    /// Fills a slot with a record of four bytes, `value`.
    fn fill(&self, slot: Slot, value: u32) {
        let offset = slot.at as usize - self.bytes.as_ptr() as usize;
        for part in (0..RECORD).step_by(4) {
            self.touch(offset + part, true);
        }
        // SAFETY: the slot has room for eight bytes.
        unsafe {
            slot.at.cast::<u32>().write_unaligned(4u32.to_le());
            slot.at.add(4).cast::<u32>().write_unaligned(value);
        }
    }

    /// Fills a slot with a record of `need` bytes that begins with `value`.
    fn fill_long(&self, slot: Slot, need: usize, value: u32) {
        let offset = slot.at as usize - self.bytes.as_ptr() as usize;
        self.touch(offset, true);
        self.touch(offset + need - 4, true);
        // SAFETY: the slot has room for `need` bytes.
        unsafe {
            slot.at.cast::<u32>().write_unaligned((need as u32 - 4).to_le());
            slot.at.add(4).cast::<u32>().write_unaligned(value);
        }
    }

    /// Does with the full frames in front of `target` what the flusher does: writes a header and a trailer around the records,
    /// and frees the frame.
    fn take_frames(&self, shard: &Shard, cursor: &mut Cursor, target: u64, found: &mut Vec<u32>) {
        loop {
            let offset = cursor.settled(shard);
            let end = cursor.lap() + shard.frames().end(offset);
            if end > target {
                return;
            }
            let begin = shard.base().wrapping_add(offset as usize);
            let passed = cursor.pass_over(shard, end, false);
            assert!(!passed.damaged && passed.records == 1);
            // SAFETY: the owner has published the frame, which holds a record.
            found.push(unsafe { begin.add(4).cast::<u32>().read_unaligned() });
            // The header, the last byte of the record, and the trailer at the end of the frame.
            self.touch(offset as usize, true);
            self.touch(offset as usize + HEADER_LEN + passed.bytes - 4, false);
            self.touch(offset as usize + PAGE - TRAILER_LEN, true);
            shard.free_up_to(cursor.position, cursor.lap());
        }
    }

    /// Copies what is published, checks it off against the shadow, frees it, and returns the values.
    fn read(&self, shard: &Shard, cursor: &mut Cursor, target: u64) -> Vec<u32> {
        cursor.settle(shard);
        for position in (cursor.position..target).step_by(4) {
            self.touch((position - cursor.lap()) as usize, false);
        }
        let mut out = [0; 256];
        let copied = cursor.copy(shard, target, &mut out, false);
        assert!(!copied.damaged && !copied.full);
        shard.free_up_to(cursor.position, cursor.lap());
        out[..copied.bytes]
            .chunks(RECORD)
            .map(|record| u32::from_ne_bytes([record[4], record[5], record[6], record[7]]))
            .collect()
    }
}

/// Whether a record was accepted that was published so.
fn accepted(shard: &Shard, published: Result<(), Late>) -> bool {
    published.map_or_else(|late| shard.took(late), |()| true)
}

/// A pool and the memory of its shards, the last of which is the overflow's.
struct World {
    rings: Vec<Ring>,
    pool: Pool,
}

impl World {
    fn new(capacities: &[usize]) -> Arc<Self> {
        let rings: Vec<Ring> = capacities.iter().map(|&bytes| Ring::new(bytes)).collect();
        let shards = rings.iter().enumerate().map(|(id, ring)| ring.shard(id)).collect();
        Arc::new(Self { pool: Pool::new(shards), rings })
    }

    /// Writes a record from a seat or, if the thread has lost that or never had one, through the overflow.
    fn write(&self, seat: &mut Option<usize>, token: usize, value: u32) -> Result<bool, Refused> {
        let bell = Bell::default();
        if let Some(index) = *seat {
            match self.pool.begin_seated(index, RECORD, &bell) {
                Some(begun) => return self.finish(self.pool.seats.get(index), token, begun, value),
                None => *seat = None,
            }
        }
        let (_guard, begun) = self.pool.begin_overflow(RECORD, &bell);
        self.finish(self.pool.shared(), 0, begun, value)
    }

    fn finish(
        &self,
        seat: &Seat,
        token: usize,
        begun: Result<Begun<'_>, Failed>,
        value: u32,
    ) -> Result<bool, Refused> {
        match begun {
            Ok(Begun { shard, slot }) => {
                self.rings[usize::from(shard.id())].fill(slot, value);
                Ok(accepted(shard, seat.publish(token, shard, slot, RECORD)))
            }
            Err(Failed::Refused(_, refused)) => Err(refused),
            Err(Failed::Reentered) => panic!("nobody is interrupted"),
        }
    }

    /// A seat with a shard, as a thread's first call takes it.
    fn sit(&self, token: usize) -> Option<usize> {
        self.pool.claim(RECORD).and_then(|index| self.pool.seat(token, 0, index))
    }

    /// A pass of the flusher over all shards, in an order that keeps that of each thread.
    fn pass(&self, cursors: &mut [Cursor], found: &mut Vec<u32>) {
        let mut targets = Vec::new();
        self.pool.shards().iter().for_each(Shard::answer);
        self.pool.targets(|index| cursors[index].position, &mut targets);
        loop {
            let mut moved = false;
            for index in 0..cursors.len() {
                let stop = self.pool.stop(index, targets[index], |other| cursors[other].position);
                if cursors[index].position < stop {
                    let shard = self.pool.shard(index);
                    found.extend(self.rings[index].read(shard, &mut cursors[index], stop));
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
    }
}

fn model(preemptions: usize, body: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    let long = std::env::var_os("FLIGHTRING_LONG").is_some();
    builder.preemption_bound = Some(if long { preemptions + 2 } else { preemptions });
    builder.check(body);
}

#[test]
fn published_records_are_read_whole_and_in_order_while_space_is_reused() {
    model(3, || {
        let ring = Arc::new(Ring::new(16));
        let shard = Arc::new(ring.shard(0));
        let owner = {
            let (ring, shard) = (Arc::clone(&ring), Arc::clone(&shard));
            thread::spawn(move || {
                let bell = Bell::default();
                (1..=4)
                    .filter(|&value| {
                        let Ok(slot) = shard.begin(RECORD, &bell) else { return false };
                        ring.fill(slot, value);
                        accepted(&shard, shard.publish(slot, RECORD, false))
                    })
                    .collect::<Vec<_>>()
            })
        };
        let mut cursor = Cursor::default();
        let mut found = Vec::new();
        for _ in 0..2 {
            found.extend(ring.read(&shard, &mut cursor, shard.tail()));
        }
        let accepted = owner.join().unwrap();
        found.extend(ring.read(&shard, &mut cursor, shard.tail()));
        assert_eq!(found, accepted);
        assert_eq!(shard.accepted(), accepted.len() as u64);
    });
}

#[test]
fn a_frame_is_the_flushers_from_when_the_owner_has_left_it_until_it_is_freed() {
    const LONG: usize = 3000;
    // One of these fits a frame, and two frames fit the ring.
    model(3, || {
        let ring = Arc::new(Ring::new(2 * PAGE));
        let shard = Arc::new(ring.framed(0));
        let owner = {
            let (ring, shard) = (Arc::clone(&ring), Arc::clone(&shard));
            thread::spawn(move || {
                let bell = Bell::default();
                (1..=4)
                    .filter(|&value| {
                        let Ok(slot) = shard.begin(LONG, &bell) else { return false };
                        ring.fill_long(slot, LONG, value);
                        accepted(&shard, shard.publish(slot, LONG, false))
                    })
                    .collect::<Vec<u32>>()
            })
        };
        let mut cursor = Cursor::default();
        let mut found = Vec::new();
        for _ in 0..2 {
            ring.take_frames(&shard, &mut cursor, shard.tail(), &mut found);
        }
        let accepted = owner.join().unwrap();
        ring.take_frames(&shard, &mut cursor, shard.tail(), &mut found);
        // What is in no full frame is copied.
        let mut out = vec![0; 2 * PAGE];
        let copied = cursor.copy(&shard, shard.tail(), &mut out, false);
        assert!(!copied.damaged && !copied.full);
        let rest = out[..copied.bytes].chunks(LONG);
        found.extend(rest.map(|r| u32::from_ne_bytes([r[4], r[5], r[6], r[7]])));
        assert_eq!(found, accepted);
    });
}

#[test]
fn closing_takes_exactly_what_was_accepted() {
    for patient in [true, false] {
        model(3, move || {
            // The overflow's shard is too small for a record.
            let world = World::new(&[32, 0]);
            let mut seat = world.sit(2);
            let owner = {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    (1..=2)
                        .filter(|&value| world.write(&mut seat, 2, value) == Ok(true))
                        .collect::<Vec<_>>()
                })
            };
            // A pass that frees what it finds, so that the owner may be told to look around while it is being closed out.
            let (mut cursor, shard) = (Cursor::default(), world.pool.shard(0));
            let mut found = world.rings[0].read(shard, &mut cursor, shard.tail());
            let quiet = world.pool.seal(|| patient);
            assert!(quiet || !patient);
            found.extend(world.rings[0].read(shard, &mut cursor, shard.tail()));
            let accepted = owner.join().unwrap();
            assert_eq!(found, accepted);
            assert_eq!(shard.accepted(), accepted.len() as u64);
            assert_eq!(world.write(&mut seat, 2, 9), Err(Refused::Sealed));
        });
    }
}

#[test]
fn a_claimed_shard_has_one_owner_and_moves_with_its_state() {
    model(3, || {
        let world = World::new(&[32, 32]);
        let worker = |value: u32| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let token = 2 * value as usize;
                let mut seat = world.sit(token);
                assert_eq!(world.write(&mut seat, token, value), Ok(true));
                if let Some(seat) = seat {
                    world.pool.stand_up(seat);
                }
            })
        };
        let (first, second) = (worker(1), worker(2));
        first.join().unwrap();
        second.join().unwrap();
        let mut found = Vec::new();
        world.pass(&mut [Cursor::default(); 2], &mut found);
        found.sort_unstable();
        assert_eq!(found, [1, 2]);
        assert!(world.pool.any_free());
    });
}

#[test]
fn a_thread_that_moves_to_another_shard_stays_in_order() {
    model(3, || {
        let world = World::new(&[16, 16]);
        let owner = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                // The overflow's shard fills up, and the overflow moves to the free one.
                (1..=3)
                    .filter(|&value| world.write(&mut None, 0, value) == Ok(true))
                    .collect::<Vec<_>>()
            })
        };
        let mut cursors = [Cursor::default(); 2];
        let mut found = Vec::new();
        world.pass(&mut cursors, &mut found);
        let accepted = owner.join().unwrap();
        world.pass(&mut cursors, &mut found);
        assert_eq!(found, accepted);
    });
}

#[test]
fn a_shard_that_is_taken_from_a_silent_thread_is_never_written_by_two() {
    model(2, || {
        let world = World::new(&[16, 8]);
        let mut seat = world.sit(2);
        assert!(seat.is_some());
        let mut cursors = [Cursor::default(); 2];
        let mut found = Vec::new();
        let silent = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                let values = [1, 2].into_iter();
                let accepted: Vec<_> =
                    values.filter(|&value| world.write(&mut seat, 2, value) == Ok(true)).collect();
                if let Some(seat) = seat {
                    world.pool.stand_up(seat);
                }
                accepted
            })
        };
        let burst = {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                // The overflow's shard holds one record, so the second needs the other's.
                [11, 12]
                    .into_iter()
                    .filter(|&value| world.write(&mut None, 0, value) == Ok(true))
                    .collect::<Vec<_>>()
            })
        };
        world.pass(&mut cursors, &mut found);
        let (silent, burst) = (silent.join().unwrap(), burst.join().unwrap());
        world.pass(&mut cursors, &mut found);
        // Each thread's records once and in order.
        let of = |of_burst: bool| {
            found.iter().copied().filter(move |value| (*value > 10) == of_burst).collect::<Vec<_>>()
        };
        assert_eq!((of(false), of(true)), (silent, burst));
    });
}

#[test]
fn a_ring_is_never_missed() {
    model(4, || {
        let shared = Arc::new((Bell::default(), AtomicU32::new(0)));
        let writer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.1.store(1, Ordering::Release);
                shared.0.ring();
            })
        };
        while shared.1.load(Ordering::Acquire) == 0 {
            shared.0.park(None, || shared.1.load(Ordering::Acquire) != 0);
        }
        writer.join().unwrap();
    });
}
