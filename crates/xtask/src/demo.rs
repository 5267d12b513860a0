//! `cargo xtask demo`: the main job. The package is installed, the examples are built against it out of tree, a C++ service
//! records real text, and what it recorded is read back by the service and by the command.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{package, sh};

/// Runs the service on `input`, or on text that it finds on this machine.
pub(crate) fn run(input: Option<PathBuf>) -> Result<()> {
    let input = input
        .map(|path| fs::canonicalize(&path).with_context(|| path.display().to_string()))
        .transpose()?;
    package::tools()?;
    let folder = sh::target().join("demo");
    let prefix = folder.join("prefix");
    package::install(&prefix)?;
    let examples = package::build_examples(&prefix)?;

    let log = folder.join("service.log");
    if log.exists() {
        fs::remove_file(&log)?;
    }
    eprintln!();
    sh::run(sh::command(examples.join("service")).arg(&log).args(input))?;
    eprintln!();
    let command = prefix.join("bin/flightring");
    sh::run(sh::command(&command).arg("verify").arg(&log))?;
    eprintln!("\nThe log stays there; try\n  {} cat {}", command.display(), log.display());
    Ok(())
}
