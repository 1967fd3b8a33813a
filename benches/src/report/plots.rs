//! The pictures of the report.

use anyhow::{Result, anyhow};
use charts_rs::{Color, HorizontalBarChart, LineChart};
use serde_json::{Value, json};

use super::measure::{LutCost, Measurements};

/// Light grey text and lines read on white and on black alike.
const GREY: &str = "#8a8f98";

/// So that a picture is as light or as dark as the page.
const CLEAR: Color = Color {
    r: 0,
    g: 0,
    b: 0,
    a: 0,
};

/// Names and contents of all files.
pub(super) fn all(measurements: &Measurements) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("benchmarks-letter.svg", letter(measurements)?),
        ("benchmarks-luts.svg", luts(measurements)?),
        ("benchmarks-cores.svg", cores(measurements)?),
        ("benchmarks-length.svg", length(measurements)?),
    ])
}

/// Where a letter's time goes.
fn letter(measurements: &Measurements) -> Result<String> {
    let layers = &measurements.letter.layers;
    // Bars are drawn from the bottom.
    let shown = layers
        .iter()
        .rev()
        .filter(|(_, time)| time.as_millis() >= 3);
    let (names, times): (Vec<&str>, Vec<f64>) = shown
        .map(|(name, time)| (name.as_str(), (1e3 * time.as_secs_f64()).round()))
        .unzip();
    bars(
        "names-gpt, last letter: milliseconds a layer",
        &names,
        &times,
    )
}

/// LUTs by precision.
fn luts(measurements: &Measurements) -> Result<String> {
    let (names, times): (Vec<String>, Vec<f64>) = measurements
        .luts
        .iter()
        .rev()
        .map(|lut| (label(lut), (1e5 * lut.seconds).round() / 100.0))
        .unzip();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    bars("a LUT on one core, milliseconds", &names, &times)
}

fn label(lut: &LutCost) -> String {
    let output = lut.parameters.lut_output_variance(lut.precision).log2() / 2.0;
    format!("{}, output 2^{output:.0}", lut.parameters.name)
}

/// Throughput by cores.
fn cores(measurements: &Measurements) -> Result<String> {
    let threads = measurements
        .scaling
        .iter()
        .map(|(threads, _)| threads.to_string());
    let speeds = measurements.scaling.iter().map(|(_, speed)| speed.round());
    lines(
        "LUTs a second (fast-1024, batch of 64) by cores",
        threads.collect(),
        speeds.collect(),
    )
}

/// Time of each letter.
fn length(measurements: &Measurements) -> Result<String> {
    let positions = &measurements.letter.positions;
    let names = (1..=positions.len()).map(|position| position.to_string());
    let times = positions
        .iter()
        .map(|(_, time)| (1e3 * time.as_secs_f64()).round());
    lines(
        "names-gpt: milliseconds a letter by position",
        names.collect(),
        times.collect(),
    )
}

fn bars(title: &str, names: &[&str], values: &[f64]) -> Result<String> {
    let mut chart = chart(title, json!(names), values);
    chart["height"] = json!(90 + 26 * names.len());
    chart["series_label_formatter"] = json!("{c}");
    // Room for the names in a browser's own font, which may be wider than the one that is measured.
    chart["y_axis_configs"][0]["axis_width"] = json!(210);
    chart["series_list"][0]["label_show"] = json!(true);
    let chart = HorizontalBarChart::from_json(&chart.to_string());
    let svg = chart.and_then(|mut chart| {
        chart.base.background_color = CLEAR;
        chart.svg()
    });
    svg.map_err(|error| anyhow!("cannot draw {title:?}: {error}"))
}

fn lines(title: &str, names: Vec<String>, values: Vec<f64>) -> Result<String> {
    let chart = LineChart::from_json(&chart(title, json!(names), &values).to_string());
    let svg = chart.and_then(|mut chart| {
        chart.base.background_color = CLEAR;
        chart.svg()
    });
    svg.map_err(|error| anyhow!("cannot draw {title:?}: {error}"))
}

fn chart(title: &str, names: Value, values: &[f64]) -> Value {
    json!({
        "width": 720,
        "height": 320,
        "margin": {"left": 10, "top": 10, "right": 30, "bottom": 10},
        "title_text": title,
        "title_font_color": GREY,
        "title_font_size": 16,
        "legend_show": false,
        "x_axis_data": names,
        "x_axis_font_color": GREY,
        "x_axis_stroke_color": GREY,
        "grid_stroke_color": "#8a8f9855",
        "y_axis_configs": [{"axis_font_color": GREY}],
        "series_label_font_color": GREY,
        "series_list": [{"name": "", "data": values}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_lines_are_drawn() {
        let names = ["one", "another"];
        let bars = bars("milliseconds", &names, &[3.5, 12.0]).expect("drawn");
        let lines = lines("speed", names.map(str::to_owned).to_vec(), vec![1.0, 2.0]);
        for svg in [bars, lines.expect("drawn")] {
            assert!(svg.starts_with("<svg") && svg.contains("another"), "{svg}");
        }
    }
}
