//! A bar chart as SVG, without a script and with colors for light and dark pages.

use std::fmt::Write as _;

pub struct Bar {
    what: String,
    rate: f64,
}

impl Bar {
    pub fn new(what: impl Into<String>, rate: f64) -> Self {
        Self {
            what: what.into(),
            rate,
        }
    }
}

/// Draws the bars one below the other, on a logarithmic scale, since the rates differ by factors of thousands.
pub fn draw(bars: &[Bar]) -> String {
    const ROW: usize = 26;
    const LEFT: f64 = 330.0;
    const WIDTH: f64 = 360.0;
    let highest = bars.iter().map(|bar| bar.rate.log10()).fold(1.0, f64::max);
    let height = ROW * bars.len() + 40;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 780 {height}\" width=\"780\" height=\"{height}\" role=\"img\" aria-label=\"Answers a second\">\n\
         <style>text{{font:13px sans-serif;fill:#1f2430}}rect{{fill:#3b5bdb}}@media(prefers-color-scheme:dark){{text{{fill:#dfe2ea}}rect{{fill:#748ffc}}}}</style>\n\
         <text x=\"10\" y=\"20\">Answers a second, two cores, load on the same machine (logarithmic)</text>\n"
    );
    for (number, bar) in bars.iter().enumerate() {
        let y = 34 + ROW * number;
        let width = WIDTH * (bar.rate.log10().max(0.0) / highest);
        let text = y + 15;
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{text}\" text-anchor=\"end\">{}</text><rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.0}\" height=\"19\" rx=\"3\"/><text x=\"{:.0}\" y=\"{text}\">{}</text>",
            LEFT - 8.0,
            bar.what.replace('&', "&amp;"),
            LEFT + width + 6.0,
            if bar.rate < 100.0 {
                format!("{:.1}", bar.rate)
            } else {
                format!("{:.0}", bar.rate)
            },
        );
    }
    svg + "</svg>\n"
}
