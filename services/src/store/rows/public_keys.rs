//! Rows of the server of public keys.

use sidelink_network::pc3::{ApplicationId, Imsi, Rpauid};
use sidelink_network::public_keys::server::{Change, KeyRecord, RevokedRecord};
use sidelink_network::public_keys::{Fingerprint, KeyName, ListNumber, PublicKey};

use super::{Columns, damaged, octets, signed, time, ue_of, ue_text, unsigned};
use crate::store::StoreError;

/// Names the tables in errors.
pub(in crate::store) const TABLE: &str = "public_key";

pub(in crate::store) const KEYS: &str =
    "SELECT name, kind, ue, key, valid_until, challenged FROM public_key ORDER BY name, kind, ue";
pub(in crate::store) const REVOKED: &str =
    "SELECT number, fingerprint, until FROM revoked_key ORDER BY number";

/// Columns as [`KEYS`] has them.
pub(in crate::store) fn key(row: &impl Columns) -> Result<Change, StoreError> {
    let of = |error: &dyn ToString| damaged(TABLE, error.to_string());
    let text = row.text(0)?;
    let name = match row.number(1)? {
        0 => KeyName::User(Rpauid::new(&text).map_err(|e| of(&e))?),
        1 => KeyName::Application(ApplicationId::new(&text).map_err(|e| of(&e))?),
        _ => return Err(of(&"the kind of a name is neither 0 nor 1")),
    };
    let key = row.octets(3).ok_or_else(|| of(&"a key is no octets"))?;
    Ok(Change::PutKey(KeyRecord {
        name,
        ue: ue_of(&row.text(2)?).ok_or_else(|| of(&"no IMSI"))?,
        key: PublicKey::from_octets(key).map_err(|e| of(&e))?,
        valid_until: time(TABLE, row, 4)?,
        challenged: time(TABLE, row, 5)?,
    }))
}

/// Columns as [`REVOKED`] has them.
pub(in crate::store) fn revoked(row: &impl Columns) -> Result<Change, StoreError> {
    Ok(Change::PutRevoked(RevokedRecord {
        number: ListNumber(unsigned(TABLE, row.number(0)?)?),
        key: Fingerprint(*octets(TABLE, row, 1)?),
        until: time(TABLE, row, 2)?,
    }))
}

/// Name, kind and UE as they are stored.
pub(in crate::store) fn place(name: &KeyName, ue: Imsi) -> (&str, i64, String) {
    let kind = match name {
        KeyName::User(_) => 0,
        KeyName::Application(_) => 1,
    };
    (name.as_str(), kind, ue_text(ue))
}

/// Ends of a key: of its validity, and of the nonces that count no more.
pub(in crate::store) fn times(record: &KeyRecord) -> Result<[i64; 2], StoreError> {
    Ok([signed(TABLE, record.valid_until.millis())?, signed(TABLE, record.challenged.millis())?])
}

/// Number and end of a revoked key.
pub(in crate::store) fn numbers(record: &RevokedRecord) -> Result<[i64; 2], StoreError> {
    Ok([number(record.number)?, signed(TABLE, record.until.millis())?])
}

/// The number of a list.
pub(in crate::store) fn number(number: ListNumber) -> Result<i64, StoreError> {
    signed(TABLE, number.0)
}
