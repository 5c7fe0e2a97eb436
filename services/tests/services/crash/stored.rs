//! What a database has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags, Row};

use super::Home;
use crate::cluster::Cluster;

/// Number of each stream, what is stored of each entry, ID and PMK of each UE, and the PVTs on record.
pub(super) struct Stored {
    pub(super) numbers: BTreeMap<Vec<u8>, i64>,
    pub(super) entries: BTreeMap<(String, u16), String>,
    pub(super) pmks: BTreeMap<String, (Vec<u8>, Vec<u8>)>,
    pub(super) pvts: BTreeSet<Vec<u8>>,
}

pub(super) fn stored(folder: &Path, home: &Home<'_>) -> Stored {
    match home {
        Home::File => stored_in_file(folder),
        Home::Server { cluster, name, .. } => stored_on_server(cluster, name),
    }
}

fn stored_on_server(cluster: &Cluster, name: &str) -> Stored {
    let rows = |query| -> Vec<Vec<String>> {
        let text = cluster.psql(name, query).unwrap();
        text.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect()
    };
    let octets = |digits: &String| hex::decode(digits).unwrap();
    let numbers = rows("SELECT encode(stream, 'hex'), reserved FROM counter");
    let entries = rows("SELECT ue, entry, content FROM entry");
    let pmks = rows("SELECT ue, encode(pmk_id, 'hex'), encode(pmk, 'hex') FROM pkmf_ue");
    let pvts = rows("SELECT encode(pvt, 'hex') FROM kms_issued");
    Stored {
        numbers: numbers.iter().map(|row| (octets(&row[0]), row[1].parse().unwrap())).collect(),
        entries: entries
            .iter()
            .map(|row| ((row[0].clone(), row[1].parse().unwrap()), row[2].clone()))
            .collect(),
        pmks: pmks.iter().map(|row| (row[0].clone(), (octets(&row[1]), octets(&row[2])))).collect(),
        pvts: pvts.iter().map(|row| octets(&row[0])).collect(),
    }
}

fn stored_in_file(folder: &Path) -> Stored {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let database = Connection::open_with_flags(folder.join("network.db"), flags).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    fn rows<T>(database: &Connection, query: &str, of: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let mut query = database.prepare(query).unwrap();
        query.query_map([], |row| of(row)).unwrap().map(Result::unwrap).collect()
    }
    let numbers =
        rows(&database, "SELECT stream, reserved FROM counter", |row| Ok((row.get(0)?, row.get(1)?)));
    let entries = rows(&database, "SELECT ue, entry, content FROM entry", |row| {
        Ok(((row.get(0)?, row.get(1)?), row.get(2)?))
    });
    let pmks = rows(&database, "SELECT ue, pmk_id, pmk FROM pkmf_ue", |row| {
        Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
    });
    let pvts = rows(&database, "SELECT pvt FROM kms_issued", |row| row.get(0));
    Stored {
        numbers: numbers.into_iter().collect(),
        entries: entries.into_iter().collect(),
        pmks: pmks.into_iter().collect(),
        pvts: pvts.into_iter().collect(),
    }
}
