//! OTLP in: the body of an exporter's request, as Protocol Buffers or JSON.
//!
//! The request is walked, not decoded: each record's bytes go into the store as they are, after a look at the few fields that the
//! indexes need, and at whether all that OTLP knows is as OTLP has it (see `check`). The framing is checked before anything is
//! stored, so a damaged request leaves no half of itself behind; a single record that cannot be read is refused alone, as OTLP's
//! partial success provides, and with a resource or scope that has a field of a wrong type its own records are. So it is in JSON: see
//! `salvage`. OpenTelemetry's collector refuses all of such a request, because its decoders build all of it first; OTLP leaves the
//! choice.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::biased::Guard;
use crate::check::check_field;
use crate::decode::{self, MAX_NAME, METRIC_FIELDS, Signal, cut, messages};
use crate::encode::{UNKNOWN_SERVICE, put_origin};
use crate::explain::explain;
use crate::outcome::{IngestError, Ingested};
use crate::parts::Record;
use crate::salvage::{mended, salvage};
use crate::schema::{Kind, METRIC, Schema};
use crate::store::Store;
use crate::wire::{Encode, Value, WireError, fields};
use crate::writer::{BATCH, Locked, Pinned};
use crate::{json_in, schema};

/// How records are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
    /// `application/x-ndjson`: the lines that exporting records gives, one a record, in place of a request.
    Ndjson,
}

/// The most bytes of a request.
pub(crate) const MAX_REQUEST: usize = 64 << 20;

/// What the points of a request's metrics have in common is looked at for each of them, and the resource of its scopes for each scope:
/// at most so many bytes in all, because a request of some megabytes could have millions of points with a megabyte in common.
const MAX_SHARED: usize = 1 << 30;

pub(crate) fn ingest(
    store: &Store,
    encoding: Encoding,
    body: &[u8],
    now: u64,
) -> Result<Ingested, IngestError> {
    if body.len() > MAX_REQUEST {
        return Err(IngestError::TooLarge { bytes: body.len(), limit: MAX_REQUEST });
    }
    match encoding {
        Encoding::Protobuf => protobuf(store, body, now),
        Encoding::Json => match json_in::to_wire(schema::request(store.signal), body) {
            Ok(wire) => protobuf(store, &wire, now),
            Err(_) => {
                let saved = salvage(store.signal, body).map_err(IngestError::Json)?;
                let mut result = protobuf(store, &saved.wire, now)?;
                result.lose(saved.lost, || saved.reason);
                Ok(result)
            }
        },
        Encoding::Ndjson => lines(store, body, now),
    }
}

/// Takes lines in, each a record; those that are none are refused alone.
fn lines(store: &Store, body: &[u8], now: u64) -> Result<Ingested, IngestError> {
    let mut result = Ingested::default();
    // Each line becomes a request of one record.
    let path = schema::lists(store.signal).map(|list| format!("{}[0]", list.name)).join(".");
    for (n, line) in body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).enumerate() {
        if line.is_empty() {
            continue;
        }
        let mut request = json_in::line_to_request(store.signal, line);
        if request.is_err()
            && let Some(mended) = mended(line)
        {
            request = json_in::line_to_request(store.signal, &mended);
        }
        let reason = match request {
            Ok(request) => match protobuf(store, &request, now)? {
                nothing if nothing == Ingested::default() => "the metric has no point".to_owned(),
                mut taken => {
                    if let Some(what) = taken.first_malformed.strip_prefix(&path) {
                        taken.first_malformed = at_line(n, what);
                    }
                    result.add(&taken);
                    continue;
                }
            },
            Err(reason) => json_in::message_of(&reason).to_owned(),
        };
        result.lose(1, || at_line(n, &reason));
    }
    Ok(result)
}

/// What is wrong with a line, which may begin with the way to it.
fn at_line(index: usize, what: &str) -> String {
    format!("line {}: {}", index + 1, what.trim_start_matches(['.', ':', ' ']))
}

fn protobuf(store: &Store, request: &[u8], now: u64) -> Result<Ingested, IngestError> {
    let heads = heads_of(store.signal, request)?;
    let mut ingest = Ingest {
        store,
        writer: store.lock_for(now),
        now,
        result: Ingested::default(),
        seen: 0,
        key: Vec::new(),
        point: Vec::new(),
        shared_left: MAX_SHARED,
        heads: heads.into_iter(),
        place: Place::default(),
    };
    let mut strays = 0;
    for (number, value) in fields(request).flatten() {
        match (number, value) {
            (1, Value::Bytes(resource_records)) => {
                ingest.resource(resource_records);
                ingest.place.resource += 1;
            }
            (1, _) => strays += 1,
            _ => {}
        }
    }
    let name = schema::lists(store.signal)[0].name;
    ingest.result.lose(strays, || format!("{name}: {}", WireError::WireType));
    let Ingest { writer, result, .. } = ingest;
    writer.account_buffers(&store.core.shared);
    store.release(writer);
    Ok(result)
}

