//! The rings against models that are too simple to be wrong: a `Vec` of everything that was ever written.

use flightring_ring::{ByteRing, CreateError, SlotRing};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    Write(Vec<u8>),
    Clear,
}

fn ops(longest: usize) -> impl Strategy<Value = Vec<Op>> {
    let write = prop::collection::vec(any::<u8>(), 0..=longest).prop_map(Op::Write);
    prop::collection::vec(prop_oneof![20 => write, 1 => Just(Op::Clear)], 0..60)
}

proptest! {
    #[test]
    fn byte_ring_keeps_the_newest_bytes(capacity in 1_usize..70, ops in ops(150), cut in 0_usize..90) {
        let mut ring = ByteRing::new(capacity).unwrap();
        let mut all = Vec::new();
        for op in ops {
            match op {
                Op::Write(data) => {
                    ring.write(&data);
                    all.extend_from_slice(&data);
                }
                Op::Clear => {
                    ring.clear();
                    all.clear();
                }
            }
            let expected = &all[all.len().saturating_sub(capacity)..];
            prop_assert_eq!(ring.len(), expected.len());
            prop_assert_eq!(ring.is_empty(), expected.is_empty());
            prop_assert_eq!(ring.to_vec(), expected);
            let (first, second) = ring.as_slices();
            prop_assert_eq!([first, second].concat(), expected);
            let mut dst = vec![0; cut];
            let copied = ring.copy_to(&mut dst);
            prop_assert_eq!(&dst[..copied], &expected[..cut.min(expected.len())]);
        }
        prop_assert_eq!(ring.capacity(), capacity);
    }

    #[test]
    fn slot_ring_keeps_the_newest_entries(
        capacity in 1_usize..20,
        start in prop_oneof![Just(0_u64), Just(u64::from(u32::MAX) - 5), Just(u64::MAX - 500)],
        pushes in prop::collection::vec(prop::option::weighted(0.95, any::<u32>()), 0..80),
        from in 0_u64..90, to in 0_u64..90, count in 0_usize..25,
    ) {
        let mut ring = SlotRing::starting_at(capacity, start).unwrap();
        let mut held: Vec<(u64, u32)> = Vec::new();
        let mut next = start;
        for push in pushes {
            let Some(value) = push else {
                ring.clear();
                held.clear();
                continue;
            };
            let mut evicted = Vec::new();
            prop_assert_eq!(ring.push(value, |at, old| evicted.push((at, *old))), next);
            held.push((next, value));
            next += 1;
            let expected_evictions = held.drain(..held.len().saturating_sub(capacity)).collect::<Vec<_>>();
            prop_assert_eq!(evicted, expected_evictions);
        }
        prop_assert_eq!(ring.next(), next);
        prop_assert_eq!(ring.len(), held.len());
        prop_assert_eq!(ring.oldest(), next - held.len() as u64);
        prop_assert_eq!(ring.iter().map(|(at, value)| (at, *value)).collect::<Vec<_>>(), held.clone());
        let values = |part: (&[u32], &[u32])| [part.0, part.1].concat();
        let all = held.iter().map(|entry| entry.1).collect::<Vec<_>>();
        prop_assert_eq!(values(ring.as_slices()), all.clone());
        prop_assert_eq!((&ring).into_iter().copied().collect::<Vec<_>>(), all.clone());
        prop_assert_eq!(values(ring.recent(count)), &all[all.len() - count.min(all.len())..]);
        let (from, to) = (start + from, start + to);
        let within = held.iter().filter(|e| (from..to).contains(&e.0)).map(|e| e.1).collect::<Vec<_>>();
        prop_assert_eq!(values(ring.range(from..to)), within);
        for at in start.saturating_sub(2)..=next + 2 {
            let expected = held.iter().find(|e| e.0 == at).map(|e| e.1);
            prop_assert_eq!(ring.get(at).copied(), expected);
            prop_assert_eq!(ring.get_mut(at).map(|v| *v), expected);
        }
    }
}

#[test]
fn capacity_one_holds_the_last_byte() {
    let mut ring = ByteRing::new(1).unwrap();
    ring.write(b"a");
    ring.write(b"");
    assert_eq!(ring.to_vec(), b"a");
    ring.write(b"bc");
    assert_eq!(ring.to_vec(), b"c");
}

#[test]
fn a_write_of_exactly_the_capacity_replaces_everything() {
    let mut ring = ByteRing::new(5).unwrap();
    ring.write(b"xyz");
    ring.write(b"abcde");
    assert_eq!(ring.as_slices(), (&b"abcde"[..], &b""[..]));
    ring.write(b"f");
    assert_eq!(ring.as_slices(), (&b"bcde"[..], &b"f"[..]));
}

#[test]
fn filling_to_the_brim_in_two_writes_wraps_the_head() {
    let mut ring = ByteRing::new(4).unwrap();
    ring.write(b"ab");
    ring.write(b"cd");
    assert_eq!(ring.to_vec(), b"abcd");
    ring.write(b"e");
    assert_eq!(ring.to_vec(), b"bcde");
}

#[test]
fn impossible_capacities_are_refused_not_fatal() {
    assert_eq!(ByteRing::new(0).err(), Some(CreateError::ZeroCapacity));
    assert_eq!(ByteRing::new(usize::MAX).err(), Some(CreateError::TooLarge));
    assert_eq!(SlotRing::<u64>::new(0).err(), Some(CreateError::ZeroCapacity));
    assert_eq!(SlotRing::<u64>::new(usize::MAX / 2).err(), Some(CreateError::TooLarge));
    let huge = isize::MAX as usize;
    assert_eq!(ByteRing::new(huge).err(), Some(CreateError::OutOfMemory { bytes: huge }));
}

/// The worked example of the evicting store: an index kept true by the callback alone.
#[test]
fn the_callback_sees_the_oldest_entry_before_it_is_replaced() {
    use std::collections::HashMap;
    let mut by_service: HashMap<&str, usize> = HashMap::new();
    let mut ring = SlotRing::new(3).unwrap();
    for (trace, service) in [(1, "svc1"), (2, "svc1"), (3, "svc2"), (4, "svc2")] {
        *by_service.entry(service).or_default() += 1;
        ring.push((trace, service), |position, (old_trace, old_service)| {
            assert_eq!((position, *old_trace), (0, 1));
            *by_service.get_mut(old_service).unwrap() -= 1;
        });
    }
    assert_eq!(by_service, HashMap::from([("svc1", 1), ("svc2", 2)]));
}

#[test]
fn entries_are_dropped_once() {
    use std::rc::Rc;
    let token = Rc::new(());
    let mut ring = SlotRing::new(3).unwrap();
    for _ in 0..7 {
        ring.push(Rc::clone(&token), |_, _| ());
    }
    assert_eq!(Rc::strong_count(&token), 4);
    ring.clear();
    assert_eq!(Rc::strong_count(&token), 1);
}
