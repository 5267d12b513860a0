//! Metric points by series: what repeats is kept once, what changes is compressed (see `chunk`).
//!
//! A series is everything that its points have in common: resource and scope, name, unit, description, type, attributes, and how
//! values are coded. A point is then a sequence number, a time, a start time and a value in the series' newest chunk, and
//! four bytes that say which series a sequence number belongs to, so that the oldest point can be evicted.
//! Points that are no single number (histograms, or numbers with exemplars) are kept as their wire bytes without the
//! attributes.
//!
//! Arrival times are kept to the second, for age and coverage.

use std::sync::Arc;

use flightring_ring::{CreateError, SlotRing};

use crate::chunk::{Kind, Sample};
use crate::core::{Origin, Shared, Slot};
use crate::decode::{METRIC_FIELDS, messages, point_attributes, resource_attributes};
use crate::filter::Filter;
use crate::intern::{Entry, NamesWriter};
use crate::parts::Record;
use crate::points::{Copied, Points};
use crate::sync::Mutex;
use crate::wire::{Encode, Value, fields};

/// Arrival times are kept this exactly, in nanoseconds.
const ARRIVAL_STEP: u64 = 1_000_000_000;

/// What a series is, beside its key: origin id, kind, type, and the three lengths and contents of header, data, attributes.
#[derive(Debug)]
pub(crate) struct Series {
    origin: u32,
    origin_entry: Arc<Origin>,
    pub(crate) service: u32,
    pub(crate) name: u32,
    pub(crate) class: u8,
    oversize: bool,
    kind: Kind,
    /// Where in the key the parts of the message end: the metric's own fields, those of its data, the attributes.
    ends: [usize; 3],
    points: Mutex<Points>,
}

/// Bytes in front of the parts in a key.
const KEY_HEAD: usize = 4 + 3 + 12;

impl Entry<Series> {
    fn part(&self, index: usize) -> &[u8] {
        let start = if index == 0 { KEY_HEAD } else { self.extra.ends[index - 1] };
        &self.key[start..self.extra.ends[index]]
    }

    /// Appends OTLP's `Metric` message with one point.
    fn put_wire(&self, sample: &Sample, raw: &[u8], out: &mut Vec<u8>) {
        let series = &self.extra;
        out.extend_from_slice(self.part(0));
        out.put_message(METRIC_FIELDS[usize::from(series.class).min(5)], |out| {
            if series.oversize {
                return;
            }
            out.put_message(1, |out| {
                if series.kind == Kind::Raw {
                    out.extend_from_slice(raw);
                } else {
                    if sample.start != 0 {
                        out.put_fixed64(2, sample.start);
                    }
                    if sample.time != 0 {
                        out.put_fixed64(3, sample.time);
                    }
                    out.put_fixed64(if series.kind == Kind::Double { 4 } else { 6 }, sample.value);
                }
                out.extend_from_slice(self.part(2));
            });
            out.extend_from_slice(self.part(1));
        });
    }
}

/// The writer's side.
pub(crate) struct SeriesWriter {
    names: NamesWriter<Series>,
    /// The series of each held point, by position.
    ring: SlotRing<u32>,
    /// Key, raw bytes and value of the point at hand.
    key: Vec<u8>,
    raw: Vec<u8>,
    value: u64,
    last_mark: u64,
    /// From this position on the oldest arrival time kept is not needed.
    second_mark: u64,
    arrival_bytes: u64,
    /// Heap bytes of all points.
    pub(crate) heap: u64,
    /// Bytes of these that are in use.
    pub(crate) used: u64,
}

/// A change of the names that a series keeps.
pub(crate) struct Gone {
    pub(crate) origin: u32,
    pub(crate) name: u32,
}

impl SeriesWriter {
    pub(crate) fn new(
        capacity: usize,
        start: u64,
        names: NamesWriter<Series>,
    ) -> Result<Self, CreateError> {
        Ok(Self {
            names,
            ring: SlotRing::starting_at(capacity, start)?,
            key: Vec::new(),
            raw: Vec::new(),
            value: 0,
            last_mark: 0,
            second_mark: u64::MAX,
            arrival_bytes: 0,
            heap: 0,
            used: 0,
        })
    }

