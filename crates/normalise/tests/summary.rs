//! Summaries: exact counts, whatever the number of threads and the room.

#[path = "../corpus/mod.rs"]
mod corpus;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use flightring_normalise::pipeline::{Input, Options, Output, run};
use flightring_normalise::summary::{ChangeKind, Diff, DiffOptions, Place};
use flightring_normalise::{Masker, Mode, PatternCounter, PatternId, Summary, SummaryOptions};

fn summary_of(texts: &[&[u8]], mode: Mode, options: &Options) -> Summary {
    let inputs = texts
        .iter()
        .enumerate()
        .map(|(index, text)| Input::reader(format!("in{index}"), io::Cursor::new(text.to_vec())))
        .collect();
    let report = run(inputs, Output::Discard, &Masker::new(mode), options, &Arc::default());
    report.expect("readable").summary.expect("asked for")
}

fn made_up(seed: u64, lines: usize) -> Vec<u8> {
    let mut corpus = corpus::Corpus::new(seed);
    let mut text = Vec::new();
    for _ in 0..lines {
        corpus.line(&mut text);
        text.push(b'\n');
    }
    text
}

#[test]
fn counts_are_those_of_a_naive_count() {
    let text = made_up(5, 4000);
    for mode in Mode::ALL {
        let masker = Masker::new(mode);
        let mut naive: HashMap<Vec<u8>, (u64, u64, u64)> = HashMap::new();
        for (line, text) in (1..).zip(text.strip_suffix(b"\n").unwrap().split(|&b| b == b'\n')) {
            let (count, _, last) = naive.entry(masker.mask(text)).or_insert((0, line, line));
            *count += 1;
            *last = line;
        }
        for workers in [1, 4] {
            let options = Options::new(workers, 2, 8 << 10).with_summary(SummaryOptions::default());
            let summary = summary_of(&[&text], mode, &options);
            assert_eq!(summary.lines, 4000);
            assert_eq!(summary.other, 0);
            assert_eq!(summary.patterns.len(), naive.len());
            for pattern in &summary.patterns {
                let (count, first, last) = naive[pattern.pattern.as_bytes()];
                assert_eq!(pattern.count, count);
                assert_eq!((pattern.first.line, pattern.last.line), (first, last));
                assert_eq!(pattern.id, PatternId::of(pattern.pattern.as_bytes()));
                assert_eq!(pattern.rate.iter().map(|&n| u64::from(n)).sum::<u64>(), count);
                assert_eq!(pattern.samples.len() as u64, count.min(5));
                for sample in &pattern.samples {
                    assert_eq!(masker.mask(sample.as_bytes()), pattern.pattern.as_bytes());
                }
            }
            assert!(summary.patterns.is_sorted_by(|a, b| a.count >= b.count));
        }
    }
}

#[test]
fn a_full_table_counts_the_rest_together() {
    let text = made_up(6, 3000);
    for max in [0, 1, 7, 30] {
        let mut options = SummaryOptions::default();
        options.max_patterns = max;
        let one = Options::new(1, 1, 8 << 10).with_summary(options.clone());
        let many = Options::new(7, 3, 8 << 10).with_summary(options);
        let (one, many) =
            (summary_of(&[&text], Mode::Shape, &one), summary_of(&[&text], Mode::Shape, &many));
        assert_eq!(one.to_json(), many.to_json(), "the same whatever the number of threads");
        assert_eq!(one.patterns.len(), max);
        let counted: u64 = one.patterns.iter().map(|pattern| pattern.count).sum();
        assert_eq!(counted + one.other, 3000);
        assert!(one.other > 0 && one.first_other.is_some());
        // Those that are counted are counted exactly.
        let all = Options::default().with_summary(SummaryOptions::default());
        let all = summary_of(&[&text], Mode::Shape, &all);
        for pattern in &one.patterns {
            let whole = all.patterns.iter().find(|p| p.id == pattern.id).unwrap();
            assert_eq!(pattern.count, whole.count);
        }
    }
    let mut options = SummaryOptions::default();
    options.max_bytes = 20_000;
    let small = summary_of(&[&text], Mode::Shape, &Options::default().with_summary(options));
    let kept: usize = small
        .patterns
        .iter()
        .map(|p| p.pattern.len() + p.samples.iter().map(String::len).sum::<usize>())
        .sum();
    assert!(small.other > 0 && kept <= 20_000);
}

