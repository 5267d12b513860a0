use std::collections::HashSet;
use std::fmt;

/// One line of a Procfile: a name, and the command that a shell runs under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) command: String,
}

/// Why a Procfile cannot be used: the line, counted from 1 (0: the file as a whole), and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProcfileError {
    line: usize,
    why: &'static str,
}

impl fmt::Display for ProcfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(self.why),
            line => write!(f, "line {line}: {}", self.why),
        }
    }
}

impl std::error::Error for ProcfileError {}

/// Reads `name: command` lines. Empty lines and lines that begin with `#` are ignored. A name is made of
/// letters, digits and `_ - . /`, and occurs once.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, ProcfileError> {
    let mut entries = Vec::new();
    let mut names = HashSet::new();
    for (index, line) in text.lines().enumerate() {
        let refused = |why| Err(ProcfileError { line: index + 1, why });
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, command)) = line.split_once(':') else {
            return refused("expected \"name: command\"");
        };
        let (name, command) = (name.trim(), command.trim());
        let plain = |c: char| c.is_alphanumeric() || "_-./".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return refused("a name is made of letters, digits and _ - . /");
        }
        if command.is_empty() {
            return refused("the command is missing");
        }
        if !names.insert(name) {
            return refused("this name occurred before");
        }
        entries.push(Entry { name: name.to_owned(), command: command.to_owned() });
    }
    if entries.is_empty() {
        return Err(ProcfileError {
            line: 0,
            why: "no command in it; a line reads \"name: command\"",
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_entries() {
        let entries =
            parse("# services\n\nweb: ./server --port 80:80\n  jobs/1 :  sleep 1 \r\n").unwrap();
        let entry =
            |name: &str, command: &str| Entry { name: name.into(), command: command.into() };
        assert_eq!(entries, [entry("web", "./server --port 80:80"), entry("jobs/1", "sleep 1")]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let why = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(why("a: b\nnothing"), "line 2: expected \"name: command\"");
        assert_eq!(why("a b: c"), "line 1: a name is made of letters, digits and _ - . /");
        assert_eq!(why(": c"), "line 1: a name is made of letters, digits and _ - . /");
        assert_eq!(why("a:"), "line 1: the command is missing");
        assert_eq!(why("a: b\na: c"), "line 2: this name occurred before");
        assert_eq!(why("# only this"), "no command in it; a line reads \"name: command\"");
    }
}
