//! Names, stored once: text to id, id to text, how many records use it, and which is the newest of them.
//!
//! The writer keeps what it needs to find a name to itself, so that adding a record with known names takes no lock. Readers
//! have a map of their own behind a lock that the writer touches only when a name appears or disappears. The heads of the
//! chains, which every record changes, are what both share; they stand close together, because a thousand of them scattered
//! over memory cost as much as a good part of an insert.

mod table;

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use flightring_sync::prefetch;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use self::table::Table;
use crate::sync::{AtomicU64, Counter, Ordering, RwLock};

/// "No record": positions never reach it.
pub(crate) const NONE: u64 = u64::MAX;

/// The head of a chain of records: the newest, and how many there are.
#[derive(Debug)]
pub(crate) struct Chain {
    newest: AtomicU64,
    count: Counter,
}

/// A chain's head, as it was at some moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) newest: u64,
    pub(crate) count: u64,
}

impl Chain {
    pub(crate) fn new() -> Self {
        Self { newest: AtomicU64::new(NONE), count: Counter::new() }
    }

    pub(crate) fn head(&self) -> Head {
        Head { newest: self.newest.load(Ordering::Acquire), count: self.count.get() }
    }

    /// Counts a record that will be linked.
    #[inline(always)]
    pub(crate) fn hold(&self) {
        self.count.add(1);
    }

    /// The distance from `position`, whose record is counted already, back to the newest; 0 if there is no other.
    #[inline(always)]
    pub(crate) fn link(&self, position: u64) -> u32 {
        if self.count.get() == 1 {
            return 0;
        }
        // Held records are less than 2^31 apart.
        (position - self.newest.load(Ordering::Relaxed)) as u32
    }

    /// Lets readers find `position`, whose slot is written, as the newest.
    #[inline(always)]
    pub(crate) fn publish(&self, position: u64) {
        self.newest.store(position, Ordering::Release);
    }

    /// Forgets one record, the oldest, and returns how many are left.
    #[inline(always)]
    pub(crate) fn shrink(&self) -> u64 {
        self.count.sub(1);
        self.count.get()
    }
}

/// For so many names there is room at first.
const FEW: usize = if cfg!(loom) { 2 } else { 16 };

/// The heads of all chains, by id. When there is no room for one more they move, under the lock of the readers, who look at them
/// under it only.
type Chains = Arc<[Chain]>;

/// One interned name.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    pub(crate) key: Box<[u8]>,
    pub(crate) extra: T,
    hash: u64,
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
    chains: Chains,
}

impl<T> Map<T> {
    fn new() -> Self {
        Self { table: HashTable::new(), entries: Vec::new(), chains: Chains::default() }
    }

    fn entry(&self, id: u32) -> Option<&Arc<Entry<T>>> {
        self.entries.get(id as usize)?.as_ref()
    }

    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.table
            .find(hash, |&id| self.entry(id).is_some_and(|e| e.hash == hash && *e.key == *key))
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

/// The same chains, with room for as many more.
fn longer(chains: &Chains) -> Chains {
    let copy = |chain: &Chain| {
        let Head { newest, count } = chain.head();
        Chain { newest: AtomicU64::new(newest), count: Counter::starting_at(count) }
    };
    (0..FEW.max(2 * chains.len())).map(|id| chains.get(id).map_or_else(Chain::new, copy)).collect()
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
    table: Table<T>,
    chains: Chains,
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
        (names, NamesWriter { table: Table::new(), chains: Chains::default(), entry_bytes: 0 })
    }

