//! What is new, gone or changed between two summaries: before and after a deploy.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::json;

use super::Summary;
use super::render::{cut, percent};
use crate::id::PatternId;

/// When a change of rate counts as one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DiffOptions {
    /// The least factor between the shares of all lines, up or down: 1.5 by default.
    pub factor: f64,
    /// The least distance between the shares in standard errors (a two-proportion z-test): 4 by default, so that chance
    /// alone gives one false change in some ten thousand patterns.
    pub sigmas: f64,
}

impl Default for DiffOptions {
    fn default() -> Self {
        Self { factor: 1.5, sigmas: 4.0 }
    }
}

/// How a pattern differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only in the second.
    New,
    /// Only in the first.
    Gone,
    /// A larger part of the lines in the second.
    More,
    /// A smaller part of the lines in the second.
    Less,
}

impl ChangeKind {
    /// Its name: lower case, one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::More => "more",
            Self::Less => "less",
        }
    }
}

/// A pattern that differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Change {
    /// How.
    pub kind: ChangeKind,
    /// Its number.
    pub id: PatternId,
    /// Its text.
    pub pattern: String,
    /// Lines that have it in the first.
    pub before: u64,
    /// Lines that have it in the second.
    pub after: u64,
    /// A line that has it.
    pub sample: String,
}

/// The difference of two summaries.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Diff {
    /// What differs: new, then gone, then changed; the largest first.
    pub changes: Vec<Change>,
    /// Patterns that are in both and do not differ.
    pub unchanged: usize,
    /// Lines of the first.
    pub lines_before: u64,
    /// Lines of the second.
    pub lines_after: u64,
    /// Lines of the first and of the second without a pattern of their own. While there are such, a pattern that is called
    /// new or gone may have been one of them.
    pub other: (u64, u64),
}

impl Diff {
    /// Compares two summaries, which should be of the same mode.
    #[must_use]
    pub fn new(before: &Summary, after: &Summary, options: &DiffOptions) -> Self {
        let by_text = |summary: &'_ Summary| -> HashMap<String, usize> {
            let patterns = summary.patterns.iter().enumerate();
            patterns.map(|(index, pattern)| (pattern.pattern.clone(), index)).collect()
        };
        let in_before = by_text(before);
        let in_after = by_text(after);
        let mut unchanged = 0;
        let mut changes = Vec::new();
        for pattern in &after.patterns {
            let old = in_before.get(&pattern.pattern).map_or(0, |&i| before.patterns[i].count);
            let kind = if old == 0 {
                Some(ChangeKind::New)
            } else {
                changed(old, before.lines, pattern.count, after.lines, options)
            };
            let Some(kind) = kind else {
                unchanged += 1;
                continue;
            };
            changes.push(Change {
                kind,
                id: pattern.id,
                pattern: pattern.pattern.clone(),
                before: old,
                after: pattern.count,
                sample: pattern.samples.first().cloned().unwrap_or_default(),
            });
        }
        for pattern in before.patterns.iter().filter(|p| !in_after.contains_key(&p.pattern)) {
            changes.push(Change {
                kind: ChangeKind::Gone,
                id: pattern.id,
                pattern: pattern.pattern.clone(),
                before: pattern.count,
                after: 0,
                sample: pattern.samples.first().cloned().unwrap_or_default(),
            });
        }
        let rank = |kind| match kind {
            ChangeKind::New => 0,
            ChangeKind::Gone => 1,
            ChangeKind::More | ChangeKind::Less => 2,
        };
        changes.sort_by_key(|c: &Change| (rank(c.kind), std::cmp::Reverse(c.before.max(c.after))));
        Self {
            changes,
            unchanged,
            lines_before: before.lines,
            lines_after: after.lines,
            other: (before.other, after.other),
        }
    }

    /// A table for people; a pattern is cut at `width` characters (0: not at all).
    #[must_use]
    pub fn to_table(&self, width: usize) -> String {
        let share = |count: u64, lines: u64| percent(count as f64 / lines.max(1) as f64);
        let mut table = String::new();
        let _ = writeln!(
            table,
            "{:<4}  {:>10}  {:>7}  {:>10}  {:>7}  {:>7}  PATTERN",
            "", "BEFORE", "", "AFTER", "", "FACTOR"
        );
        for change in &self.changes {
            let rates = (
                change.before as f64 / self.lines_before.max(1) as f64,
                change.after as f64 / self.lines_after.max(1) as f64,
            );
            let factor = match change.kind {
                ChangeKind::New | ChangeKind::Gone => String::new(),
                ChangeKind::More | ChangeKind::Less => format!("x{:.2}", rates.1 / rates.0),
            };
            let _ = writeln!(
                table,
                "{:<4}  {:>10}  {:>7}  {:>10}  {:>7}  {:>7}  {}",
                change.kind.name(),
                change.before,
                share(change.before, self.lines_before),
                change.after,
                share(change.after, self.lines_after),
                factor,
                cut(&change.pattern, width),
            );
        }
        let _ = writeln!(
            table,
            "{} patterns unchanged; {} lines before, {} after",
            self.unchanged, self.lines_before, self.lines_after
        );
        if self.other != (0, 0) {
            let _ = writeln!(
                table,
                "{} lines before and {} after had no room for a pattern of their own: some that are called \
                 new or gone may be among them",
                self.other.0, self.other.1
            );
        }
        table
    }

    /// Everything, as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let changes: Vec<_> = self
            .changes
            .iter()
            .map(|change| {
                json!({
                    "kind": change.kind.name(),
                    "id": change.id.to_string(),
                    "pattern": change.pattern,
                    "before": change.before,
                    "after": change.after,
                    "sample": change.sample,
                })
            })
            .collect();
        let diff = json!({
            "changes": changes,
            "unchanged": self.unchanged,
            "lines_before": self.lines_before,
            "lines_after": self.lines_after,
            "other_before": self.other.0,
            "other_after": self.other.1,
        });
        format!("{diff:#}\n")
    }
}

/// Whether a share changed, by both measures.
fn changed(
    before: u64,
    lines_before: u64,
    after: u64,
    lines_after: u64,
    options: &DiffOptions,
) -> Option<ChangeKind> {
    let (n1, n2) = (lines_before as f64, lines_after as f64);
    let (p1, p2) = (before as f64 / n1, after as f64 / n2);
    let pooled = (before + after) as f64 / (n1 + n2);
    let error = (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    let is_far = (p1 - p2).abs() >= options.sigmas * error && (p1 - p2).abs() > 0.0;
    if is_far && p2 >= p1 * options.factor {
        Some(ChangeKind::More)
    } else if is_far && p1 >= p2 * options.factor {
        Some(ChangeKind::Less)
    } else {
        None
    }
}
