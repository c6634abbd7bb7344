//! Reads a code table from its CSV text, and refuses it unless every rule holds.
//!
//! ```text
//! # title: 性别代码 / sex            about the table: title, standard, confidence; also oid, note
//! # standard: GB/T 2261.1-2003
//! code,name,name_en,aliases,…        four fixed columns, then the table's own
//! 1,男性,Male,男|M
//! ```
//!
//! Strict on purpose, because the files belong to this project. Lists of hospitals
//! are read elsewhere.

use std::collections::HashMap;

use super::table::{Row, Table, TableId, fold};
use crate::calendar::Clock;

/// The columns that every table starts with.
const FIXED: [&str; 4] = ["code", "name", "name_en", "aliases"];

/// Why a table is refused.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The text is not CSV, or a row has too many or too few columns.
    #[error(
        "codes/{table}.csv is not a proper CSV file; every row needs as many columns as the header"
    )]
    NotCsv {
        /// The table that was read.
        table: TableId,
        /// The error of the CSV reader.
        source: csv::Error,
    },
    /// A required `#` line is missing or empty.
    #[error("codes/{table}.csv needs a line `# {key}: …`")]
    AboutMissing {
        /// The table that was read.
        table: TableId,
        /// Key of the missing line.
        key: &'static str,
    },
    /// A `#` line has an unknown key, so nobody would read it.
    #[error(
        "line {line} of codes/{table}.csv is neither title, standard, oid, confidence nor note"
    )]
    AboutUnknown {
        /// The table that was read.
        table: TableId,
        /// Number of the line, from 1.
        line: usize,
    },
    /// The header does not begin with the fixed columns, or repeats or omits a name.
    #[error(
        "the header of codes/{table}.csv must start with code,name,name_en,aliases and name each column once"
    )]
    Header {
        /// The table that was read.
        table: TableId,
    },
    /// A row is incomplete, or repeats what must be unique.
    #[error("row {row} of codes/{table}.csv: {fault}")]
    Row {
        /// The table that was read.
        table: TableId,
        /// Number of the row, from 1 below the header.
        row: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// Reads and checks one table.
pub(super) fn table(id: TableId, text: &str) -> Result<Table, TableError> {
    let about = about(id, text)?;
    let need = |key: &'static str| {
        about.get(key).cloned().ok_or(TableError::AboutMissing { table: id, key })
    };
    let rows = rows(id, text)?;

    Ok(Table {
        id,
        title: need("title")?,
        standard: need("standard")?,
        oid: about.get("oid").cloned(),
        confidence: need("confidence")?,
        by_code: by_code(id, &rows)?,
        by_name: by_name(id, &rows)?,
        rows,
    })
}

/// Reads the `# key: value` lines above the header. Notes are only for readers of the file.
fn about(id: TableId, text: &str) -> Result<HashMap<&'static str, String>, TableError> {
    let mut about = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let Some(line) = line.strip_prefix('#') else {
            continue;
        };
        let unknown = TableError::AboutUnknown { table: id, line: at + 1 };
        let Some((key, value)) = line.split_once(':') else {
            return Err(unknown);
        };
        let key = match key.trim() {
            "title" => "title",
            "standard" => "standard",
            "oid" => "oid",
            "confidence" => "confidence",
            "note" => continue,
            _ => return Err(unknown),
        };
        let value = value.trim();
        if value.is_empty() {
            return Err(TableError::AboutMissing { table: id, key });
        }
        about.insert(key, value.to_owned());
    }
    Ok(about)
}

fn rows(id: TableId, text: &str) -> Result<Vec<Row>, TableError> {
    let not_csv = |source| TableError::NotCsv { table: id, source };
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());

    let header = reader.headers().map_err(not_csv)?.clone();
    let named_once = |name: &str| header.iter().filter(|other| *other == name).count() == 1;
    let well_formed = header.iter().take(FIXED.len()).eq(FIXED)
        && header.iter().all(|name| !name.is_empty() && named_once(name));
    if !well_formed {
        return Err(TableError::Header { table: id });
    }

    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(not_csv)?;
        let row = row(&header, &record);
        if let Some(fault) = fault(&row) {
            return Err(TableError::Row { table: id, row: rows.len() + 1, fault });
        }
        rows.push(row);
    }
    Ok(rows)
}

fn row(header: &csv::StringRecord, record: &csv::StringRecord) -> Row {
    let field = |at: usize| record.get(at).unwrap_or_default().to_owned();
    let own = header.iter().zip(record).skip(FIXED.len());
    Row {
        code: field(0),
        name: field(1),
        name_en: field(2),
        aliases: field(3)
            .split('|')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .map(str::to_owned)
            .collect(),
        extra: own.map(|(column, value)| (column.to_owned(), value.to_owned())).collect(),
    }
}

