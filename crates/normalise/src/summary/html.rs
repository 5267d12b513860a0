//! A summary as a page: one file, with plots, that needs no network and runs no script but its own.

use std::fmt::Write;

use super::render::percent;
use super::{PatternSummary, Summary};

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// Bars of the first plot, and lines of the second.
const BARS: usize = 20;
const CURVES: usize = 8;
/// Patterns with details; more would make a page that no browser likes.
const DETAILS: usize = 500;
/// One for each curve; told apart in light and dark, and by the colour-blind (Okabe and Ito).
const COLOURS: [&str; CURVES] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8f7c00", "#777777"];

impl Summary {
    /// A page with the counts, two plots and the details of the most frequent patterns. `title` is shown on top.
    ///
    /// Log lines are hostile: everything that comes from them is escaped, and the page forbids itself all else by its
    /// content security policy.
    #[must_use]
    pub fn to_html(&self, title: &str) -> String {
        let mut page = String::new();
        let title = escape(title);
        let _ = write!(
            page,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title}</title><style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        );
        self.facts(&mut page);
        self.bars(&mut page);
        self.curves(&mut page);
        self.rows(&mut page);
        let _ = write!(page, "<script>{SCRIPT}</script>\n</body></html>\n");
        page
    }

    fn facts(&self, page: &mut String) {
        let _ = write!(
            page,
            "<p>{} lines of {} input{}, {} pattern{}, mode <b>{}</b>.",
            self.lines,
            self.inputs.len(),
            if self.inputs.len() == 1 { "" } else { "s" },
            self.patterns.len(),
            if self.patterns.len() == 1 { "" } else { "s" },
            self.mode,
        );
        if let Some(place) = self.first_other {
            let _ = write!(
                page,
                " The table was full at line {}: {} lines ({}) of later patterns are counted together as \
                 (other).",
                escape(&self.place(place)),
                self.other,
                percent(self.share(self.other)),
            );
        }
        page.push_str("</p>\n");
    }

    fn bars(&self, page: &mut String) {
        const ROW: usize = 22;
        let shown = &self.patterns[..self.patterns.len().min(BARS)];
        let largest = shown.first().map_or(1, |pattern| pattern.count).max(1);
        let height = shown.len() * ROW;
        let _ = write!(
            page,
            "<h2>Most frequent</h2>\n<svg class=\"bars\" viewBox=\"0 0 1000 {height}\" role=\"img\" \
             aria-label=\"Lines of the most frequent patterns\">\n"
        );
        for (index, pattern) in shown.iter().enumerate() {
            let width = (pattern.count as f64 / largest as f64 * 300.0).max(1.0);
            let y = index * ROW;
            let text = escape(&super::render::cut(&pattern.pattern, 80));
            let _ = writeln!(
                page,
                "<g><title>{}</title><rect x=\"0\" y=\"{}\" width=\"{width:.1}\" height=\"16\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{} &#183; {} &#183; <tspan class=\"code\">{text}</tspan></text></g>",
                escape(&super::render::cut(&pattern.pattern, 400)),
                y + 2,
                width + 6.0,
                y + 15,
                percent(self.share(pattern.count)),
                pattern.count,
            );
        }
        page.push_str("</svg>\n");
    }

    fn curves(&self, page: &mut String) {
        let shown = &self.patterns[..self.patterns.len().min(CURVES)];
        let steps = shown.iter().map(|pattern| pattern.rate.len()).max().unwrap_or(0);
        if steps < 2 {
            return;
        }
        // The last step is shorter than the others when the file ends inside it: shares, not counts.
        let lines_in = |step: usize| {
            let start = step as u64 * self.step_lines;
            (self.lines - start).min(self.step_lines).max(1) as f64
        };
        let share =
            |pattern: &PatternSummary, step: usize| f64::from(pattern.rate[step]) / lines_in(step);
        let largest = shown
            .iter()
            .flat_map(|pattern| (0..pattern.rate.len()).map(move |step| share(pattern, step)))
            .fold(0.0_f64, f64::max)
            .max(1e-9);
        let _ = write!(
            page,
            "<h2>Rate over the input</h2>\n<p>Share of the lines in each of {steps} steps of {} lines.</p>\n\
             <svg class=\"curves\" viewBox=\"-50 -10 1060 290\" role=\"img\" \
             aria-label=\"Rates of the most frequent patterns\">\n",
            self.step_lines
        );
        for tick in 0..=4 {
            let y = 250.0 - f64::from(tick) * 62.5;
            let _ = writeln!(
                page,
                "<line x1=\"0\" x2=\"1000\" y1=\"{y}\" y2=\"{y}\"/><text x=\"-6\" y=\"{}\" \
                 text-anchor=\"end\">{}</text>",
                y + 4.0,
                percent(largest * f64::from(tick) / 4.0),
            );
        }
        let _ = writeln!(
            page,
            "<text x=\"0\" y=\"272\">line 1</text><text x=\"1000\" y=\"272\" text-anchor=\"end\">line {}</text>",
            self.lines
        );
        for (pattern, colour) in shown.iter().zip(COLOURS) {
            let mut points = String::new();
            for step in 0..pattern.rate.len() {
                let x = step as f64 / (steps - 1) as f64 * 1000.0;
                let _ =
                    write!(points, "{x:.1},{:.1} ", 250.0 - share(pattern, step) / largest * 250.0);
            }
            let _ = writeln!(
                page,
                "<polyline stroke=\"{colour}\" points=\"{points}\"><title>{}</title></polyline>",
                escape(&super::render::cut(&pattern.pattern, 200)),
            );
        }
        page.push_str("</svg>\n<ul class=\"legend\">\n");
        for (pattern, colour) in shown.iter().zip(COLOURS) {
            let _ = writeln!(
                page,
                "<li><svg viewBox=\"0 0 10 10\"><rect width=\"10\" height=\"10\" fill=\"{colour}\"/></svg>\
                 <code>{}</code></li>",
                escape(&super::render::cut(&pattern.pattern, 120)),
            );
        }
        page.push_str("</ul>\n");
    }

    fn rows(&self, page: &mut String) {
        page.push_str(
            "<h2>All patterns</h2>\n<p><label>Filter <input id=\"filter\" type=\"search\" \
             placeholder=\"text\"></label> <span id=\"shown\"></span></p>\n<div id=\"rows\">\n",
        );
        for pattern in self.patterns.iter().take(DETAILS) {
            self.row(page, pattern);
        }
        page.push_str("</div>\n");
        let hidden = &self.patterns[self.patterns.len().min(DETAILS)..];
        if !hidden.is_empty() {
            let count: u64 = hidden.iter().map(|pattern| pattern.count).sum();
            let _ = writeln!(
                page,
                "<p>{} more patterns with {count} lines are not on this page; JSON and CSV have all.</p>",
                hidden.len()
            );
        }
        if self.other > 0 {
            let _ = writeln!(
                page,
                "<p>(other): {} lines, {}.</p>",
                self.other,
                percent(self.share(self.other))
            );
        }
    }

    fn row(&self, page: &mut String, pattern: &PatternSummary) {
        let time = |time: &Option<String>| {
            time.as_ref().map_or(String::new(), |time| format!(" ({})", escape(time)))
        };
        let _ = write!(
            page,
            "<details><summary><span class=\"count\">{}</span><span class=\"share\">{}</span>{}\
             <code>{}</code></summary>\n<p>First at line {}{}, last at line {}{}. Number {}.</p>\n",
            pattern.count,
            percent(self.share(pattern.count)),
            spark(&pattern.rate),
            escape(&super::render::cut(&pattern.pattern, 2000)),
            escape(&self.place(pattern.first)),
            time(&pattern.first_time),
            escape(&self.place(pattern.last)),
            time(&pattern.last_time),
            pattern.id,
        );
        if !pattern.samples.is_empty() {
            page.push_str("<h3>Samples</h3>\n<pre>");
            for sample in &pattern.samples {
                let _ = writeln!(page, "{}", escape(&super::render::cut(sample, 0)));
            }
            page.push_str("</pre>\n");
        }
        if !pattern.slots.is_empty() {
            let _ = write!(
                page,
                "<h3>Values</h3>\n<table><caption>of {} lines</caption>\n",
                pattern.slot_lines
            );
            for (index, slot) in pattern.slots.iter().enumerate() {
                let _ = write!(
                    page,
                    "<tr><th>{}</th><td><code>{}</code></td><td>",
                    index + 1,
                    escape(&slot.placeholder)
                );
                for (value, count) in slot.values.iter().take(6) {
                    let value = escape(&super::render::cut(value, 64));
                    let _ =
                        write!(page, "<span class=\"value\"><code>{value}</code> {count}</span> ");
                }
                let rest: u64 =
                    slot.values.iter().skip(6).map(|(_, count)| count).sum::<u64>() + slot.other;
                if rest > 0 {
                    let _ = write!(page, "<span class=\"value\">(other) {rest}</span>");
                }
                page.push_str("</td></tr>\n");
            }
            page.push_str("</table>\n");
        }
        page.push_str("</details>\n");
    }
}

/// A small plot of a rate.
fn spark(rate: &[u32]) -> String {
    let largest = f64::from(rate.iter().copied().max().unwrap_or(0).max(1));
    let width = 80.0 / rate.len().max(1) as f64;
    let mut path = String::new();
    for (step, &count) in rate.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = f64::from(count) / largest * 16.0;
        let _ = write!(path, "M{:.1} 16v-{height:.1}h{width:.1}V16z", step as f64 * width);
    }
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 80 16\" aria-hidden=\"true\"><path d=\"{path}\"/></svg>"
    )
}

/// Text that cannot become markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
