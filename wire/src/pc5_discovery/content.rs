//! What stands between message type and MIC: a code, or the fields of TS 24.334 §11.2.5.1, tables 4 to 10.
//!
//! ```text
//! octets               2-4      5-10   11           12 13 14                15-24
//! relay                service  info   relay's UE ID      status            spare
//! relay solicitation   service  info   composition  [the relay sought]      spare
//! group member         group    info   UE ID              spare
//! its solicitation     group    info   composition  target: user (6), or group (3)
//!
//! octets               2-4      5-7    8-13   14           15-24
//! more about a relay   service  relay  info   composition  ECGI (7), or TMGI (6) and group (3)
//! ```
//!
//! Spare bits are zero when sent and ignored when received (TS 24.334 §12.1A).

use super::{CODE_LEN, Error, MessageType};

/// Places in the 23 octets.
mod field {
    use core::ops::Range;

    pub(super) const SERVICE: Range<usize> = 0..3;
    // TS 24.334 §12.2.2.50
    pub(super) const INFO: Range<usize> = 3..9;
    /// The UE's identity in an announcement or response, and a relay's status.
    pub(super) const UE: Range<usize> = 9..12;
    pub(super) const STATUS: usize = 12;
    /// Composition and what is sought in a solicitation.
    pub(super) const COMPOSITION: usize = 9;
    pub(super) const SOUGHT: Range<usize> = 10..13;
    pub(super) const USER: Range<usize> = 10..16;
    /// All that follows group and information.
    pub(super) const REST: Range<usize> = 9..23;
    /// Additional information: another order.
    pub(super) const MORE_RELAY: Range<usize> = 3..6;
    pub(super) const MORE_INFO: Range<usize> = 6..12;
    pub(super) const MORE_COMPOSITION: usize = 12;
    pub(super) const ECGI: Range<usize> = 13..20;
    pub(super) const TMGI: Range<usize> = 13..19;
    pub(super) const MBMS_GROUP: Range<usize> = 19..22;
    pub(super) const MORE_REST: Range<usize> = 12..23;
}

/// RSI of the Status Indicator: TS 24.334 §12.2.2.67.
// TS 24.334 §12.2.2.67
const RESOURCES: u8 = 0x80;
/// PRUII of URDS Composition (TS 24.334 §12.2.2.66): a relay's identity follows.
// TS 24.334 §12.2.2.66
const COMPOSITION_RELAY: u8 = 0x80;
/// TUII and TGII of GMDS Composition, TS 24.334 §12.2.2.55.
const TARGET_USER: u8 = 0x80;
const TARGET_GROUP: u8 = 0x40;
/// MBMSRI and ECGII of RDAI Composition, TS 24.334 §12.2.2.57.
const MORE_MBMS: u8 = 0x80;
const MORE_ECGI: u8 = 0x40;
/// The bits of a composition, of which one is set.
const CHOICE: u8 = 0xc0;
/// The last octet of an ECGI holds one digit.
const ECI_DIGIT: u8 = 0x0f;

/// Status Indicator of a relay, TS 24.334 §12.2.2.67.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status {
    /// RSI: it has resources for more UEs.
    pub resources: bool,
}

/// What a relay says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Relay {
    /// Relay Service Code.
    pub service: [u8; 3],
    /// User Info ID of the announcer.
    pub info: [u8; 6],
    /// ProSe Relay UE ID: a layer-2 identity.
    pub relay: [u8; 3],
    /// Status indicator.
    pub status: Status,
}

/// Whom a group member seeks, TS 24.334 §12.2.2.52 to §12.2.2.55.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Target User Info.
    User([u8; 6]),
    /// Target Group Info.
    Group([u8; 3]),
    /// A composition that is reserved, and what follows: protected octets, or a message that is to be discarded.
    Reserved([u8; 14]),
}

/// What more a relay tells, TS 24.334 §12.2.2.57 to §12.2.2.59.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum More {
    /// E-UTRAN Cell Global Identification: `MCC2|MCC1`, `MNC3|MCC3`, `MNC2|MNC1`, then seven digits of the cell, two an
    /// octet, the earlier one in the low bits.
    Ecgi([u8; 7]),
    /// MBMS related information.
    Mbms {
        /// TMGI: MBMS Service ID, then the PLMN (its order is from memory).
        tmgi: [u8; 6],
        /// ProSe Layer-2 Group ID.
        group: [u8; 3],
    },
    /// A composition that is reserved, and what follows: protected octets, or a message that is to be discarded.
    Reserved([u8; 11]),
}

