//! Keys of groups by identities: GMKs, the PGKs of calls, and the highest time of a message of each sender.
//!
//! Each change is an epoch of the store's witness, as a reservation of counters is: a store that is a copy, or an earlier
//! state that was put back, is noticed. It may have forgotten that a GMK was replaced, and under which keys it sent.
//! Therefore it gives up its GMKs and calls, and refuses whatever was made before the moment at which that was noticed.

use super::{Error, Hex, KeyStore, Secret, Stored, damaged, sealed, unsealed};
use redb::{ReadableDatabase, ReadableTable, Table, TableDefinition, TableError, WriteTransaction};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sidelink_prose::group_keys::{
    CallRecord, Change, CsbId, GmkId, GmkRecord, GroupKeyStore, GroupKind, Highest, Identity, Kept, Member,
    Period, Stream,
};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::keys::{Gmk, Pgk};
use sidelink_wire::hex;
use sidelink_wire::ids::Layer2Id;
use zeroize::Zeroizing;

type Entries = TableDefinition<'static, &'static str, &'static [u8]>;

/// Group and GMK ID -> GMK.
const GMKS: Entries = TableDefinition::new("group-gmks");
/// Group and PGK index -> call.
const CALLS: Entries = TableDefinition::new("group-calls");
/// Group, kind of message and sender -> time; [`LOST`] -> the time at which the loss of a state was noticed.
const TIMES: Entries = TableDefinition::new("group-times");

const LOST: &str = "lost";

/// An identity as stored.
#[derive(Serialize, Deserialize)]
struct IdentityEntry {
    kind: u8,
    value: Hex,
}

#[derive(Serialize, Deserialize)]
struct MemberEntry {
    identity: IdentityEntry,
    layer2: Hex,
}

#[derive(Serialize, Deserialize)]
struct GmkEntry {
    group: Hex,
    name: IdentityEntry,
    ad_hoc: bool,
    maker: IdentityEntry,
    local: IdentityEntry,
    id: u32,
    gmk: Secret,
    time: u64,
    activation: u32,
    expiry: u32,
    distributes: bool,
    members: Vec<MemberEntry>,
}

#[derive(Serialize, Deserialize)]
struct CallEntry {
    group: Hex,
    csb_id: u32,
    gmk_id: u32,
    caller: IdentityEntry,
    time: u64,
    pgk: Secret,
    since: u32,
    expiry: u32,
    may_send: bool,
}

#[derive(Serialize, Deserialize)]
struct TimeEntry {
    group: Hex,
    calls: bool,
    sender: IdentityEntry,
    time: u64,
}

impl From<&Identity> for IdentityEntry {
    fn from(identity: &Identity) -> Self {
        Self { kind: identity.kind, value: Hex(identity.value.clone()) }
    }
}

impl From<IdentityEntry> for Identity {
    fn from(entry: IdentityEntry) -> Self {
        Self { kind: entry.kind, value: entry.value.0 }
    }
}

fn layer2(id: Layer2Id) -> Hex {
    Hex(id.octets().to_vec())
}

fn id(hex: &Hex) -> Option<Layer2Id> {
    Some(Layer2Id::from_octets(hex.0.as_slice().try_into().ok()?))
}

impl From<&GmkRecord> for GmkEntry {
    fn from(record: &GmkRecord) -> Self {
        let member = |member: &Member| MemberEntry {
            identity: (&member.identity).into(),
            layer2: layer2(member.layer2),
        };
        Self {
            group: layer2(record.group),
            name: (&record.name).into(),
            ad_hoc: record.kind == GroupKind::AdHoc,
            maker: (&record.maker).into(),
            local: (&record.local).into(),
            id: record.id.0,
            gmk: Secret::new(record.gmk.as_bytes().to_vec()),
            time: record.time.millis(),
            activation: record.period.activation.value(),
            expiry: record.period.expiry.value(),
            distributes: record.distributes,
            members: record.members.iter().map(member).collect(),
        }
    }
}

