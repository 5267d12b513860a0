//! SQLite in memory: one table, three indexes, prepared statements, one transaction a thousand inserts (or one an insert, which
//! is when others could see it), and a delete of the oldest row for every insert once the table is full.

use rusqlite::{Connection, params};

use super::{Candidate, Record};

pub(crate) struct Sqlite {
    db: Connection,
    capacity: i64,
    next: i64,
    /// Inserts in a transaction.
    batch: i64,
}

impl Sqlite {
    pub(crate) fn new(capacity: usize, batch: i64) -> Self {
        let db = Connection::open_in_memory().expect("SQLite opens");
        db.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
             CREATE TABLE span (id INTEGER PRIMARY KEY, trace BLOB, span BLOB, service TEXT, name TEXT, start INTEGER,
                                payload TEXT);
             CREATE INDEX by_trace ON span (trace);
             CREATE INDEX by_service ON span (service, id);
             CREATE INDEX by_name ON span (name, id);",
        )
        .expect("the schema is valid");
        Self { db, capacity: capacity as i64, next: 0, batch }
    }

    fn sum(&self, sql: &str, parameters: impl rusqlite::Params) -> usize {
        let mut statement = self.db.prepare_cached(sql).expect("valid SQL");
        let rows = statement
            .query_map(parameters, |row| {
                let copy = (
                    row.get::<_, Vec<u8>>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                    row.get::<_, i64>(3)?,
                    row.get::<_, String>(4)?,
                );
                Ok(copy.4.len())
            })
            .expect("the query runs");
        rows.map(|row| row.expect("a row")).sum()
    }
}

impl Candidate for Sqlite {
    fn insert(&mut self, record: &Record<'_>) {
        if self.next % self.batch == 0 {
            if self.next > 0 {
                self.db.execute_batch("COMMIT").expect("commits");
            }
            self.db.execute_batch("BEGIN").expect("begins");
        }
        if self.next >= self.capacity {
            let mut delete =
                self.db.prepare_cached("DELETE FROM span WHERE id = ?").expect("valid SQL");
            delete.execute([self.next - self.capacity]).expect("deletes");
        }
        let mut insert = self
            .db
            .prepare_cached("INSERT INTO span VALUES (?, ?, ?, ?, ?, ?, ?)")
            .expect("valid SQL");
        let start = record.start as i64;
        insert
            .execute(params![
                self.next,
                record.trace,
                record.span,
                record.service,
                record.name,
                start,
                record.payload
            ])
            .expect("inserts");
        self.next += 1;
    }

    fn by_trace(&mut self, trace: [u8; 16]) -> usize {
        self.sum("SELECT span, service, name, start, payload FROM span WHERE trace = ?", [trace])
    }

    fn newest_of_service(&mut self, service: &str, count: usize) -> usize {
        self.sum(
            "SELECT span, service, name, start, payload FROM span WHERE service = ? ORDER BY id DESC LIMIT ?",
            params![service, count as i64],
        )
    }
}
