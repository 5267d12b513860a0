//! A summary as a table for people, and as JSON and CSV for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{PatternSummary, SlotSummary, Summary};

impl Summary {
    /// A table with the `most` largest counts; a pattern is cut at `width` characters (0: not at all).
    #[must_use]
    pub fn to_table(&self, most: usize, width: usize) -> String {
        let shown = &self.patterns[..self.patterns.len().min(most)];
        let mut rows = vec![["COUNT", "SHARE", "FIRST", "LAST", "ID"].map(str::to_owned)];
        for pattern in shown {
            rows.push([
                pattern.count.to_string(),
                percent(self.share(pattern.count)),
                self.place(pattern.first),
                self.place(pattern.last),
                pattern.id.to_string(),
            ]);
        }
        let mut line = |label: &str, count: u64| {
            if count > 0 {
                let share = percent(self.share(count));
                rows.push([
                    count.to_string(),
                    share,
                    label.to_owned(),
                    String::new(),
                    String::new(),
                ]);
            }
        };
        let hidden: u64 = self.patterns[shown.len()..].iter().map(|pattern| pattern.count).sum();
        line(&format!("({} more patterns)", self.patterns.len() - shown.len()), hidden);
        line("(other)", self.other);
        line("total", self.lines);
        let columns: Vec<usize> = (0..5)
            .map(|column| {
                // A label of a sum may stand beyond its column.
                let cells = rows.iter().take(shown.len() + 1);
                cells.map(|row| row[column].chars().count()).max().unwrap_or(0)
            })
            .collect();
        let counts = rows.iter().map(|row| row[0].len()).max().unwrap_or(0);
        let mut table = String::new();
        for (index, [count, share, first, last, id]) in rows.iter().enumerate() {
            let text = match index {
                0 => "PATTERN".to_owned(),
                _ => shown.get(index - 1).map_or(String::new(), |p| cut(&p.pattern, width)),
            };
            let row = format!(
                "{count:>counts$}  {share:>6}  {first:>w1$}  {last:>w2$}  {id:<16}  {text}",
                w1 = columns[2],
                w2 = columns[3],
            );
            table.push_str(row.trim_end());
            table.push('\n');
        }
        table
    }

    /// Everything, as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let place = |place: super::Place| json!({ "input": place.input, "line": place.line });
        let slot = |slot: &SlotSummary| {
            let values: Vec<Value> = slot
                .values
                .iter()
                .map(|(value, count)| json!({ "value": value, "count": count }))
                .collect();
            json!({ "placeholder": slot.placeholder, "values": values, "other": slot.other })
        };
        let pattern = |pattern: &PatternSummary| {
            json!({
                "id": pattern.id.to_string(),
                "pattern": pattern.pattern,
                "count": pattern.count,
                "share": self.share(pattern.count),
                "first": place(pattern.first),
                "last": place(pattern.last),
                "first_time": pattern.first_time,
                "last_time": pattern.last_time,
                "samples": pattern.samples,
                "slot_lines": pattern.slot_lines,
                "slots": pattern.slots.iter().map(slot).collect::<Vec<_>>(),
                "rate": pattern.rate,
            })
        };
        let inputs: Vec<Value> = self
            .inputs
            .iter()
            .map(|input| json!({ "name": input.name, "lines": input.lines }))
            .collect();
        let summary = json!({
            "mode": self.mode.name(),
            "lines": self.lines,
            "inputs": inputs,
            "patterns": self.patterns.iter().map(pattern).collect::<Vec<_>>(),
            "other": self.other,
            "first_other": self.first_other.map(place),
            "other_rate": self.other_rate,
            "step_lines": self.step_lines,
        });
        format!("{summary:#}\n")
    }

    /// One line for each pattern and a header (RFC 4180, with line feeds). The last line is `(other)`, when there are such.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut csv = String::from(
            "id,count,share,first_input,first_line,first_time,last_input,last_line,last_time,pattern,sample\n",
        );
        let name = |place: super::Place| {
            quoted(self.inputs.get(place.input).map_or("", |input| input.name.as_str()))
        };
        for pattern in &self.patterns {
            let _ = writeln!(
                csv,
                "{},{},{:.6},{},{},{},{},{},{},{},{}",
                pattern.id,
                pattern.count,
                self.share(pattern.count),
                name(pattern.first),
                pattern.first.line,
                quoted(pattern.first_time.as_deref().unwrap_or("")),
                name(pattern.last),
                pattern.last.line,
                quoted(pattern.last_time.as_deref().unwrap_or("")),
                quoted(&pattern.pattern),
                quoted(pattern.samples.first().map_or("", String::as_str)),
            );
        }
        if self.other > 0 {
            let _ = writeln!(csv, ",{},{:.6},,,,,,,(other),", self.other, self.share(self.other));
        }
        csv
    }
}

/// A share with two digits after the point.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// A text on one line of at most `width` characters; control characters are shown as escapes.
pub(super) fn cut(text: &str, width: usize) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if width > 0 && shown.chars().count() > width {
        shown = shown.chars().take(width - 1).chain(['…']).collect();
    }
    shown
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
