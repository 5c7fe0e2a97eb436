//! Rows of a key management server.

use sidelink_network::kms::SeenRecord;
use sidelink_network::kms_messages::Uri;
use sidelink_security::counter::UtcTime;

use super::{Columns, damaged, signed};
use crate::store::StoreError;

/// Names the tables in errors.
pub(in crate::store) const TABLE: &str = "kms";

/// `identity`
pub(in crate::store) fn revocation(row: &impl Columns) -> Result<Uri, StoreError> {
    Uri::new(&row.text(0)?).ok_or_else(|| damaged(TABLE, "an identity that is no URI"))
}

/// `name, until`
pub(in crate::store) fn seen(row: &impl Columns) -> Result<([u8; 32], UtcTime), StoreError> {
    let name = row.octets(0).and_then(|octets| octets.try_into().ok());
    let until = u64::try_from(row.number(1)?).map_err(|_| damaged(TABLE, "a time before 1970"))?;
    Ok((name.ok_or_else(|| damaged(TABLE, "the name of a request"))?, UtcTime::from_millis(until)))
}

/// A time as it is stored.
pub(in crate::store) fn millis(time: UtcTime) -> Result<i64, StoreError> {
    signed(TABLE, time.millis())
}

/// `name, until`, and what has ended by now.
pub(in crate::store) fn seen_columns(record: &SeenRecord) -> Result<(&[u8], i64, i64), StoreError> {
    Ok((&record.name, millis(record.until)?, millis(record.now)?))
}
