//! Rows of a PKMF: UEs with their PMKs, keys, revocations.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU8;

use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::{KeyName, Period, PmkId, ServiceId};
use sidelink_network::pc8::{Code, PrukId};
use sidelink_network::pkmf::{
    DiscoveryCode, KeyRecord, PrukRecord, RemoteRecord, Standing, UeRecord, Wanted,
};
use sidelink_security::counter::UtcCounter;
use sidelink_security::keys::{Pmk, Pruk, Secret256};
use zeroize::Zeroizing;

use super::{Columns, damaged, octets, signed, time};
use crate::store::StoreError;

pub(in crate::store) const UE: &str = "pkmf_ue";
pub(in crate::store) const KEY: &str = "pkmf_key";
pub(in crate::store) const REVOCATION: &str = "pkmf_revocation";
pub(in crate::store) const REMOTE: &str = "pkmf_remote";
pub(in crate::store) const REVOKED_RELAY: &str = "pkmf_revoked_relay";

/// The time of a PRUK that is not there; its octets are none.
const NO_PRUK: i64 = -1;

/// What a UE wants, each `KIND-DIGITS`, with blanks between them.
pub(in crate::store) fn wishes_text(record: &UeRecord) -> String {
    record.wanted.iter().map(wanted_text).collect::<Vec<_>>().join(" ")
}

/// `KIND-DIGITS`.
fn wanted_text(wanted: &Wanted) -> String {
    let (kind, octets) = match wanted {
        Wanted::Group(id) => ("group", id.0),
        Wanted::Discovery(DiscoveryCode::Relay(code)) => ("relay", code.0),
        Wanted::Discovery(DiscoveryCode::GroupMember(code)) => ("member", code.0),
    };
    format!("{kind}-{}", hex::encode(octets))
}

fn wanted_of(text: &str) -> Option<Wanted> {
    let (kind, digits) = text.split_once('-')?;
    let mut octets = [0; 3];
    hex::decode_to_slice(digits, &mut octets).ok()?;
    match kind {
        "group" => Some(Wanted::Group(ServiceId(octets))),
        "relay" => Some(Wanted::Discovery(DiscoveryCode::Relay(Code(octets)))),
        "member" => Some(Wanted::Discovery(DiscoveryCode::GroupMember(Code(octets)))),
        _ => None,
    }
}

pub(in crate::store) fn ue(row: &impl Columns) -> Result<UeRecord, StoreError> {
    let (address, wanted) = (row.text(4)?, row.text(5)?);
    let wanted: Option<BTreeSet<Wanted>> = wanted.split_whitespace().map(wanted_of).collect();
    Ok(UeRecord {
        ue: impi(UE, row, 0)?,
        pmk_id: PmkId(*octets(UE, row, 1)?),
        pmk: Pmk::from(*octets(UE, row, 2)?),
        since: time(UE, row, 3)?,
        address: address.parse::<IpAddr>().map_err(|e| damaged(UE, e))?,
        wanted: wanted.ok_or_else(|| damaged(UE, "what it wants is not KIND-DIGITS"))?,
    })
}

pub(in crate::store) fn key(row: &impl Columns) -> Result<KeyRecord, StoreError> {
    let id = u8::try_from(row.number(1)?).ok().and_then(NonZeroU8::new);
    let counter = |column| -> Result<UtcCounter, StoreError> {
        let number = u32::try_from(row.number(column)?);
        Ok(UtcCounter::new(number.map_err(|_| damaged(KEY, "a time has more than 32 bits"))?))
    };
    Ok(KeyRecord {
        name: KeyName {
            service: service(KEY, row)?,
            id: id.ok_or_else(|| damaged(KEY, "an ID is not 1 to 255"))?,
        },
        key: Secret256::from(*octets(KEY, row, 2)?),
        period: Period { from: counter(3)?, to: counter(4)? },
        standing: standing_of(KEY, row.number(5)?)?,
    })
}

fn standing_of(table: &'static str, number: i64) -> Result<Standing, StoreError> {
    match number {
        0 => Ok(Standing::Valid),
        1 => Ok(Standing::Revoked),
        _ => Err(damaged(table, "a standing is neither 0 nor 1")),
    }
}

/// A PRUK as three columns: ID, key and time.
pub(in crate::store) struct PrukColumns {
    pub(in crate::store) id: Vec<u8>,
    pub(in crate::store) key: Zeroizing<Vec<u8>>,
    pub(in crate::store) since: i64,
}

impl PrukColumns {
    pub(in crate::store) fn of(record: Option<&PrukRecord>) -> Result<Self, StoreError> {
        let Some(record) = record else {
            return Ok(Self { id: Vec::new(), key: Zeroizing::new(Vec::new()), since: NO_PRUK });
        };
        Ok(Self {
            id: record.id.0.to_vec(),
            key: Zeroizing::new(record.pruk.as_bytes().to_vec()),
            since: signed(REMOTE, record.since.millis())?,
        })
    }
}

pub(in crate::store) fn remote(row: &impl Columns) -> Result<RemoteRecord, StoreError> {
    let pruk = |column: usize| -> Result<Option<PrukRecord>, StoreError> {
        if row.number(column + 2)? == NO_PRUK {
            return Ok(None);
        }
        Ok(Some(PrukRecord {
            id: PrukId(*octets(REMOTE, row, column)?),
            pruk: Pruk::from(*octets(REMOTE, row, column + 1)?),
            since: time(REMOTE, row, column + 2)?,
        }))
    };
    Ok(RemoteRecord {
        ue: impi(REMOTE, row, 0)?,
        standing: standing_of(REMOTE, row.number(1)?)?,
        confirmed: pruk(2)?,
        candidate: pruk(5)?,
    })
}

/// The number that stands for a standing.
pub(in crate::store) const fn standing_number(standing: Standing) -> i64 {
    match standing {
        Standing::Valid => 0,
        Standing::Revoked => 1,
    }
}

pub(in crate::store) fn revocation(row: &impl Columns) -> Result<(ServiceId, Impi), StoreError> {
    Ok((service(REVOCATION, row)?, impi(REVOCATION, row, 1)?))
}

pub(in crate::store) fn revoked_relay(row: &impl Columns) -> Result<Impi, StoreError> {
    impi(REVOKED_RELAY, row, 0)
}

fn service(table: &'static str, row: &impl Columns) -> Result<ServiceId, StoreError> {
    let number = u32::try_from(row.number(0)?).ok();
    number.and_then(ServiceId::from_number).ok_or_else(|| damaged(table, "a service has more than 24 bits"))
}

fn impi(table: &'static str, row: &impl Columns, column: usize) -> Result<Impi, StoreError> {
    Impi::new(&row.text(column)?).map_err(|e| damaged(table, e))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_no_wish_or_one_that_is_written_so(text in "(group|relay|member|)-?[0-9a-f]{0,8}.?") {
            if let Some(wanted) = wanted_of(&text) {
                prop_assert!(wanted_text(&wanted).eq_ignore_ascii_case(&text), "{text}");
            }
        }
    }
}
