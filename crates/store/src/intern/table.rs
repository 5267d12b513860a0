//! How the writer finds names: by lists of those whose hashes agree, so many lists that a name is nearly always the first of its
//! list (no other is foreseen by the processor), and with all that is compared in one cache line. What is known of a name beside
//! that stands there too.

use std::sync::Arc;

use super::Entry;

/// "No name": ends a list.
const NOBODY: u32 = u32::MAX;
/// Up to so many lists there are more than enough for the names.
const MANY: usize = 2048;

/// What is known of a name, in one cache line.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Known<T> {
    ends: [u64; 2],
    len: u32,
    hash: u32,
    /// The next name of the same list.
    next: u32,
    /// Other names that keep this one, beside the records of its chain.
    pub(super) keepers: u32,
    /// For the one who keeps the names; 0 of a new one.
    pub(super) note: u32,
    /// `None`: the id is free.
    pub(super) entry: Option<Arc<Entry<T>>>,
}

#[derive(Debug)]
pub(super) struct Table<T> {
    /// The first name of each; a power of two of them, or none.
    lists: Vec<u32>,
    /// By id.
    known: Vec<Known<T>>,
    free: Vec<u32>,
}

impl<T> Known<T> {
    #[inline(always)]
    fn is(&self, hash: u32, ends: [u64; 2], key: &[u8]) -> bool {
        self.hash == hash
            && self.ends == ends
            && self.len == key.len() as u32
            && (key.len() <= 16 || self.entry.as_ref().is_some_and(|entry| *entry.key == *key))
    }
}

/// The first and the last bytes of a key: of one of up to 16 bytes all that there is.
#[inline(always)]
fn ends(key: &[u8]) -> [u64; 2] {
    fn half(bytes: Option<&[u8; 4]>) -> u64 {
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes).into())
    }
    if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        return [u64::from_le_bytes(*first), u64::from_le_bytes(*last)];
    }
    match key {
        [] => [0; 2],
        [a] => [u64::from(*a), 0],
        [a, b] => [u64::from(*a), u64::from(*b)],
        [a, b, c] => [u64::from(*a) << 8 | u64::from(*b), u64::from(*c)],
        _ => [half(key.first_chunk()), half(key.last_chunk())],
    }
}

impl<T> Table<T> {
    pub(super) fn new() -> Self {
        Self { lists: Vec::new(), known: Vec::new(), free: Vec::new() }
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.known.len() - self.free.len()
    }

    /// All ids are below this.
    pub(super) fn ids(&self) -> usize {
        self.known.len()
    }

    #[inline(always)]
    pub(super) fn known(&self, id: u32) -> &Known<T> {
        &self.known[id as usize]
    }

    pub(super) fn known_mut(&mut self, id: u32) -> &mut Known<T> {
        &mut self.known[id as usize]
    }

    /// Which list a name is in, if there are any.
    #[inline(always)]
    fn list(&self, hash: u32) -> usize {
        hash as usize & self.lists.len().wrapping_sub(1)
    }

    #[inline(always)]
    pub(super) fn find(&self, hash: u32, key: &[u8]) -> Option<u32> {
        let ends = ends(key);
        let mut id = *self.lists.get(self.list(hash))?;
        while let Some(known) = self.known.get(id as usize) {
            if known.is(hash, ends, key) {
                return Some(id);
            }
            id = known.next;
        }
        None
    }

    /// Adds a name that is not there yet, and returns its id.
    pub(super) fn insert(&mut self, hash: u32, entry: Arc<Entry<T>>) -> u32 {
        let (live, lists) = (self.len(), self.lists.len());
        if lists <= 4 * live || lists <= (16 * live).min(MANY) {
            self.grow();
        }
        let id = self.free.pop().unwrap_or(self.known.len() as u32);
        let known = Known {
            ends: ends(&entry.key),
            len: entry.key.len() as u32,
            hash,
            next: NOBODY,
            keepers: 0,
            note: 0,
            entry: Some(entry),
        };
        match self.known.get_mut(id as usize) {
            Some(free) => *free = known,
            None => self.known.push(known),
        }
        self.link(id);
        id
    }

    fn grow(&mut self) {
        self.lists = vec![NOBODY; (2 * self.lists.len()).max(16)];
        for id in 0..self.known.len() {
            if self.known[id].entry.is_some() {
                self.link(id as u32);
            }
        }
    }

    fn link(&mut self, id: u32) {
        let list = self.list(self.known(id).hash);
        self.known_mut(id).next = std::mem::replace(&mut self.lists[list], id);
    }

    /// Removes a name, whose id is free from now on.
    pub(super) fn remove(&mut self, id: u32) -> Option<Arc<Entry<T>>> {
        let Known { hash, next, .. } = *self.known(id);
        let list = self.list(hash);
        let mut before = self.lists[list];
        if before == id {
            self.lists[list] = next;
        } else {
            while self.known(before).next != id {
                before = self.known(before).next;
            }
            self.known_mut(before).next = next;
        }
        self.free.push(id);
        self.known_mut(id).entry.take()
    }

    /// Heap bytes, without the entries.
    pub(super) fn heap_bytes(&self) -> usize {
        self.known.capacity() * size_of::<Known<T>>()
            + (self.lists.capacity() + self.free.capacity()) * size_of::<u32>()
    }
}

#[cfg(all(test, not(loom)))]
pub(super) mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Keys of all the lengths that are compared in different ways, many of which begin and end alike.
    pub(crate) fn key() -> impl Strategy<Value = Vec<u8>> {
        let other = || prop::option::weighted(0.3, 0_u8..3);
        (0_usize..40, other(), other()).prop_map(|(len, middle, last)| {
            let mut key = vec![b'k'; len];
            if len > 0 {
                key[len / 2] = middle.unwrap_or(b'k');
                key[len - 1] = last.unwrap_or(key[len - 1]);
            }
            key
        })
    }

    proptest! {
        /// With hashes of which many are the same, in what chooses the list, in the rest, or in both.
        #[test]
        fn names_are_found_as_in_a_map(
            steps in prop::collection::vec((any::<bool>(), key()), 0..400),
            hashed in prop::sample::select(vec![0_u32, 0x6, 0xf000_0000, 0xf000_0006, 0x1f, u32::MAX]),
        ) {
            let hash = |key: &[u8]| {
                let sum = key.iter().map(|&byte| u32::from(byte)).sum::<u32>();
                sum.wrapping_mul(0x9e37_79b1) & hashed | !hashed & 0x5555_5555
            };
            let mut table = Table::new();
            let mut model = HashMap::<Vec<u8>, u32>::new();
            for (add, key) in &steps {
                prop_assert_eq!(table.find(hash(key), key), model.get(key).copied());
                match model.get(key) {
                    None if *add => {
                        let entry = Entry { key: key.as_slice().into(), extra: (), hash: 0 };
                        let id = table.insert(hash(key), Arc::new(entry));
                        model.insert(key.clone(), id);
                    }
                    Some(&id) if !*add => {
                        prop_assert_eq!(&*table.remove(id).unwrap().key, key.as_slice());
                        model.remove(key);
                    }
                    _ => {}
                }
                prop_assert_eq!(table.len(), model.len());
            }
            for (key, id) in &model {
                prop_assert_eq!(table.find(hash(key), key), Some(*id));
                let entry = table.known(*id).entry.as_ref();
                prop_assert_eq!(entry.map(|entry| &*entry.key), Some(key.as_slice()));
            }
        }
    }
}
