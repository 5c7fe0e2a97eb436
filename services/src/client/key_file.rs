//! What is durable of the keys of groups and discoveries, in a file of its owner: PMK and its counter, terms, PGKs and PSDKs.

use std::fs::File;
use std::num::NonZeroU8;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sidelink_network::key_delivery::{KeyName, Period, PmkId, ServiceId};
use sidelink_network::pc8::{Code, MemberId, ProtectionProfile, SelectedAlgorithm};
use sidelink_network::pkmf_client::{Change, Durable, KeyRecord, PmkRecord, Terms, Wanted};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::restricted::EncryptedBitmask;
use sidelink_security::keys::{Pmk, Secret256};
use zeroize::Zeroizing;

use super::secret_file::{self, KeyFileError};

/// A file with the keys of groups.
#[derive(Clone, Debug)]
pub struct KeyFile(PathBuf);

impl KeyFile {
    /// At this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Keeps other processes from it until it is dropped: two that go on from the same counter would each take what the other has
    /// taken.
    pub(super) fn lock(&self) -> Result<File, KeyFileError> {
        secret_file::lock(&self.0)
    }

    /// What it holds; nothing where there is no file.
    pub(super) fn load(&self) -> Result<State, KeyFileError> {
        secret_file::load(&self.0)
    }

    /// Replaces it, durably.
    pub(super) fn store(&self, state: &State) -> Result<(), KeyFileError> {
        let room = 1024 + 256 * state.grants.len() + 512 * state.keys.len();
        secret_file::store(&self.0, state, room)
    }
}

/// Octets of a secret.
type Secret = Zeroizing<[u8; 32]>;

