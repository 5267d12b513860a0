//! Origins in use: who sent the records, and how long that has to be known.

use std::sync::Arc;

use super::Writer;
use crate::core::{OriginExtra, Shared};

/// An origin in use, and its service. As small as it is, it is handed over in a register.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pinned {
    pub(super) origin: u32,
    /// With [`PLAIN`](Self::PLAIN) if the origin is the *plain* one of the service, which says nothing else. It stays as long as the
    /// service has records, so its own records are not counted, and the service is what is pinned.
    service: u32,
}

impl Pinned {
    /// Ids are below this.
    const PLAIN: u32 = 1 << 31;

    #[inline(always)]
    pub(super) fn is_plain(self) -> bool {
        self.service & Self::PLAIN != 0
    }

    #[inline(always)]
    pub(super) fn service(self) -> u32 {
        self.service & !Self::PLAIN
    }
}

impl Writer {
    /// An origin, kept until [`unpin`](Self::unpin). `service` is only asked for if the key is new.
    pub(crate) fn pin(&mut self, shared: &Shared, key: &[u8], service: &[u8]) -> Pinned {
        let services = &mut self.services;
        let origin = self.origins.acquire(&shared.origins, key, || {
            let service = services.keep(&shared.services, service, || ());
            OriginExtra { service, service_entry: Arc::clone(services.entry(service)) }
        });
        Pinned { origin, service: self.origins.entry(origin).extra.service }
    }

    /// [`pin`](Self::pin) for the plain origin of a service, if it is known.
    #[inline(always)]
    pub(crate) fn pin_plain(&mut self, shared: &Shared, service: &[u8]) -> Option<Pinned> {
        let service = self.services.find(&shared.services, service)?;
        let origin = self.services.note(service).checked_sub(1)?;
        self.services.chain(service).hold();
        Some(Pinned { origin, service: service | Pinned::PLAIN })
    }

    /// The same for an origin that is found to be plain, and pinned.
    pub(crate) fn make_plain(&mut self, pinned: Pinned) -> Pinned {
        let Pinned { origin, service } = pinned;
        self.services.set_note(service, origin + 1);
        self.services.chain(service).hold();
        self.origins.keep_another(origin);
        self.origins.chain(origin).shrink();
        Pinned { origin, service: service | Pinned::PLAIN }
    }

    /// Pins it once more. Not a plain one: its service would count a record that is never linked (see `Chain::link`).
    #[inline]
    pub(crate) fn retain(&self, pinned: Pinned) {
        debug_assert!(!pinned.is_plain());
        self.origins.chain(pinned.origin).hold();
    }

    pub(crate) fn unpin(&mut self, shared: &Shared, pinned: Pinned) {
        if pinned.is_plain() {
            self.release_service(shared, pinned.service());
        } else {
            self.release_origin(shared, pinned.origin);
        }
    }

    #[inline(always)]
    pub(super) fn release_origin(&mut self, shared: &Shared, origin: u32) {
        if let Some(gone) = self.origins.release(&shared.origins, origin) {
            self.services.let_go(&shared.services, gone.extra.service);
        }
    }

    #[inline(always)]
    pub(super) fn release_service(&mut self, shared: &Shared, service: u32) {
        if self.services.chain(service).shrink() == 0 {
            self.end_service(shared, service);
        }
    }

    /// For a service without records.
    #[cold]
    fn end_service(&mut self, shared: &Shared, service: u32) {
        // Its plain origin goes first, which keeps it.
        if let Some(plain) = self.services.note(service).checked_sub(1) {
            self.services.set_note(service, 0);
            if self.origins.let_go(&shared.origins, plain).is_none() {
                return;
            }
            self.services.let_go(&shared.services, service);
        } else {
            self.services.remove_unused(&shared.services, service);
        }
    }
}
