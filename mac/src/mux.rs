//! Multiplexing of logical channels into transport blocks of SL-SCH, and the way back. Read first: TS 36.321 §5.14.1.3.1
//! (whose data goes into a grant), §5.14.2.2.2 (whose PDUs are kept), §5.14.2.3 (how they are taken apart).
//!
//! One transport block has one source and one destination. The destination is that of the pending channel of the
//! highest priority; its channels then fill the block in the order of their priority (ProSe per-packet priority, 1 is
//! the highest), and channels of equal priority take turns.

use core::fmt;

use crate::rlc_um::{self, Transmitter, Window};
use sidelink_wire as wire;
use sidelink_wire::ids::{GroupDestinationId, Layer2Id, Lcid};
use sidelink_wire::sl_sch;

/// Octets of the largest transport block that a [`Multiplexer`] fills: above the 75376 bits of 110 resource blocks.
pub const MAX_TRANSPORT_BLOCK: usize = 9_600;

/// The lowest of the eight ProSe per-packet priorities; 1 is the highest.
pub const LOWEST_PRIORITY: u8 = 8;

/// Reason why an SDU was not queued, a block not built or a PDU not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Malformed bytes: the MAC PDU.
    Malformed(wire::Error),
    /// The SDU or the queue of the channel.
    Rlc(rlc_um::Error),
    /// Our misuse: a block of transmission modes 1 or 2 came without the group destination ID of its SCI.
    NoGroupDestination,
    /// Our misuse: the block has no room for a header and one octet, or is larger than any block.
    TransportBlock {
        /// Length of the block, octets.
        len: usize,
    },
    /// The operator's fault: a channel of this address and LCID exists already, or does not exist.
    Channel(Lcid),
    /// The operator's fault: a channel of copies (11 to 20). Copies must travel on another carrier, and there is one.
    Copies(Lcid),
    /// The operator's fault: no such priority.
    Priority(u8),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Rlc(error) => error.fmt(f),
            Self::NoGroupDestination => write!(f, "no group destination ID for a 16-bit DST"),
            Self::TransportBlock { len } => write!(f, "a transport block of {len} octets cannot be filled"),
            Self::Channel(lcid) => {
                write!(f, "logical channel {} is there twice, or not at all", lcid.value())
            }
            Self::Copies(lcid) => {
                write!(
                    f,
                    "logical channel {} is for copies on a second carrier: use one of 1 to 10",
                    lcid.value()
                )
            }
            Self::Priority(priority) => write!(f, "priority {priority} is not one of 1 to 8"),
        }
    }
}

impl std::error::Error for Error {}

impl From<rlc_um::Error> for Error {
    fn from(error: rlc_um::Error) -> Self {
        Self::Rlc(error)
    }
}

/// Destination of a block, with the form in which the block names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A group, in transmission modes 1 and 2.
    Group(Layer2Id),
    /// One UE, in transmission modes 1 and 2.
    Ue(Layer2Id),
    /// Any receiver, in transmission modes 3 and 4.
    V2x(Layer2Id),
}

impl Address {
    /// Returns the destination.
    pub const fn layer2_id(self) -> Layer2Id {
        match self {
            Self::Group(id) | Self::Ue(id) | Self::V2x(id) => id,
        }
    }

    /// Returns V and DST of the MAC PDU.
    pub const fn destination(self) -> sl_sch::Destination {
        match self {
            Self::Group(id) => sl_sch::Destination::Group(id.dst()),
            Self::Ue(id) => sl_sch::Destination::Ue(id.dst()),
            Self::V2x(id) => sl_sch::Destination::Whole(id.octets()),
        }
    }

    /// Returns the part of the destination that the SCI carries; `None` in transmission modes 3 and 4.
    pub const fn group_destination(self) -> Option<GroupDestinationId> {
        match self {
            Self::Group(id) | Self::Ue(id) => Some(id.group_destination()),
            Self::V2x(_) => None,
        }
    }

