//! Records that are kept by series, in place of slots and arena: see `series`.

use std::sync::Arc;

use super::{Pinned, Record, Why, Writer, count};
use crate::arena::words;
use crate::core::{NO_NAME, Shared};
use crate::sync::Ordering;

impl Writer {
    /// Adds a record that is kept by series.
    #[inline(never)]
    pub(super) fn insert_point(
        &mut self,
        shared: &Shared,
        pinned: Pinned,
        record: &Record<'_>,
        now: u64,
    ) -> u64 {
        let (origin, service) = (pinned.origin, pinned.service());
        let Self { series: Some(series), names, origins, .. } = self else { return self.head };
        let id = series.acquire(shared, origin, record, || {
            origins.chain(origin).hold();
            let name = match record.name {
                [] => NO_NAME,
                name => names.keep(&shared.names, name, || ()),
            };
            (Arc::clone(origins.entry(origin)), origins.entry(origin).extra.service, name)
        });
        // The series keeps the origin from here on.
        if !pinned.is_plain() {
            self.services.chain(service).hold();
            self.release_origin(shared, origin);
        }
        // A new point takes little; what it adds is counted before the next.
        self.make_room(shared, words(record.wire.len()).min(64));
        let position = self.head;
        let Self { series: Some(series), names, services, .. } = self else { return position };
        series.push(shared, id, position, record, now);
        let of = series.get(id);
        let class_chain = &shared.classes[usize::from(of.class).min(shared.classes.len() - 1)];
        let name_chain = (of.name != NO_NAME).then(|| names.chain(of.name));
        services.chain(service).publish(position);
        for chain in [Some(class_chain), name_chain].into_iter().flatten() {
            chain.hold();
            chain.publish(position);
        }
        self.head += 1;
        shared.head.store(self.head, Ordering::Release);
        if record.oversize {
            shared.counters.oversize.add(1);
        }
        self.account(shared);
        position
    }

    /// Forgets the oldest point.
    pub(super) fn evict_point(&mut self, shared: &Shared, why: Why) {
        if why != Why::Clear && self.on_evict.is_some() {
            self.report(shared);
        }
        count(shared, why);
        self.pass_oldest(shared);
        self.forget_point(shared);
    }

    /// Takes the oldest point, which the tail has passed, out of its series, and the series away if it was the last.
    fn forget_point(&mut self, shared: &Shared) {
        let Self { series: Some(series), names, .. } = self else { return };
        let of = &series.series_of(self.tail - 1).extra;
        let service = of.service;
        shared.classes[usize::from(of.class).min(shared.classes.len() - 1)].shrink();
        if of.name != NO_NAME {
            names.release(&shared.names, of.name);
        }
        if let Some(gone) = series.evict(shared, self.tail) {
            if gone.name != NO_NAME {
                names.let_go(&shared.names, gone.name);
            }
            self.release_origin(shared, gone.origin);
        }
        self.release_service(shared, service);
        self.account(shared);
    }
}
