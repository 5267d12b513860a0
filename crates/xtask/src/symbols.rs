//! What the shared library exports: the functions that the headers declare, as committed in a list, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::{abi, sh};

/// Compares the exported symbols with `cmake/symbols.txt` and with the headers, or writes that file.
pub(crate) fn run(bless: bool) -> Result<()> {
    let exported = abi::exported(&release_library()?)?;
    compare("the headers declare", &abi::declared_functions()?, &exported)?;
    let path = sh::root().join("cmake/symbols.txt");
    if bless {
        fs::write(path, exported.into_iter().map(|name| name + "\n").collect::<String>())?;
        return Ok(());
    }
    let committed = fs::read_to_string(path)?.lines().map(str::to_owned).collect();
    compare("cmake/symbols.txt lists", &committed, &exported)?;
    eprintln!("{} exported symbols, all as committed and declared", exported.len());
    Ok(())
}

fn compare(source: &str, expected: &BTreeSet<String>, exported: &BTreeSet<String>) -> Result<()> {
    let gone: Vec<_> = expected.difference(exported).collect();
    let new: Vec<_> = exported.difference(expected).collect();
    if gone.is_empty() && new.is_empty() {
        return Ok(());
    }
    bail!(
        "{source} other symbols than libflightring.so exports: not exported {gone:?}, exported besides {new:?}; \
         if that is meant, run `cargo xtask headers` and `cargo xtask symbols --bless`"
    );
}

/// Builds libflightring.so as it is shipped.
pub(crate) fn release_library() -> Result<PathBuf> {
    sh::run(sh::cargo().args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "flightring",
    ]))?;
    Ok(sh::target().join("release/libflightring.so"))
}