/// What the file holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pmk: Option<PmkRow>,
    grants: Vec<GrantRow>,
    #[serde(default)]
    discoveries: Vec<DiscoveryRow>,
    keys: Vec<KeyRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PmkRow {
    id: [u8; 8],
    pmk: Secret,
    counter: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantRow {
    group: [u8; 3],
    member: [u8; 3],
    #[serde(with = "algorithm")]
    algorithm: Algorithm,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DiscoveryRow {
    of: DiscoveryOf,
    key_type: [u8; 3],
    protection: Vec<Protection>,
    /// Octets of the mask of what is ciphered.
    encrypted: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum DiscoveryOf {
    Relay([u8; 3]),
    GroupMember([u8; 3]),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Protection {
    Scrambling,
    Integrity,
    Confidentiality,
}

impl DiscoveryOf {
    const fn of(wanted: Wanted) -> Option<Self> {
        match wanted {
            Wanted::Relay(code) => Some(Self::Relay(code.0)),
            Wanted::GroupMember(code) => Some(Self::GroupMember(code.0)),
            Wanted::Group(_) | Wanted::Pruk => None,
        }
    }

    const fn wanted(self) -> Wanted {
        match self {
            Self::Relay(code) => Wanted::Relay(Code(code)),
            Self::GroupMember(code) => Wanted::GroupMember(Code(code)),
        }
    }
}

impl DiscoveryRow {
    fn new(
        of: DiscoveryOf,
        key_type: ServiceId,
        protection: ProtectionProfile,
        encrypted: Option<EncryptedBitmask>,
    ) -> Self {
        let kinds = [
            (protection.scrambles(), Protection::Scrambling),
            (protection.has_mic(), Protection::Integrity),
            (protection.is_confidential(), Protection::Confidentiality),
        ];
        let protection = kinds.into_iter().filter(|(applies, _)| *applies).map(|(_, kind)| kind).collect();
        Self { of, key_type: key_type.0, protection, encrypted: encrypted.map(Vec::from) }
    }

    fn terms(&self) -> Terms {
        let protection = self.protection.iter().fold(ProtectionProfile::NONE, |all, kind| match kind {
            Protection::Scrambling => all.scrambled(),
            Protection::Integrity => all.with_mic(),
            Protection::Confidentiality => all.confidential(),
        });
        let encrypted = self.encrypted.as_ref().and_then(|mask| mask.as_slice().try_into().ok());
        Terms::Discovery { key_type: ServiceId(self.key_type), protection, encrypted }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRow {
    group: [u8; 3],
    id: NonZeroU8,
    key: Secret,
    from: u32,
    to: u32,
}

mod algorithm {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use sidelink_security::cipher::Algorithm;

    pub(super) fn serialize<S: Serializer>(algorithm: &Algorithm, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(algorithm.id())
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Algorithm, D::Error> {
        let id = u8::deserialize(from)?;
        Algorithm::ALL.into_iter().find(|known| known.id() == id).ok_or(D::Error::custom("no algorithm"))
    }
}

impl State {
    /// As the UE's machine begins with it.
    pub(super) fn durable(&self) -> Durable {
        let pmk = self.pmk.as_ref().map(|row| PmkRecord {
            id: PmkId(row.id),
            pmk: Pmk::from(*row.pmk),
            counter: row.counter,
        });
        let grants = self.grants.iter().map(|row| {
            let algorithm = SelectedAlgorithm::new(row.algorithm);
            (Wanted::Group(ServiceId(row.group)), Terms::Group { member: MemberId(row.member), algorithm })
        });
        let discoveries = self.discoveries.iter().map(|row| (row.of.wanted(), row.terms()));
        let keys = self.keys.iter().map(|row| KeyRecord {
            name: KeyName { service: ServiceId(row.group), id: row.id },
            key: Secret256::from(*row.key),
            period: Period { from: UtcCounter::new(row.from), to: UtcCounter::new(row.to) },
        });
        Durable { pmk, grants: grants.chain(discoveries).collect(), keys: keys.collect() }
    }

    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        changes.into_iter().for_each(|change| self.apply_one(change));
    }

    fn apply_one(&mut self, change: Change) {
        match change {
            Change::PutPmk(record) => {
                let pmk = Zeroizing::new(*record.pmk.as_bytes());
                self.pmk = Some(PmkRow { id: record.id.0, pmk, counter: record.counter });
            }
            Change::PutGrant(Wanted::Group(group), Terms::Group { member, algorithm }) => {
                self.remove_grant(group);
                let algorithm = algorithm.algorithm();
                self.grants.push(GrantRow { group: group.0, member: member.0, algorithm });
            }
            Change::PutGrant(wanted, Terms::Discovery { key_type, protection, encrypted }) => {
                self.remove_discovery(wanted);
                let row = |of| DiscoveryRow::new(of, key_type, protection, encrypted);
                self.discoveries.extend(DiscoveryOf::of(wanted).map(row));
            }
            // The machine says neither: terms are of what they were granted for.
            Change::PutGrant(
                Wanted::Relay(_) | Wanted::GroupMember(_) | Wanted::Pruk,
                Terms::Group { .. },
            ) => {}
            Change::RemoveGrant(Wanted::Group(group)) => self.remove_grant(group),
            Change::RemoveGrant(wanted) => self.remove_discovery(wanted),
            Change::PutKey(KeyRecord { name, key, period }) => {
                self.remove_key(name);
                self.keys.push(KeyRow {
                    group: name.service.0,
                    id: name.id,
                    key: Zeroizing::new(*key.as_bytes()),
                    from: period.from.value(),
                    to: period.to.value(),
                });
            }
            Change::RemoveKey(name) => self.remove_key(name),
        }
    }

    fn remove_grant(&mut self, group: ServiceId) {
        self.grants.retain(|row| row.group != group.0);
    }

    fn remove_discovery(&mut self, wanted: Wanted) {
        let gone = DiscoveryOf::of(wanted);
        self.discoveries.retain(|row| Some(row.of) != gone);
    }

    fn remove_key(&mut self, name: KeyName) {
        self.keys.retain(|row| row.group != name.service.0 || row.id != name.id);
    }
}

#[cfg(test)]
mod tests;
