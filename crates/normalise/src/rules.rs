//! Rules of the user: what matches a regular expression becomes `<name>`.

use std::fmt;

use regex_automata::meta;
use regex_automata::util::syntax;

/// Regular expressions with names, tried together: the leftmost match wins, and among those that begin at the same place
/// the rule that was given first.
///
/// The syntax is that of the `regex` crate; a match never spans lines. Matching takes time in proportion to the line,
/// whatever the expressions are.
#[derive(Debug, Clone)]
pub struct Rules {
    regex: meta::Regex,
    /// `<name>` of each rule.
    placeholders: Vec<String>,
}

/// Why a set of rules was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// There was no rule at all.
    None,
    /// The name is empty, longer than 64 bytes, or has other characters than letters, digits, `_`, `-` and `.`.
    Name(String),
    /// The expression of that rule cannot be compiled.
    Expression {
        /// The name of the rule.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The expression of that rule matches nothing at all, everywhere.
    MatchesEmpty {
        /// The name of the rule.
        name: String,
    },
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no rule; give at least one name and expression"),
            Self::Name(name) => write!(
                f,
                "`{name}` is no name for a rule; use 1 to 64 letters, digits, `_`, `-` or `.`"
            ),
            Self::Expression { name, reason } => write!(f, "the rule `{name}`: {reason}"),
            Self::MatchesEmpty { name } => write!(
                f,
                "the rule `{name}` matches the empty text; make it require at least one character"
            ),
        }
    }
}

impl std::error::Error for RuleError {}

/// Longest name of a rule, in bytes.
const MAX_NAME: usize = 64;

impl Rules {
    /// Compiles rules, each a name and an expression, first come first served.
    pub fn new<N: AsRef<str>, E: AsRef<str>>(
        rules: impl IntoIterator<Item = (N, E)>,
    ) -> Result<Self, RuleError> {
        let mut placeholders = Vec::new();
        let mut expressions = Vec::new();
        for (name, expression) in rules {
            let (name, expression) = (name.as_ref(), expression.as_ref());
            let is_name = (1..=MAX_NAME).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
            if !is_name {
                return Err(RuleError::Name(name.to_owned()));
            }
            // Alone first, so that an error names its rule.
            let alone = compile(&[expression])
                .map_err(|reason| RuleError::Expression { name: name.to_owned(), reason })?;
            if alone.is_match(b"") {
                return Err(RuleError::MatchesEmpty { name: name.to_owned() });
            }
            placeholders.push(format!("<{name}>"));
            expressions.push(expression.to_owned());
        }
        if expressions.is_empty() {
            return Err(RuleError::None);
        }
        let regex = compile(&expressions).map_err(|reason| RuleError::Expression {
            name: "all of them together".to_owned(),
            reason,
        })?;
        Ok(Self { regex, placeholders })
    }

    /// The matches in a line, from left to right: where, and what it becomes. A match of nothing (by a rule that
    /// looks around) is none.
    pub(crate) fn find<'a>(
        &'a self,
        line: &'a [u8],
    ) -> impl Iterator<Item = (std::ops::Range<usize>, &'a str)> {
        self.regex
            .find_iter(line)
            .filter(|found| !found.is_empty())
            .map(|found| (found.range(), self.placeholders[found.pattern().as_usize()].as_str()))
    }

    pub(crate) fn longest_placeholder(&self) -> usize {
        self.placeholders.iter().map(String::len).max().unwrap_or(0)
    }
}

fn compile<E: AsRef<str>>(expressions: &[E]) -> Result<meta::Regex, String> {
    meta::Regex::builder()
        .configure(meta::Config::new().utf8_empty(false))
        .syntax(syntax::Config::new().utf8(false))
        .build_many(expressions)
        .map_err(|error| {
            error.syntax_error().map_or_else(|| error.to_string(), ToString::to_string)
        })
}
