//! Bars as SVG, for the tables under docs/benchmarks.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// One group of bars: its name, and the value of each series, if it has one.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) values: Vec<Option<f64>>,
}

const BAR: i32 = 14;
const GAP: i32 = 10;
const LEFT: i32 = 160;
const RIGHT: i32 = 80;
const TOP: i32 = 64;

/// Draws groups of horizontal bars, one bar for each series.
pub(crate) fn bars(path: &Path, title: &str, series: &[String], groups: &[Group]) -> Result<()> {
    let count = series.len() as i32;
    let group_height = count * BAR + GAP;
    let height = TOP + group_height * groups.len() as i32 + GAP;
    let width = 800;
    let most = groups.iter().flat_map(|group| &group.values).flatten().copied().fold(0.0, f64::max);
    let scale = f64::from(width - LEFT - RIGHT) / if most > 0.0 { most } else { 1.0 };
    let area = SVGBackend::new(path, (width as u32, height as u32)).into_drawing_area();
    let failed = |error| anyhow!("cannot draw {}: {error}", path.display());
    area.fill(&WHITE).map_err(failed)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    area.draw(&Text::new(title.to_owned(), (10, 10), text(18))).map_err(failed)?;
    for (number, name) in series.iter().enumerate() {
        let x = 10 + 130 * number as i32;
        let square = Rectangle::new([(x, 40), (x + 10, 50)], colour(number).filled());
        area.draw(&square).map_err(failed)?;
        area.draw(&Text::new(name.clone(), (x + 15, 38), text(13))).map_err(failed)?;
    }
    for (row, group) in groups.iter().enumerate() {
        let top = TOP + row as i32 * group_height;
        let name = (10, top + (count * BAR) / 2 - 7);
        area.draw(&Text::new(group.name.clone(), name, text(14))).map_err(failed)?;
        for (number, value) in group.values.iter().enumerate() {
            let Some(value) = value else { continue };
            let y = top + number as i32 * BAR;
            let end = LEFT + (value * scale).round() as i32;
            let bar = Rectangle::new([(LEFT, y), (end, y + BAR - 2)], colour(number).filled());
            area.draw(&bar).map_err(failed)?;
            let label = Text::new(shown(*value), (end + 4, y), text(12));
            area.draw(&label).map_err(failed)?;
        }
    }
    area.present().map_err(failed)
}

fn colour(number: usize) -> PaletteColor<Palette99> {
    Palette99::pick(number)
}

/// Three digits that mean something.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_becomes_a_bar_with_its_number() {
        let path = std::env::temp_dir().join(format!("flr-plot-{}.svg", std::process::id()));
        let groups = [
            Group { name: "one <1>".into(), values: vec![Some(12.34), None] },
            Group { name: "two".into(), values: vec![Some(0.5), Some(123.4)] },
        ];
        bars(&path, "a title", &["a".into(), "b".into()], &groups).unwrap();
        let drawn = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for text in ["a title", "one &lt;1&gt;", "12.3", "0.500", "123"] {
            assert!(drawn.contains(text), "{text} is missing in {drawn}");
        }
        // The background, two squares of the legend, three bars.
        assert_eq!(drawn.matches("<rect").count(), 6);
    }
}
