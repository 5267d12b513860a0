//! Every public struct has the same layout for the C compiler and for rustc.

extern crate ffi_tests as _;

use std::ffi::{CStr, c_char};
#[allow(unused_imports)] // as long as there are structs
use std::mem::offset_of;

#[allow(unused_imports)]
use flightring_capi as capi;

include!(concat!(env!("OUT_DIR"), "/layout.rs"));

/// The size of the member that `_project` points to.
#[allow(dead_code)]
const fn field_size<S, F>(_project: fn(&S) -> *const F) -> usize {
    size_of::<F>()
}

#[repr(C)]
struct Row {
    name: *const c_char,
    offset: usize,
    size: usize,
}

unsafe extern "C" {
    static flrtest_layout: Row;
}

#[test]
fn c_and_rust_agree_on_every_struct() {
    let mut row = &raw const flrtest_layout;
    let mut seen = Vec::new();
    loop {
        // SAFETY: the C array ends with a row without a name, and `row` has not passed it.
        let current = unsafe { &*row };
        if current.name.is_null() {
            break;
        }
        // SAFETY: the names are string literals.
        let name = unsafe { CStr::from_ptr(current.name) }.to_str().unwrap();
        seen.push((name, current.offset, current.size));
        // SAFETY: this row was not the last.
        row = unsafe { row.add(1) };
    }
    assert_eq!(seen, LAYOUT);
}
