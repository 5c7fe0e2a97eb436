//! What a shared secret proves and hides. RFC 2865 §3, RFC 3579 §3.2, RFC 2548 §2.4.2.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::Error;
use super::packet::{Attribute, Attributes, Code, Packet};

/// Where Message-Authenticator of our own packets stands.
const OWN: usize = 22;

/// Vendor of MS-MPPE keys, Microsoft.
const MICROSOFT: [u8; 4] = 311_u32.to_be_bytes();

/// A secret that a client shares with the server.
#[derive(ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

/// Which half of MSK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MppeKey {
    /// MS-MPPE-Send-Key, the second half.
    Send,
    /// MS-MPPE-Recv-Key, the first half.
    Recv,
}

impl MppeKey {
    const fn octet(self) -> u8 {
        match self {
            Self::Send => 16,
            Self::Recv => 17,
        }
    }
}

impl Secret {
    /// From its octets. An empty one protects nothing: `None`.
    pub fn new(octets: Vec<u8>) -> Option<Self> {
        (!octets.is_empty()).then_some(Self(octets))
    }

    /// HMAC-MD5 over a packet whose Message-Authenticator is at `at`, taken as zeros, with this authenticator in its header.
    fn message_authenticator(&self, octets: &[u8], at: usize, authenticator: &[u8; 16]) -> [u8; 16] {
        let mut hmac = Hmac::<Md5>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        hmac.update(&octets[..4]);
        hmac.update(authenticator);
        hmac.update(&octets[20..at]);
        hmac.update(&[0; 16]);
        hmac.update(&octets[at + 16..]);
        hmac.finalize().into_bytes().into()
    }

    /// Whether a request has one Message-Authenticator, and it is right; for a reply, with the authenticator of its request.
    pub fn verify(&self, packet: &Packet<'_>, authenticator: &[u8; 16]) -> bool {
        let mut places = packet.places(Attribute::MessageAuthenticator);
        let (Some((at, given)), None) = (places.next(), places.next()) else { return false };
        given.len() == 16
            && bool::from(self.message_authenticator(packet.octets(), at, authenticator).ct_eq(given))
    }

    fn response_authenticator(&self, octets: &[u8], request: &[u8; 16]) -> [u8; 16] {
        let mut hash = Md5::new();
        hash.update(&octets[..4]);
        hash.update(request);
        hash.update(&octets[20..]);
        hash.update(&self.0);
        hash.finalize().into()
    }

    /// Whether a packet is the reply to the request of this authenticator: Response Authenticator and Message-Authenticator.
    pub fn verify_reply(&self, packet: &Packet<'_>, request: &[u8; 16]) -> bool {
        let expected = self.response_authenticator(packet.octets(), request);
        bool::from(expected.ct_eq(&packet.authenticator())) && self.verify(packet, request)
    }

    /// A request. `authenticator` must be one that nobody can guess.
    pub fn request(
        &self,
        identifier: u8,
        authenticator: [u8; 16],
        attributes: &Attributes,
    ) -> Result<Vec<u8>, Error> {
        let mut octets = attributes.packet(Code::AccessRequest, identifier, authenticator)?;
        let mac = self.message_authenticator(&octets, OWN, &authenticator);
        octets[OWN..OWN + 16].copy_from_slice(&mac);
        Ok(octets)
    }

    /// The reply to a request of this identifier and authenticator.
    pub fn reply(
        &self,
        code: Code,
        identifier: u8,
        request: [u8; 16],
        attributes: &Attributes,
    ) -> Result<Vec<u8>, Error> {
        let mut octets = attributes.packet(code, identifier, request)?;
        let mac = self.message_authenticator(&octets, OWN, &request);
        octets[OWN..OWN + 16].copy_from_slice(&mac);
        let authenticator = self.response_authenticator(&octets, &request);
        octets[4..20].copy_from_slice(&authenticator);
        Ok(octets)
    }

    /// Value of Vendor-Specific: half of MSK, hidden. The first bit of a salt is set; salts of one packet differ.
    pub fn hide(&self, which: MppeKey, half: &[u8; 32], salt: [u8; 2], request: &[u8; 16]) -> Vec<u8> {
        let salt = [salt[0] | 0x80, salt[1]];
        let mut plain = Zeroizing::new([0; 48]);
        plain[0] = 32;
        plain[1..33].copy_from_slice(half);
        let mut value = MICROSOFT.to_vec();
        value.extend([which.octet(), 2 + 2 + 48]);
        value.extend(salt);
        let mut before = [&request[..], &salt].concat();
        for block in plain.as_chunks::<16>().0 {
            let hidden = self.stream(&before, block);
            value.extend(hidden);
            before = hidden.to_vec();
        }
        value
    }

    /// The key in a value of Vendor-Specific, if it is one of these. For the client.
    pub fn reveal(&self, which: MppeKey, value: &[u8], request: &[u8; 16]) -> Option<Zeroizing<[u8; 32]>> {
        let hidden = value.strip_prefix(&MICROSOFT)?.strip_prefix(&[which.octet(), 52])?;
        let (salt, hidden) = hidden.split_at_checked(2)?;
        let mut before = [&request[..], salt].concat();
        let mut plain = Zeroizing::new(Vec::new());
        for block in hidden.as_chunks::<16>().0 {
            plain.extend(self.stream(&before, block));
            before = block.to_vec();
        }
        let key = plain.strip_prefix(&[32])?.first_chunk::<32>()?;
        Some(Zeroizing::new(*key))
    }

    fn stream(&self, before: &[u8], block: &[u8; 16]) -> [u8; 16] {
        let pad: [u8; 16] = Md5::new().chain_update(&self.0).chain_update(before).finalize().into();
        std::array::from_fn(|i| pad[i] ^ block[i])
    }
}
