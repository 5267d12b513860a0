use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How a subcommand that could do its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As hoped for.
    Fine,
    /// Damage was found, or nothing was found by a search.
    Finding,
    /// Something was complained of that could not be read; the rest was done.
    Unreadable,
    /// A command that was run ended with this exit code.
    Code(u8),
}

impl Outcome {
    pub(crate) fn finding(found: bool) -> Self {
        if found { Self::Finding } else { Self::Fine }
    }
}

/// Why a subcommand could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A message for the user, complete.
    Message(String),
    /// The same, where other files may still be read.
    File(String),
    /// Standard output could not be written.
    Output(io::Error),
}

impl Failure {
    /// A file that cannot be read (or the like), with the reason.
    pub(crate) fn file(step: &str, path: &Path, error: impl fmt::Display) -> Self {
        Self::File(format!("cannot {step} {}: {error}", path.display()))
    }
}

/// Does `one` for each file; it returns whether it found what the command looks for. A file that cannot be read is complained
/// of, and the others are done all the same.
pub(crate) fn each_file<'a>(
    files: &'a [PathBuf],
    mut one: impl FnMut(&'a Path) -> Result<bool, Failure>,
) -> Result<Outcome, Failure> {
    let (mut found, mut unreadable) = (false, false);
    for file in files {
        match one(file) {
            Ok(its) => found |= its,
            Err(Failure::File(message)) => {
                unreadable = true;
                complain(message);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(if unreadable { Outcome::Unreadable } else { Outcome::finding(found) })
}

/// Standard output is written with `?`; every other error is given a message.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The exit code, after a message if one is due.
pub(crate) fn exit_code(outcome: Result<Outcome, Failure>) -> ExitCode {
    let message = match outcome {
        Ok(Outcome::Fine) => return ExitCode::SUCCESS,
        Ok(Outcome::Finding) => return ExitCode::from(1),
        Ok(Outcome::Unreadable) => return ExitCode::from(2),
        Ok(Outcome::Code(code)) => return ExitCode::from(code),
        // The reader of our output has seen enough, as in `| head`.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(Failure::Output(error)) => format!("cannot write to standard output: {error}"),
        Err(Failure::Message(message) | Failure::File(message)) => message,
    };
    complain(&message);
    ExitCode::from(2)
}

/// Writes a line to standard error; if that is gone there is nobody to tell.
pub(crate) fn complain(message: impl fmt::Display) {
    use std::io::Write;
    let _ = writeln!(io::stderr().lock(), "flightring: {message}");
}
