//! How well each mode groups lines like the templates that they were made from.

#[path = "../corpus/mod.rs"]
mod corpus;

use std::collections::HashMap;

use flightring_normalise::{Masker, Mode};

/// Grouping accuracy (Zhu et al., "Tools and Benchmarks for Automated Log Parsing", ICSE 2019): the share of lines whose
/// group, as a set of lines, is exactly that of their template.
///
/// The mean of ten sets of 2,000 lines, the size that published evaluations use.
fn accuracy(mode: Mode) -> f64 {
    (1..=10).map(|seed| accuracy_of(mode, seed)).sum::<f64>() / 10.0
}

fn accuracy_of(mode: Mode, seed: u64) -> f64 {
    let masker = Masker::new(mode);
    let mut corpus = corpus::Corpus::new(seed);
    let mut line = Vec::new();
    let mut by_template: HashMap<usize, u64> = HashMap::new();
    let mut by_pattern: HashMap<Vec<u8>, HashMap<usize, u64>> = HashMap::new();
    let lines = 2000_u32;
    for _ in 0..lines {
        line.clear();
        let template = corpus.line(&mut line);
        *by_template.entry(template).or_default() += 1;
        *by_pattern.entry(masker.mask(&line)).or_default().entry(template).or_default() += 1;
    }
    let mut right = 0.0;
    for (pattern, templates) in &by_pattern {
        let mut templates = templates.iter();
        if let (Some((template, count)), None) = (templates.next(), templates.next())
            && by_template[template] == *count
        {
            right += *count as f64;
        } else if std::env::var_os("SHOW_SPLITS").is_some() {
            println!("{mode}: {}", String::from_utf8_lossy(pattern));
        }
    }
    right / f64::from(lines)
}

#[test]
fn typed_groups_nearly_all_lines_as_their_templates() {
    let typed = accuracy(Mode::Typed);
    println!("typed {typed:.3}");
    assert!(typed >= 0.95, "typed groups {typed:.3}");
}

/// The coarser modes, so that a change in them is seen. Their floors are below what was measured, not aims.
#[test]
fn the_other_modes_keep_their_places() {
    for (mode, floor) in [(Mode::Shape, 0.4), (Mode::Digits, 0.15), (Mode::Tokens, 0.85)] {
        let measured = accuracy(mode);
        println!("{mode} {measured:.3}");
        assert!(measured >= floor, "{mode} groups {measured:.3}");
    }
}