impl GmkEntry {
    fn record(self) -> Option<GmkRecord> {
        let member =
            |entry: MemberEntry| Some(Member { layer2: id(&entry.layer2)?, identity: entry.identity.into() });
        Some(GmkRecord {
            group: id(&self.group)?,
            name: self.name.into(),
            kind: if self.ad_hoc { GroupKind::AdHoc } else { GroupKind::Standard },
            maker: self.maker.into(),
            local: self.local.into(),
            id: GmkId(self.id),
            gmk: Gmk::try_from(self.gmk.as_bytes()).ok()?,
            time: UtcTime::from_millis(self.time),
            period: Period {
                activation: UtcCounter::new(self.activation),
                expiry: UtcCounter::new(self.expiry),
            },
            distributes: self.distributes,
            members: self.members.into_iter().map(member).collect::<Option<_>>()?,
        })
    }
}

impl From<&CallRecord> for CallEntry {
    fn from(record: &CallRecord) -> Self {
        Self {
            group: layer2(record.group),
            csb_id: record.csb_id.0,
            gmk_id: record.gmk_id.0,
            caller: (&record.caller).into(),
            time: record.time.millis(),
            pgk: Secret::new(record.pgk.as_bytes().to_vec()),
            since: record.since.value(),
            expiry: record.expiry.value(),
            may_send: record.may_send,
        }
    }
}

impl CallEntry {
    fn record(self) -> Option<CallRecord> {
        Some(CallRecord {
            group: id(&self.group)?,
            csb_id: CsbId(self.csb_id),
            gmk_id: GmkId(self.gmk_id),
            caller: self.caller.into(),
            time: UtcTime::from_millis(self.time),
            pgk: Pgk::try_from(self.pgk.as_bytes()).ok()?,
            since: UtcCounter::new(self.since),
            expiry: UtcCounter::new(self.expiry),
            may_send: self.may_send,
        })
    }
}

impl From<&Highest> for TimeEntry {
    fn from(highest: &Highest) -> Self {
        Self {
            group: layer2(highest.group),
            calls: highest.stream == Stream::Call,
            sender: (&highest.sender).into(),
            time: highest.time.millis(),
        }
    }
}

impl TimeEntry {
    fn record(self) -> Option<Highest> {
        Some(Highest {
            group: id(&self.group)?,
            stream: if self.calls { Stream::Call } else { Stream::Gmk },
            sender: self.sender.into(),
            time: UtcTime::from_millis(self.time),
        })
    }
}

fn gmk_name(group: Layer2Id, id: GmkId) -> String {
    format!("{group}-{id}")
}

fn call_name(group: Layer2Id, csb_id: CsbId) -> String {
    format!("{group}-{}", csb_id.index())
}

fn time_name(highest: &Highest) -> String {
    let stream = match highest.stream {
        Stream::Gmk => "gmk",
        Stream::Call => "call",
    };
    format!("{}-{stream}-{:02x}{}", highest.group, highest.sender.kind, hex::of_bytes(&highest.sender.value))
}

/// An entry cannot be written, or one that is there is damaged.
fn broken(why: &Error) -> redb::Error {
    redb::Error::Corrupted(why.to_string())
}

fn put(
    transaction: &WriteTransaction,
    table: Entries,
    name: &str,
    entry: &impl Serialize,
) -> Result<(), redb::Error> {
    let bytes = sealed(name, entry).map_err(|why| broken(&why))?;
    transaction.open_table(table).map_err(redb::Error::from)?.insert(name, bytes.as_slice())?;
    Ok(())
}