/// What is wrong with a row by itself. Typed access to columns relies on these checks.
fn fault(row: &Row) -> Option<&'static str> {
    if row.code.is_empty() || row.name.is_empty() || row.name_en.is_empty() {
        return Some("code, name and name_en must not be empty");
    }
    for (column, value) in row.extra.iter().filter(|(_, value)| !value.is_empty()) {
        if column.ends_with("_minutes") && value.parse::<u32>().is_err() {
            return Some("a column of minutes holds something else than a whole number");
        }
        if column == "clock" && Clock::from_key(value).is_none() {
            return Some("clock must be elapsed, working_hours or working_days");
        }
        if column == "needs_text" && value != "yes" && value != "no" {
            return Some("needs_text must be yes or no");
        }
    }
    None
}

fn by_code(id: TableId, rows: &[Row]) -> Result<HashMap<String, usize>, TableError> {
    let mut by_code = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        if by_code.insert(row.code.clone(), at).is_some() {
            let fault = "another row has the same code";
            return Err(TableError::Row { table: id, row: at + 1, fault });
        }
    }
    Ok(by_code)
}

/// Maps names to rows, official names first: an alias may not be a name or alias of another row,
/// because the same word would then have two meanings. Two official names may be equal; such a
/// name finds nothing.
fn by_name(id: TableId, rows: &[Row]) -> Result<HashMap<String, Option<usize>>, TableError> {
    let mut by_name: HashMap<String, Option<usize>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        by_name.entry(fold(&row.name)).and_modify(|held| *held = None).or_insert(Some(at));
    }
    for (at, row) in rows.iter().enumerate() {
        for alias in &row.aliases {
            if *by_name.entry(fold(alias)).or_insert(Some(at)) != Some(at) {
                let fault = "an alias is the name or the alias of another row too";
                return Err(TableError::Row { table: id, row: at + 1, fault });
            }
        }
    }
    // English names are translations by this project and only help to search, so they never
    // hide another name.
    let taken = by_name.clone();
    for (at, row) in rows.iter().enumerate() {
        let english = fold(&row.name_en);
        if !taken.contains_key(&english) {
            by_name.entry(english).and_modify(|held| *held = None).or_insert(Some(at));
        }
    }
    Ok(by_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: &str = "# title: t\n# standard: s\n# confidence: c\n";

    /// Loads `body` below valid `#` lines and returns the error text.
    fn refused(body: &str) -> String {
        refused_whole(&format!("{ABOUT}{body}"))
    }

    fn refused_whole(text: &str) -> String {
        table(TableId::Sex, text).map(|_| "not refused").unwrap_err().to_string()
    }

    #[test]
    fn a_good_table_is_read_whole() {
        let text = format!("{ABOUT}# note: x\ncode,name,name_en,aliases,own\n1,男性,Male,男|M,z\n");

        let table = table(TableId::Sex, &text).unwrap();

        let row = &table.rows[0];
        assert_eq!(
            (row.name.as_str(), row.aliases.len(), row.column("own")),
            ("男性", 2, Some("z"))
        );
        assert_eq!(row.column("other"), None);
    }

    #[test]
    fn a_table_without_its_source_is_refused() {
        let text = "# title: t\n# confidence: c\ncode,name,name_en,aliases\n1,a,b,\n";

        assert!(refused_whole(text).contains("`# standard: …`"));
        assert!(refused_whole(&text.replace("title", "titel")).contains("line 1"));
    }

    #[test]
    fn a_broken_header_is_refused() {
        assert!(refused("code,name,aliases,name_en\n1,a,b,\n").contains("header"));
        assert!(refused("code,name,name_en,aliases,x,x\n1,a,b,,1,2\n").contains("header"));
        assert!(refused("").contains("header"));
    }

    #[test]
    fn a_row_with_too_few_columns_is_refused() {
        assert!(refused("code,name,name_en,aliases\n1,a,b\n").contains("as many columns"));
    }

    #[test]
    fn a_code_twice_is_refused() {
        let text = "code,name,name_en,aliases\n1,a,b,\n1,c,d,\n";

        assert!(refused(text).starts_with("row 2 of codes/sex.csv: another row has the same code"));
    }

    #[test]
    fn an_alias_that_means_two_things_is_refused() {
        let header = "code,name,name_en,aliases";

        assert!(refused(&format!("{header}\n1,a,x,m\n2,b,y,M\n")).contains("an alias"));
        assert!(refused(&format!("{header}\n1,a,x,b\n2,b,y,\n")).contains("an alias"));
        assert!(refused(&format!("{header}\n1,a,x,\n2,a,y,\n3,c,z,a\n")).contains("an alias"));
    }

    #[test]
    fn a_number_a_clock_or_a_yes_that_cannot_be_read_is_refused() {
        let with = |column: &str, value: &str| {
            refused(&format!("code,name,name_en,aliases,{column}\n1,a,b,,{value}\n"))
        };

        assert!(with("accept_minutes", "ten").contains("minutes"));
        assert!(with("accept_minutes", "-1").contains("minutes"));
        assert!(with("clock", "sundial").contains("clock"));
        assert!(with("needs_text", "1").contains("needs_text"));
    }
}
