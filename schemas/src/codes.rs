//! The code tables: what a coded field may hold, and what it means.
//!
//! ```text
//!   codes/<key>.csv ──compiled in──▶ load ──once──▶ Table ──▶ Row { code, name, name_en, … }
//!                                     │
//!                                     └─ a malformed table fails a test, so it never ships
//! ```
//!
//! Sources and their confidence stand in each file and in `codes/README.md`.
//!
//! These functions never guess. A code is found exactly as written or not at all, and a name that
//! two rows share finds neither. What one hospital writes instead belongs in its profile.
//!
//! The deadlines that some tables carry are read in [`deadlines`].

pub mod deadlines;
mod load;
mod table;

use std::sync::LazyLock;

pub use load::TableError;
pub use table::{Row, Table, TableId};

impl TableId {
    /// The table that a document names by this object identifier, if there is one.
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

/// The table itself, for lists and screens.
#[must_use]
pub fn table(id: TableId) -> &'static Table {
    &TABLES[id as usize]
}

/// The row of `id` with exactly this code.
#[must_use]
pub fn lookup(id: TableId, code: &str) -> Option<&'static Row> {
    table(id).lookup(code)
}

/// The one row of `id` that goes by this name; see [`Table::by_name`].
#[must_use]
pub fn by_name(id: TableId, name: &str) -> Option<&'static Row> {
    table(id).by_name(name)
}

#[cfg(test)]
mod tests;