    /// Takes a metric with one point apart.
    fn parse(&mut self, origin: u32, record: &Record<'_>) -> Kind {
        let (key, raw) = (&mut self.key, &mut self.raw);
        key.clear();
        raw.clear();
        key.extend_from_slice(&[0; KEY_HEAD]);
        let data_field = METRIC_FIELDS[usize::from(record.class).min(5)];
        let mut data: &[u8] = &[];
        for field in fields(record.wire).flatten() {
            match field {
                (number, Value::Bytes(bytes)) if number == data_field => data = bytes,
                (number, _) if METRIC_FIELDS.contains(&number) => {}
                (number, value) => key.put_value(number, value),
            }
        }
        let header = key.len();
        let mut point: Option<&[u8]> = None;
        for field in fields(data).flatten() {
            match field {
                (1, Value::Bytes(bytes)) => point = Some(bytes),
                (number, value) => key.put_value(number, value),
            }
        }
        let data = key.len();
        let attributes = point_attributes(record.class);
        let is_number = matches!(record.class, 1 | 2);
        let (mut value, mut others) = (None, 0);
        for field in fields(point.unwrap_or_default()).flatten() {
            match field {
                (number, Value::Bytes(bytes)) if number == attributes => {
                    key.put_bytes(number, bytes)
                }
                (number, of) => {
                    raw.put_value(number, of);
                    match (number, of) {
                        (2 | 3, Value::Fixed64(_)) => {}
                        (4, Value::Fixed64(bits)) if value.is_none() => {
                            value = Some((Kind::Double, bits))
                        }
                        (6, Value::Fixed64(bits)) if value.is_none() => {
                            value = Some((Kind::Int, bits))
                        }
                        _ => others += 1,
                    }
                }
            }
        }
        let (kind, value) = match value {
            Some(number) if is_number && others == 0 => {
                raw.clear();
                number
            }
            _ => (Kind::Raw, raw.len() as u64),
        };
        self.value = value;
        key[..4].copy_from_slice(&origin.to_le_bytes());
        key[4..7].copy_from_slice(&[kind as u8, record.class, u8::from(record.oversize)]);
        // The lengths belong to the key: the same bytes, cut elsewhere, are
        // another series.
        for (i, end) in [header, data, key.len()].into_iter().enumerate() {
            key[7 + 4 * i..][..4].copy_from_slice(&(end as u32).to_le_bytes());
        }
        kind
    }

    /// The id of the record's series, with one more reference; `names` gives the name's id and the service's if the series is
    /// new.
    pub(crate) fn acquire(
        &mut self,
        shared: &Shared,
        origin: u32,
        record: &Record<'_>,
        new: impl FnOnce() -> (Arc<Origin>, u32, u32),
    ) -> u32 {
        let kind = self.parse(origin, record);
        let key = &self.key;
        let end =
            |i: usize| u32::from_le_bytes(crate::wire::array(&key[7 + 4 * i..][..4])) as usize;
        let ends = [end(0), end(1), end(2)];
        self.names.acquire(&shared.series, key, || {
            let (origin_entry, service, name) = new();
            Series {
                origin,
                origin_entry,
                service,
                name,
                class: record.class,
                oversize: record.oversize,
                kind,
                ends,
                points: Mutex::new(Points::new(kind)),
            }
        })
    }

    pub(crate) fn get(&self, id: u32) -> &Series {
        &self.names.entry(id).extra
    }

    /// Appends the point that was taken apart last to the series `id`.
    pub(crate) fn push(
        &mut self,
        shared: &Shared,
        id: u32,
        position: u64,
        record: &Record<'_>,
        now: u64,
    ) {
        let sample = Sample { position, time: record.time, start: record.end, value: self.value };
        let mut points = self.names.entry(id).extra.points.lock();
        let (heap, used) = (points.heap_bytes(), points.used_bytes());
        points.push(&sample, &self.raw);
        self.heap = self.heap + points.heap_bytes() - heap;
        self.used = self.used + points.used_bytes() - used;
        drop(points);
        // The store evicts by itself, and for more reasons than a full ring.
        self.ring.push(id, |_, _| ());
        if now >= self.last_mark.saturating_add(ARRIVAL_STEP) || position == shared.first_position()
        {
            self.last_mark = now;
            let mut arrivals = shared.arrivals.lock();
            arrivals.push_back((position, now));
            self.second_mark = arrivals.get(1).map_or(u64::MAX, |(first, _)| *first);
            self.arrival_bytes = (arrivals.capacity() * size_of::<(u64, u64)>()) as u64;
        }
    }

    /// The id of the series of the point at `position`, which is held.
    fn id_of(&self, position: u64) -> u32 {
        match self.ring.get(position) {
            Some(&id) => id,
            None => unreachable!("the ring has room for all that is held"),
        }
    }

    /// The series of the point at `position`, which is held.
    pub(crate) fn series_of(&self, position: u64) -> &Entry<Series> {
        self.names.entry(self.id_of(position))
    }

    /// Appends the wire bytes of the oldest point, the one at `tail`.
    pub(crate) fn put_oldest(&self, tail: u64, out: &mut Vec<u8>) {
        let series = self.series_of(tail);
        series.extra.points.lock().oldest(|sample, raw| series.put_wire(sample, raw, out));
    }

    /// Forgets the oldest point, the one before `tail`; what its series kept is returned if it was the last.
    pub(crate) fn evict(&mut self, shared: &Shared, tail: u64) -> Option<Gone> {
        let id = self.id_of(tail - 1);
        let series = &self.names.entry(id).extra;
        let mut points = series.points.lock();
        let (heap, used) = (points.heap_bytes(), points.used_bytes());
        points.evict();
        self.heap = self.heap + points.heap_bytes() - heap;
        self.used = self.used + points.used_bytes() - used;
        drop(points);
        if self.second_mark <= tail {
            let mut arrivals = shared.arrivals.lock();
            while arrivals.get(1).is_some_and(|(first, _)| *first <= tail) {
                arrivals.pop_front();
            }
            self.second_mark = arrivals.get(1).map_or(u64::MAX, |(first, _)| *first);
        }
        let gone = self.names.release(&shared.series, id)?;
        // An empty series may still have memory for chunks.
        self.heap -= gone.extra.points.lock().heap_bytes();
        Some(Gone { origin: gone.extra.origin, name: gone.extra.name })
    }

