//! Raw access to the SQLite database.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Returns every value of every column of every table.
pub(crate) fn stored_values(database: &Connection) -> Vec<String> {
    let mut tables = database
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
        .unwrap();
    let tables = tables.query_map([], |row| row.get(0)).unwrap();
    let tables: Vec<String> = tables.map(Result::unwrap).collect();
    let mut values = Vec::new();
    for table in tables {
        let mut all = database
            .prepare(&format!("SELECT * FROM \"{table}\""))
            .unwrap();
        let columns = all.column_count();
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            values.extend(
                (0..columns).map(|column| match row.get_ref(column).unwrap() {
                    ValueRef::Null => String::new(),
                    ValueRef::Integer(number) => number.to_string(),
                    ValueRef::Real(number) => number.to_string(),
                    ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                    ValueRef::Blob(bytes) => crate::hex(bytes),
                }),
            );
        }
    }
    values
}
