//! Prints tables for people and JSON for programs. Nothing else writes to the terminal.
//!
//! What a hospital wrote may be among it, so nothing that a terminal would obey is printed. Raw bytes
//! are the exception: whoever asks for them gets them.

use std::io::Write;

use serde::Serialize;
use tierlink_schemas::outside;

/// Columns that a Chinese character takes on a terminal.
const WIDE: usize = 2;

/// Prints a line. Ignores a closed pipe (`| head`).
pub fn line(text: &str) {
    let lines = text.split('\n').map(outside::visible).collect::<Vec<_>>().join("\n");
    let _closed = writeln!(std::io::stdout(), "{lines}");
}

/// Prints a problem to standard error.
pub fn error(text: &str) {
    let lines = text.split('\n').map(outside::visible).collect::<Vec<_>>().join("\n");
    let _closed = writeln!(std::io::stderr(), "{lines}");
}

/// Prints a value as JSON.
pub fn json(value: &impl Serialize) {
    line(&outside::visible_json(&serde_json::to_string_pretty(value).unwrap_or_else(|_| {
        unreachable!("what is printed has string keys and no failing writers")
    })));
}

/// Prints raw bytes.
pub fn bytes(bytes: &[u8]) {
    let _closed = std::io::stdout().write_all(bytes);
}

/// Prints a table, or a note that it is empty.
pub fn table(headings: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        line("Nothing.");
        return;
    }
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(at, heading)| {
            rows.iter()
                .filter_map(|row| row.get(at))
                .map(|cell| width(cell))
                .chain([width(heading)])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let headings: Vec<String> = headings.iter().map(|h| (*h).to_owned()).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, wide)| {
                let filled = " ".repeat(wide.saturating_sub(width(cell)));
                format!("{}{filled}", cell.replace('\n', " "))
            })
            .collect();
        line(cells.join("  ").trim_end());
    }
}

/// The width of a text on a terminal, in columns.
pub fn width(text: &str) -> usize {
    text.chars()
        .map(|c| match u32::from(c) {
            0x1100..=0x115F
            | 0x2E80..=0xA4CF
            | 0xAC00..=0xD7A3
            | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F
            | 0xFF00..=0xFF60
            | 0xFFE0..=0xFFE6
            | 0x20000..=0x3FFFD => WIDE,
            _ => 1,
        })
        .sum()
}

/// An instant in China's local time, to the second.
pub fn time(at: jiff::Timestamp) -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap_or(jiff::tz::TimeZone::UTC);
    at.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// An instant, or a dash.
pub fn time_or_dash(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn chinese_takes_two_places() {
        assert_eq!(width("abc"), 3);
        assert_eq!(width("县医院"), 6);
        assert_eq!(width("𠮷·a"), 4);
    }
}
