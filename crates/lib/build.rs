//! Link flags of the shared library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Without a SONAME a program would remember the path it was linked with.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libflightring.so.0");
    // Stay mapped after dlclose: threads that called the library have thread-local
    // data and exit handlers whose code lies in it.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
