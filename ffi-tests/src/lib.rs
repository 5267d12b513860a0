//! Carries the compiled C and C++ tests, so that `tests/*.rs` can link them. Nothing else is here.