impl KeyStore {
    /// Makes one change within a transaction.
    fn change(&self, transaction: &WriteTransaction, change: &Change) -> Result<(), redb::Error> {
        let open = |table| transaction.open_table(table).map_err(redb::Error::from);
        match change {
            Change::PutGmk(record) => {
                put(transaction, GMKS, &gmk_name(record.group, record.id), &GmkEntry::from(record))
            }
            Change::RemoveGmk(group, id) => {
                open(GMKS)?.remove(gmk_name(*group, *id).as_str())?;
                Ok(())
            }
            Change::PutCall(record) => {
                put(transaction, CALLS, &call_name(record.group, record.csb_id), &CallEntry::from(record))
            }
            Change::RemoveCall(group, csb_id) => {
                let (mut table, name) = (open(CALLS)?, call_name(*group, *csb_id));
                let of_this = self.entry::<CallEntry>(&table, &name)?.is_some_and(|e| e.csb_id == csb_id.0);
                // Another call may have its index by now.
                if of_this {
                    table.remove(name.as_str())?;
                }
                Ok(())
            }
            Change::Raise(highest) => {
                let name = time_name(highest);
                let known = self.entry::<TimeEntry>(&open(TIMES)?, &name)?;
                match known {
                    Some(known) if known.time >= highest.time.millis() => Ok(()),
                    _ => put(transaction, TIMES, &name, &TimeEntry::from(highest)),
                }
            }
        }
    }

    fn entry<T: DeserializeOwned>(
        &self,
        table: &Table<'_, &'static str, &'static [u8]>,
        name: &str,
    ) -> Result<Option<T>, redb::Error> {
        let entry = table.get(name)?;
        entry.map(|bytes| unsealed(&self.path, name, bytes.value())).transpose().map_err(|why| broken(&why))
    }

    /// Returns the entries of a table, none if there is no such table yet.
    fn group_entries(&self, table: Entries) -> Result<Vec<Stored>, Error> {
        let failed = |e: redb::Error| damaged(&self.path, &e.to_string());
        let transaction = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let table = match transaction.open_table(table) {
            Ok(table) => table,
            // a store of a version without keys of groups by identities, or in which there was none yet
            Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
            Err(e) => return Err(failed(e.into())),
        };
        let mut all = Vec::new();
        for entry in table.iter().map_err(|e| failed(e.into()))? {
            let (name, bytes) = entry.map_err(|e| failed(e.into()))?;
            all.push((name.value().to_owned(), Zeroizing::new(bytes.value().to_vec())));
        }
        Ok(all)
    }

    fn group_records<T: DeserializeOwned, R>(
        &self,
        table: Entries,
        record: impl Fn(T) -> Option<R>,
    ) -> Result<Vec<R>, Error> {
        let entries = self.group_entries(table)?;
        let entries = entries.iter().filter(|(name, _)| name != LOST);
        let of = |(name, bytes): &Stored| {
            let entry = unsealed(&self.path, name, bytes)?;
            record(entry).ok_or_else(|| damaged(&self.path, &format!("the entry {name:?} makes no sense")))
        };
        entries.map(of).collect()
    }

    /// Returns all that is kept, as it is in the file.
    pub(super) fn group_keys(&self) -> Result<Kept, Error> {
        let times = self.group_entries(TIMES)?;
        let lost = times.iter().find(|(name, _)| name == LOST);
        let lost: Option<u64> = lost.map(|(name, bytes)| unsealed(&self.path, name, bytes)).transpose()?;
        Ok(Kept {
            gmks: self.group_records(GMKS, GmkEntry::record)?,
            calls: self.group_records(CALLS, CallEntry::record)?,
            highest: self.group_records(TIMES, TimeEntry::record)?,
            lost: lost.map(UtcTime::from_millis),
        })
    }
}

impl GroupKeyStore for KeyStore {
    type Error = Error;

    fn apply(&mut self, changes: &[Change]) -> Result<(), Error> {
        self.write_witnessed(|transaction| {
            changes.iter().try_for_each(|change| self.change(transaction, change))
        })
    }

    fn kept(&mut self, now: UtcTime) -> Result<Kept, Error> {
        if self.suspended.is_some() {
            // Noted first: a crash in between leaves a store that is suspended still.
            let lost = self.group_keys()?.lost.map_or(now, |lost| lost.max(now));
            self.write(|transaction| {
                for table in [GMKS, CALLS] {
                    transaction.open_table(table).map_err(redb::Error::from)?.retain(|_, _| false)?;
                }
                put(transaction, TIMES, LOST, &lost.millis())
            })?;
            self.settle_for_new_rights()?;
        }
        self.group_keys()
    }
}

#[cfg(test)]
mod tests;
