//! The code tables: which codes exist, and what they mean.
//!
//! ```text
//!   codes/<key>.csv ──compiled in──▶ load ──once──▶ Table ──▶ Row { code, name, name_en, … }
//!                                     │
//!                                     └─ a malformed table fails a test, so it never ships
//! ```
//!
//! Each file states its source and how certain it is; `codes/README.md` lists all.
//!
//! Nothing is guessed: a code is found exactly as written, and a name that two rows share finds
//! neither. A hospital's own codes belong in its profile.
//!
//! [`deadlines`] reads the deadlines that some tables contain.

pub mod deadlines;
mod load;
mod table;

use std::sync::LazyLock;

pub use load::TableError;
pub use table::{Row, Table, TableId};

impl TableId {
    /// The table with this object identifier.
    #[must_use]
    pub fn from_oid(oid: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|id| table(*id).oid() == Some(oid))
    }
}

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    TableId::ALL
        .iter()
        .map(|id| match load::table(*id, id.text()) {
            Ok(table) => table,
            Err(error) => unreachable!(
                "the tables are compiled in, and the test `every_table_loads` reads them all: {error}"
            ),
        })
        .collect()
});

/// The table with this id.
#[must_use]
pub fn table(id: TableId) -> &'static Table {
    &TABLES[id as usize]
}

/// The row of a table with exactly this code.
#[must_use]
pub fn lookup(id: TableId, code: &str) -> Option<&'static Row> {
    table(id).lookup(code)
}

/// The only row of a table with this name; see [`Table::by_name`].
#[must_use]
pub fn by_name(id: TableId, name: &str) -> Option<&'static Row> {
    table(id).by_name(name)
}

#[cfg(test)]
mod tests;