/// The 184 bits between message type and MIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// A ProSe Application Code.
    OpenAnnouncement([u8; CODE_LEN]),
    /// A ProSe Restricted Code.
    RestrictedAnnouncement([u8; CODE_LEN]),
    /// A ProSe Query Code.
    RestrictedQuery([u8; CODE_LEN]),
    /// A ProSe Response Code.
    RestrictedResponse([u8; CODE_LEN]),
    /// A relay announces itself.
    RelayAnnouncement(Relay),
    /// A relay answers.
    RelayResponse(Relay),
    /// A remote UE seeks a relay.
    RelaySolicitation {
        /// Relay Service Code.
        service: [u8; 3],
        /// User Info ID of the discoverer.
        info: [u8; 6],
        /// The one relay that is sought.
        relay: Option<[u8; 3]>,
    },
    /// A group member announces itself.
    GroupMemberAnnouncement {
        /// Discovery Group ID.
        group: [u8; 3],
        /// User Info ID of the announcer.
        info: [u8; 6],
        /// ProSe UE ID: a layer-2 identity.
        ue: [u8; 3],
    },
    /// A group member seeks others.
    GroupMemberSolicitation {
        /// Discovery Group ID.
        group: [u8; 3],
        /// User Info ID of the discoverer.
        info: [u8; 6],
        /// Whom it seeks.
        target: Target,
    },
    /// A group member answers.
    GroupMemberResponse {
        /// Discovery Group ID.
        group: [u8; 3],
        /// User Info ID of the discoveree.
        info: [u8; 6],
        /// ProSe UE ID: a layer-2 identity.
        ue: [u8; 3],
    },
    /// More about a relay.
    RelayAdditionalInformation {
        /// Relay Service Code.
        service: [u8; 3],
        /// ProSe Relay UE ID.
        relay: [u8; 3],
        /// User Info ID of the announcer.
        info: [u8; 6],
        /// What it tells.
        more: More,
    },
}

impl Content {
    /// The message type that announces it.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::OpenAnnouncement(_) => MessageType::OpenAnnouncement,
            Self::RestrictedAnnouncement(_) => MessageType::RestrictedAnnouncement,
            Self::RestrictedQuery(_) => MessageType::RestrictedQuery,
            Self::RestrictedResponse(_) => MessageType::RestrictedResponse,
            Self::RelayAnnouncement(_) => MessageType::RelayAnnouncement,
            Self::RelayResponse(_) => MessageType::RelayResponse,
            Self::RelaySolicitation { .. } => MessageType::RelaySolicitation,
            Self::GroupMemberAnnouncement { .. } => MessageType::GroupMemberAnnouncement,
            Self::GroupMemberSolicitation { .. } => MessageType::GroupMemberSolicitation,
            Self::GroupMemberResponse { .. } => MessageType::GroupMemberResponse,
            Self::RelayAdditionalInformation { .. } => MessageType::RelayAdditionalInformation,
        }
    }

    /// `Ok` when no field has a reserved value. To be asked of what is sent, and of what was opened (TS 24.334 §12.1A);
    /// octets under a protection say anything.
    pub const fn check(&self) -> Result<(), Error> {
        let (what, octet) = match self {
            Self::GroupMemberSolicitation { target: Target::Reserved(rest), .. } => {
                ("GMDS Composition", rest[0])
            }
            Self::RelayAdditionalInformation { more: More::Reserved(rest), .. } => {
                ("RDAI Composition", rest[0])
            }
            _ => return Ok(()),
        };
        Err(Error::Reserved { what, value: octet as u32 })
    }

    /// The content of a message of a type that has one; an experiment's octets are taken for a code.
    pub fn read(message_type: MessageType, code: &[u8; CODE_LEN]) -> Self {
        let (service, info, ue) = (at(code, field::SERVICE), at(code, field::INFO), at(code, field::UE));
        let relay = || {
            let status = Status { resources: code[field::STATUS] & RESOURCES != 0 };
            Relay { service, info, relay: ue, status }
        };
        match message_type {
            MessageType::OpenAnnouncement => Self::OpenAnnouncement(*code),
            MessageType::RestrictedResponse => Self::RestrictedResponse(*code),
            // TS 24.334 §11.2.5.1 table 2
            MessageType::RestrictedQuery => Self::RestrictedQuery(*code),
            // TS 24.334 §11.2.5.1 table 4
            MessageType::RelayAnnouncement => Self::RelayAnnouncement(relay()),
            // TS 24.334 §11.2.5.1 table 6
            MessageType::RelayResponse => Self::RelayResponse(relay()),
            MessageType::RelaySolicitation => {
                // TS 24.334 §11.2.5.1 table 5
                let sought = code[field::COMPOSITION] & COMPOSITION_RELAY != 0;
                let relay = sought.then(|| at(code, field::SOUGHT));
                Self::RelaySolicitation { service, info, relay }
            }
            MessageType::GroupMemberAnnouncement => {
                // TS 24.334 §11.2.5.1 table 7
                Self::GroupMemberAnnouncement { group: service, info, ue }
            }
            // TS 24.334 §11.2.5.1 table 9
            MessageType::GroupMemberResponse => Self::GroupMemberResponse { group: service, info, ue },
            MessageType::GroupMemberSolicitation => {
                Self::GroupMemberSolicitation { group: service, info, target: Target::read(code) }
            }
            MessageType::RelayAdditionalInformation => Self::RelayAdditionalInformation {
                service,
                // TS 24.334 §11.2.5.1 table 10
                relay: at(code, field::MORE_RELAY),
                info: at(code, field::MORE_INFO),
                more: More::read(code),
            },
            MessageType::RestrictedAnnouncement
            | MessageType::ChangingId
            | MessageType::Fragment
            | MessageType::DelayedKey
            | MessageType::ChainCode
            | MessageType::Pointer => Self::RestrictedAnnouncement(*code),
        }
    }

    /// Writes it into 23 octets that are zero.
    pub(super) fn write(&self, code: &mut [u8]) {
        match self {
            Self::OpenAnnouncement(octets)
            | Self::RestrictedAnnouncement(octets)
            | Self::RestrictedQuery(octets)
            | Self::RestrictedResponse(octets) => code.copy_from_slice(octets),
            Self::RelayAnnouncement(relay) | Self::RelayResponse(relay) => {
                code[field::SERVICE].copy_from_slice(&relay.service);
                code[field::INFO].copy_from_slice(&relay.info);
                code[field::UE].copy_from_slice(&relay.relay);
                code[field::STATUS] = if relay.status.resources { RESOURCES } else { 0 };
            }
            Self::RelaySolicitation { service, info, relay } => {
                code[field::SERVICE].copy_from_slice(service);
                code[field::INFO].copy_from_slice(info);
                if let Some(relay) = relay {
                    code[field::COMPOSITION] = COMPOSITION_RELAY;
                    code[field::SOUGHT].copy_from_slice(relay);
                }
            }
            Self::GroupMemberAnnouncement { group, info, ue }
            | Self::GroupMemberResponse { group, info, ue } => {
                code[field::SERVICE].copy_from_slice(group);
                code[field::INFO].copy_from_slice(info);
                code[field::UE].copy_from_slice(ue);
            }
            Self::GroupMemberSolicitation { group, info, target } => {
                code[field::SERVICE].copy_from_slice(group);
                code[field::INFO].copy_from_slice(info);
                target.write(code);
            }
            Self::RelayAdditionalInformation { service, relay, info, more } => {
                code[field::SERVICE].copy_from_slice(service);
                code[field::MORE_RELAY].copy_from_slice(relay);
                code[field::MORE_INFO].copy_from_slice(info);
                more.write(code);
            }
        }
    }
}

