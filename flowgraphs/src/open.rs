//! Content of decoded blocks: MAC, RLC and PDCP of SL-SCH, PC5_DISCOVERY of SL-DCH; opened if there are keys.
//!
//! ```text
//! SL-SCH block -> MAC PDU, of every destination -> RLC UM, reassembled -> PDCP: header, and data if a key opens them
//! SL-DCH block -> a monitor that follows every key of the store
//! ```
//!
//! Everything is heard as by a UE to whom everything is addressed: there is no filter. What is said of a PDU or message is
//! an [`Outcome`], the words of which are those of the reports. Repetitions must be left out by the caller: they would be
//! replays. Nothing is put in order: what a block holds is reported with it, where a UE would wait for what is missing.

mod follow;

use crate::config::ConfigError;
use follow::Followers;
use sidelink_mac::mux::{Address, Demultiplexed};
use sidelink_mac::pdcp::{self, Header};
use sidelink_mac::rlc_um::{self, Key, Window};
use sidelink_prose::discovery::pointer::DISCOVERY_GROUP;
use sidelink_prose::discovery::signed::SetTiming;
use sidelink_prose::discovery::{AirTime, TimePolicy};
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::Announcement;
use sidelink_security::discovery::signature::Hint;
use sidelink_security::group::{self, ReceiverConfig};
use sidelink_security::outcome::Outcome;
use sidelink_security::pdu::Assurance;
use sidelink_store::Keys;
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};
use sidelink_wire::pdcp::{HEADER_LEN, SduType};
use std::fmt;

/// Content of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened<'a> {
    /// A PDCP PDU.
    Pdcp(PdcpReport<'a>),
    /// A discovery message.
    Discovery(DiscoveryReport),
    /// Bytes that are not a PDU.
    Malformed {
        /// The channel that carried them.
        channel: Channel,
        /// The layer that refused it, and the reason.
        why: String,
    },
}

/// A transport channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// SL-SCH.
    SlSch,
    /// SL-DCH.
    SlDch,
}

/// A PDCP PDU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PdcpReport<'a> {
    /// Sender: its layer-2 ID.
    pub source: Layer2Id,
    /// Destination.
    pub address: Address,
    /// Logical channel.
    pub lcid: Lcid,
    /// The header; `None` if it is invalid.
    pub header: Option<Header>,
    /// Result of the checks.
    pub result: Verdict,
    /// The PGK that opened it.
    pub pgk_id: Option<u8>,
    /// Name of the group in the store.
    pub group: Option<String>,
    /// Name of the sender in the store.
    pub sender: Option<String>,
    /// The data, if they are not ciphered or a key opened them.
    pub data: Option<&'a [u8]>,
    /// The PDU with its header, as it came from RLC.
    pub pdu: &'a [u8],
}

impl PdcpReport<'_> {
    /// Returns the PDU with plain data, if they are available.
    pub fn clear_pdu(&self) -> Option<Vec<u8>> {
        let data = self.data?;
        let mut pdu = self.pdu.get(..HEADER_LEN)?.to_vec();
        pdu.extend_from_slice(data);
        Some(pdu)
    }
}

/// Result of a PDU or message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Outcome of the checks by the keys.
    Of(Outcome),
    /// No keys were given.
    NoKeys,
}

