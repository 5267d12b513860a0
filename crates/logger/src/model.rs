//! Models of claim, publish, flush and close, for loom:
//! `RUSTFLAGS="--cfg loom" cargo test -p flightring-logger --release --lib model`.
//!
//! The ring's bytes are plain memory, which loom does not see. So each model keeps one tracked cell for each four bytes,
//! writes it where the owner fills a slot and reads it where the flusher copies: loom then reports an access that
//! the atomics do not order.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread;

use crate::bell::Bell;
use crate::cursor::Cursor;
use crate::pool::Pool;
use crate::shard::{Refused, Shard, seal_all};
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

    fn shard(&self, id: usize) -> Shard {
        // SAFETY: the models keep the ring as long as the shard, and give each shard one of its own.
        unsafe { Shard::new(id, self.bytes.as_ptr().cast_mut().cast(), self.capacity(), None) }
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

    /// A record of four bytes, `value`, as the owner of `shard` writes it.
    fn write(&self, shard: &Shard, bell: &Bell, value: u32) -> Result<bool, Refused> {
        let slot = shard.begin(RECORD, bell)?;
        let offset = slot.at as usize - self.bytes.as_ptr() as usize;
        for part in (0..RECORD).step_by(4) {
            self.touch(offset + part, true);
        }
        // SAFETY: the slot has room for eight bytes.
        unsafe {
            slot.at.cast::<u32>().write_unaligned(4u32.to_le());
            slot.at.add(4).cast::<u32>().write_unaligned(value);
        }
        Ok(shard.publish(slot, RECORD).map_or_else(|late| shard.took(late), |()| true))
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
                (1..=4).filter(|&n| ring.write(&shard, &bell, n) == Ok(true)).collect::<Vec<_>>()
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
fn closing_takes_exactly_what_was_accepted() {
    for patient in [true, false] {
        model(3, move || {
            let ring = Arc::new(Ring::new(32));
            let shard = Arc::new(ring.shard(0));
            let owner = {
                let (ring, shard) = (Arc::clone(&ring), Arc::clone(&shard));
                thread::spawn(move || {
                    let bell = Bell::default();
                    (1..=2)
                        .filter(|&n| ring.write(&shard, &bell, n) == Ok(true))
                        .collect::<Vec<_>>()
                })
            };
            // A pass that frees what it finds, so that the owner may be told to look around while it is being closed out.
            let mut cursor = Cursor::default();
            let mut found = ring.read(&shard, &mut cursor, shard.tail());
            let quiet = seal_all(std::iter::once(&*shard), || patient);
            assert!(quiet || !patient);
            found.extend(ring.read(&shard, &mut cursor, shard.tail()));
            let accepted = owner.join().unwrap();
            assert_eq!(found, accepted);
            assert_eq!(shard.accepted(), accepted.len() as u64);
            assert_eq!(ring.write(&shard, &Bell::default(), 9), Err(Refused::Sealed));
        });
    }
}

#[test]
fn a_claimed_shard_has_one_owner_and_moves_with_its_state() {
    model(3, || {
        let rings: Arc<[Ring; 2]> = Arc::new([Ring::new(32), Ring::new(32)]);
        let shards = [rings[0].shard(0), rings[1].shard(1)];
        let pool = Arc::new(Pool::new(Box::new(shards)));
        let worker = |value: u32| {
            let (rings, pool) = (Arc::clone(&rings), Arc::clone(&pool));
            thread::spawn(move || {
                let bell = Bell::default();
                match pool.claim(RECORD) {
                    Some(index) => {
                        let written = rings[index].write(pool.shard(index), &bell, value);
                        assert_eq!(written, Ok(true));
                        pool.release(index);
                    }
                    None => {
                        let (index, begun) = pool.begin_overflow(RECORD, &bell);
                        begun.unwrap();
                        pool.shard(*index).abandon();
                        let written = rings[*index].write(pool.shard(*index), &bell, value);
                        assert_eq!(written, Ok(true));
                    }
                }
            })
        };
        let (first, second) = (worker(1), worker(2));
        first.join().unwrap();
        second.join().unwrap();
        let mut found: Vec<u32> = (0..2)
            .flat_map(|index| {
                let shard = pool.shard(index);
                rings[index].read(shard, &mut Cursor::default(), shard.tail())
            })
            .collect();
        found.sort_unstable();
        assert_eq!(found, [1, 2]);
        assert!(pool.any_free());
    });
}

#[test]
fn a_thread_that_moves_to_another_shard_stays_in_order() {
    model(3, || {
        let rings: Arc<[Ring; 2]> = Arc::new([Ring::new(16), Ring::new(16)]);
        let shards = [rings[0].shard(0), rings[1].shard(1)];
        let pool = Arc::new(Pool::new(Box::new(shards)));
        let owner = {
            let (rings, pool) = (Arc::clone(&rings), Arc::clone(&pool));
            thread::spawn(move || {
                // The overflow's shard fills up, and the overflow moves to the free one.
                let bell = Bell::default();
                (1..=3)
                    .filter(|&value| {
                        let (index, begun) = pool.begin_overflow(RECORD, &bell);
                        if begun.is_err() {
                            return false;
                        }
                        pool.shard(*index).abandon();
                        rings[*index].write(pool.shard(*index), &bell, value) == Ok(true)
                    })
                    .collect::<Vec<_>>()
            })
        };
        let mut cursors = [Cursor::default(); 2];
        let mut targets = Vec::new();
        let mut found = Vec::new();
        let mut pass = || {
            pool.targets(|index| cursors[index].position, &mut targets);
            loop {
                let mut moved = false;
                for index in 0..2 {
                    let stop = pool.stop(index, targets[index], |other| cursors[other].position);
                    if cursors[index].position < stop {
                        found.extend(rings[index].read(
                            pool.shard(index),
                            &mut cursors[index],
                            stop,
                        ));
                        moved = true;
                    }
                }
                if !moved {
                    break;
                }
            }
        };
        pass();
        let accepted = owner.join().unwrap();
        pass();
        assert_eq!(found, accepted);
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