/// Of a message that holds the records of a resource or of a scope: all but those.
#[derive(Clone, Copy, Default)]
struct Head<'a> {
    /// That resource or scope.
    of: Option<&'a [u8]>,
    /// The URL of its schema.
    url: Option<&'a [u8]>,
    /// One of these is there and is not what OTLP has: nobody knows what the records belong to.
    is_wrong: bool,
    /// How many there are of a wrong wire type in the list of what it holds.
    strays: u64,
}

impl<'a> Head<'a> {
    /// Sees a field of such a message, which `schema` describes. Of several the last counts.
    #[inline]
    fn see(&mut self, schema: &Schema, number: u32, value: Value<'a>) {
        match (number, value) {
            (HELD, Value::Bytes(_)) => return,
            (HELD, _) => return self.strays += 1,
            (1, Value::Bytes(bytes)) => self.of = Some(bytes),
            (3, Value::Bytes(url)) => self.url = Some(url),
            _ => {}
        }
        self.is_wrong |= check_field(schema, number, value).is_err();
    }
}

/// The field of such a message that lists what it holds.
const HELD: u32 = 2;

/// Scopes of a request of which it is remembered where their heads are, which may stand before or behind the records.
const MAX_HEADS: usize = 1024;

/// Walks the framing, which is the same for the three signals: request, resources, scopes, records. Returns the heads of the
/// first scopes.
fn heads_of(signal: Signal, request: &[u8]) -> Result<Vec<Head<'_>>, WireError> {
    let [_, scopes, _] = schema::lists(signal);
    let mut heads = Vec::new();
    for field in fields(request) {
        let (1, Value::Bytes(resource)) = field? else { continue };
        for field in fields(resource) {
            let (2, Value::Bytes(scope)) = field? else { continue };
            let head = head_of(scopes.of, scope)?;
            if heads.len() < MAX_HEADS {
                heads.push(head);
            }
        }
    }
    Ok(heads)
}

fn head_of<'a>(schema: &Schema, scope_records: &'a [u8]) -> Result<Head<'a>, WireError> {
    let mut head = Head::default();
    let mut rest = fields(scope_records);
    loop {
        // Records are nearly all that there is.
        while rest.expected(HELD).is_some() {}
        match rest.next().transpose()? {
            Some((number, value)) => head.see(schema, number, value),
            None => return Ok(head),
        }
    }
}

/// Where in a request what is at hand lies, to say so if it is refused.
#[derive(Default)]
struct Place<'a> {
    resource: usize,
    scope: usize,
    /// The records of the scope at hand.
    scope_records: &'a [u8],
    /// The metric at hand, of which the records are the points.
    metric: &'a [u8],
}

struct Ingest<'a> {
    store: &'a Store,
    writer: Guard<'a, Locked>,
    now: u64,
    result: Ingested,
    seen: u64,
    /// The key of the origin at hand.
    key: Vec<u8>,
    /// A metric with one point.
    point: Vec<u8>,
    /// What is left of [`MAX_SHARED`].
    shared_left: usize,
    /// Of the scopes to come, as far as they were remembered.
    heads: std::vec::IntoIter<Head<'a>>,
    place: Place<'a>,
}

impl<'a> Ingest<'a> {
    fn resource(&mut self, resource_records: &'a [u8]) {
        let [resources, scopes, _] = schema::lists(self.store.signal);
        let mut head = Head::default();
        for (number, value) in fields(resource_records).flatten() {
            head.see(resources.of, number, value);
        }
        self.place.scope = 0;
        let mut lost = head.strays;
        // Once: a resource may consist of millions of attributes, and have millions of scopes.
        let service = head.of.map_or(Ok(UNKNOWN_SERVICE.as_bytes()), decode::service_of);
        let service = service.unwrap_or(UNKNOWN_SERVICE.as_bytes());
        for scope_records in messages(resource_records, HELD) {
            let scope = match self.heads.next() {
                Some(head) => head,
                None => head_of(scopes.of, scope_records).unwrap_or_default(),
            };
            if head.is_wrong {
                lost += self.count(scope_records) + scope.strays;
            } else {
                self.scope(&head, service, &scope, scope_records);
            }
            self.place.scope += 1;
        }
        if head.is_wrong || head.strays > 0 {
            // What holds no records and cannot be read counts as one.
            self.lose(0, lost.max(1), resource_records);
        }
    }

