//! Records that are kept by series, in place of slots and arena: see `series`.

use std::sync::Arc;

use super::{Record, Why, Writer, count};
use crate::arena::words;
use crate::core::{NO_NAME, Shared};
use crate::sync::{Ordering, fence};

impl Writer {
    /// Adds a record that is kept by series.
    #[inline(never)]
    pub(super) fn insert_point(
        &mut self,
        shared: &Shared,
        origin: u32,
        record: &Record<'_>,
        now: u64,
    ) -> u64 {
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
        self.unpin(shared, origin);
        // A new point takes little; what it adds is counted before the next.
        self.make_room(shared, words(record.wire.len()).min(64));
        let position = self.head;
        let Self { series: Some(series), names, services, .. } = self else { return position };
        series.push(shared, id, position, record, now);
        let of = series.get(id);
        let class_chain = &shared.classes[usize::from(of.class).min(shared.classes.len() - 1)];
        let name_chain = (of.name != NO_NAME).then(|| names.chain(of.name));
        for chain in
            [Some(services.chain(of.service)), Some(class_chain), name_chain].into_iter().flatten()
        {
            chain.hold();
            chain.publish(position);
        }
        self.head += 1;
        shared.head.store(self.head, Ordering::Release);
        shared.counters.added.add(1);
        shared.counters.last_arrival.set(now);
        if record.oversize {
            shared.counters.oversize.add(1);
        }
        self.account(shared);
        position
    }

    /// Forgets the oldest point.
    pub(super) fn evict_point(&mut self, shared: &Shared, why: Why) {
        if why != Why::Clear && self.on_evict.is_some() {
            self.report(shared, self.tail, 0, 0);
        }
        self.tail += 1;
        shared.tail.store(self.tail, Ordering::Relaxed);
        fence(Ordering::Release);
        self.forget_point(shared);
        count(shared, why);
    }

    /// Takes the oldest point, which the tail has passed, out of its series, and the series away if it was the last.
    fn forget_point(&mut self, shared: &Shared) {
        let Self { series: Some(series), names, services, .. } = self else { return };
        let of = &series.series_of(self.tail - 1).extra;
        services.release(&shared.services, of.service);
        shared.classes[usize::from(of.class).min(shared.classes.len() - 1)].shrink();
        if of.name != NO_NAME {
            names.release(&shared.names, of.name);
        }
        if let Some(gone) = series.evict(shared, self.tail) {
            if gone.name != NO_NAME {
                names.let_go(&shared.names, gone.name);
            }
            self.unpin(shared, gone.origin);
        }
        self.account(shared);
    }
}
