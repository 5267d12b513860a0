use std::iter::Chain;
use std::ops::Range;
use std::slice;

use crate::CreateError;
use crate::error::reserve;

/// The two runs of memory that hold a range of entries, oldest first.
pub type Slices<'a, T> = (&'a [T], &'a [T]);

/// The last `capacity` entries, each under a position that only grows.
///
/// The first entry has position 0 (or the start that was asked for), the next 1, and so on; a position is never
/// given twice, not even after [`clear`](Self::clear). So a position that was remembered either names the entry it
/// always named, or is known to be evicted.
///
/// ```
/// # fn main() -> Result<(), flightring_ring::CreateError> {
/// let mut ring = flightring_ring::SlotRing::new(2)?;
/// ring.push("a", |_, _| ());
/// ring.push("b", |_, _| ());
/// let mut evicted = None;
/// ring.push("c", |position, entry| evicted = Some((position, *entry)));
/// assert_eq!(evicted, Some((0, "a")));
/// assert_eq!(ring.get(1), Some(&"b"));
/// assert_eq!(ring.get(0), None);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct SlotRing<T> {
    /// Filled in order up to the capacity, then overwritten from the start.
    storage: Vec<T>,
    capacity: usize,
    /// Index of the next write; kept beside `next`, because a division by a
    /// capacity that is no power of two would cost more than the write.
    head: usize,
    /// Position of the next entry.
    next: u64,
}

impl<T> SlotRing<T> {
    /// Creates an empty ring that holds at most `capacity` entries, the first of which will have position 0.
    pub fn new(capacity: usize) -> Result<Self, CreateError> {
        Self::starting_at(capacity, 0)
    }

    /// Creates an empty ring whose first entry will have position `start`.
    pub fn starting_at(capacity: usize, start: u64) -> Result<Self, CreateError> {
        Ok(Self { storage: reserve(capacity)?, capacity, head: 0, next: start })
    }

    /// Appends `entry` and returns its position. When the ring is full, `on_evict` is first called with the
    /// position and the value of the oldest entry, which is still in place at that moment; then it is replaced.
    #[inline]
    pub fn push(&mut self, entry: T, on_evict: impl FnOnce(u64, &T)) -> u64 {
        let position = self.next;
        if self.storage.len() < self.capacity {
            self.storage.push(entry);
        } else {
            let slot = &mut self.storage[self.head];
            on_evict(position - self.capacity as u64, slot);
            *slot = entry;
        }
        self.next = position + 1;
        self.head = if self.head + 1 == self.capacity { 0 } else { self.head + 1 };
        position
    }

    /// The entry at `position`, or `None` if it was evicted, cleared or is not written yet.
    #[inline]
    #[must_use]
    pub fn get(&self, position: u64) -> Option<&T> {
        self.index_of(position).map(|index| &self.storage[index])
    }

    /// The entry at `position` for changing it in place.
    #[inline]
    pub fn get_mut(&mut self, position: u64) -> Option<&mut T> {
        self.index_of(position).map(|index| &mut self.storage[index])
    }

    /// Everything that is held, oldest first.
    #[must_use]
    pub fn as_slices(&self) -> Slices<'_, T> {
        let (newer, older) = self.storage.split_at(if self.is_full() { self.head } else { 0 });
        (older, newer)
    }

    /// What is held of the positions in `range`, oldest first. Compare its start with [`oldest`](Self::oldest) to
    /// learn how much of the range was evicted.
    #[must_use]
    pub fn range(&self, range: Range<u64>) -> Slices<'_, T> {
        let oldest = self.oldest();
        let start = range.start.clamp(oldest, self.next) - oldest;
        let end = range.end.clamp(oldest, self.next) - oldest;
        // Both differences are at most `len`, which is a usize.
        let (start, end) = (start as usize, (end as usize).max(start as usize));
        let (first, second) = self.as_slices();
        let split = first.len();
        (
            &first[start.min(split)..end.min(split)],
            &second[start.saturating_sub(split)..end.saturating_sub(split)],
        )
    }

    /// The newest `count` entries that are held, oldest of them first.
    #[must_use]
    pub fn recent(&self, count: usize) -> Slices<'_, T> {
        let count = count.min(self.len()) as u64;
        self.range(self.next - count..self.next)
    }

    /// All entries with their positions, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &T)> + DoubleEndedIterator {
        let oldest = self.oldest();
        (0..self.len()).map(move |i| {
            let index = self.index_at(i);
            (oldest + i as u64, &self.storage[index])
        })
    }

    /// Drops every entry without calling an eviction callback. Positions go on from where they were, so that one
    /// from before cannot name an entry from after.
    pub fn clear(&mut self) {
        self.storage.clear();
        self.head = 0;
    }

    /// Position of the oldest entry that is held; equal to [`next`](Self::next) when there is none.
    #[inline]
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.next - self.storage.len() as u64
    }

    /// Position that the next entry will have.
    #[inline]
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// How many entries are held: 0 to the capacity.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.storage.len()
    }

    /// Whether nothing is held.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.storage.is_empty()
    }

    /// The most entries that can be held.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    fn is_full(&self) -> bool {
        self.storage.len() == self.capacity
    }

    /// Storage index of the entry that is `i` after the oldest.
    #[inline]
    fn index_at(&self, i: usize) -> usize {
        let oldest_index = if self.is_full() { self.head } else { 0 };
        let to_end = self.capacity - oldest_index;
        if i < to_end { oldest_index + i } else { i - to_end }
    }

    #[inline]
    fn index_of(&self, position: u64) -> Option<usize> {
        let oldest = self.oldest();
        (oldest..self.next).contains(&position).then(|| self.index_at((position - oldest) as usize))
    }
}

impl<'a, T> IntoIterator for &'a SlotRing<T> {
    type Item = &'a T;
    type IntoIter = Chain<slice::Iter<'a, T>, slice::Iter<'a, T>>;

    fn into_iter(self) -> Self::IntoIter {
        let (first, second) = self.as_slices();
        first.iter().chain(second)
    }
}
