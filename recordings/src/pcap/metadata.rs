//! Metadata of a packet: where and how well it was received, its source and destination. They travel in a tag of the
//! exported PDU that Wireshark shows as unknown and skips; `sidelink.lua` reads it.
//!
//! ```text
//! | 1 | channel | flags | MCS | first PRB (2) | PRBs (2) | SNR 0.1 dB (2) | EVM 0.1 % (2) | CFO Hz (4) | delay ns (4) |
//! | capture subframe (4) | transmissions | priority | group | 0 | source (4) | destination (4) |           all big endian
//! ```

/// The tag: `SL`.
pub(super) const TAG: u16 = 0x534c;

/// Octets of the tag's value.
pub(super) const LEN: usize = 36;

const VERSION: u8 = 1;

mod flag {
    pub(super) const PLACE: u8 = 1;
    pub(super) const QUALITY: u8 = 2;
    pub(super) const MCS: u8 = 4;
    pub(super) const PRIORITY: u8 = 8;
    pub(super) const GROUP: u8 = 16;
    pub(super) const SOURCE: u8 = 32;
    pub(super) const DESTINATION: u8 = 64;
}

/// A physical channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Channel {
    /// Broadcast: MIB-SL.
    Psbch = 1,
    /// Control: SCI.
    Pscch = 2,
    /// Data: SL-SCH.
    Pssch = 3,
    /// Discovery: SL-DCH.
    Psdch = 4,
}

/// Quality of a reception.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Signal to noise ratio of a resource element in dB.
    pub snr_db: f32,
    /// Error vector magnitude in percent.
    pub evm_percent: f32,
    /// Carrier offset in Hz.
    pub cfo_hz: f32,
    /// Delay against the start of the receive window in microseconds.
    pub delay_us: f32,
}

/// Metadata of a packet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metadata {
    /// The channel that carried it.
    pub channel: Channel,
    /// First PRB and number of PRBs.
    pub prbs: Option<(u16, u16)>,
    /// Quality of the last transmission.
    pub quality: Option<Quality>,
    /// Capture subframe of the last transmission.
    pub subframe: u32,
    /// Transmissions that were combined.
    pub transmissions: u8,
    /// I_MCS.
    pub mcs: Option<u8>,
    /// PPPP, 1 to 8.
    pub priority: Option<u8>,
    /// Group destination ID of SCI format 0.
    pub group: Option<u8>,
    /// Source layer-2 ID, 24 bits.
    pub source: Option<u32>,
    /// Destination layer-2 ID, 24 bits.
    pub destination: Option<u32>,
}

impl Metadata {
    /// Returns metadata with the channel and the capture subframe alone.
    pub const fn new(channel: Channel, subframe: u32) -> Self {
        Self {
            channel,
            prbs: None,
            quality: None,
            subframe,
            transmissions: 1,
            mcs: None,
            priority: None,
            group: None,
            source: None,
            destination: None,
        }
    }

    pub(super) fn emit(&self) -> [u8; LEN] {
        let flags = [
            (flag::PLACE, self.prbs.is_some()),
            (flag::QUALITY, self.quality.is_some()),
            (flag::MCS, self.mcs.is_some()),
            (flag::PRIORITY, self.priority.is_some()),
            (flag::GROUP, self.group.is_some()),
            (flag::SOURCE, self.source.is_some()),
            (flag::DESTINATION, self.destination.is_some()),
        ];
        let flags = flags.iter().filter(|(_, set)| *set).fold(0, |all, (flag, _)| all | flag);
        let (first, count) = self.prbs.unwrap_or((0, 0));
        let quality =
            self.quality.unwrap_or(Quality { snr_db: 0.0, evm_percent: 0.0, cfo_hz: 0.0, delay_us: 0.0 });
        // a float becomes the nearest representable integer
        let tenths = |x: f32| (x * 10.0).round();
        let mut out = [0; LEN];
        out[0] = VERSION;
        out[1] = self.channel as u8;
        out[2] = flags;
        out[3] = self.mcs.unwrap_or(0);
        out[4..6].copy_from_slice(&first.to_be_bytes());
        out[6..8].copy_from_slice(&count.to_be_bytes());
        out[8..10].copy_from_slice(&(tenths(quality.snr_db) as i16).to_be_bytes());
        out[10..12].copy_from_slice(&(tenths(quality.evm_percent) as u16).to_be_bytes());
        out[12..16].copy_from_slice(&(quality.cfo_hz.round() as i32).to_be_bytes());
        out[16..20].copy_from_slice(&((quality.delay_us * 1e3).round() as i32).to_be_bytes());
        out[20..24].copy_from_slice(&self.subframe.to_be_bytes());
        out[24..27].copy_from_slice(&[
            self.transmissions,
            self.priority.unwrap_or(0),
            self.group.unwrap_or(0),
        ]);
        out[28..32].copy_from_slice(&self.source.unwrap_or(0).to_be_bytes());
        out[32..36].copy_from_slice(&self.destination.unwrap_or(0).to_be_bytes());
        out
    }
}

/// The fields of an SCI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SciFields {
    /// Format 0, modes 1 and 2.
    Format0 {
        /// Frequency hopping flag.
        hopping: bool,
        /// Resource block assignment.
        rb_assignment: u16,
        /// Time resource pattern, I_TRP.
        trp: u8,
        /// I_MCS.
        mcs: u8,
        /// Timing advance indication.
        timing_advance: u16,
        /// Group destination ID.
        group: u8,
    },
    /// Format 1, modes 3 and 4.
    Format1 {
        /// PPPP, 1 to 8.
        priority: u8,
        /// Resource reservation in milliseconds; `None` for a reserved value.
        reservation_ms: Option<u16>,
        /// Frequency resource location.
        frequency_resource: u8,
        /// SF_gap.
        time_gap: u8,
        /// I_MCS.
        mcs: u8,
        /// Whether this is the retransmission.
        retransmission: bool,
    },
    /// Format 1 of a pool whose number of sub-channels is not known: its fields cannot be told apart.
    Format1Unread,
}

impl SciFields {
    /// Returns the format, and its fields as `sidelink.lua` reads them.
    pub(super) fn emit(&self) -> (u8, Vec<u8>) {
        match *self {
            Self::Format0 { hopping, rb_assignment, trp, mcs, timing_advance, group } => {
                let [a, b] = rb_assignment.to_be_bytes();
                let [c, d] = timing_advance.to_be_bytes();
                (0, vec![u8::from(hopping), a, b, trp, mcs, c, d, group])
            }
            Self::Format1 { priority, reservation_ms, frequency_resource, time_gap, mcs, retransmission } => {
                let [a, b] = reservation_ms.unwrap_or(u16::MAX).to_be_bytes();
                (1, vec![priority, a, b, frequency_resource, time_gap, mcs, u8::from(retransmission)])
            }
            Self::Format1Unread => (1, Vec::new()),
        }
    }
}
