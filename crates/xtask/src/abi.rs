//! The binary interface: a committed description of every exported function and every type that it reaches, compared by
//! libabigail.
//!
//! The description is made from the C headers, not from the library's own debug information: each declaration is given an
//! empty body and compiled by the C compiler. So it says what a C caller sees, does not change with the Rust toolchain, and
//! stays small. That the library agrees with the headers is secured elsewhere: headers are generated from the code, struct
//! layouts are compared member by member (ffi-tests), and exported symbols are compared with the same list of functions.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{headers, sh};

/// Compares the interface with `cmake/flightring.abi`, or writes that file.
pub(crate) fn run(bless: bool) -> Result<()> {
    sh::need(&[("abidw", "abigail-tools"), ("abidiff", "abigail-tools"), ("cc", "gcc")])?;
    let current = describe()?;
    let baseline = sh::root().join("cmake/flightring.abi");
    if bless {
        fs::copy(&current, &baseline)?;
        return Ok(());
    }
    sh::run(sh::command("abidiff").arg(&baseline).arg(&current)).context(
        "the binary interface changed; before a release with the same SONAME only additions are allowed. \
         If the change is meant, run `cargo xtask abi --bless`",
    )
}

/// The names of all functions that the headers declare.
pub(crate) fn declared_functions() -> Result<BTreeSet<String>> {
    exported(&stand_in()?)
}

/// The names that a shared library exports.
pub(crate) fn exported(library: &Path) -> Result<BTreeSet<String>> {
    let printed = sh::output(sh::command("nm").args(["-D", "--defined-only"]).arg(library))?;
    Ok(printed.lines().filter_map(|line| line.split(' ').next_back()).map(str::to_owned).collect())
}

/// A shared library with the interface of ours and nothing in it.
fn stand_in() -> Result<PathBuf> {
    let folder = sh::target().join("abi");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("interface.c"), definitions()?)?;
    // Compiled where it lies, so that no path of this checkout gets into the debug information.
    sh::run(
        sh::command("cc")
            .current_dir(&folder)
            .args(["-g", "-gno-record-gcc-switches", "-shared", "-fPIC", "-Wno-return-type"])
            .args(["-Wl,-soname,libflightring.so.0", "-o", "interface.so", "interface.c"]),
    )?;
    Ok(folder.join("interface.so"))
}

fn describe() -> Result<PathBuf> {
    let library = stand_in()?;
    let description = library.with_file_name("flightring.abi");
    sh::run(
        sh::command("abidw")
            .args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--out-file"])
            .args([&description, &library]),
    )?;
    Ok(description)
}

/// All headers as one C file in which every function is defined.
fn definitions() -> Result<String> {
    let mut text = String::new();
    for header in headers::c_headers() {
        let path = sh::root().join("include/flightring").join(&header);
        text.push_str(&fs::read_to_string(&path).with_context(|| path.display().to_string())?);
    }
    let text = text.replace(" FLR_NOEXCEPT;", " { __builtin_trap(); }");
    // The text above is all of them, in order.
    let lines = text.lines().filter(|line| !line.contains("#include <flightring/"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    if !text.contains("__builtin_trap") {
        bail!("no function was found in the headers");
    }
    Ok(text)
}
