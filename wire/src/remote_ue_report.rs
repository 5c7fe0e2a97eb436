//! REMOTE UE REPORT: a relay tells its network which remote UEs have which addresses. TS 24.301 §8.3.23, §9.9.4.20.
//!
//! ```text
//! | bearer 4 bits, discriminator 4 bits | PTI 1 | 0xE9 | [0x79 connected] | [0x7A disconnected] |
//! list      | IEI 1 | length 2 | contexts 1 | contexts |
//! context   | length 1 | identities 1 | identities | address type 1 | address |
//! identity  | length 1 | digit, odd or even, type 1 | digits |
//! ```
//!
//! The number of the message type was not read in the text. Encrypted IMSIs are not there: no PKMF gives one to this project.

use super::{Error, fits, need};
use core::net::Ipv4Addr;

/// EPS session management.
const DISCRIMINATOR: u8 = 0x2;
/// Message type, from memory.
const REMOTE_UE_REPORT: u8 = 0xe9;
const CONNECTED: u8 = 0x79;
const DISCONNECTED: u8 = 0x7a;
const ADDRESS_V4: u8 = 1;
const ADDRESS_V6: u8 = 2;
const TYPE_IMSI: u8 = 2;
const ODD: u8 = 0x08;
/// Digits of an IMSI.
const DIGITS: core::ops::RangeInclusive<usize> = 6..=15;
/// Remote UEs in one list.
const MAX_CONTEXTS: usize = 255;

/// An IMSI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User(Vec<u8>);

impl User {
    /// Returns an IMSI of 6 to 15 digits; `None` for anything else.
    pub fn imsi(digits: &str) -> Option<Self> {
        let values: Option<Vec<u8>> =
            digits.chars().map(|c| c.to_digit(10).and_then(|d| u8::try_from(d).ok())).collect();
        values.filter(|values| DIGITS.contains(&values.len())).map(Self)
    }

    /// Returns the digits.
    pub fn digits(&self) -> &[u8] {
        &self.0
    }

    fn emit(&self, into: &mut Vec<u8>) {
        let odd = if self.0.len() % 2 == 1 { ODD } else { 0 };
        into.push((self.0.len() / 2 + 1) as u8);
        into.push(self.0[0] << 4 | odd | TYPE_IMSI);
        into.extend(self.0[1..].chunks(2).map(|pair| pair.get(1).copied().unwrap_or(0xf) << 4 | pair[0]));
    }

    fn parse(octets: &[u8]) -> Result<Self, Error> {
        need("identity of a remote UE", 1, octets.len())?;
        let reserved =
            |value: u8| Error::Reserved { what: "identity of a remote UE", value: u32::from(value) };
        let first = octets[0];
        if first & 7 != TYPE_IMSI {
            return Err(reserved(first));
        }
        let mut digits = vec![first >> 4];
        digits.extend(octets[1..].iter().flat_map(|octet| [octet & 0xf, octet >> 4]));
        if first & ODD == 0 {
            digits.pop().filter(|end| *end == 0xf).ok_or(reserved(first))?;
        }
        match digits.iter().find(|digit| **digit > 9) {
            Some(digit) => Err(reserved(*digit)),
            None if DIGITS.contains(&digits.len()) => Ok(Self(digits)),
            None => Err(reserved(first)),
        }
    }
}

/// The address of a remote UE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Address {
    /// None is told.
    None,
    /// IPv4, with a port where several share it, and 0 otherwise.
    V4 {
        /// The address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// The first 64 bits of IPv6 addresses.
    V6 {
        /// The prefix.
        prefix: [u8; 8],
    },
}

/// A remote UE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Context {
    /// Its identities.
    pub users: Vec<User>,
    /// Its address.
    pub address: Address,
}

impl Context {
    fn emit(&self) -> Result<Vec<u8>, Error> {
        let mut octets = vec![0, u8::try_from(self.users.len()).unwrap_or(u8::MAX)];
        self.users.iter().for_each(|user| user.emit(&mut octets));
        match self.address {
            Address::None => octets.push(0),
            Address::V4 { address, port } => {
                octets.push(ADDRESS_V4);
                octets.extend_from_slice(&address.octets());
                octets.extend_from_slice(&port.to_be_bytes());
            }
            Address::V6 { prefix } => {
                octets.push(ADDRESS_V6);
                octets.extend_from_slice(&prefix);
            }
        }
        fits("octets of a remote UE", (octets.len() - 1) as u32, 255)?;
        octets[0] = (octets.len() - 1) as u8;
        Ok(octets)
    }

    /// Reads what stands behind its length.
    fn parse(octets: &[u8]) -> Result<Self, Error> {
        let (identities, mut rest) = octets.split_first().ok_or(cut("remote UE", 1, 0))?;
        let mut users = Vec::new();
        for _ in 0..*identities {
            users.push(User::parse(counted("identity of a remote UE", &mut rest)?)?);
        }
        let (kind, rest) = rest.split_first().ok_or(cut("address of a remote UE", 1, 0))?;
        let address = match (kind & 7, rest) {
            (0, []) => Address::None,
            (ADDRESS_V4, [a, b, c, d, high, low]) => Address::V4 {
                address: Ipv4Addr::new(*a, *b, *c, *d),
                port: u16::from_be_bytes([*high, *low]),
            },
            (ADDRESS_V6, rest) if rest.len() == 8 => {
                let mut prefix = [0; 8];
                prefix.copy_from_slice(rest);
                Address::V6 { prefix }
            }
            (kind, _) => {
                return Err(Error::Reserved { what: "address of a remote UE", value: u32::from(kind) });
            }
        };
        Ok(Self { users, address })
    }
}

