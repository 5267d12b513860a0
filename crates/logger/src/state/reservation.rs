//! Records that are filled in place.

use std::mem::MaybeUninit;

use flightring_blockfile::Level;

use super::{Core, Ticket};
use crate::Dropped;

impl Core {
    /// Begins a record of at least `len` bytes of data, to be filled in place.
    #[inline]
    pub(crate) fn reserve(&self, level: Level, len: usize) -> Result<Reservation<'_>, Dropped> {
        let ticket = self.begin(self.before_data.saturating_add(len))?;
        let room = ticket.slot.room().min(self.largest_record) - self.before_data;
        Ok(Reservation { core: self, ticket: Some(ticket), level, room })
    }
}

/// A record that is being filled in place, in the shard. Dropping it gives the room back, and nothing was offered.
///
/// While it lives, the thread's other calls to the same logger are refused as re-entered, so it should be short.
pub struct Reservation<'a> {
    core: &'a Core,
    ticket: Option<Ticket<'a>>,
    level: Level,
    room: usize,
}

impl Reservation<'_> {
    /// Where the data goes: at least as many bytes as were asked for, of unspecified content.
    pub fn data(&mut self) -> &mut [MaybeUninit<u8>] {
        let Some(ticket) = &self.ticket else { return &mut [] };
        // SAFETY: the slot is contiguous memory of the shard that only the owner of the slot touches until it is
        // published, and `room` was taken from it less what stands before the data.
        unsafe {
            let data = ticket.slot.at.add(self.core.before_data);
            std::slice::from_raw_parts_mut(data.cast(), self.room)
        }
    }

    /// Accepts the first `len` bytes of [`Self::data`] as a record.
    ///
    /// # Errors
    ///
    /// [`Dropped`]: `len` is more than there is room for, or the logger was closed meanwhile.
    ///
    /// # Safety
    ///
    /// Those bytes must have been written.
    pub unsafe fn commit(mut self, len: usize) -> Result<(), Dropped> {
        if len > self.room {
            return Err(self.core.drop_one(Dropped::TooLarge));
        }
        let core = self.core;
        match self.ticket.take() {
            Some(ticket) => {
                // SAFETY: the slot was begun with room for it.
                unsafe { core.put_prefix(&ticket, self.level, len) };
                core.publish(&ticket, core.before_data + len)
            }
            None => Err(core.drop_one(Dropped::Closed)),
        }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.seat.abandon();
        }
    }
}