    /// Heap bytes beside the points.
    pub(crate) fn own_bytes(&self) -> u64 {
        (self.ring.capacity() * size_of::<u32>() + self.key.capacity() + self.raw.capacity()) as u64
            + self.arrival_bytes
    }

    /// Bytes of the series' entries.
    pub(crate) fn entry_bytes(&self) -> u64 {
        self.names.entry_bytes()
    }
}

/// When the record at `position` arrived, to the second.
pub(crate) fn arrival_of(shared: &Shared, position: u64) -> u64 {
    let arrivals = shared.arrivals.lock();
    let after = arrivals.partition_point(|(first, _)| *first <= position);
    after.checked_sub(1).and_then(|i| arrivals.get(i)).map_or(0, |(_, time)| *time)
}

/// A point of an answer.
struct Match {
    sample: Sample,
    series: usize,
    raw: (usize, usize),
}

/// The points that pass a filter, in the order of the answer; the next one is the last.
#[derive(Default)]
pub(crate) struct Answer {
    series: Vec<Arc<Entry<Series>>>,
    matches: Vec<Match>,
    raw: Vec<u8>,
}

impl Answer {
    /// Looks through the series that `wanted` lets pass. `most`: no more than this many are needed, counted from the
    /// answer's begin.
    pub(crate) fn collect(
        shared: &Shared,
        filter: &Filter,
        (from, to): (u64, u64),
        newest_first: bool,
        wanted: impl Fn(&Series) -> bool,
    ) -> Self {
        let mut answer = Self::default();
        // One more than the limit says whether it cut the answer.
        let most = filter.limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
        let order = |m: &Match| if newest_first { !m.sample.position } else { m.sample.position };
        let mut copied = Copied::default();
        for (entry, _) in shared.series.list() {
            if !wanted(&entry.extra) || !has_attributes(filter, &entry) {
                continue;
            }
            let index = answer.series.len();
            let mut next = from;
            // A few chunks at a time: the writer may wait for the series meanwhile. It may also add to a chunk that
            // was copied, which is then copied again for its new points.
            while next < to && entry.extra.points.lock().copy_from(next, &mut copied) {
                let range = next..to;
                next = copied.last() + 1;
                copied.for_each(|sample, raw| {
                    let in_time = filter.from_time_ns.is_none_or(|least| sample.time >= least)
                        && filter.to_time_ns.is_none_or(|end| sample.time < end);
                    if in_time && range.contains(&sample.position) {
                        let at = answer.raw.len();
                        answer.raw.extend_from_slice(raw);
                        answer.matches.push(Match {
                            sample: *sample,
                            series: index,
                            raw: (at, raw.len()),
                        });
                    }
                });
            }
            if answer.matches.len() / 2 > most {
                answer.matches.select_nth_unstable_by_key(most, order);
                answer.matches.truncate(most);
            }
            answer.series.push(entry);
        }
        answer.matches.sort_unstable_by_key(|m| std::cmp::Reverse(order(m)));
        answer
    }

    /// The next point that is still held: its slot as a reader knows it, its origin, and its wire bytes appended to `out`.
    pub(crate) fn next(
        &mut self,
        shared: &Shared,
        out: &mut Vec<u8>,
    ) -> Option<(Slot, Arc<Origin>)> {
        loop {
            let Match { sample, series, raw: (at, len) } = self.matches.pop()?;
            let (tail, _) = shared.bounds();
            if sample.position < tail {
                continue;
            }
            let entry = &self.series[series];
            let start = out.len();
            entry.put_wire(&sample, &self.raw[at..at + len], out);
            let series = &entry.extra;
            let slot = Slot {
                position: sample.position,
                offset: 0,
                len: (out.len() - start) as u32,
                origin: series.origin,
                time: sample.time,
                end: sample.start,
                trace: [0; 2],
                links: [0; 4],
                name: series.name,
                service: series.service,
                arrival: arrival_of(shared, sample.position),
                class: series.class,
                kind: 0,
                flags: u8::from(series.oversize) * crate::core::FLAG_OVERSIZE,
            };
            return Some((slot, Arc::clone(&series.origin_entry)));
        }
    }
}

/// Whether the points of a series, or their resource, have all attributes that are asked for.
fn has_attributes(filter: &Filter, entry: &Entry<Series>) -> bool {
    let own = || messages(entry.part(2), point_attributes(entry.extra.class));
    let of_resource = || resource_attributes(&entry.extra.origin_entry.key);
    filter.attributes.iter().all(|wanted| {
        own().any(|attribute| wanted.matches(attribute))
            || of_resource().any(|attribute| wanted.matches(attribute))
    })
}
