//! Names, stored once: text to id, id to text, how many records use it, and which is the newest of them.
//!
//! The writer keeps its own map, so that adding a record with known names takes no lock. Readers have a second map
//! of the same entries behind a lock that the writer touches only when a name appears or disappears.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::sync::{AtomicU64, Counter, Ordering, RwLock};

/// "No record": positions never reach it.
pub(crate) const NONE: u64 = u64::MAX;

/// The head of a chain of records: the newest, and how many are held.
#[derive(Debug)]
pub(crate) struct Chain {
    newest: AtomicU64,
    count: Counter,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self { newest: AtomicU64::new(NONE), count: Counter::new() }
    }

    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }

    /// Makes `position` the newest and returns the distance back to the one before it, 0 if there is none.
    #[inline]
    pub(crate) fn reserve(&self, position: u64) -> u32 {
        let link = if self.count.get() == 0 {
            0
        } else {
            // Held records are less than 2^31 apart.
            (position - self.newest.load(Ordering::Relaxed)) as u32
        };
        self.count.add(1);
        link
    }

    /// Lets readers find `position`, whose slot is written.
    #[inline]
    pub(crate) fn publish(&self, position: u64) {
        self.newest.store(position, Ordering::Release);
    }

    /// Forgets one record, the oldest, and returns how many are left.
    #[inline]
    pub(crate) fn shrink(&self) -> u64 {
        self.count.sub(1);
        self.count.get()
    }
}

/// One interned name.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) key: Box<[u8]>,
    pub(crate) chain: Chain,
    pub(crate) extra: T,
    hash: u64,
    /// Who keeps the entry: records, or other entries.
    refs: Counter,
}

impl<T> Entry<T> {
    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.key)
    }
}

#[derive(Debug)]
struct Map<T> {
    table: HashTable<u32>,
    entries: Vec<Option<Arc<Entry<T>>>>,
}

impl<T> Map<T> {
    fn new() -> Self {
        Self { table: HashTable::new(), entries: Vec::new() }
    }

    fn entry(&self, id: u32) -> Option<&Arc<Entry<T>>> {
        self.entries.get(id as usize)?.as_ref()
    }

    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.table
            .find(hash, |&id| self.entry(id).is_some_and(|e| e.hash == hash && same(&e.key, key)))
            .copied()
    }

    fn insert(&mut self, id: u32, entry: Arc<Entry<T>>) {
        let hash = entry.hash;
        let index = id as usize;
        if index == self.entries.len() {
            self.entries.push(Some(entry));
        } else {
            self.entries[index] = Some(entry);
        }
        let entries = &self.entries;
        self.table
            .insert_unique(hash, id, |&id| entries[id as usize].as_ref().map_or(0, |e| e.hash));
    }

    fn remove(&mut self, id: u32) -> Option<Arc<Entry<T>>> {
        let entry = self.entries.get_mut(id as usize)?.take()?;
        if let Ok(found) = self.table.find_entry(entry.hash, |&other| other == id) {
            found.remove();
        }
        Some(entry)
    }

    fn bytes(&self) -> u64 {
        (self.table.allocation_size()
            + self.entries.capacity() * size_of::<Option<Arc<Entry<T>>>>()) as u64
    }
}

/// Whether two keys are equal. Most have 8 to 16 bytes, for which a call takes longer than two words.
#[inline(always)]
fn same(a: &[u8], b: &[u8]) -> bool {
    let words = |key: &[u8]| {
        let word = |bytes: Option<&[u8; 8]>| bytes.map(|bytes| u64::from_le_bytes(*bytes));
        (word(key.first_chunk()), word(key.last_chunk()))
    };
    a.len() == b.len() && if (8..=16).contains(&a.len()) { words(a) == words(b) } else { a == b }
}

/// The readers' side.
#[derive(Debug)]
pub(crate) struct Names<T> {
    map: RwLock<Map<T>>,
    hasher: RandomState,
    /// Exact heap bytes of both maps and all entries.
    bytes: Counter,
    live: Counter,
}

/// The writer's side.
#[derive(Debug)]
pub(crate) struct NamesWriter<T> {
    map: Map<T>,
    free: Vec<u32>,
    entry_bytes: u64,
}

impl<T> Names<T> {
    pub(crate) fn new() -> (Self, NamesWriter<T>) {
        let names = Self {
            map: RwLock::new(Map::new()),
            hasher: RandomState::default(),
            bytes: Counter::new(),
            live: Counter::new(),
        };
        (names, NamesWriter { map: Map::new(), free: Vec::new(), entry_bytes: 0 })
    }

