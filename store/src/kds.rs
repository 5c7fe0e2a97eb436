//! Root keys of one-to-one links, on which the links agree themselves: made durable before they are used.

use super::{KeyStore, checksum, damaged};
use crate::error::Error;
use redb::{ReadableDatabase, ReadableTable, TableDefinition, TableError};
use sidelink_prose::direct_link::{Admission, Change, Connection, Identity, KdRecord, KdStore, Method};
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::KdId;
use sidelink_security::direct::signed::Vouched;
use sidelink_security::keys::Kd;
use zeroize::Zeroizing;

/// KD ID (4 octets), kind of the peer's identity, the identity -> the rest of the record with a checksum.
const KDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("kds");

/// Kind of a sender's identity, the identity -> time of its newest message with a checksum.
const ADMISSIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("admissions");

/// Octets of a record without its checksum: KD, method, expiry, session number, connection identities, certificate.
const LEN: usize = 32 + 1 + 8 + 8 + NAMES + VOUCHED;

/// Octets of three connection identities, each behind an octet that tells whether it is present.
const NAMES: usize = 3 * 5;

/// Octets of the certificate that vouched: length of its serial number (0: no certificate), the number, hash of the
/// issuer's name, end of the validity.
const VOUCHED: usize = 1 + SERIAL + 32 + 8;

/// The longest serial number (RFC 5280 §4.1.2.2).
const SERIAL: usize = 20;

fn key(id: KdId, peer: &Identity) -> Vec<u8> {
    let mut key = id.0.to_be_bytes().to_vec();
    key.push(peer.kind);
    key.extend_from_slice(&peer.value);
    key
}

fn value(record: &KdRecord) -> Zeroizing<Vec<u8>> {
    let mut value = Zeroizing::new(Vec::with_capacity(LEN + 8));
    value.extend_from_slice(record.kd.as_bytes());
    value.push(u8::from(record.method == Method::Signed));
    value.extend_from_slice(&record.expiry.millis().to_be_bytes());
    value.extend_from_slice(&record.created_at.to_be_bytes());
    let Connection { local, previous, remote } = record.connection;
    for name in [local, previous, remote] {
        value.push(u8::from(name.is_some()));
        value.extend_from_slice(&name.unwrap_or_default());
    }
    let mut vouched = [0; VOUCHED];
    if let Some(Vouched { issuer, serial, end }) = &record.vouched {
        let length = serial.len().min(SERIAL);
        vouched[0] = length as u8;
        vouched[1..=length].copy_from_slice(&serial[..length]);
        vouched[1 + SERIAL..33 + SERIAL].copy_from_slice(issuer);
        vouched[33 + SERIAL..].copy_from_slice(&end.millis().to_be_bytes());
    }
    value.extend_from_slice(&vouched);
    let sum = checksum(&[&key(record.id, &record.peer), &value]);
    value.extend_from_slice(&sum.to_be_bytes());
    value
}

