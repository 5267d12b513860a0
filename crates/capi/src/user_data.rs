//! What callbacks get from the program that registered them.

use std::ffi::c_void;

/// Ends what `user_data` points to: see base.h.
pub type flr_user_data_destroy_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// User data from C with its destructor.
pub(crate) struct UserData {
    data: *mut c_void,
    destroy: flr_user_data_destroy_fn,
}

// SAFETY: the header says that the data is used by other threads than the one that passed it.
unsafe impl Send for UserData {}
// SAFETY: as above; calls are serialised by whoever owns this.
unsafe impl Sync for UserData {}

impl UserData {
    pub(crate) fn new(data: *mut c_void, destroy: flr_user_data_destroy_fn) -> Self {
        Self { data, destroy }
    }

    pub(crate) fn get(&self) -> *mut c_void {
        self.data
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller passed the two together, and this is the one call.
            unsafe { destroy(self.data) };
        }
    }
}
