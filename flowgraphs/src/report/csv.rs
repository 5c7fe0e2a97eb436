//! One row an event, always the same columns: those of the JSON objects, and empty where an event has no such key.

use serde_json::{Map, Value};
use std::io;

/// The columns, documented in the README: changing one changes the product. `file` is the recording.
pub(super) const COLUMNS: [&str; 61] = [
    "file",
    "type",
    "subframe",
    "sample",
    "n_sl_id",
    "dfn",
    "subframe_number",
    "in_coverage",
    "format",
    "prb",
    "prb_start",
    "prbs",
    "n_ssf",
    "mcs",
    "rv",
    "repeat",
    "priority",
    "resource_reservation_ms",
    "frequency_resource",
    "time_gap",
    "retransmission",
    "rb_assignment",
    "time_resource_pattern",
    "frequency_hopping",
    "timing_advance",
    "group_destination_id",
    "crc16",
    "evm_percent",
    "snr_db",
    "cfo_hz",
    "delay_us",
    "source",
    "destination",
    "lcid",
    "sdu_type",
    "sn",
    "result",
    "why",
    "group",
    "sender",
    "name",
    "code",
    "payload",
    "hex",
    "bits",
    "tdd_config",
    "cyclic_shift",
    "resource_reservation",
    "transmission_format",
    "reserved",
    "version",
    "pgk_index",
    "ptk_id",
    "kd_sess_id",
    "pgk_id",
    "message_type",
    "counter",
    "period",
    "since_sample",
    "shift",
    "antenna_snr_db",
];

/// Returns the row with the names of the columns.
pub(super) fn header() -> io::Result<Vec<u8>> {
    line(COLUMNS.map(str::to_owned))
}

/// Returns the row of an event of the recording `file`.
pub(super) fn row(file: &str, object: &Map<String, Value>) -> io::Result<Vec<u8>> {
    line(COLUMNS.map(|column| match (column, object.get(column)) {
        ("file", _) => file.to_owned(),
        (_, None | Some(Value::Null)) => String::new(),
        (_, Some(Value::String(text))) => text.clone(),
        (_, Some(other)) => other.to_string(),
    }))
}

fn line(fields: [String; COLUMNS.len()]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(fields)?;
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Returns the keys of the events in the first table of the documentation: the text in `` ` `` in its second column.
    fn documented() -> Vec<&'static str> {
        let text = include_str!("../../../docs/json.md");
        let table =
            text.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| !line.is_empty());
        let rows = table.filter(|line| !line.starts_with("| `summary`"));
        let keys = rows.flat_map(|row| row.splitn(3, '|').nth(2).unwrap_or("").split('`').skip(1).step_by(2));
        let is_key =
            |key: &&str| key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        keys.filter(is_key).collect()
    }

    #[test]
    fn every_key_of_an_event_has_a_column_and_every_column_is_documented() {
        let keys = documented();
        assert!(keys.len() > 60, "{keys:?}");
        for key in &keys {
            assert!(COLUMNS.contains(key), "{key} has no column");
        }
        let quality = ["evm_percent", "snr_db", "cfo_hz", "delay_us", "antenna_snr_db"];
        let common = ["file", "type", "subframe", "bits", "hex"];
        for column in COLUMNS {
            assert!(
                keys.contains(&column) || common.contains(&column) || quality.contains(&column),
                "{column} is not documented"
            );
        }
    }

    #[test]
    fn rows_have_the_columns_of_the_header_whatever_the_event() {
        let read = |bytes: Vec<u8>| -> Vec<String> {
            let text = String::from_utf8(bytes).unwrap();
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            record.iter().map(str::to_owned).collect()
        };
        let object =
            json!({"type": "pdcp", "subframe": 7, "name": "say \"a, b\"", "sender": null, "other": 1});
        let row = read(row("drive, 1.sigmf", object.as_object().unwrap()).unwrap());
        let header = read(header().unwrap());
        assert_eq!(header, COLUMNS);
        assert_eq!(row.len(), COLUMNS.len());
        let cell = |name: &str| row[header.iter().position(|column| column == name).unwrap()].as_str();
        assert_eq!((cell("file"), cell("type"), cell("subframe")), ("drive, 1.sigmf", "pdcp", "7"));
        assert_eq!((cell("name"), cell("sender"), cell("hex")), ("say \"a, b\"", "", ""));
    }
}