fn record(key: &[u8], value: &[u8]) -> Option<KdRecord> {
    // Records from before connection identities, or certificates, are shorter.
    let (body, sum) = value.split_at_checked(value.len().checked_sub(8)?)?;
    if ![LEN, LEN - VOUCHED, LEN - VOUCHED - NAMES].contains(&body.len()) {
        return None;
    }
    if checksum(&[key, body]).to_be_bytes() != sum {
        return None;
    }
    let number = |at: usize| body.get(at..at + 8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
    let kd = Zeroizing::new(<[u8; 32]>::try_from(body.get(..32)?).ok()?);
    let name = |index: usize| {
        let (flag, name) = body.get(49 + 5 * index..54 + 5 * index)?.split_first()?;
        name.try_into().ok().filter(|_| *flag == 1)
    };
    let vouched = || {
        let (length, vouched) = body.get(LEN - VOUCHED..)?.split_first()?;
        let serial = vouched.get(..usize::from(*length)).filter(|serial| !serial.is_empty())?.to_vec();
        let issuer = vouched.get(SERIAL..SERIAL + 32)?.try_into().ok()?;
        let end = vouched.get(SERIAL + 32..)?.try_into().ok().map(u64::from_be_bytes)?;
        Some(Vouched { issuer, serial, end: UtcTime::from_millis(end) })
    };
    Some(KdRecord {
        id: KdId(u32::from_be_bytes(key.get(..4)?.try_into().ok()?)),
        kd: Kd::from(*kd),
        peer: Identity { kind: *key.get(4)?, value: key.get(5..)?.to_vec() },
        method: if body[32] == 1 { Method::Signed } else { Method::PreShared },
        expiry: UtcTime::from_millis(number(33)?),
        created_at: number(41)?,
        connection: Connection { local: name(0), previous: name(1), remote: name(2) },
        vouched: vouched(),
    })
}

fn sender_key(sender: &Identity) -> Vec<u8> {
    [&[sender.kind][..], &sender.value].concat()
}

fn time_value(key: &[u8], time: u64) -> [u8; 16] {
    let (time, mut value) = (time.to_be_bytes(), [0; 16]);
    value[..8].copy_from_slice(&time);
    value[8..].copy_from_slice(&checksum(&[b"admission", key, &time]).to_be_bytes());
    value
}

fn admission(key: &[u8], value: &[u8]) -> Option<Admission> {
    let time = u64::from_be_bytes(*value.first_chunk()?);
    let (kind, sender) = key.split_first()?;
    let sender = Identity { kind: *kind, value: sender.to_vec() };
    (time_value(key, time) == value).then_some(Admission { sender, time })
}

impl KdStore for KeyStore {
    type Error = Error;

    fn apply(&mut self, changes: &[Change]) -> Result<(), Self::Error> {
        self.write(|transaction| {
            let mut table = transaction.open_table(KDS).map_err(redb::Error::from)?;
            let mut times = transaction.open_table(ADMISSIONS).map_err(redb::Error::from)?;
            for change in changes {
                match change {
                    Change::Put(record) => {
                        table.insert(key(record.id, &record.peer).as_slice(), value(record).as_slice())?;
                    }
                    Change::Remove(id, peer) => {
                        table.remove(key(*id, peer).as_slice())?;
                    }
                    Change::Admit(Admission { sender, time }) => {
                        let key = sender_key(sender);
                        times.insert(key.as_slice(), time_value(&key, *time).as_slice())?;
                    }
                    Change::Forget(sender) => {
                        times.remove(sender_key(sender).as_slice())?;
                    }
                }
            }
            Ok(())
        })
    }

    fn kds(&self) -> Result<Vec<KdRecord>, Self::Error> {
        let read = || -> Result<Vec<KdRecord>, Error> {
            let broken = |e: redb::Error| damaged(&self.path, &e.to_string());
            let transaction = self.database.begin_read().map_err(|e| broken(e.into()))?;
            let table = match transaction.open_table(KDS) {
                Ok(table) => table,
                // a store in which no link has made a key yet
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                Err(e) => return Err(broken(e.into())),
            };
            let mut all = Vec::new();
            for entry in table.iter().map_err(|e| broken(e.into()))? {
                let (key, value) = entry.map_err(|e| broken(e.into()))?;
                let record = record(key.value(), value.value());
                all.push(
                    record
                        .ok_or_else(|| damaged(&self.path, "the root key of a link has a wrong checksum"))?,
                );
            }
            // in the order in which they were made
            all.sort_by_key(|record| record.created_at);
            Ok(all)
        };
        read()
    }

    fn admissions(&self) -> Result<Vec<Admission>, Self::Error> {
        let broken = |e: redb::Error| damaged(&self.path, &e.to_string());
        let transaction = self.database.begin_read().map_err(|e| broken(e.into()))?;
        let table = match transaction.open_table(ADMISSIONS) {
            Ok(table) => table,
            // a store in which no message with a time was taken yet
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(e) => return Err(broken(e.into())),
        };
        let mut all = Vec::new();
        for entry in table.iter().map_err(|e| broken(e.into()))? {
            let (key, value) = entry.map_err(|e| broken(e.into()))?;
            let admission = admission(key.value(), value.value());
            all.push(
                admission.ok_or_else(|| damaged(&self.path, "the time of a sender has a wrong checksum"))?,
            );
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_senders_come_back_and_are_not_another_senders() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kds");
        let of = |name: &str, time| Admission { sender: Identity::user(name), time };
        let mut store = KeyStore::create(&path).unwrap();
        assert!(store.admissions().unwrap().is_empty());
        let admit = |admission: Admission| Change::Admit(admission);
        store.apply(&[admit(of("bob", 7)), admit(of("amy", 9)), admit(Admission::floor(3))]).unwrap();
        store.apply(&[admit(of("bob", 8)), Change::Forget(Identity::user("amy"))]).unwrap();
        drop(store);
        let back = KeyStore::open(&path).unwrap().admissions().unwrap();
        assert_eq!(back, [Admission::floor(3), of("bob", 8)]);
        let (bob, amy) = (sender_key(&Identity::user("bob")), sender_key(&Identity::user("amy")));
        assert!(admission(&bob, &time_value(&bob, 8)).is_some());
        assert!(admission(&amy, &time_value(&bob, 8)).is_none(), "the time of another");
        assert!(admission(&bob, &time_value(&bob, 8)[..15]).is_none());
        assert!(admission(&bob, &[]).is_none() && admission(&[], &time_value(&[], 8)).is_none());
    }

    #[test]
    fn root_keys_come_back_in_the_order_in_which_they_were_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kds");
        let peer = Identity::user("bob");
        let make = |id: u32, created_at: u64| KdRecord {
            id: KdId(id),
            kd: Kd::from([id as u8; 32]),
            peer: peer.clone(),
            method: Method::Signed,
            expiry: UtcTime::from_millis(77),
            created_at,
            connection: Connection { local: Some([id as u8; 4]), previous: None, remote: Some([9; 4]) },
            vouched: (id == 2).then(|| Vouched {
                issuer: [7; 32],
                serial: vec![1, 2, 3],
                end: UtcTime::from_millis(88),
            }),
        };
        let mut store = KeyStore::create(&path).unwrap();
        assert!(store.kds().unwrap().is_empty());
        store.apply(&[Change::Put(make(1, 9)), Change::Put(make(2, 5))]).unwrap();
        store.apply(&[Change::Put(make(3, 7)), Change::Remove(KdId(1), peer.clone())]).unwrap();
        drop(store);
        let back = KeyStore::open(&path).unwrap().kds().unwrap();
        assert_eq!(back, [make(2, 5), make(3, 7)]);
        assert!(record(&key(KdId(2), &peer), &value(&make(3, 7))).is_none(), "a record under another's name");

        // of lengths that no version wrote, with a checksum that fits
        let (name, whole) = (key(KdId(2), &peer), value(&make(2, 5)));
        let body = &whole[..whole.len() - 8];
        let of = |body: &[u8]| record(&name, &[body, &checksum(&[&name, body]).to_be_bytes()].concat());
        assert!(of(body).is_some() && of(&body[..LEN - VOUCHED]).is_some());
        assert!(of(&[body, &[0]].concat()).is_none() && of(&body[..LEN - VOUCHED - 1]).is_none());
        assert!(of(&body[..49]).is_some() && of(&body[..50]).is_none());
    }
}
