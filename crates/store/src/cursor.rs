//! Walking the chains: from a filter to records, page by page, without ever stopping a writer.

use std::sync::Arc;

use crate::core::{By, Core, Shared, Slot};
use crate::decode::{
    MAX_NAME, Signal, any_value, attributes, cut, resource_attributes, value_contains,
};
use crate::filter::{Filter, FilterError, Order};
use crate::intern::{Head, NONE};
use crate::page::{Hit, Page};
use crate::parts::trace_words;
use crate::record::RecordRef;
use crate::series::{Answer, Series};
use crate::wire::{Value, fields};

/// Records fetched at a time.
const PAGE: usize = 64;
/// Of these, slots that are looked at before the bytes of their records are copied.
const AHEAD: usize = 16;

/// How much of what was asked for an answer can speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// From this sequence number on nothing that matches is missing from the answer (up to the answer's end, see
    /// `truncated`).
    pub complete_since_sequence: u64,
    /// The arrival time of the oldest record that is still held, in nanoseconds since 1970; 0 if nothing was ever
    /// evicted, so that the answer is complete since the beginning.
    pub complete_since_time_ns: u64,
    /// One more than the last sequence number that was looked at.
    pub end_sequence: u64,
    /// How many records of the range asked for were evicted, whether they would have matched or not.
    pub evicted: u64,
    /// Whether the limit was met before everything was looked at.
    pub truncated: bool,
}

/// A filter, with its names looked up in a store.
struct Matcher {
    signal: Signal,
    filter: Filter,
    finder: Option<Box<memchr::memmem::Finder<'static>>>,
    trace: Option<[u64; 2]>,
    service: Option<u32>,
    names: Option<Vec<u32>>,
    classes: Option<Vec<u8>>,
}

/// Where the walk stands.
enum Walk {
    /// Nothing can match.
    Nothing,
    /// Every position downwards; the next one to look at is below this.
    Down(u64),
    /// Every position upwards.
    Up(u64),
    /// Back along a chain; the next one to look at, or none.
    Chain(By, u64),
    /// Back along several chains, always taking the newest.
    Chains(By, Vec<u64>),
    /// Positions that were collected, to be taken from the end.
    Collected(Vec<u64>),
}

/// An answer that is computed as it is read.
///
/// It is as of the moment it was made: records that arrive later are not in it. Records that are evicted while it is
/// read drop out of it, and the coverage says so. It holds no lock.
pub struct Cursor {
    core: Arc<Core>,
    matcher: Matcher,
    walk: Walk,
    /// Instead of a walk, for points that are kept by series.
    answer: Option<Answer>,
    page: Page,
    /// The range of positions that was asked for.
    asked: (u64, u64),
    /// The same, without what was evicted before the cursor was made.
    from: u64,
    returned: usize,
    last: Option<u64>,
    current: Option<usize>,
    finished: bool,
    truncated: bool,
}

impl Cursor {
    pub(crate) fn new(
        core: Arc<Core>,
        signal: Signal,
        filter: Filter,
    ) -> Result<Self, FilterError> {
        filter.check(signal)?;
        let shared = &core.shared;
        // The end first: an id that is looked up afterwards is right for
        // every record before it.
        let (tail, head) = shared.bounds();
        let start = filter.from_sequence.map_or(shared.first_position(), |at| shared.position(at));
        let end = filter.to_sequence.map_or(head, |at| shared.position(at));
        let asked = (start, end.min(head).max(start));
        let from = asked.0.max(tail).min(asked.1.max(tail));
        let finder = filter
            .text
            .as_ref()
            .map(|text| Box::new(memchr::memmem::Finder::new(text.as_bytes()).into_owned()));
        let classes = filter.classes(signal);
        let mut matcher =
            Matcher { signal, filter, finder, trace: None, service: None, names: None, classes };
        let (walk, answer) = matcher.plan(&core, asked, from);
        Ok(Self {
            matcher,
            walk,
            answer,
            page: shared.pages.take(),
            asked,
            from,
            returned: 0,
            last: None,
            current: None,
            finished: false,
            truncated: false,
            core,
        })
    }