    /// Without the length in front that hashing a slice would add: a key is all there is.
    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }

    /// The entry with this text, with its id.
    pub(crate) fn find(&self, key: &[u8]) -> Option<(u32, Arc<Entry<T>>)> {
        let hash = self.hash(key);
        let map = self.map.read();
        let id = map.find(hash, key)?;
        Some((id, Arc::clone(map.entry(id)?)))
    }

    /// Calls `f` with a way to look ids up, under one lock. An id that was read from a record means that record's
    /// name only if the record is still held afterwards.
    pub(crate) fn resolve<R>(
        &self,
        f: impl FnOnce(&dyn Fn(u32) -> Option<Arc<Entry<T>>>) -> R,
    ) -> R {
        let map = self.map.read();
        f(&|id| map.entry(id).cloned())
    }

    /// All entries.
    pub(crate) fn list(&self) -> Vec<Arc<Entry<T>>> {
        self.map.read().entries.iter().flatten().cloned().collect()
    }

    /// Exact heap bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// How many names there are.
    pub(crate) fn len(&self) -> u64 {
        self.live.get()
    }
}

impl<T> NamesWriter<T> {
    #[inline]
    pub(crate) fn get(&self, id: u32) -> &Entry<T> {
        match self.map.entry(id) {
            Some(entry) => entry,
            // Ids come from slots that keep their entry referenced.
            None => unreachable!("an id in use has an entry"),
        }
    }

    pub(crate) fn share(&self, id: u32) -> Arc<Entry<T>> {
        match self.map.entry(id) {
            Some(entry) => Arc::clone(entry),
            None => unreachable!("an id in use has an entry"),
        }
    }

    /// The id of `key`, made with `extra` if it is new, with one more reference.
    #[inline]
    pub(crate) fn acquire(
        &mut self,
        names: &Names<T>,
        key: &[u8],
        extra: impl FnOnce() -> T,
    ) -> u32 {
        let hash = names.hash(key);
        let id = match self.map.find(hash, key) {
            Some(id) => id,
            None => self.insert(names, key, hash, extra()),
        };
        self.get(id).refs.add(1);
        id
    }

    /// The id of `key`, if it is there.
    #[inline]
    pub(crate) fn find(&self, names: &Names<T>, key: &[u8]) -> Option<u32> {
        self.map.find(names.hash(key), key)
    }

    #[cold]
    fn insert(&mut self, names: &Names<T>, key: &[u8], hash: u64, extra: T) -> u32 {
        let id = self.free.pop().unwrap_or(self.map.entries.len() as u32);
        let entry =
            Entry { key: key.into(), chain: Chain::new(), extra, hash, refs: Counter::new() };
        let entry = Arc::new(entry);
        self.entry_bytes += Self::bytes_of(&entry);
        self.map.insert(id, Arc::clone(&entry));
        let shared_bytes = {
            let mut map = names.map.write();
            map.insert(id, entry);
            map.bytes()
        };
        self.account(names, shared_bytes);
        id
    }

    #[inline]
    pub(crate) fn retain(&self, id: u32) {
        self.get(id).refs.add(1);
    }

    /// Takes the oldest record out of the chain of its name, and gives its reference back.
    #[inline]
    pub(crate) fn forget(&mut self, names: &Names<T>, id: u32) {
        let entry = self.get(id);
        entry.chain.shrink();
        entry.refs.sub(1);
        if entry.refs.get() == 0 {
            self.remove(names, id);
        }
    }

    /// Gives one reference back; the entry that this was the last of is returned.
    #[inline]
    pub(crate) fn release(&mut self, names: &Names<T>, id: u32) -> Option<Arc<Entry<T>>> {
        let refs = &self.get(id).refs;
        refs.sub(1);
        if refs.get() == 0 { self.remove(names, id) } else { None }
    }

    #[cold]
    fn remove(&mut self, names: &Names<T>, id: u32) -> Option<Arc<Entry<T>>> {
        let shared_bytes = {
            let mut map = names.map.write();
            map.remove(id);
            map.bytes()
        };
        let entry = self.map.remove(id)?;
        self.free.push(id);
        self.entry_bytes -= Self::bytes_of(&entry);
        self.account(names, shared_bytes);
        Some(entry)
    }

    /// Bytes of the entries, without the tables.
    pub(crate) fn entry_bytes(&self) -> u64 {
        self.entry_bytes
    }

    fn bytes_of(entry: &Entry<T>) -> u64 {
        // An Arc's allocation has two counters in front of the value.
        (2 * size_of::<usize>() + size_of::<Entry<T>>() + entry.key.len()) as u64
    }

    fn account(&self, names: &Names<T>, shared_bytes: u64) {
        let free = (self.free.capacity() * size_of::<u32>()) as u64;
        let total = self.map.bytes() + shared_bytes + self.entry_bytes + free;
        names.bytes.set(total);
        names.live.set(self.map.table.len() as u64);
    }
}
