//! The origin's algorithm: a ring of records, and for each index a map from key to the list of ring positions. Evicting
//! removes the position from each list by building the list anew.

use std::collections::HashMap;

use super::{Candidate, Record};

struct Entry {
    trace: [u8; 16],
    span: [u8; 8],
    service: String,
    name: String,
    start: u64,
    payload: String,
}

pub(crate) struct Origin {
    ring: Vec<Option<Entry>>,
    head: usize,
    by_trace: HashMap<[u8; 16], Vec<usize>>,
    by_service: HashMap<String, Vec<usize>>,
    by_name: HashMap<String, Vec<usize>>,
}

fn without(list: &[usize], position: usize) -> Vec<usize> {
    list.iter().copied().filter(|&p| p != position).collect()
}

fn remove<K: std::hash::Hash + Eq>(index: &mut HashMap<K, Vec<usize>>, key: &K, position: usize) {
    if let Some(list) = index.get_mut(key) {
        let rest = without(list, position);
        if rest.is_empty() {
            index.remove(key);
        } else {
            *list = rest;
        }
    }
}

impl Origin {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            ring: (0..capacity).map(|_| None).collect(),
            head: 0,
            by_trace: HashMap::new(),
            by_service: HashMap::new(),
            by_name: HashMap::new(),
        }
    }

    pub(crate) fn newest(&self, service: &str, count: usize) -> usize {
        self.by_service
            .get(service)
            .map_or(0, |list| self.copied(&list[list.len().saturating_sub(count)..]))
    }

    fn copied(&self, positions: &[usize]) -> usize {
        let copies = positions.iter().filter_map(|&p| self.ring[p].as_ref());
        let copies = copies.map(|e| {
            (e.trace, e.span, e.service.clone(), e.name.clone(), e.start, e.payload.clone())
        });
        copies.collect::<Vec<_>>().iter().map(|copy| copy.5.len()).sum()
    }
}

impl Candidate for Origin {
    fn insert(&mut self, record: &Record<'_>) {
        let position = self.head;
        self.head = (self.head + 1) % self.ring.len();
        if let Some(old) = self.ring[position].take() {
            remove(&mut self.by_trace, &old.trace, position);
            remove(&mut self.by_service, &old.service, position);
            remove(&mut self.by_name, &old.name, position);
        }
        self.by_trace.entry(record.trace).or_default().push(position);
        self.by_service.entry(record.service.to_owned()).or_default().push(position);
        self.by_name.entry(record.name.to_owned()).or_default().push(position);
        self.ring[position] = Some(Entry {
            trace: record.trace,
            span: record.span,
            service: record.service.to_owned(),
            name: record.name.to_owned(),
            start: record.start,
            payload: record.payload.to_owned(),
        });
    }

    fn by_trace(&mut self, trace: [u8; 16]) -> usize {
        self.by_trace.get(&trace).map_or(0, |list| self.copied(list))
    }

    fn newest_of_service(&mut self, service: &str, count: usize) -> usize {
        self.newest(service, count)
    }
}
