//! Packets to a card over the air: TS 102 225 and TS 31.115, from memory; the packets of real cards confirm them
//! (`vectors/ota_102225.json`).
//!
//! ```text
//!   command   CPL 2 | CHL 1 | SPI 2 | KIc 1 | KID 1 | TAR 3 | CNTR 5 | PCNTR 1 | CC 0 or 8 | data
//!   response  UDH 02 71 00 | RPL 2 | RHL 1 | TAR 3 | CNTR 5 | PCNTR 1 | status 1 | CC 0 or 8 | data
//!                                                    '------------- encrypted ------------------'
//! ```
//!
//! AES-128 in CBC under KIc, from a vector of zeros, and AES-CMAC under KID, its first 64 bits. CC covers all but itself, in a response
//! the UDH too. The counter of a command is the sender's, who has it durable before it goes out
//! ([`sidelink_security::counter::reserve`]).
//!
//! - this file, packets and their protection
//! - [`card`], a card that is none of plastic: keys, counters, when it answers
//! - [`sms`], packets in short messages of 140 octets
//! - [`prose`], files of DF_ProSe, and how a terminal reads them
//! - [`uicc`], the card as a whole: packets, commands, a memory that may lose its power
//! - `files`, that memory
//!
//! Not there: DES and 3DES (a packet that says them is refused), RC, digital signatures, SMS itself, HTTPS to cards.

use std::fmt;

use aes::Aes128;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use cmac::{Cmac, Mac};
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

pub mod card;
mod files;
pub mod prose;
pub mod sms;
mod spi;
pub mod uicc;

pub use files::Write;
pub use spi::{Ciphering, CounterRule, Integrity, Por, Response, Spi};

/// One past the highest counter: 40 bits.
pub const COUNTER_LIMIT: u64 = 1 << 40;

/// User data header of a response. TS 31.115 §4.3.
const UDH: [u8; 3] = [2, 0x71, 0];

/// AES, the low half of KIc and KID.
const AES: u8 = 2;

const CC: usize = 8;

mod field {
    /// Octets of CNTR and PCNTR.
    pub(super) const COUNTERS: usize = 6;
    /// Where what may be encrypted begins, in a command.
    pub(super) const COMMAND: usize = 10;
    /// The same in a response, after UDH.
    pub(super) const RESPONSE: usize = 6;
}

/// A packet that is none, is not proven, or cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The octets are fewer or more than a length says.
    Length(&'static str),
    /// Security that is not spoken here.
    Spi([u8; 2]),
    /// Algorithm or version of a key, as KIc or KID say it.
    Key(u8),
    /// A status that is not defined.
    Status(u8),
    /// PCNTR says more padding than there is.
    Padding(u8),
    /// CC is wrong: another key, or altered.
    Cc,
    /// Our misuse: a counter of more than 40 bits.
    Counter,
    /// Our misuse: more data than a packet says.
    TooLong,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(what) => write!(f, "the length of {what} is wrong"),
            Self::Spi([a, b]) => {
                write!(f, "the security that SPI {a:02x}{b:02x} asks for is not spoken here")
            }
            Self::Key(octet) => write!(f, "KIc and KID must name one version of AES keys, not {octet:02x}"),
            Self::Status(status) => write!(f, "status {status} is not defined"),
            Self::Padding(count) => write!(f, "{count} octets of padding are more than there are"),
            Self::Cc => f.write_str("CC is wrong: another key, or an altered packet"),
            Self::Counter => f.write_str("a counter has at most 40 bits"),
            Self::TooLong => f.write_str("a packet has at most 65535 octets"),
        }
    }
}

impl std::error::Error for Error {}

/// KIc and KID of one version.
#[derive(ZeroizeOnDrop)]
pub struct KeySet {
    /// 1 to 15.
    #[zeroize(skip)]
    version: u8,
    kic: [u8; 16],
    kid: [u8; 16],
}

impl KeySet {
    /// `None` where the version is not 1 to 15.
    pub const fn new(version: u8, kic: [u8; 16], kid: [u8; 16]) -> Option<Self> {
        if version == 0 || version > 15 { None } else { Some(Self { version, kic, kid }) }
    }

    /// Its version.
    pub const fn version(&self) -> u8 {
        self.version
    }

    const fn octet(&self) -> u8 {
        self.version << 4 | AES
    }

    fn cc(&self, parts: &[&[u8]]) -> [u8; CC] {
        let mut mac = <Cmac<Aes128> as KeyInit>::new((&self.kid).into());
        parts.iter().for_each(|part| mac.update(part));
        let whole: [u8; 16] = mac.finalize().into_bytes().into();
        let [a, b, c, d, e, f, g, h, ..] = whole;
        [a, b, c, d, e, f, g, h]
    }