    /// The next record, or `None` at the end of the answer.
    #[allow(clippy::should_implement_trait)] // what it returns borrows from the cursor
    #[inline]
    pub fn next(&mut self) -> Option<RecordRef<'_>> {
        self.ready().then(|| self.take())
    }

    /// The next record if it came with `origin`; otherwise it stays the next.
    pub(crate) fn next_of_origin(&mut self, origin: &[u8]) -> Option<RecordRef<'_>> {
        (self.ready() && *self.record(self.page.next).origin() == *origin).then(|| self.take())
    }

    /// The record that [`next`](Self::next) returned last; `None` before the first and after the last.
    #[must_use]
    pub fn current(&self) -> Option<RecordRef<'_>> {
        self.current.map(|index| self.record(index))
    }

    /// What kind of records these are.
    #[must_use]
    pub fn signal(&self) -> Signal {
        self.matcher.signal
    }

    /// Whether the page has a next record to return.
    #[inline]
    fn ready(&mut self) -> bool {
        if self.matcher.filter.limit.is_some_and(|limit| self.returned >= limit) {
            self.look_beyond();
            return false;
        }
        self.page.next < self.page.hits.len() || self.fetch()
    }

    #[inline]
    fn take(&mut self) -> RecordRef<'_> {
        let index = self.page.next;
        self.page.next += 1;
        self.returned += 1;
        self.last = Some(self.page.hits[index].slot.position);
        self.current = Some(index);
        self.record(index)
    }

    /// Whether the limit cut the answer: something more must match.
    fn look_beyond(&mut self) {
        if !self.finished && !self.truncated {
            self.truncated = self.page.next < self.page.hits.len() || self.fetch();
        }
    }

    #[inline]
    fn record(&self, index: usize) -> RecordRef<'_> {
        let hit = &self.page.hits[index];
        RecordRef {
            signal: self.matcher.signal,
            sequence: self.core.shared.sequence(hit.slot.position),
            slot: &hit.slot,
            origin: &self.page.origins[hit.origin],
            wire: self.page.wire(hit.start, hit.slot.len),
        }
    }

    /// Fills the page; `false` at the end.
    fn fetch(&mut self) -> bool {
        let Self { core, matcher, walk, page, .. } = self;
        let shared = &core.shared;
        self.current = None;
        while !self.finished {
            page.clear();
            let room = matcher
                .filter
                .limit
                .map_or(PAGE, |limit| limit.saturating_sub(self.returned).clamp(1, PAGE));
            if let Some(answer) = &mut self.answer {
                self.finished = !page.fill(shared, answer, room);
            } else {
                while page.hits.len() < room && !self.finished {
                    // First the slots of all records, while the bytes of the first ones are on their way here.
                    let copied = page.hits.len();
                    while page.hits.len() < room.min(copied + AHEAD) {
                        let slot = page.next_slot();
                        if !next_of(shared, walk, self.asked, self.from, slot) {
                            page.hits.pop();
                            self.finished = true;
                            break;
                        }
                        if matcher.slot_matches(slot) {
                            shared.arena.expect(slot.offset, slot.len as usize);
                        } else {
                            page.hits.pop();
                        }
                    }
                    matcher.copy_hits(shared, page, copied);
                }
                matcher.add_origins(shared, page);
            }
            if !page.hits.is_empty() {
                return true;
            }
        }
        false
    }

    /// What the answer, as far as it was read, can speak of. Ask after the last record.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let shared = &self.core.shared;
        let (tail, _) = shared.bounds();
        let evicted = tail.min(self.asked.1).saturating_sub(self.asked.0);
        let oldest = if tail == shared.first_position() { 0 } else { self.core.oldest_arrival() };
        Coverage {
            complete_since_sequence: shared.sequence(self.asked.0.max(tail.min(self.asked.1))),
            complete_since_time_ns: oldest,
            end_sequence: shared.sequence(self.asked.1),
            evicted,
            truncated: self.truncated,
        }
    }

    /// The range to ask for to go on after the last record returned, with the same filter: see [`Filter::within`].
    /// `None` before the first record.
    #[must_use]
    pub fn rest(&self) -> Option<std::ops::Range<u64>> {
        let last = self.last?;
        let shared = &self.core.shared;
        Some(match self.matcher.filter.order {
            Order::NewestFirst => shared.sequence(self.asked.0)..shared.sequence(last),
            Order::OldestFirst => shared.sequence(last + 1)..shared.sequence(self.asked.1),
        })
    }
}

