//! A terminal window as an SVG picture. Each cell has a fixed size, so the picture is the same with every monospaced font.

use std::fmt::Write as _;

use vt100::Color;

const CELL_WIDTH: f64 = 8.4;
const LINE_HEIGHT: usize = 19;
const FONT_SIZE: usize = 14;
/// Space around the text.
const MARGIN: usize = 18;
/// Height of the bar with the three buttons.
const BAR: usize = 34;

/// Colors of the default terminal text and of the eight basic colors with their bright variants. The window is dark, and its border
/// is visible on dark pages too.
const BACKGROUND: &str = "#161b22";
const BORDER: &str = "#444c56";
const TEXT: &str = "#d1d7e0";
const PALETTE: [&str; 16] = [
    "#656c76", "#f47067", "#6bc46d", "#daaa3f", "#6cb6ff", "#dcbdfb", "#56d4dd", "#d1d7e0",
    "#8b949e", "#ff938a", "#8ddb8c", "#eac55f", "#96d0ff", "#e0c8ff", "#76e3ea", "#ffffff",
];

/// Attributes of a cell.
#[derive(Clone, Copy, PartialEq)]
pub struct Style {
    color: Color,
    is_bold: bool,
    is_dim: bool,
}

/// A line of the screen.
pub struct Line {
    pub text: Vec<char>,
    styles: Vec<Style>,
}

impl Line {
    /// Reads one row of a screen, without trailing spaces.
    pub fn of(screen: &vt100::Screen, row: u16, columns: u16) -> Self {
        let mut line = Self {
            text: Vec::new(),
            styles: Vec::new(),
        };
        for cell in (0..columns).filter_map(|column| screen.cell(row, column)) {
            // The program writes no wide and no combining characters.
            line.text
                .push(cell.contents().chars().next().unwrap_or(' '));
            line.styles.push(Style {
                color: cell.fgcolor(),
                is_bold: cell.bold(),
                is_dim: cell.dim(),
            });
        }
        let end = line
            .text
            .iter()
            .rposition(|c| *c != ' ')
            .map_or(0, |at| at + 1);
        line.text.truncate(end);
        line.styles.truncate(end);
        line
    }

    /// Splits the line into pieces of one style, as position and text. They contain no two consecutive spaces, since some viewers
    /// collapse them.
    fn pieces(&self) -> Vec<(usize, String, Style)> {
        let mut pieces = Vec::new();
        let mut rest = 0..self.text.len();
        while let Some(start) = rest.find(|at| self.text[*at] != ' ') {
            let style = self.styles[start];
            let ends = |at: usize| {
                let is_gap =
                    self.text[at] == ' ' && self.text.get(at + 1).is_none_or(|c| *c == ' ');
                is_gap || self.styles[at] != style
            };
            let end = (start..self.text.len()).find(|at| ends(*at));
            let end = end.unwrap_or(self.text.len());
            let text: String = self.text[start..end].iter().collect();
            pieces.push((start, text.trim_end().to_owned(), style));
            rest = end..self.text.len();
        }
        pieces
    }
}

/// Draws a window with these lines.
pub fn window(title: &str, lines: &[Line], columns: u16) -> String {
    let width = (f64::from(columns) * CELL_WIDTH) as usize + 2 * MARGIN;
    let height = lines.len() * LINE_HEIGHT + BAR + MARGIN;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{}</title>
<rect x="0.5" y="0.5" width="{}" height="{}" rx="10" fill="{BACKGROUND}" stroke="{BORDER}"/>
"#,
        escaped(title),
        width - 1,
        height - 1,
    );
    for (number, color) in ["#f47067", "#daaa3f", "#6bc46d"].iter().enumerate() {
        let x = MARGIN + 4 + number * 20;
        let _ = writeln!(svg, r#"<circle cx="{x}" cy="18" r="6" fill="{color}"/>"#);
    }
    let _ = writeln!(
        svg,
        r#"<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="{FONT_SIZE}" fill="{TEXT}">"#
    );
    for (row, line) in lines.iter().enumerate() {
        let y = BAR + row * LINE_HEIGHT + FONT_SIZE;
        for (column, text, style) in line.pieces() {
            let x = MARGIN as f64 + column as f64 * CELL_WIDTH;
            let length = text.chars().count() as f64 * CELL_WIDTH;
            let _ = writeln!(
                svg,
                r#"<text x="{x:.1}" y="{y}" textLength="{length:.1}"{}>{}</text>"#,
                attributes(style),
                escaped(&text)
            );
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn attributes(style: Style) -> String {
    let mut attributes = String::new();
    if let Color::Idx(number) = style.color
        && let Some(color) = PALETTE.get(usize::from(number))
    {
        let _ = write!(attributes, r#" fill="{color}""#);
    }
    if style.is_bold {
        attributes.push_str(r#" font-weight="bold""#);
    }
    if style.is_dim {
        attributes.push_str(r#" opacity="0.7""#);
    }
    attributes
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