    /// How RLC puts PDUs to it in order. TS 36.322 §7.2: the exception for STCH of sidelink communication, which without the
    /// prefix V2X means modes 1 and 2 (§3.1).
    pub const fn window(self) -> Window {
        match self {
            // TS 36.322 §7.2 (1)
            Self::Group(_) | Self::Ue(_) => Window::None,
            // TS 36.322 §4.2.1.2.3 (1)
            Self::V2x(_) => Window::Sixteen,
        }
    }

    /// The address that a MAC PDU and its SCI name.
    pub fn from_wire(
        destination: &sl_sch::Destination,
        group: Option<GroupDestinationId>,
    ) -> Result<Self, Error> {
        let whole =
            |dst| group.map(|group| Layer2Id::from_parts(dst, group)).ok_or(Error::NoGroupDestination);
        Ok(match *destination {
            sl_sch::Destination::Group(dst) => Self::Group(whole(dst)?),
            sl_sch::Destination::Ue(dst) => Self::Ue(whole(dst)?),
            // TS 36.321 §5.14.2.2.2 (4)
            sl_sch::Destination::Whole(dst) => Self::V2x(Layer2Id::from_octets(dst)),
        })
    }
}

/// A logical channel with its queue.
#[derive(Debug, Clone)]
struct Channel {
    address: Address,
    lcid: Lcid,
    priority: u8,
    /// Turn of its last service, to order channels of equal priority.
    served: u64,
    rlc: Transmitter,
}

/// Content of a built transport block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Built {
    /// Number of MAC SDUs.
    pub sdus: usize,
    /// Octets of these SDUs together.
    pub octets: usize,
}

/// The transmitting side of one UE: its channels.
#[derive(Debug, Clone)]
pub struct Multiplexer {
    source: Layer2Id,
    channels: Vec<Channel>,
    /// Indices of the channels of one destination, in the order of service.
    order: Vec<usize>,
    /// MAC SDUs side by side, before the size of the subheaders is known.
    scratch: Vec<u8>,
    turn: u64,
}

impl Multiplexer {
    /// Makes a UE without channels.
    pub fn new(source: Layer2Id) -> Self {
        let scratch = vec![0; MAX_TRANSPORT_BLOCK];
        Self { source, channels: Vec::new(), order: Vec::new(), scratch, turn: 0 }
    }

    /// Returns the identity that the blocks carry as SRC.
    pub const fn source(&self) -> Layer2Id {
        self.source
    }

    /// Adds a channel with a queue of `octets` octets in at most `sdus` SDUs. Allocates.
    pub fn add_channel(
        &mut self,
        address: Address,
        lcid: Lcid,
        priority: u8,
        octets: usize,
        sdus: usize,
    ) -> Result<(), Error> {
        // TS 36.300 §23.10.2.1 (4)
        if !(1..=LOWEST_PRIORITY).contains(&priority) {
            return Err(Error::Priority(priority));
        }
        if lcid.duplicated().is_some() {
            return Err(Error::Copies(lcid));
        }
        if self.position(address, lcid).is_some() {
            return Err(Error::Channel(lcid));
        }
        let rlc = Transmitter::new(octets, sdus);
        self.channels.push(Channel { address, lcid, priority, served: 0, rlc });
        self.order.reserve(self.channels.len());
        Ok(())
    }

    /// Returns the number of channels.
    pub const fn channels(&self) -> usize {
        self.channels.len()
    }

    /// Removes a channel with what waits in it. One that is added again begins with SN 0, which the window of a V2X receiver
    /// may take for late: do not do so towards V2X while peers remember the first.
    // TS 36.322 §5.4
    pub fn remove_channel(&mut self, address: Address, lcid: Lcid) -> Result<(), Error> {
        let index = self.position(address, lcid).ok_or(Error::Channel(lcid))?;
        self.channels.remove(index);
        Ok(())
    }

