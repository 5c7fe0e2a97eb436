//! Rows of a NAF of groups.

use sidelink_network::group_naf::message::{Nonce, TAG};
use sidelink_network::group_naf::{Admission, Change, GroupRecord, Standing, UeRecord};
use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::ServiceId;
use sidelink_security::counter::UtcTime;
use sidelink_security::keys::Pgk;

use super::{Columns, damaged, octets, signed, time};
use crate::store::StoreError;

/// Names the tables in errors.
pub(in crate::store) const TABLE: &str = "group_naf";

pub(in crate::store) const GROUPS: &str =
    "SELECT id, owner, admission, pgk_id, pgk, expires, since FROM group_naf_group ORDER BY id";
pub(in crate::store) const USERS: &str = "SELECT id, ue, standing FROM group_naf_user ORDER BY id, ue";
pub(in crate::store) const USED: &str = "SELECT id, nonce, until FROM group_naf_used ORDER BY id, nonce";
pub(in crate::store) const UES: &str = "SELECT ue, nonce, tag, answer FROM group_naf_ue ORDER BY ue";

/// Columns as [`GROUPS`] has them.
pub(in crate::store) fn group(row: &impl Columns) -> Result<Change, StoreError> {
    let admission = match row.number(2)? {
        0 => Admission::Invitation,
        1 => Admission::WhiteList,
        _ => return Err(damaged(TABLE, "an admission is neither 0 nor 1")),
    };
    let pgk_id = u8::try_from(row.number(3)?).map_err(|_| damaged(TABLE, "a PGK ID has more than 8 bits"))?;
    Ok(Change::PutGroup(GroupRecord {
        id: id(row)?,
        owner: impi(row, 1)?,
        admission,
        pgk_id,
        pgk: Pgk::from(*octets(TABLE, row, 4)?),
        expires: time(TABLE, row, 5)?,
        since: nonce(row, 6)?,
    }))
}

/// Columns as [`USERS`] has them.
pub(in crate::store) fn user(row: &impl Columns) -> Result<Change, StoreError> {
    let standing = match row.number(2)? {
        0 => Standing::Listed,
        1 => Standing::Member,
        _ => return Err(damaged(TABLE, "a standing is neither 0 nor 1")),
    };
    Ok(Change::PutUser(id(row)?, impi(row, 1)?, standing))
}

/// Columns as [`USED`] has them.
pub(in crate::store) fn used(row: &impl Columns) -> Result<Change, StoreError> {
    Ok(Change::PutUsed(id(row)?, nonce(row, 1)?, time(TABLE, row, 2)?))
}

/// Columns as [`UES`] has them.
pub(in crate::store) fn ue(row: &impl Columns) -> Result<Change, StoreError> {
    let tag: [u8; TAG] = *octets(TABLE, row, 2)?;
    let answer = row.octets(3).ok_or_else(|| damaged(TABLE, "an answer is no octets"))?.to_vec();
    Ok(Change::PutUe(impi(row, 0)?, UeRecord { nonce: nonce(row, 1)?, tag, answer }))
}

/// The number that stands for who may join.
pub(in crate::store) const fn admission_number(admission: Admission) -> i64 {
    match admission {
        Admission::Invitation => 0,
        Admission::WhiteList => 1,
    }
}

/// The number that stands for what a user is.
pub(in crate::store) const fn standing_number(standing: Standing) -> i64 {
    match standing {
        Standing::Listed => 0,
        Standing::Member => 1,
    }
}

/// A time as it is stored.
pub(in crate::store) fn millis(time: UtcTime) -> Result<i64, StoreError> {
    signed(TABLE, time.millis())
}

fn id(row: &impl Columns) -> Result<ServiceId, StoreError> {
    let number = u32::try_from(row.number(0)?).ok();
    number.and_then(ServiceId::from_number).ok_or_else(|| damaged(TABLE, "a group has more than 24 bits"))
}

fn impi(row: &impl Columns, column: usize) -> Result<Impi, StoreError> {
    Impi::new(&row.text(column)?).map_err(|e| damaged(TABLE, e))
}

fn nonce(row: &impl Columns, column: usize) -> Result<Nonce, StoreError> {
    Ok(Nonce(*octets(TABLE, row, column)?))
}