    fn encrypt(&self, octets: &mut [u8]) {
        let mut cipher = cbc::Encryptor::<Aes128>::new((&self.kic).into(), &[0; 16].into());
        for block in octets.as_chunks_mut::<16>().0 {
            cipher.encrypt_block(block.into());
        }
    }

    fn decrypt(&self, octets: &mut [u8]) {
        let mut cipher = cbc::Decryptor::<Aes128>::new((&self.kic).into(), &[0; 16].into());
        for block in octets.as_chunks_mut::<16>().0 {
            cipher.decrypt_block(block.into());
        }
    }
}

/// How one end of a packet is protected.
#[derive(Clone, Copy)]
struct Protection {
    integrity: Integrity,
    ciphering: Ciphering,
}

impl Protection {
    const fn cc_octets(self) -> usize {
        match self.integrity {
            Integrity::None => 0,
            Integrity::Cc => CC,
        }
    }

    /// The whole: `head` with its length in front, then counters, CC and data, padded and encrypted.
    fn seal(
        self,
        keys: &KeySet,
        (udh, head): (&[u8], &[u8]),
        counter: u64,
        rest: (&[u8], &[u8]),
    ) -> Result<Vec<u8>, Error> {
        let (status, data) = rest;
        if counter >= COUNTER_LIMIT {
            return Err(Error::Counter);
        }
        let inner = field::COUNTERS + status.len() + self.cc_octets() + data.len();
        let padding = match self.ciphering {
            Ciphering::None => 0,
            Ciphering::On => inner.next_multiple_of(16) - inner,
        };
        let length = u16::try_from(head.len() + inner + padding).map_err(|_| Error::TooLong)?;
        let length = length.to_be_bytes();
        let [_, _, _, counter @ ..] = counter.to_be_bytes();
        let counters = [&counter[..], &[padding as u8], status].concat();
        let padded = [data, &vec![0; padding]].concat();
        let cc = match self.integrity {
            Integrity::None => Vec::new(),
            Integrity::Cc => keys.cc(&[udh, &length, head, &counters, &padded]).to_vec(),
        };
        let mut sealed = [counters, cc, padded].concat();
        if self.ciphering == Ciphering::On {
            keys.encrypt(&mut sealed);
        }
        Ok([udh, &length, head, &sealed].concat())
    }

    /// Counter, status and data of what [`Self::seal`] made.
    fn open(self, keys: &KeySet, clear: &[u8], sealed: &[u8], status: usize) -> Result<Opened, Error> {
        let mut inner = sealed.to_vec();
        if self.ciphering == Ciphering::On {
            if !inner.len().is_multiple_of(16) {
                return Err(Error::Length("what is encrypted"));
            }
            keys.decrypt(&mut inner);
        }
        let (counters, rest) =
            inner.split_at_checked(field::COUNTERS + status).ok_or(Error::Length("the header"))?;
        let (cc, padded) = rest.split_at_checked(self.cc_octets()).ok_or(Error::Length("CC"))?;
        if self.integrity == Integrity::Cc && !bool::from(keys.cc(&[clear, counters, padded]).ct_eq(cc)) {
            return Err(Error::Cc);
        }
        let count = counters[5];
        let end = padded.len().checked_sub(usize::from(count)).ok_or(Error::Padding(count))?;
        let counter = counters[..5].iter().fold(0, |value, octet| value << 8 | u64::from(*octet));
        Ok(Opened { counter, status: counters.get(6).copied(), data: padded[..end].to_vec() })
    }
}

struct Opened {
    counter: u64,
    status: Option<u8>,
    data: Vec<u8>,
}

/// A command to an application of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// How it is protected, and its response.
    pub spi: Spi,
    /// Which application.
    pub tar: [u8; 3],
    /// CNTR, 40 bits.
    pub counter: u64,
    /// For the application.
    pub data: Vec<u8>,
}

impl Command {
    /// Its octets.
    pub fn protect(&self, keys: &KeySet) -> Result<Vec<u8>, Error> {
        let protection = self.spi.command();
        let mut head = vec![(13 + protection.cc_octets()) as u8];
        head.extend(self.spi.emit());
        head.extend([keys.octet(), keys.octet()]);
        head.extend(self.tar);
        protection.seal(keys, (&[], &head), self.counter, (&[], &self.data))
    }
}

