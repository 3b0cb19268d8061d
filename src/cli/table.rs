//! Tables for people: as wide as the terminal, with cells broken into several lines. In a pipe, each row is one line.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use dialoguer::console::{Term, measure_text_width};

/// Space on both sides of a cell.
const PADDING: u16 = 2;
/// Minimum width of a column that is broken into lines, with the padding: wide enough for one or two words.
const MIN_WIDTH: u16 = 12;

/// Returns an empty table. On a terminal, the columns with the numbers in `broken`, which have long values, are broken into
/// lines first; the others only if the table is still too wide, and never inside a word.
pub(super) fn table<const N: usize>(header: [&str; N], broken: &[usize]) -> Table {
    table_of_width(terminal_width(), header, broken)
}

fn table_of_width<const N: usize>(
    width: Option<u16>,
    header: [&str; N],
    broken: &[usize],
) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
        for (number, column) in table.column_iter_mut().enumerate() {
            column.set_constraint(if broken.contains(&number) {
                at_least(MIN_WIDTH)
            } else {
                ColumnConstraint::ContentWidth
            });
        }
    }
    table
}

/// Renders a table. If the terminal is too narrow for it, each row becomes a block of lines.
pub(super) fn fit_to_terminal(mut table: Table) -> String {
    let text = table.trim_fmt();
    let Some(width) = table_width(&table).filter(|width| *width < widest_line(&text)) else {
        return text;
    };
    allow_breaks_between_words(&mut table);
    let text = table.trim_fmt();
    if widest_line(&text) <= width {
        text
    } else {
        format_blocks(&table)
    }
}

/// Breaks text into lines that fit the terminal and indents all but the first. In a pipe, the text stays one line.
pub(super) fn hanging(text: &str, indent: u16) -> String {
    hanging_for(terminal_width(), text, indent)
}

fn hanging_for(width: Option<u16>, text: &str, indent: u16) -> String {
    let available = width.and_then(|width| width.checked_sub(indent));
    let Some(available) = available.filter(|available| *available >= MIN_WIDTH) else {
        return text.to_owned();
    };
    let mut cell = Table::new();
    cell.load_style(presets::NOTHING);
    cell.set_content_arrangement(ContentArrangement::Dynamic);
    cell.set_width(available);
    cell.add_row([text]);
    for column in cell.column_iter_mut() {
        column.set_padding((0, 0));
    }
    let end_of_line = format!("\n{}", " ".repeat(usize::from(indent)));
    cell.trim_fmt().replace('\n', &end_of_line)
}

/// Returns whether tables are fitted to the width of a terminal.
pub(super) fn fits_terminal() -> bool {
    terminal_width().is_some()
}

fn terminal_width() -> Option<u16> {
    Term::stdout().size_checked().map(|(_, width)| width)
}

fn table_width(table: &Table) -> Option<usize> {
    let is_fitted = matches!(table.content_arrangement(), ContentArrangement::Dynamic);
    table.width().filter(|_| is_fitted).map(usize::from)
}

fn widest_line(text: &str) -> usize {
    text.lines().map(measure_text_width).max().unwrap_or(0)
}

fn at_least(width: u16) -> ColumnConstraint {
    ColumnConstraint::LowerBoundary(Width::Fixed(width))
}

/// Lets every column be as narrow as its longest word.
fn allow_breaks_between_words(table: &mut Table) {
    let longest_word = |number| {
        let cells = table.column_cells_with_header_iter(number).flatten();
        let words = cells.map(|cell| {
            let text = cell.content();
            let words = text.split_whitespace().map(measure_text_width);
            words.max().unwrap_or(0)
        });
        u16::try_from(words.max().unwrap_or(0)).unwrap_or(u16::MAX)
    };
    let constraints: Vec<_> = table
        .column_iter()
        .enumerate()
        .map(|(number, column)| match column.constraint() {
            Some(ColumnConstraint::ContentWidth) => {
                at_least(longest_word(number).saturating_add(PADDING))
            }
            other => other.copied().unwrap_or(at_least(MIN_WIDTH)),
        })
        .collect();
    table.set_constraints(constraints);
}

/// Formats each row as a block of lines with the names of the columns.
fn format_blocks(table: &Table) -> String {
    let texts = |row: &comfy_table::Row| -> Vec<String> {
        row.cell_iter().map(|cell| cell.content()).collect()
    };
    let names = table.header().map(texts).unwrap_or_default();
    let longest = names.iter().map(|name| measure_text_width(name)).max();
    let longest = longest.unwrap_or(0);
    let indent = u16::try_from(longest).unwrap_or(u16::MAX).saturating_add(2);
    let block = |row: &comfy_table::Row| {
        let lines = names.iter().zip(texts(row));
        lines
            .map(|(name, text)| {
                let text = hanging_for(table.width(), &text.replace('\n', ", "), indent);
                format!("{name:<longest$}  {text}").trim_end().to_owned()
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    table.row_iter().map(block).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6b04933dbb18cc05d63b86dd";
    const REPLY: &str = "localhost:1025 deferred the mail: 450 4.2.0 <ann@xn--mnchen-3ya.example>: Recipient address rejected: Greylisted, see http://postgrey.example/help/xn--mnchen-3ya.example.html";

    fn shown(width: Option<u16>, addresses: &[&str]) -> String {
        let header = ["ID", "EMAIL", "STATE", "NEXT TRY", "LAST ERROR"];
        let mut table = table_of_width(width, header, &[1, 4]);
        for address in addresses {
            table.add_row([ID, address, "waiting", "2026-11-26 10:00:00", REPLY]);
        }
        fit_to_terminal(table)
    }

    const ADDRESSES: [&str; 3] = [
        "ann@example.com",
        "a.name.of.sixty.four.letters@mail.department.company.example.com",
        "山田太郎@例え.テスト",
    ];

    #[test]
    fn a_table_fits_every_terminal_from_80_columns_and_breaks_no_id() {
        for width in [80, 90, 100, 120, 132, 200] {
            let text = shown(Some(width), &ADDRESSES);
            assert!(widest_line(&text) <= usize::from(width), "{width}:\n{text}");
            assert_eq!(
                text.matches(ID).count(),
                ADDRESSES.len(),
                "{width}:\n{text}"
            );
            assert!(
                text.contains("EMAIL") && text.contains("LAST ERROR"),
                "{text}"
            );
        }
    }

    #[test]
    fn rows_become_blocks_if_no_table_fits() {
        let text = shown(Some(40), &ADDRESSES);
        assert!(
            text.starts_with(&format!("ID          {ID}\nEMAIL       ann@example.com\n")),
            "{text}"
        );
        assert_eq!(text.matches("\n\nID  ").count(), 2, "{text}");
        assert!(widest_line(&text) <= 40, "{text}");
    }

    #[test]
    fn a_row_in_a_pipe_is_one_line() {
        let text = shown(None, &ADDRESSES);
        assert_eq!(text.lines().count(), 1 + ADDRESSES.len(), "{text}");
        assert_eq!(hanging_for(None, REPLY, 4), REPLY);
    }

    #[test]
    fn lines_after_the_first_are_indented() {
        assert_eq!(
            hanging_for(Some(24), "one two  three four five six seven", 4),
            "one two  three four\n    five six seven"
        );
        assert_eq!(
            hanging_for(Some(16), "a.name.of.many.letters", 4),
            "a.name.of.ma\n    ny.letters"
        );
        assert_eq!(hanging_for(Some(10), "one two three", 4), "one two three");
    }
}