impl Matcher {
    /// Looks the filter's names up and chooses the chain to follow: the one with the fewest records.
    fn plan(&mut self, core: &Core, asked: (u64, u64), from: u64) -> (Walk, Option<Answer>) {
        let shared = &core.shared;
        let mut best = (u64::MAX, None);
        let mut offer = |count: u64, by: By, heads: Heads| {
            if count < best.0 {
                best = (count, Some((by, heads)));
            }
        };
        if let Some(service) = &self.filter.service {
            let Some((id, head)) = shared.services.find(cut(service.as_bytes(), MAX_NAME)) else {
                return (Walk::Nothing, None);
            };
            self.service = Some(id);
            offer(head.count, By::Service, Heads::One(head.newest));
        }
        if !self.filter.names.is_empty() {
            let mut found = self
                .filter
                .names
                .iter()
                .filter_map(|name| shared.names.find(cut(name.as_bytes(), MAX_NAME)))
                .collect::<Vec<_>>();
            found.sort_unstable_by_key(|(id, _)| *id);
            found.dedup_by_key(|(id, _)| *id);
            let chains = found.iter().map(|(_, head)| *head).collect::<Vec<_>>();
            offer(total(&chains), By::Name, heads(&chains));
            self.names = Some(found.iter().map(|(id, _)| *id).collect());
        }
        if let Some(classes) = &self.classes {
            let chains = classes
                .iter()
                .map(|&class| shared.classes[usize::from(class)].head())
                .collect::<Vec<_>>();
            offer(total(&chains), By::Class, heads(&chains));
        }
        if let Some(trace) = self.filter.trace_id {
            let trace = trace_words(trace);
            let Some(newest) = core.newest_of_trace(trace) else { return (Walk::Nothing, None) };
            self.trace = Some(trace);
            best = (0, Some((By::Trace, Heads::One(newest))));
        }
        if shared.by_series {
            let compiled = &*self;
            let wanted = |series: &Series| {
                compiled.service.is_none_or(|service| service == series.service)
                    && compiled.names.as_ref().is_none_or(|names| names.contains(&series.name))
                    && compiled
                        .classes
                        .as_ref()
                        .is_none_or(|classes| classes.contains(&series.class))
            };
            let newest_first = self.filter.order == Order::NewestFirst;
            let answer =
                Answer::collect(shared, &self.filter, (from, asked.1), newest_first, wanted);
            return (Walk::Nothing, Some(answer));
        }
        let walk = match (best.1, self.filter.order) {
            (None, Order::NewestFirst) => Walk::Down(asked.1),
            (None, Order::OldestFirst) => Walk::Up(from),
            (Some((by, heads)), order) => {
                let mut walk = match heads {
                    Heads::One(head) => Walk::Chain(by, resumed(shared, asked.1, by, head)),
                    Heads::Many(heads) => Walk::Chains(by, heads),
                };
                if order == Order::OldestFirst {
                    let mut positions = Vec::new();
                    let mut slot = Slot::default();
                    while next_of(shared, &mut walk, asked, from, &mut slot) {
                        positions.push(slot.position);
                    }
                    walk = Walk::Collected(positions);
                }
                walk
            }
        };
        (walk, None)
    }

    /// Copies the bytes of the page's hits from `first` on, and drops those that do not match, or were evicted before all
    /// of them was copied.
    fn copy_hits(&self, shared: &Shared, page: &mut Page, first: usize) {
        let mut hits = std::mem::take(&mut page.hits);
        let mut index = 0;
        let mut is_new = || {
            index += 1;
            index > first
        };
        if self.finder.is_some() {
            hits.retain_mut(|hit| {
                !is_new() || {
                    hit.start = page.copy(shared, &hit.slot);
                    let matches = shared.still_held(hit.slot.position)
                        && self.body_matches(page.wire(hit.start, hit.slot.len));
                    if !matches {
                        page.take_back(hit.start);
                    }
                    matches
                }
            });
        } else {
            for hit in &mut hits[first..] {
                hit.start = page.copy(shared, &hit.slot);
            }
            if !all_held(shared, &hits[first..]) {
                hits.retain(|hit| !is_new() || shared.still_held(hit.slot.position));
            }
        }
        page.hits = hits;
    }

    fn slot_matches(&self, slot: &Slot) -> bool {
        let filter = &self.filter;
        let duration = slot.end.saturating_sub(slot.time);
        self.trace.is_none_or(|trace| trace == slot.trace)
            && self.service.is_none_or(|service| service == slot.service)
            && self.names.as_ref().is_none_or(|names| names.contains(&slot.name))
            && self.classes.as_ref().is_none_or(|classes| classes.contains(&slot.class))
            && filter.min_duration_ns.is_none_or(|least| duration >= least)
            && filter.max_duration_ns.is_none_or(|most| duration <= most)
            && filter.from_time_ns.is_none_or(|from| slot.time >= from)
            && filter.to_time_ns.is_none_or(|to| slot.time < to)
    }

    fn body_matches(&self, wire: &[u8]) -> bool {
        self.finder.as_ref().is_none_or(|finder| {
            let body = fields(wire).flatten().filter(|field| field.0 == 5).last();
            let Some((_, Value::Bytes(body))) = body else { return false };
            matches!(any_value(body), Ok(Some(value)) if value_contains(&value, finder, 0))
        })
    }

