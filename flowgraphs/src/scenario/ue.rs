//! The tables of a UE, in their written form.

use super::{Channel, Payload};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use sidelink_radio::number::Number;
use std::fmt;

/// One transmitter: its place in the air, and its transmissions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ue {
    /// Name for messages and annotations; `UE n` without one.
    pub name: Option<String>,
    /// Power relative to a UE of gain 0, in dB.
    pub gain: f64,
    /// Phase of the carrier in degrees.
    pub phase: f64,
    /// Offset of its carrier in Hz, positive if it is too high.
    pub cfo: Number,
    /// Time of flight in samples; negative for a UE that sends early.
    pub delay: Number,
    /// Error of its sample clock in parts per million, positive if it runs too fast.
    pub drift: f64,
    /// Channel; without it that of the scenario.
    pub channel: Option<Channel>,
    /// Synchronisation signals and PSBCH.
    pub sync: Option<SyncEntry>,
    /// Discovery announcements.
    pub discovery: Vec<DiscoveryEntry>,
    /// Communication in modes 1 and 2.
    pub communication: Vec<CommunicationEntry>,
    /// Communication in modes 3 and 4.
    pub v2x: Vec<V2xEntry>,
}

/// Synchronisation signals of a UE.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SyncEntry {
    /// N_ID^SL, 0 to 335.
    pub id: u16,
    /// inCoverage of the MIB.
    #[serde(default)]
    pub in_coverage: bool,
    /// Subframe modulo the period; without it that of `radio.sync`.
    #[serde(default)]
    pub offset: Option<u32>,
    /// Subframes between two of them; without it that of `radio.sync`.
    #[serde(default)]
    pub period: Option<u32>,
}

/// A discovery announcement: one message, in every discovery period.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DiscoveryEntry {
    /// Index in `radio.discovery`.
    #[serde(default)]
    pub pool: usize,
    /// 232 bits; shorter ones are padded with zeros. For responses under a pre-shared secret ([`Self::protected`]) it
    /// is the response code, 184 bits.
    #[serde(default)]
    pub message: Payload,
    /// Entry of a key store from which the message is made, anew in every period, instead.
    #[serde(default)]
    pub protected: Option<ProtectedMessage>,
    /// Type 1: n_PSDCH, or `"random"` for a new one in every period.
    #[serde(default)]
    pub resource: Option<Choice>,
    /// Type 2B: the resource assigned by the network.
    #[serde(default)]
    pub type_2b: Option<Type2b>,
    /// Redundancy version of each transmission: 0, 2, 3, 1 in the standard.
    #[serde(default)]
    pub redundancy_versions: Option<[u8; 4]>,
}

/// Entry of the key store that is announced, queried or answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProtectedMessage {
    /// Entry that protects the message: announces its code, or queries it if it is `pre-shared`.
    pub key: Option<String>,
    /// Entry of a query: it is answered, in the next period, when another UE of the scenario has sent it. Under a
    /// pre-shared secret no `key` is needed.
    pub answers: Option<String>,
}

/// SL-TF-IndexPair and SL-HoppingConfigDisc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Type2b {
    /// discPRB-Index: a_1 in the first period of the recording.
    pub prb_index: u32,
    /// discSF-Index: b_1 in the first period of the recording.
    pub subframe_index: u32,
    /// a-r12, N_PSDCH^(1).
    #[serde(default)]
    pub a: u32,
    /// b-r12, N_PSDCH^(2).
    #[serde(default)]
    pub b: u32,
    /// c-r12, N_PSDCH^(3).
    #[serde(default)]
    pub c: u32,
}

/// Communication in modes 1 and 2: an SCI and its transport blocks in every period of the pool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CommunicationEntry {
    /// Index in `radio.communication`.
    #[serde(default)]
    pub pool: usize,
    /// n_PSCCH, or `"random"` for a new one in every period.
    pub resource: Choice,
    /// Group destination identity, n_ID^SA. With `protected` it is the last octet of the group's identity, and may be
    /// omitted.
    #[serde(default)]
    pub group: Option<u8>,
    /// Time resource pattern, I_TRP.
    pub trp: u8,
    /// I_MCS.
    pub mcs: u8,
    /// First PRB; with hopping in mode 2, index into the pool.
    pub start: u32,
    /// Number of PRBs.
    pub len: u32,
    /// Hopping bits of the SCI; without them there is no hopping.
    #[serde(default)]
    pub hopping: Option<u8>,
    /// Timing advance indication.
    #[serde(default)]
    pub timing_advance: u16,
    /// Content of the transport blocks; with `protected`, the application's data in them.
    #[serde(default)]
    pub payload: Payload,
    /// Group of the key store to which the payloads are sent, through PDCP, RLC and MAC.
    #[serde(default)]
    pub protected: Option<ProtectedData>,
}