const fn cut(what: &'static str, needed: usize, have: usize) -> Error {
    Error::Truncated { what, needed, have }
}

/// Takes a field that begins with its length.
fn counted<'a>(what: &'static str, rest: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let (len, behind) = rest.split_first().ok_or(cut(what, 1, 0))?;
    let len = usize::from(*len);
    let (field, behind) =
        behind.split_at_checked(len).ok_or(Error::LengthLies { what, stated: len, have: behind.len() })?;
    *rest = behind;
    Ok(field)
}

/// The message. Bearer identity and procedure transaction identity are 0: there is no bearer here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Report {
    /// Remote UEs that have an address now.
    pub connected: Vec<Context>,
    /// Remote UEs that have none any more.
    pub disconnected: Vec<Context>,
}

impl Report {
    /// Returns the octets.
    ///
    /// # Errors
    /// More remote UEs, or more identities of one, than a list holds.
    pub fn emit(&self) -> Result<Vec<u8>, Error> {
        let mut octets = vec![DISCRIMINATOR, 0, REMOTE_UE_REPORT];
        for (iei, list) in [(CONNECTED, &self.connected), (DISCONNECTED, &self.disconnected)] {
            if list.is_empty() {
                continue;
            }
            if list.len() > MAX_CONTEXTS {
                return Err(Error::TooMany { what: "remote UEs", max: MAX_CONTEXTS });
            }
            let mut value = vec![list.len() as u8];
            for context in list {
                value.extend_from_slice(&context.emit()?);
            }
            fits("octets of remote UEs", value.len() as u32, 0xffff)?;
            octets.push(iei);
            octets.extend_from_slice(&(value.len() as u16).to_be_bytes());
            octets.extend_from_slice(&value);
        }
        Ok(octets)
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Another message, or lengths that lie.
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        need("remote UE report", 3, octets.len())?;
        let (header, mut rest) = octets.split_at(3);
        if header[0] & 0xf != DISCRIMINATOR || header[2] != REMOTE_UE_REPORT {
            return Err(Error::Reserved { what: "remote UE report", value: u32::from(header[2]) });
        }
        let mut report = Self::default();
        while let [iei, ..] = *rest {
            need("list of remote UEs", 3, rest.len())?;
            let len = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
            let what = "list of remote UEs";
            let lies = Error::LengthLies { what, stated: len, have: rest.len() - 3 };
            let (value, behind) = rest[3..].split_at_checked(len).ok_or(lies)?;
            let list = match iei {
                CONNECTED => &mut report.connected,
                DISCONNECTED => &mut report.disconnected,
                value => return Err(Error::Reserved { what, value: u32::from(value) }),
            };
            let (count, mut contexts) = value.split_first().ok_or(cut(what, 1, 0))?;
            for _ in 0..*count {
                list.push(Context::parse(counted("remote UE", &mut contexts)?)?);
            }
            if !contexts.is_empty() {
                return Err(Error::LengthLies { what, stated: len, have: len - contexts.len() });
            }
            rest = behind;
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let user = |digits| vec![User::imsi(digits).unwrap()];
        let address = Ipv4Addr::new(10, 45, 0, 2);
        Report {
            connected: vec![
                Context { users: user("001010000000001"), address: Address::V4 { address, port: 7 } },
                Context { users: vec![], address: Address::V6 { prefix: [0xfd, 0x45, 0, 0, 0, 0, 0, 2] } },
            ],
            disconnected: vec![Context { users: user("00101000000001"), address: Address::None }],
        }
    }

    #[test]
    fn a_report_octet_by_octet() {
        let octets = report().emit().unwrap();
        let connected = [
            0x79, 0, 30, 2, 17, 1, 8, 0x0a, 0x10, 0x10, 0, 0, 0, 0, 0x10, 1, 10, 45, 0, 2, 0, 7, 10, 0, 2,
            0xfd, 0x45, 0, 0, 0, 0, 0, 2,
        ];
        assert_eq!(octets[..3], [0x02, 0, 0xe9]);
        assert_eq!(octets[3..3 + connected.len()], connected);
        let disconnected = [0x7a, 0, 13, 1, 11, 1, 8, 0x02, 0x10, 0x10, 0, 0, 0, 0, 0xf1, 0];
        assert_eq!(octets[3 + connected.len()..], disconnected[..]);
        assert_eq!(Report::parse(&octets), Ok(report()));
    }

    #[test]
    fn lengths_that_lie_are_refused_and_nothing_panics() {
        let octets = report().emit().unwrap();
        for len in 0..octets.len() {
            let whole = [3, 36].contains(&len);
            assert_eq!(Report::parse(&octets[..len]).is_ok(), whole, "{len}");
        }
        for at in 0..octets.len() {
            for value in 0..=255 {
                let mut other = octets.clone();
                other[at] = value;
                let _ = Report::parse(&other);
            }
        }
    }

    #[test]
    fn only_digits_are_an_imsi() {
        for text in ["", "12345", "1234567890123456", "12345a", "123456\u{0663}"] {
            assert_eq!(User::imsi(text), None, "{text:?}");
        }
        assert_eq!(User::imsi("123456").unwrap().digits(), [1, 2, 3, 4, 5, 6]);
    }
}