#[test]
fn details_of_a_pattern() {
    let first = "2024-03-17 10:00:00 get /a status=200 in 7ms\n".repeat(6)
        + "2024-03-17 10:00:01 get /b status=404 in 9ms\n";
    let second = "other\n2024-03-17 11:30:00 get /a status=200 in 7ms";
    let options = Options::default().with_summary(SummaryOptions::default());
    let summary = summary_of(&[first.as_bytes(), second.as_bytes()], Mode::Typed, &options);
    let pattern = &summary.patterns[0];
    assert_eq!(pattern.pattern, "<date> <time> get <path> status=<num> in <num>ms");
    assert_eq!(pattern.count, 8);
    assert_eq!(pattern.first, Place { input: 0, line: 1 });
    assert_eq!(pattern.last, Place { input: 1, line: 2 });
    assert_eq!(summary.place(pattern.last), "in1:2");
    assert_eq!(pattern.first_time.as_deref(), Some("2024-03-17 10:00:00"));
    assert_eq!(pattern.last_time.as_deref(), Some("2024-03-17 11:30:00"));
    assert_eq!(pattern.slot_lines, 8);
    let status = &pattern.slots[3];
    assert_eq!(status.placeholder, "<num>");
    assert_eq!(status.values, [("200".to_owned(), 7), ("404".to_owned(), 1)]);
    assert_eq!(status.other, 0);
    // A slot with more values than are counted by themselves.
    let many: String = (0..100).map(|n| format!("n {n}\n")).collect();
    let summary = summary_of(&[many.as_bytes()], Mode::Digits, &options);
    let slot = &summary.patterns[0].slots[0];
    let counted: u64 = slot.values.iter().map(|value| value.1).sum();
    assert_eq!(counted + slot.other, summary.patterns[0].slot_lines);
    assert!(slot.other > 0);
}

#[test]
fn long_lines_count_too() {
    let text =
        [&b"short 1\n"[..], &b"x".repeat(9000), b"7\n", &b"(".repeat(900_000), b"\nshort 2\n"]
            .concat();
    let options = Options::new(1, 1, 4 << 10).with_summary(SummaryOptions::default());
    let summary = summary_of(&[&text], Mode::Digits, &options);
    assert_eq!(summary.lines, 4);
    assert_eq!(summary.other, 1, "too long a pattern to be kept");
    let long = summary.patterns.iter().find(|p| p.pattern.len() > 4096).unwrap();
    assert_eq!(long.pattern, "x".repeat(9000) + "#");
    assert_eq!(long.samples, ["x".repeat(1024)]);
    assert_eq!(summary.patterns[0].pattern, "short #");
    assert_eq!((summary.patterns[0].count, summary.patterns[0].last.line), (2, 4));
}

#[test]
fn every_form_of_output() {
    let text = b"a,\"b\" <script>alert(1)</script> 1\n".repeat(3);
    let text = [&text[..], b"c 2\nd\n\x1b[31m\xff 5\r\n"].concat();
    let options = Options::default().with_summary(SummaryOptions::default());
    let mut summary = summary_of(&[&text], Mode::Digits, &options);
    let table = summary.to_table(2, 20);
    assert!(table.contains("50.00%") && table.contains("a,\"b\" <script>alert…"), "{table}");
    assert!(table.contains("(2 more patterns)") && table.contains("total"), "{table}");
    let json: serde_json::Value = serde_json::from_str(&summary.to_json()).unwrap();
    assert_eq!(json["lines"], 6);
    assert_eq!(json["patterns"][0]["count"], 3);
    assert_eq!(json["patterns"][0]["slots"][0]["values"][0]["value"], "1");
    let csv = summary.to_csv();
    assert_eq!(csv.lines().count(), 1 + 4);
    assert!(csv.contains("\"a,\"\"b\"\" <script>alert(#)</script> #\""), "{csv}");
    let html = summary.to_html("x & <y>");
    assert!(html.contains("<title>x &amp; &lt;y&gt;</title>") && !html.contains("<script>alert"));
    assert!(html.contains("default-src 'none'") && html.contains("<svg"));
    assert!(!html.contains("http://") && !html.contains("https://"), "nothing from a network");
    assert!(!html.contains('\x1b'), "control characters are shown as text");
    // Nothing at all.
    summary = summary_of(&[b""], Mode::Digits, &options);
    assert_eq!((summary.lines, summary.patterns.len()), (0, 0));
    assert!(
        summary.to_html("empty").contains("0 lines") && summary.to_table(10, 80).contains("COUNT")
    );
}