    /// How many records a scope holds.
    fn count(&self, scope_records: &[u8]) -> u64 {
        let points = |metric| data_of(metric).map_or(1, |data| data.records());
        match self.store.signal {
            Signal::Traces | Signal::Logs => messages(scope_records, HELD).count() as u64,
            Signal::Metrics => messages(scope_records, HELD).map(points).sum(),
        }
    }

    /// Counts records that are lost with what holds them: a resource (`level` 0) or a scope (1).
    #[cold]
    fn lose(&mut self, level: usize, records: u64, holder: &[u8]) {
        let [resources, scopes, _] = schema::lists(self.store.signal);
        let Place { resource, scope, .. } = self.place;
        self.result.lose(records, || {
            let list = if level == 0 { &resources } else { &scopes };
            let mut place = format!("{}[{resource}]", resources.name);
            if level == 1 {
                place = format!("{place}.{}[{scope}]", scopes.name);
            }
            let what = explain(list.of, holder, HELD);
            format!("{place}{}", what.unwrap_or_default())
        });
    }

    fn scope(
        &mut self,
        of_resource: &Head<'_>,
        service: &[u8],
        of_scope: &Head<'_>,
        scope_records: &'a [u8],
    ) {
        if of_scope.is_wrong || of_scope.strays > 0 {
            let records = if of_scope.is_wrong { self.count(scope_records) } else { 0 };
            self.lose(1, (records + of_scope.strays).max(1), scope_records);
            if of_scope.is_wrong {
                return;
            }
        }
        self.place.scope_records = scope_records;
        if messages(scope_records, HELD).next().is_none() {
            return;
        }
        let (resource, scope) = (of_resource.of, of_scope.of);
        let parts = [(1, resource), (2, scope), (3, of_resource.url), (4, of_scope.url)];
        let shared = &self.store.core.shared;
        let most = shared.limits.max_record_bytes;
        let all = parts.iter().filter_map(|(_, part)| *part).map(<[u8]>::len).sum::<usize>();
        self.key.clear();
        for (number, part) in parts.into_iter().filter(|_| all <= most) {
            if let Some(part) = part {
                self.key.put_bytes(number, part);
            }
        }
        if all > most || self.key.len() > most {
            // A resource larger than a record may be is cut to its service.
            self.key.clear();
            put_origin(service, &mut self.key);
        }
        let Some(left) = self.shared_left.checked_sub(self.key.len()) else {
            self.refuse_all(scope_records);
            return;
        };
        self.shared_left = left;
        let pinned = self.writer.pin(shared, &self.key, cut(service, MAX_NAME));
        match self.store.signal {
            Signal::Traces => self.records(pinned, scope_records, decode::span),
            Signal::Logs => self.records(pinned, scope_records, decode::log),
            Signal::Metrics => {
                messages(scope_records, HELD).for_each(|metric| self.metric(pinned, metric));
            }
        }
        self.writer.unpin(shared, pinned);
    }