    /// Removes all channels of a destination with what waits in them.
    pub fn remove_address(&mut self, address: Address) {
        self.channels.retain(|channel| channel.address != address);
    }

    /// Checks that the queue has room for an SDU of `len` octets. Call it before a counter is spent on the SDU.
    pub fn check_room(&self, address: Address, lcid: Lcid, len: usize) -> Result<(), Error> {
        let index = self.position(address, lcid).ok_or(Error::Channel(lcid))?;
        Ok(self.channels[index].rlc.check_room(len)?)
    }

    /// Queues a PDCP PDU.
    pub fn push(&mut self, address: Address, lcid: Lcid, sdu: &[u8]) -> Result<(), Error> {
        let index = self.position(address, lcid).ok_or(Error::Channel(lcid))?;
        Ok(self.channels[index].rlc.push(sdu)?)
    }

    /// Returns the queued octets for a destination.
    pub fn queued(&self, address: Address) -> usize {
        let channels = self.channels.iter().filter(|channel| channel.address == address);
        channels.map(|channel| channel.rlc.queued()).sum()
    }

    /// Returns the destination of the pending channel of the highest priority, and that priority.
    // TS 36.321 §5.14.1.3.1 step 0
    pub fn next_address(&self) -> Option<(Address, u8)> {
        let waiting = self.channels.iter().filter(|channel| channel.rlc.queued() > 0);
        let first = waiting.min_by_key(|channel| (channel.priority, channel.served));
        first.map(|channel| (channel.address, channel.priority))
    }

    /// Fills a transport block for `address`; with nothing queued, the block is padding alone.
    // TS 36.321 §6.1.6 (6)
    pub fn emit_transport_block(
        &mut self,
        address: Address,
        transport_block: &mut [u8],
    ) -> Result<Built, Error> {
        let destination = address.destination();
        let len = transport_block.len();
        if len <= destination.header_len() || len > MAX_TRANSPORT_BLOCK {
            return Err(Error::TransportBlock { len });
        }
        self.turn += 1;
        self.order.clear();
        let channels = &self.channels;
        // TS 36.321 §5.14.1.3 (1)
        self.order.extend((0..channels.len()).filter(|&index| channels[index].address == address));
        // TS 36.321 §5.14.1.3.1 steps 1, 2
        self.order.sort_unstable_by_key(|&index| (channels[index].priority, channels[index].served, index));

        let mut lens = [(0, 0); sl_sch::MAX_SDUS];
        let (mut count, mut used) = (0, 0);
        let mut left = len - destination.header_len();
        let mut order = self.order.iter().peekable();
        while let Some(&&index) = order.peek() {
            // One octet of subheader for this SDU, and F and L for the one before, which is no longer the last.
            let before = if count == 0 { 0 } else { sl_sch::length_len(lens[count - 1].1) };
            // TS 36.321 §5.14.1.3.1 (5)
            let Some(room) = left.checked_sub(before + 1) else { break };
            if count == sl_sch::MAX_SDUS {
                break;
            }
            // A channel is served until nothing of it waits: as much as possible is sent (TS 36.321 §5.14.1.3.1).
            // TS 36.322 §4.2.1 (2)
            let channel = &mut self.channels[index];
            // TS 36.321 §5.14.1.3.1 (4)
            let octets = channel.rlc.emit_pdu(&mut self.scratch[used..used + room]);
            if octets == 0 {
                order.next();
                continue;
            }
            channel.served = self.turn;
            lens[count] = (channel.lcid.value(), octets);
            count += 1;
            used += octets;
            left -= before + 1 + octets;
        }

        let mut pdu = sl_sch::Repr::new(self.source.octets(), destination);
        let mut at = 0;
        for &(lcid, octets) in &lens[..count] {
            let data = &self.scratch[at..at + octets];
            pdu.push(sl_sch::Sdu { lcid, data }).map_err(Error::Malformed)?;
            at += octets;
        }
        pdu.emit(transport_block).map_err(Error::Malformed)?;
        Ok(Built { sdus: count, octets: used })
    }