#[test]
fn a_diff_finds_what_is_new_gone_and_changed() {
    let before = "a 1\n".repeat(1000) + &"b x\n".repeat(900) + &"c y\n".repeat(50) + "d 4\n";
    let after = "a 1\n".repeat(1000) + &"b x\n".repeat(930) + &"c y\n".repeat(500) + "e 5\n";
    let options = Options::default().with_summary(SummaryOptions::default());
    let before = summary_of(&[before.as_bytes()], Mode::Digits, &options);
    let after = summary_of(&[after.as_bytes()], Mode::Digits, &options);
    let diff = Diff::new(&before, &after, &DiffOptions::default());
    let found: Vec<(ChangeKind, &str)> =
        diff.changes.iter().map(|change| (change.kind, change.pattern.as_str())).collect();
    assert_eq!(
        found,
        [(ChangeKind::New, "e #"), (ChangeKind::Gone, "d #"), (ChangeKind::More, "c y")]
    );
    assert_eq!(diff.unchanged, 2);
    assert_eq!((diff.changes[2].before, diff.changes[2].after), (50, 500));
    assert!(
        diff.to_table(0).contains("more          50    2.56%         500   20.57%    x8.03  c y"),
        "{}",
        diff.to_table(0)
    );
    assert!(diff.to_json().contains("\"kind\": \"gone\""));
    let back = Diff::new(&after, &before, &DiffOptions::default());
    assert!(back.changes.iter().any(|change| change.kind == ChangeKind::Less));
    let same = Diff::new(&after, &after, &DiffOptions::default());
    assert!(same.changes.is_empty());
}

/// However a stream is cut, the counter counts what a summary of the whole has.
#[test]
fn a_counter_counts_a_stream() {
    let mut text = made_up(8, 2000);
    text.extend_from_slice(&b"long 1 ".repeat(5000));
    text.extend_from_slice(b"\n\n\nlast 1");
    let options = SummaryOptions::default();
    let mut expected: Option<Vec<_>> = None;
    for step in [1, 7, 1000, 5000, 1 << 20] {
        let mut counter = PatternCounter::new(&Masker::new(Mode::Typed), &options);
        for chunk in text.chunks(step) {
            counter.feed(chunk);
        }
        assert_eq!(counter.lines(), 2003);
        counter.finish_line();
        assert_eq!(counter.lines(), 2004);
        let top = counter.top(usize::MAX);
        assert_eq!(top.iter().map(|pattern| pattern.count).sum::<u64>() + counter.other(), 2004);
        assert_eq!(top.len(), counter.patterns());
        assert!(*expected.get_or_insert_with(|| top.clone()) == top, "in steps of {step}");
        assert_eq!(counter.into_summary("stream").lines, 2004);
    }
    let mut counter = PatternCounter::new(&Masker::new(Mode::Digits), &options);
    counter.feed(b"half ");
    counter.feed_line(b"line 1");
    counter.feed_line(b"with\nfeed");
    counter.feed(b"2\n");
    let top: Vec<String> = counter.top(9).into_iter().map(|pattern| pattern.pattern).collect();
    assert_eq!(top, ["line #", "with feed", "half #"]);
}