impl Target {
    fn read(code: &[u8; CODE_LEN]) -> Self {
        match code[field::COMPOSITION] & CHOICE {
            // TS 24.334 §11.2.5.1 table 8
            TARGET_USER => Self::User(at(code, field::USER)),
            // TS 24.334 §12.2.2.55
            TARGET_GROUP => Self::Group(at(code, field::SOUGHT)),
            _ => Self::Reserved(at(code, field::REST)),
        }
    }

    fn write(&self, code: &mut [u8]) {
        match self {
            Self::User(user) => {
                code[field::COMPOSITION] = TARGET_USER;
                code[field::USER].copy_from_slice(user);
            }
            Self::Group(group) => {
                code[field::COMPOSITION] = TARGET_GROUP;
                code[field::SOUGHT].copy_from_slice(group);
            }
            Self::Reserved(rest) => code[field::REST].copy_from_slice(rest),
        }
    }
}

impl More {
    fn read(code: &[u8; CODE_LEN]) -> Self {
        match code[field::MORE_COMPOSITION] & CHOICE {
            MORE_ECGI => {
                let mut ecgi: [u8; 7] = at(code, field::ECGI);
                // TS 24.334 §12.2.2.57 to .59
                ecgi[6] &= ECI_DIGIT;
                Self::Ecgi(ecgi)
            }
            MORE_MBMS => Self::Mbms { tmgi: at(code, field::TMGI), group: at(code, field::MBMS_GROUP) },
            _ => Self::Reserved(at(code, field::MORE_REST)),
        }
    }

    fn write(&self, code: &mut [u8]) {
        match self {
            Self::Ecgi(ecgi) => {
                code[field::MORE_COMPOSITION] = MORE_ECGI;
                code[field::ECGI].copy_from_slice(ecgi);
                code[field::ECGI.end - 1] &= ECI_DIGIT;
            }
            Self::Mbms { tmgi, group } => {
                code[field::MORE_COMPOSITION] = MORE_MBMS;
                code[field::TMGI].copy_from_slice(tmgi);
                code[field::MBMS_GROUP].copy_from_slice(group);
            }
            Self::Reserved(rest) => code[field::MORE_REST].copy_from_slice(rest),
        }
    }
}

/// `N` octets at a range of that length.
fn at<const N: usize>(code: &[u8; CODE_LEN], range: core::ops::Range<usize>) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&code[range]);
    out
}
