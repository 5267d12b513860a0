//! Running commands, and getting the ones that a fresh machine lacks.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    // Two folders above this crate's manifest.
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_dir.ancestors().nth(2).expect("crates/xtask is two levels deep").to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this command, or the one on the PATH.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// A command that starts at the top of the repository.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The target triple of this machine.
pub(crate) fn host() -> Result<String> {
    let printed = output(command("rustc").arg("-vV"))?;
    let host = printed.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}

/// Runs a command with its output shown, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words = shown(command);
    eprintln!("$ {words}");
    let status = command.status().with_context(|| format!("could not start `{words}`"))?;
    if !status.success() {
        bail!("`{words}` failed: {status}");
    }
    Ok(())
}

/// Runs a command and returns its standard output; its standard error is shown.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let words = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start `{words}`"))?;
    if !output.status.success() {
        bail!("`{words}` failed: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{words}` printed no UTF-8"))
}

/// Runs a command and returns all that it printed.
pub(crate) fn everything(command: &mut Command) -> Result<String> {
    let (succeeded, printed) = printed(command)?;
    if !succeeded {
        bail!("`{}` failed:\n{printed}", shown(command));
    }
    Ok(printed)
}

/// Runs a command that is meant to fail, and returns all that it printed.
pub(crate) fn failing(command: &mut Command) -> Result<String> {
    let (succeeded, printed) = printed(command)?;
    if succeeded {
        bail!("`{}` succeeded, but it has to be refused:\n{printed}", shown(command));
    }
    Ok(printed)
}

fn printed(command: &mut Command) -> Result<(bool, String)> {
    let output =
        command.output().with_context(|| format!("could not start `{}`", shown(command)))?;
    let printed = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8_lossy(&printed).into_owned()))
}

/// Whether a program is on the PATH.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Makes sure that programs are there, each named with the Debian package that brings it: installs what is missing when
/// that is possible (as root, with apt), and otherwise names it.
pub(crate) fn need(tools: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<_> = tools.iter().filter(|(program, _)| !has(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    let is_root = output(Command::new("id").arg("-u"))?.trim() == "0";
    if is_root && has("apt-get") {
        run(Command::new("apt-get").args(["-q", "update"]).stdout(Stdio::null()))?;
        run(Command::new("apt-get")
            .args(["-q", "-y", "install", "--no-install-recommends"])
            .args(&packages)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null()))?;
    }
    for (program, package) in tools {
        if !has(program) {
            bail!("`{program}` is missing; install it, on Debian with: apt-get install {package}");
        }
    }
    Ok(())
}