impl Verdict {
    /// Returns the word that reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Of(outcome) => outcome.as_str(),
            Self::NoKeys => "no_keys",
        }
    }

    /// Whether it is authentic, as far as its protection proves.
    pub const fn is_good(self) -> bool {
        matches!(
            self,
            Self::Of(Outcome::Verified | Outcome::Deciphered | Outcome::Unprotected | Outcome::ToReport)
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A discovery message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryReport {
    /// Result of the checks.
    pub result: Verdict,
    /// Name of the entry whose key fits.
    pub name: Option<String>,
    /// The octet of the message type.
    pub message_type: u8,
    /// The plain code or content; not for changing identifiers.
    pub code: Option<[u8; 23]>,
    /// The whole UTC-based counter, in seconds.
    pub counter: Option<u32>,
    /// The rotation period.
    pub period: Option<u64>,
    /// The whole message where the network is to check it.
    pub to_report: Option<Announcement>,
}

/// Opens blocks of one recording, in their order.
pub struct Opener {
    rlc: rlc_um::Receiver,
    pdcp: Option<pdcp::Receiver>,
    followers: Option<Followers>,
    keys: Keys,
    policy: TimePolicy,
}

impl Opener {
    /// Makes an opener without keys: headers only.
    pub fn headers_only() -> Self {
        Self {
            rlc: rlc_um::Receiver::new(rlc_um::ReceiverConfig::default()),
            pdcp: None,
            followers: None,
            keys: Keys::default(),
            policy: TimePolicy::default(),
        }
    }

    /// Makes an opener with all keys of a store.
    ///
    /// # Errors
    /// An entry is invalid.
    pub fn with_keys(keys: Keys) -> Result<Self, ConfigError> {
        let mut receiver = pdcp::Receiver::new(pdcp::ReceiverConfig::default());
        for group in &keys.group {
            let mut config = ReceiverConfig::new(group.config()?);
            config.accept_unprotected = true;
            let mut opening = group::Receiver::new(config);
            for entry in &group.pgk {
                // `Keys::check` ensures that no two keys have one index.
                if let Some(key) = group.pgk(entry)? {
                    let _ = opening.install(key);
                }
            }
            receiver.insert_group(opening);
        }
        let followers = Followers::new(&keys)?;
        Ok(Self { pdcp: Some(receiver), followers: Some(followers), keys, ..Self::headers_only() })
    }

    /// Whether keys were given.
    pub const fn has_keys(&self) -> bool {
        self.pdcp.is_some()
    }

    /// Parses a block of SL-SCH that came at `now` (ignored without keys), and passes to `emit` each PDCP PDU that it
    /// completes. `group` is the group destination ID of its SCI in transmission modes 1 and 2.
    pub fn sl_sch(
        &mut self,
        now: UtcTime,
        group: Option<u8>,
        block: &[u8],
        emit: &mut dyn FnMut(Opened<'_>),
    ) {
        let Self { rlc, pdcp, keys, followers, policy } = self;
        let pdu = match Demultiplexed::parse(block, group.map(GroupDestinationId)) {
            Ok(pdu) => pdu,
            // Without keys a block may have any content, such as that of test signals.
            Err(_) if pdcp.is_none() => return,
            Err(error) => {
                return emit(Opened::Malformed { channel: Channel::SlSch, why: format!("MAC: {error}") });
            }
        };
        if let Some(error) = pdu.ignored() {
            // What is ignored in a PDU speaks against its being one.
            if pdcp.is_none() {
                return;
            }
            emit(Opened::Malformed { channel: Channel::SlSch, why: format!("MAC: {error}") });
        }
        let (source, address) = (pdu.source, pdu.address);
        let known = keys.group.iter().find(|g| g.group_id.0 == address.layer2_id().octets());
        let sender = known.and_then(|g| g.member.iter().find(|m| m.id.0 == source.octets()));
        for (lcid, data) in pdu.sdus() {
            let key = Key { source, destination: address.layer2_id(), lcid, window: Window::None };
            let lcid = lcid.duplicated().unwrap_or(lcid);
            let received = rlc.receive(key, now, data, |sdu| {
                let report = PdcpReport {
                    source,
                    address,
                    lcid,
                    header: Header::parse(address, sdu).ok(),
                    result: Verdict::NoKeys,
                    pgk_id: None,
                    group: known.map(|g| g.name.clone()),
                    sender: sender.map(|m| m.ue.clone()),
                    data: None,
                    pdu: sdu,
                };
                match pdcp {
                    Some(pdcp) => {
                        let report = judge(pdcp, now, report);
                        let found = announcement(followers.as_mut(), policy, now, &report);
                        emit(Opened::Pdcp(report));
                        found.into_iter().for_each(|found| emit(Opened::Discovery(found)));
                    }
                    None => emit(Opened::Pdcp(unjudged(report))),
                }
            });
            if let Err(error) = received
                && pdcp.is_some()
            {
                emit(Opened::Malformed { channel: Channel::SlSch, why: format!("RLC: {error}") });
            }
        }
    }

    /// Builds tables of followed codes on another thread from now on, where [`Self::look_ahead`] is called often: a block
    /// that comes before the table of its period is of an unknown sender. Otherwise a block waits for its table.
    pub fn build_ahead(&mut self) {
        if let Some(followers) = &mut self.followers {
            followers.build_ahead();
        }
    }

    /// Takes the tables that were built ahead, and has the next ones built.
    ///
    /// # Errors
    /// The codes are too short to distinguish the followed ones.
    pub fn look_ahead(&mut self, now: UtcTime) -> Result<(), ConfigError> {
        match &mut self.followers {
            Some(followers) => followers.look_ahead(&self.policy, &AirTime::at(now)),
            None => Ok(()),
        }
    }

    /// Checks a block of SL-DCH that came at `now`; returns `None` without keys.
    ///
    /// # Errors
    /// The codes are too short to distinguish the followed ones.
    pub fn sl_dch(&mut self, now: UtcTime, block: &[u8]) -> Result<Option<Opened<'static>>, ConfigError> {
        self.sl_dch_in(&AirTime::at(now), block)
    }

    /// Checks a block of SL-DCH whose frame is known, which those of signed announcements need.
    ///
    /// # Errors
    /// As [`Self::sl_dch`].
    pub fn sl_dch_in(&mut self, now: &AirTime, block: &[u8]) -> Result<Option<Opened<'static>>, ConfigError> {
        let Some(followers) = &mut self.followers else { return Ok(None) };
        followers.judge(&self.policy, now, block).map(Some)
    }

    /// Returns the hint of a signed announcement whose key is wanted, once in a while.
    pub fn take_wanted_key(&mut self) -> Option<Hint> {
        self.followers.as_mut()?.take_wanted_key()
    }

    /// Takes other keys in the place of those of before. What was being put together begins anew.
    ///
    /// # Errors
    /// As [`Self::with_keys`].
    pub fn renew(&mut self, keys: Keys) -> Result<(), ConfigError> {
        let policy = self.policy;
        *self = Self { policy, ..Self::with_keys(keys)? };
        Ok(())
    }

    /// Says which periods discovery has: those of signed announcements depend on them.
    pub const fn set_timing(&mut self, sets: SetTiming) {
        self.policy.sets = sets;
    }
}

/// Returns what an announcement of discovery on the SL-SCH proves, if the PDU is one.
fn announcement(
    followers: Option<&mut Followers>,
    policy: &TimePolicy,
    now: UtcTime,
    report: &PdcpReport<'_>,
) -> Option<DiscoveryReport> {
    let is_announcement = report.address.layer2_id() == DISCOVERY_GROUP
        && report.header.is_some_and(|header| header.sdu_type() == SduType::NonIp);
    followers?.announcement(policy, &AirTime::at(now), report.data.filter(|_| is_announcement)?)
}

/// Returns the report of a PDCP PDU where there are no keys, with its data if nothing protects them.
fn unjudged(report: PdcpReport<'_>) -> PdcpReport<'_> {
    let is_plain = report.header.is_some_and(|header| header.count().identity() == 0);
    PdcpReport { data: report.pdu.get(HEADER_LEN..).filter(|_| is_plain), ..report }
}

/// Returns the report of a PDCP PDU with what the keys make of it.
fn judge<'a>(pdcp: &'a mut pdcp::Receiver, now: UtcTime, mut report: PdcpReport<'a>) -> PdcpReport<'a> {
    match pdcp.receive(now.counter(), report.source, report.address, report.lcid, report.pdu) {
        Ok(delivered) => {
            report.result = Verdict::Of(match delivered.assurance {
                Assurance::Verified => Outcome::Verified,
                Assurance::Deciphered => Outcome::Deciphered,
                Assurance::Unprotected => Outcome::Unprotected,
            });
            report.pgk_id = delivered.pgk_id;
            report.data = Some(delivered.data);
        }
        Err(error) => report.result = Verdict::Of(error.outcome()),
    }
    report
}

#[cfg(test)]
mod tests;