    fn position(&self, address: Address, lcid: Lcid) -> Option<usize> {
        self.channels.iter().position(|channel| channel.address == address && channel.lcid == lcid)
    }
}

/// Which destinations a UE listens to. TS 36.321 §5.14.2.2.2: in transmission modes 1 and 2 DST matches the 16 most
/// significant bits of a configured identity and the SCI its 8 least significant bits, in modes 3 and 4 all 24 bits.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    addresses: Vec<Address>,
    everything: bool,
}

impl Filter {
    /// Makes a filter that accepts no destination yet.
    pub const fn new() -> Self {
        Self { addresses: Vec::new(), everything: false }
    }

    /// Makes a filter that keeps every PDU: for a monitor, not a UE.
    pub const fn everything() -> Self {
        Self { addresses: Vec::new(), everything: true }
    }

    /// Adds a destination.
    pub fn insert(&mut self, address: Address) {
        if let Err(index) = self.addresses.binary_search(&address) {
            self.addresses.insert(index, address);
        }
    }

    /// Removes a destination.
    pub fn remove(&mut self, address: Address) {
        if let Ok(index) = self.addresses.binary_search(&address) {
            self.addresses.remove(index);
        }
    }

    /// Whether a PDU for `address` is kept.
    // TS 36.321 §5.14.2.2.2 (3)
    pub fn accepts(&self, address: Address) -> bool {
        self.everything || self.addresses.binary_search(&address).is_ok()
    }
}

/// A MAC PDU that was taken apart.
#[derive(Debug, Clone, Copy)]
pub struct Demultiplexed<'a> {
    /// Sender.
    pub source: Layer2Id,
    /// Destination.
    pub address: Address,
    packet: sl_sch::Packet<&'a [u8]>,
}

impl<'a> Demultiplexed<'a> {
    /// Parses a transport block. `group` is the group destination ID of its SCI in transmission modes 1 and 2.
    // TS 36.321 §5.14.2.3
    pub fn parse(transport_block: &'a [u8], group: Option<GroupDestinationId>) -> Result<Self, Error> {
        let packet = sl_sch::Packet::new_checked(transport_block).map_err(Error::Malformed)?;
        let destination = packet.addressed_to().map_err(Error::Malformed)?;
        let address = Address::from_wire(&destination, group)?;
        Ok(Self { source: Layer2Id::from_octets(packet.source()), address, packet })
    }

    /// The MAC SDUs with their channels. Those of reserved channels, and of copies to one UE, are left out
    /// (TS 36.321 §5.11).
    pub fn sdus(&self) -> impl Iterator<Item = (Lcid, &'a [u8])> + '_ {
        // TS 36.321 §6.1.6 (5)
        self.packet.elements().filter_map(|sdu| self.channel(sdu.lcid).map(|lcid| (lcid, sdu.data)))
    }

    /// Why SDUs were left out: the first channel of which one was.
    pub fn ignored(&self) -> Option<Error> {
        let mut all = self.packet.elements().map(|sdu| sdu.lcid);
        let value = all.find(|&lcid| lcid != sl_sch::LCID_PADDING && self.channel(lcid).is_none())?.into();
        Some(Error::Malformed(wire::Error::Reserved { what: "LCID of SL-SCH", value }))
    }

    /// A channel that SDUs to this address may use: copies are of V2X (TS 36.300 §23.14.1.1).
    // TS 36.321 §5.11
    fn channel(&self, lcid: u8) -> Option<Lcid> {
        let one_to_one = matches!(self.address, Address::Ue(_));
        Lcid::new(lcid).ok().filter(|lcid| !one_to_one || lcid.duplicated().is_none())
    }
}

#[cfg(test)]
mod tests;