/// Data for a group: the next payload is sent when none is queued; one that is longer than a block is segmented.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ProtectedData {
    /// Name of the group in the key store.
    pub group: String,
    /// Name of the sending member; without it the one with the UE's name.
    #[serde(default)]
    pub member: Option<String>,
    /// Logical channel, 1 to 10.
    #[serde(default = "first_channel")]
    pub lcid: u8,
    /// SDU type of the payload in PDCP.
    #[serde(default)]
    pub sdu_type: SduKind,
    /// Octets of a `"random"` payload.
    #[serde(default = "voice_frame")]
    pub octets: usize,
}

/// SDU type of PDCP. TS 36.323 §6.3.14.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum SduKind {
    Ip,
    Arp,
    Pc5S,
    #[default]
    NonIp,
}

fn first_channel() -> u8 {
    1
}

/// Returns the octets of a vocoder's usual packet with its headers.
fn voice_frame() -> usize {
    100
}

/// Communication in modes 3 and 4: periodic transport blocks, each with its SCI, sent once or twice.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct V2xEntry {
    /// Index of the pool: 0 is `radio.v2x`, and 1 the first of `radio.v2x-also`.
    #[serde(default)]
    pub pool: usize,
    /// Subframe of the recording after which the first block is sent, in the first subframe of the pool that fits.
    #[serde(default)]
    pub from: u64,
    /// Subframes from block to block, 20, 50, 100, 200 .. 1000; without it there is one block.
    #[serde(default)]
    pub interval: Option<u32>,
    /// Number of blocks; without it, all that fit the duration.
    #[serde(default)]
    pub blocks: Option<u64>,
    /// First sub-channel.
    pub subchannel: u32,
    /// Number of sub-channels.
    pub length: u32,
    /// SF_gap to the retransmission, 1 to 15; 0 for none.
    #[serde(default)]
    pub gap: u32,
    /// First sub-channel of the retransmission; without it the same.
    #[serde(default)]
    pub retransmission_subchannel: Option<u32>,
    /// I_MCS.
    pub mcs: u8,
    /// ProSe per-packet priority, 1 to 8.
    #[serde(default = "lowest")]
    pub priority: u8,
    /// Resource reservation field, 0 to 15; without it that of `interval`.
    #[serde(default)]
    pub reservation: Option<u8>,
    /// Cyclic shift of the DMRS of PSCCH: 0, 3, 6, 9 or `"random"` for each transmission.
    #[serde(default)]
    pub cyclic_shift: Choice,
    /// Transmission format of Release 15.
    #[serde(default)]
    pub transmission_format: bool,
    /// Reserved bits of the SCI.
    #[serde(default)]
    pub reserved: u16,
    /// Power of PSCCH over PSSCH a resource element in dB: 3 in the standard (TS 36.213 §14.1.1.5).
    #[serde(default = "three_decibels")]
    pub control_boost: f64,
    /// Content of the transport blocks.
    #[serde(default)]
    pub payload: Payload,
}

fn lowest() -> u8 {
    8
}

fn three_decibels() -> f64 {
    3.0
}

/// A number, or a new random one each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Always this number.
    Fixed(u32),
    /// Drawn each time.
    #[default]
    Random,
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Choice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 on, or \"random\"")
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Choice, E> {
                u32::try_from(v)
                    .map(Choice::Fixed)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(v), &self))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Choice, E> {
                u32::try_from(v)
                    .map(Choice::Fixed)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(v), &self))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Choice, E> {
                match v {
                    "random" => Ok(Choice::Random),
                    _ => Err(E::invalid_value(de::Unexpected::Str(v), &self)),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