    /// Looks the origins of the page up, all at once, and drops what was evicted meanwhile: its origin's id may
    /// already mean another.
    fn add_origins(&self, shared: &Shared, page: &mut Page) {
        // Spans of a trace come from a few services in turn.
        const RECENT: usize = 8;
        let mut recent = [(u32::MAX, 0); RECENT];
        shared.origins.resolve(|get| {
            for hit in &mut page.hits {
                let id = hit.slot.origin;
                if let Some(&(_, known)) = recent.iter().find(|(other, _)| *other == id) {
                    hit.origin = known;
                    continue;
                }
                let Some(origin) = get(id) else {
                    hit.origin = usize::MAX;
                    continue;
                };
                hit.origin = page.origins.len();
                recent[hit.origin % RECENT] = (id, hit.origin);
                page.origins.push(origin);
            }
        });
        if self.filter.attributes.is_empty() && all_held(shared, &page.hits) {
            return;
        }
        let mut hits = std::mem::take(&mut page.hits);
        hits.retain(|hit| {
            hit.origin != usize::MAX && shared.still_held(hit.slot.position) && {
                let wire = page.wire(hit.start, hit.slot.len);
                attributes_match(self.signal, &self.filter, wire, &page.origins[hit.origin].key)
            }
        });
        page.hits = hits;
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.core.shared.pages.give_back(std::mem::take(&mut self.page));
    }
}

/// Whether all of them are still held, so that what was read of them before this call is true.
fn all_held(shared: &Shared, hits: &[Hit]) -> bool {
    // The tail only moves up.
    let oldest = hits.iter().map(|hit| hit.slot.position).min();
    oldest.is_none_or(|position| shared.still_held(position))
}

/// Where to begin on a chain: if the range ends at one of its records, as it does when an answer is continued, at
/// that record instead of at the newest.
fn resumed(shared: &Shared, end: u64, by: By, head: u64) -> u64 {
    if head == NONE || head <= end {
        return head;
    }
    let (Some(newest), Some(at)) = (shared.load(head), shared.load(end)) else { return head };
    let same = match by {
        By::Trace => at.trace == newest.trace,
        By::Service => at.service == newest.service,
        By::Name => at.name == newest.name,
        By::Class => at.class == newest.class,
    };
    if same { end } else { head }
}

/// The newest records of the chains to follow.
enum Heads {
    One(u64),
    Many(Vec<u64>),
}

fn heads(chains: &[Head]) -> Heads {
    match chains {
        [chain] => Heads::One(if chain.count > 0 { chain.newest } else { NONE }),
        _ => Heads::Many(
            chains.iter().filter(|chain| chain.count > 0).map(|chain| chain.newest).collect(),
        ),
    }
}

fn total(chains: &[Head]) -> u64 {
    chains.iter().map(|chain| chain.count).sum()
}

/// The record before one on a chain.
fn before(slot: &Slot, by: By) -> u64 {
    match slot.links[by as usize] {
        0 => NONE,
        link => slot.position.saturating_sub(u64::from(link)),
    }
}

/// Copies the next record of the walk that is held and within the range to `slot`; `false` at the end.
#[inline]
fn next_of(
    shared: &Shared,
    walk: &mut Walk,
    (_, to): (u64, u64),
    from: u64,
    slot: &mut Slot,
) -> bool {
    match walk {
        Walk::Nothing => false,
        Walk::Down(next) => {
            let Some(position) = next.checked_sub(1).filter(|&position| position >= from) else {
                return false;
            };
            *next = position;
            let held = shared.load_to(position, slot);
            if !held {
                *walk = Walk::Nothing;
            }
            held
        }
        Walk::Up(next) => loop {
            let (tail, _) = shared.bounds();
            *next = (*next).max(tail);
            if *next >= to {
                return false;
            }
            *next += 1;
            // Evicted between the two looks: take the next one.
            if shared.load_to(*next - 1, slot) {
                return true;
            }
        },
        Walk::Chain(by, next) => loop {
            // Everything further back is older than the range, or evicted.
            if *next == NONE || *next < from || !shared.load_to(*next, slot) {
                return false;
            }
            *next = before(slot, *by);
            if slot.position < to {
                return true;
            }
        },
        Walk::Chains(by, heads) => loop {
            let newest = heads
                .iter()
                .copied()
                .enumerate()
                .filter(|(_, p)| *p != NONE)
                .max_by_key(|(_, p)| *p);
            let Some((index, position)) = newest else { return false };
            if position < from || !shared.load_to(position, slot) {
                return false;
            }
            heads[index] = before(slot, *by);
            if position < to {
                return true;
            }
        },
        Walk::Collected(positions) => loop {
            let Some(position) = positions.pop() else { return false };
            if shared.load_to(position, slot) {
                return true;
            }
        },
    }
}

/// Whether the record or its resource has all attributes that are asked for.
fn attributes_match(signal: Signal, filter: &Filter, wire: &[u8], origin: &[u8]) -> bool {
    filter.attributes.iter().all(|wanted| {
        attributes(signal, wire).any(|attribute| wanted.matches(attribute))
            || resource_attributes(origin).any(|attribute| wanted.matches(attribute))
    })
}