    /// Takes in the records of a scope, as `read` reads them, which is compiled into the loop: that saves more time than the checks of a
    /// record take.
    #[inline(never)]
    fn records(
        &mut self,
        pinned: Pinned,
        scope_records: &'a [u8],
        read: impl Fn(&mut Record<'a>) -> Result<(), WireError>,
    ) {
        for wire in messages(scope_records, HELD) {
            self.record(pinned, wire, &read);
        }
    }

    #[inline(always)]
    fn record<'w>(
        &mut self,
        pinned: Pinned,
        wire: &'w [u8],
        read: impl FnOnce(&mut Record<'w>) -> Result<(), WireError>,
    ) {
        let mut record = Record::of(wire);
        match read(&mut record) {
            Ok(()) => {
                self.store.expect(record.trace);
                record.name = cut(record.name, MAX_NAME);
                self.writer.retain(pinned);
                let added = self.store.insert(&mut self.writer, pinned, &record, wire, self.now);
                self.result.count(added);
            }
            Err(error) => self.refuse(1, wire, &error.to_string()),
        }
        self.seen += 1;
        if self.seen.is_multiple_of(BATCH) {
            self.let_others(pinned);
        }
    }

    /// Lets others who wait have the lock meanwhile, and tells the callback what was evicted.
    #[cold]
    fn let_others(&mut self, pinned: Pinned) {
        let report = self.writer.take_report();
        let core = &self.store.core;
        let told = catch_unwind(AssertUnwindSafe(|| {
            self.writer.unlocked(|| {
                if let Some(report) = report {
                    report.deliver(core);
                }
            });
        }));
        if let Err(panic) = told {
            // The scope ends here, and nobody else would know that its origin is kept for it.
            self.writer.unpin(&core.shared, pinned);
            resume_unwind(panic);
        }
    }

    /// Counts the records of a scope that are not taken because those before needed too much.
    #[cold]
    fn refuse_all(&mut self, scope_records: &[u8]) {
        let records = self.count(scope_records);
        let [resources, scopes, _] = schema::lists(self.store.signal);
        let Place { resource, scope, .. } = self.place;
        self.result.lose(records, || {
            let place = format!("{}[{resource}].{}[{scope}]", resources.name, scopes.name);
            format!("{place}: the scopes of the request have too much in common")
        });
    }

    /// Counts records, this one or those of this metric, that are not taken; `why`, if there is nothing better to say.
    #[cold]
    fn refuse(&mut self, count: u64, wire: &[u8], why: &str) {
        let signal = self.store.signal;
        let Place { resource, scope, scope_records, metric } = self.place;
        let wire = if signal == Signal::Metrics { metric } else { wire };
        self.result.lose(count, || {
            let [resources, scopes, records] = schema::lists(signal);
            let before =
                messages(scope_records, HELD).take_while(|record| record.as_ptr() != wire.as_ptr());
            let what = explain(records.of, wire, 0);
            format!(
                "{}[{resource}].{}[{scope}].{}[{}]{}",
                resources.name,
                scopes.name,
                records.name,
                before.count(),
                what.unwrap_or_else(|| format!(": {why}"))
            )
        });
    }

    /// Cuts a metric into metrics of one point each.
    fn metric(&mut self, pinned: Pinned, metric: &'a [u8]) {
        self.place.metric = metric;
        let Some(data) = data_of(metric) else {
            self.refuse(1, metric, "the metric has no data");
            return;
        };
        if data.is_wrong {
            self.refuse(
                data.records().max(1),
                metric,
                "something other than a point is wrong with it",
            );
            return;
        }
        if data.strays > 0 {
            self.refuse(data.strays, metric, "a point has a wire type that it cannot have");
        }
        // What all points share is put together once: a request may consist of millions of points.
        let (mut of_metric, mut of_data) = (Vec::new(), Vec::new());
        for (field, value) in fields(metric).flatten() {
            if !METRIC_FIELDS.contains(&field) {
                of_metric.put_value(field, value);
            }
        }
        for (field, value) in data.parts().flat_map(|part| fields(part).flatten()) {
            if field != 1 {
                of_data.put_value(field, value);
            }
        }
        let mut wire = std::mem::take(&mut self.point);
        for point in data.points() {
            let Some(left) = self.shared_left.checked_sub(of_metric.len() + of_data.len()) else {
                self.refuse(1, metric, "the points of the request have too much in common");
                continue;
            };
            self.shared_left = left;
            wire.clear();
            wire.extend_from_slice(&of_metric);
            wire.put_message(data.number, |wire| {
                wire.put_bytes(1, point);
                wire.extend_from_slice(&of_data);
            });
            self.record(pinned, &wire, decode::metric);
        }
        self.point = wire;
    }
}

/// What a metric has measured.
struct Data<'a> {
    metric: &'a [u8],
    /// The field that says of which type it is.
    number: u32,
    /// How many points have a wrong wire type.
    strays: u64,
    /// Something that the points have in common is not what OTLP has: nobody knows what they are.
    is_wrong: bool,
}

impl<'a> Data<'a> {
    /// What there is of this type: nearly always one, but requests may be put together in a way that leaves several.
    fn parts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        messages(self.metric, self.number)
    }

    fn points(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.parts().flat_map(|part| messages(part, 1))
    }

    /// How many records it has, good ones or not.
    fn records(&self) -> u64 {
        self.points().count() as u64 + self.strays
    }
}

/// The data of a metric; `None` if it has none or cannot be read. Of several types the last counts.
fn data_of(metric: &[u8]) -> Option<Data<'_>> {
    let (mut found, mut is_wrong) = (None::<Data<'_>>, false);
    for field in fields(metric) {
        let (number, value) = field.ok()?;
        // The types of data are the only messages in it that are no lists.
        if let Some(Kind::Message(schema)) = METRIC.field(number).map(|field| field.kind)
            && let Value::Bytes(bytes) = value
        {
            let mut strays = 0;
            for field in fields(bytes) {
                match field.ok()? {
                    (1, Value::Bytes(_)) => {}
                    (1, _) => strays += 1,
                    (number, value) => is_wrong |= check_field(schema, number, value).is_err(),
                }
            }
            let before = found.filter(|before| before.number == number);
            strays += before.map_or(0, |before| before.strays);
            found = Some(Data { metric, number, strays, is_wrong: false });
        } else {
            is_wrong |= check_field(&METRIC, number, value).is_err();
        }
    }
    found.map(|found| Data { is_wrong, ..found })
}