    /// Without the length in front that hashing a slice would add: a key is all there is.
    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }

    /// The id of a name, and the head of its chain. Ids are given again, so the chain of an id is known to be the name's
    /// only as long as the lock is held.
    pub(crate) fn find(&self, key: &[u8]) -> Option<(u32, Head)> {
        let hash = self.hash(key);
        let map = self.map.read();
        let id = map.find(hash, key)?;
        Some((id, map.chains[id as usize].head()))
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

    /// All entries, and how many records each has.
    pub(crate) fn list(&self) -> Vec<(Arc<Entry<T>>, u64)> {
        let map = self.map.read();
        let entries = (0..).zip(&map.entries);
        let entries = entries.filter_map(|(id, entry)| Some((id, Arc::clone(entry.as_ref()?))));
        entries.map(|(id, entry)| (entry, map.chains[id as usize].head().count)).collect()
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
    /// The chain of an id.
    #[inline(always)]
    pub(crate) fn chain(&self, id: u32) -> &Chain {
        &self.chains[id as usize]
    }

    /// Has the chain of an id fetched, which will be changed soon.
    #[inline(always)]
    pub(crate) fn expect(&self, id: u32) {
        prefetch::for_writing_at(self.chains.as_ptr().wrapping_add(id as usize).cast(), 1);
    }

    /// The entry of an id, which must be in use.
    pub(crate) fn entry(&self, id: u32) -> &Arc<Entry<T>> {
        match &self.table.known(id).entry {
            Some(entry) => entry,
            // Ids come from slots that keep their entry in use.
            None => unreachable!("an id in use has an entry"),
        }
    }

    /// What [`set_note`](Self::set_note) noted; 0 of a new name.
    #[inline(always)]
    pub(crate) fn note(&self, id: u32) -> u32 {
        self.table.known(id).note
    }

    /// Notes a number beside a name.
    pub(crate) fn set_note(&mut self, id: u32, note: u32) {
        self.table.known_mut(id).note = note;
    }

    /// The id of `key`, made with `extra` if it is new, for one more record.
    #[inline(always)]
    pub(crate) fn acquire(
        &mut self,
        names: &Names<T>,
        key: &[u8],
        extra: impl FnOnce() -> T,
    ) -> u32 {
        let id = self.find_or_insert(names, key, extra);
        self.chain(id).hold();
        id
    }

    /// The same for another name that keeps this one, until [`let_go`](Self::let_go).
    pub(crate) fn keep(&mut self, names: &Names<T>, key: &[u8], extra: impl FnOnce() -> T) -> u32 {
        let id = self.find_or_insert(names, key, extra);
        self.keep_another(id);
        id
    }

    /// The same for a name that is in use.
    pub(crate) fn keep_another(&mut self, id: u32) {
        self.table.known_mut(id).keepers += 1;
    }

    #[inline(always)]
    fn find_or_insert(&mut self, names: &Names<T>, key: &[u8], extra: impl FnOnce() -> T) -> u32 {
        match self.find(names, key) {
            Some(id) => id,
            None => self.insert(names, key, extra()),
        }
    }

    /// The id of `key`, if it is there.
    #[inline(always)]
    pub(crate) fn find(&self, names: &Names<T>, key: &[u8]) -> Option<u32> {
        self.table.find(names.hash(key) as u32, key)
    }

    #[cold]
    fn insert(&mut self, names: &Names<T>, key: &[u8], extra: T) -> u32 {
        let hash = names.hash(key);
        let entry = Arc::new(Entry { key: key.into(), extra, hash });
        self.entry_bytes += Self::bytes_of(&entry);
        let id = self.table.insert(hash as u32, Arc::clone(&entry));
        let shared_bytes = {
            let mut map = names.map.write();
            if self.table.ids() > self.chains.len() {
                self.chains = longer(&self.chains);
                map.chains = Arc::clone(&self.chains);
            }
            map.insert(id, entry);
            map.bytes()
        };
        self.account(names, shared_bytes);
        id
    }

    /// Forgets the oldest record of a name; the entry of a name that nobody needs any more is returned.
    #[inline(always)]
    pub(crate) fn release(&mut self, names: &Names<T>, id: u32) -> Option<Arc<Entry<T>>> {
        if self.chain(id).shrink() == 0 { self.remove_unused(names, id) } else { None }
    }

    /// Ends what [`keep`](Self::keep) began; as [`release`](Self::release).
    pub(crate) fn let_go(&mut self, names: &Names<T>, id: u32) -> Option<Arc<Entry<T>>> {
        self.table.known_mut(id).keepers -= 1;
        self.remove_unused(names, id)
    }

    /// Removes a name, unless it has records, or others keep it.
    #[cold]
    #[inline(never)]
    pub(crate) fn remove_unused(&mut self, names: &Names<T>, id: u32) -> Option<Arc<Entry<T>>> {
        if self.table.known(id).keepers != 0 || self.chain(id).head().count != 0 {
            return None;
        }
        let shared_bytes = {
            let mut map = names.map.write();
            map.remove(id);
            // For the next name with this id.
            map.chains[id as usize].publish(NONE);
            map.bytes()
        };
        let entry = self.table.remove(id)?;
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
        let chains = 2 * size_of::<usize>() + size_of_val(&*self.chains);
        let own = self.table.heap_bytes() + chains;
        names.bytes.set(own as u64 + shared_bytes + self.entry_bytes);
        names.live.set(self.table.len() as u64);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::Names;
    use super::table::tests::key;

    #[derive(Debug, Clone)]
    enum Step {
        Acquire(Vec<u8>),
        Release(Vec<u8>),
        Keep(Vec<u8>),
        LetGo(Vec<u8>),
    }

    proptest! {
        #[test]
        fn names_come_and_go_as_in_a_map(
            steps in prop::collection::vec(
                prop_oneof![
                    4 => key().prop_map(Step::Acquire),
                    3 => key().prop_map(Step::Release),
                    1 => key().prop_map(Step::Keep),
                    1 => key().prop_map(Step::LetGo),
                ],
                0..600,
            ),
        ) {
            let (names, mut writer) = Names::new();
            // Of each name its id, its records and those who keep it.
            let mut model = HashMap::<Vec<u8>, (u32, u64, u64)>::new();
            for step in &steps {
                let (Step::Acquire(key) | Step::Release(key) | Step::Keep(key) | Step::LetGo(key)) = step;
                let known = model.get(key).copied();
                prop_assert_eq!(writer.find(&names, key), known.map(|(id, ..)| id));
                let new = match (step, known) {
                    (Step::Acquire(_), known) => {
                        let id = writer.acquire(&names, key, || ());
                        let (_, records, keepers) = known.unwrap_or_default();
                        Some((id, records + 1, keepers))
                    }
                    (Step::Keep(_), known) => {
                        let id = writer.keep(&names, key, || ());
                        let (_, records, keepers) = known.unwrap_or_default();
                        Some((id, records, keepers + 1))
                    }
                    (Step::Release(_), Some((id, records, keepers))) if records > 0 => {
                        let gone = writer.release(&names, id).is_some();
                        prop_assert_eq!(gone, records + keepers == 1);
                        Some((id, records - 1, keepers))
                    }
                    (Step::LetGo(_), Some((id, records, keepers))) if keepers > 0 => {
                        writer.let_go(&names, id);
                        Some((id, records, keepers - 1))
                    }
                    (_, known) => known,
                };
                match new {
                    Some((_, 0, 0)) => drop(model.remove(key)),
                    Some(new) => drop(model.insert(key.clone(), new)),
                    None => {}
                }
                prop_assert_eq!(names.len(), model.len() as u64);
            }
            for (key, (id, records, _)) in &model {
                prop_assert_eq!(writer.find(&names, key), Some(*id));
                let found = names.find(key).map(|(id, head)| (id, head.count));
                prop_assert_eq!(found, Some((*id, *records)));
                prop_assert_eq!(&*writer.entry(*id).key, key.as_slice());
            }
            let mut listed = names.list();
            prop_assert_eq!(listed.len(), model.len());
            listed.retain(|(entry, records)| {
                model.get(&*entry.key).is_none_or(|(_, expected, _)| expected != records)
            });
            prop_assert!(listed.is_empty());
        }
    }
}