/// A command as it came: its header is in the open.
#[derive(Clone, Copy, Debug)]
pub struct CommandPacket<'a> {
    octets: &'a [u8],
    spi: Spi,
    version: u8,
}

impl<'a> CommandPacket<'a> {
    /// Checks the header.
    pub fn new_checked(octets: &'a [u8]) -> Result<Self, Error> {
        let header: &[u8; field::COMMAND] = octets.first_chunk().ok_or(Error::Length("the header"))?;
        let [high, low, chl, first, second, kic, kid, ..] = *header;
        if usize::from(u16::from_be_bytes([high, low])) != octets.len() - 2 {
            return Err(Error::Length("CPL"));
        }
        let spi = Spi::parse([first, second])?;
        if usize::from(chl) != 13 + spi.command().cc_octets() {
            return Err(Error::Length("CHL"));
        }
        if kic & 15 != AES || kic >> 4 == 0 {
            return Err(Error::Key(kic));
        }
        if kid != kic {
            return Err(Error::Key(kid));
        }
        Ok(Self { octets, spi, version: kic >> 4 })
    }

    /// Version of its keys.
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// SPI.
    pub const fn spi(&self) -> Spi {
        self.spi
    }

    /// TAR.
    pub fn tar(&self) -> [u8; 3] {
        self.octets[7..].first_chunk().copied().unwrap_or_default()
    }

    /// Decrypts and verifies.
    pub fn open(&self, keys: &KeySet) -> Result<Command, Error> {
        let (clear, sealed) = self.octets.split_at(field::COMMAND);
        let Opened { counter, data, .. } = self.spi.command().open(keys, clear, sealed, 0)?;
        Ok(Command { spi: self.spi, tar: self.tar(), counter, data })
    }
}

/// What became of a command. TS 102 225 Table 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// CC is wrong.
    Cc,
    /// CNTR is not above the last.
    CounterLow,
    /// CNTR is more than one above the last.
    CounterHigh,
    /// No counter is left.
    CounterBlocked,
    /// What was decrypted is none.
    Ciphering,
    /// Something else about security.
    Security,
    /// No memory.
    Memory,
    /// It is not done yet.
    MoreTime,
    /// No such application.
    Tar,
    /// The application wants more security.
    Insufficient,
}

impl Status {
    const ALL: [Self; 11] = [
        Self::Ok,
        Self::Cc,
        Self::CounterLow,
        Self::CounterHigh,
        Self::CounterBlocked,
        Self::Ciphering,
        Self::Security,
        Self::Memory,
        Self::MoreTime,
        Self::Tar,
        Self::Insufficient,
    ];

    fn octet(self) -> u8 {
        Self::ALL.iter().position(|status| *status == self).unwrap_or_default() as u8
    }

    fn from_octet(octet: u8) -> Result<Self, Error> {
        Self::ALL.get(usize::from(octet)).copied().ok_or(Error::Status(octet))
    }
}

/// A response of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which application.
    pub tar: [u8; 3],
    /// CNTR of the command.
    pub counter: u64,
    /// What became of it.
    pub status: Status,
    /// Of the application.
    pub data: Vec<u8>,
}

impl Answer {
    /// Its octets, UDH first.
    pub fn protect(&self, spi: Spi, keys: &KeySet) -> Result<Vec<u8>, Error> {
        let protection = spi.answer();
        let mut head = vec![(10 + protection.cc_octets()) as u8];
        head.extend(self.tar);
        protection.seal(keys, (&UDH, &head), self.counter, (&[self.status.octet()], &self.data))
    }

    /// From its octets, UDH first: the response to a command of this SPI.
    pub fn open(octets: &[u8], spi: Spi, keys: &KeySet) -> Result<Self, Error> {
        let packet = octets.strip_prefix(&UDH).ok_or(Error::Length("UDH"))?;
        let header: &[u8; field::RESPONSE] = packet.first_chunk().ok_or(Error::Length("the header"))?;
        let [high, low, rhl, tar @ ..] = *header;
        if usize::from(u16::from_be_bytes([high, low])) != packet.len() - 2 {
            return Err(Error::Length("RPL"));
        }
        if usize::from(rhl) != 10 + spi.answer().cc_octets() {
            return Err(Error::Length("RHL"));
        }
        let (clear, sealed) = octets.split_at(UDH.len() + field::RESPONSE);
        let opened = spi.answer().open(keys, clear, sealed, 1)?;
        let status = Status::from_octet(opened.status.unwrap_or(u8::MAX))?;
        Ok(Self { tar, counter: opened.counter, status, data: opened.data })
    }
}

#[cfg(test)]
mod tests;
