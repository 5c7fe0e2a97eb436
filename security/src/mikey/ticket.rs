//! Keys of MIKEY-TICKET. RFC 6043 §5.1 to §5.4, Appendix A.
//!
//! ```text
//! PSK, MPKi, MPKr --direction, RANDs--> keys of a message
//! MPKr, TGK       --ID of the responder, RANDRkms--> MPKr', TGK' of that responder alone (flag I)
//! TGK, TGK'       --CS ID, RANDs--> TEK and its siblings
//! TPK             --RAND of the ticket--> keys of the ticket
//! MPK             --RAND of the ticket--> MPKi, MPKr
//! ```

use zeroize::Zeroizing;

use super::{Constant, MacAlgorithm, MessageKeys, NO_SESSION, Prf, TrafficKey, expand, label};

/// In the place of a CSB ID: the label belongs to no bundle.
const NO_BUNDLE: u32 = 0xffff_ffff;

/// What the last label in front of the contexts says a key is for. RFC 6043 §5.1.
const FORKING: u8 = 0;
const TRAFFIC: u8 = 3;
const INITIATOR_DATA: u8 = 4;
const TICKET: u8 = 5;
const MPK: u8 = 6;

const MPK_R_FORKED: Constant = Constant(0x2B28_8856);
const TGK_FORKED: Constant = Constant(0x1512_B54A);
const MPK_I: Constant = Constant(0x220E_99A2);
const MPK_R: Constant = Constant(0x1F4D_675B);

/// A RAND or an identity that is too long for its length in a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// Which.
    pub what: &'static str,
    /// Its octets.
    pub octets: usize,
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} octets is too long for a label of MIKEY-TICKET", self.what, self.octets)
    }
}

impl std::error::Error for TooLong {}

/// A RAND behind its length, at most 255 octets.
fn counted(what: &'static str, rand: &[u8]) -> Result<Vec<u8>, TooLong> {
    let len = u8::try_from(rand.len()).map_err(|_| TooLong { what, octets: rand.len() })?;
    Ok([&[len], rand].concat())
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// REQUEST_INIT, TRANSFER_INIT, RESOLVE_INIT.
    Initial,
    /// REQUEST_RESP, TRANSFER_RESP, RESOLVE_RESP.
    Response,
}

/// RANDRi and RANDRr as labels have them: each behind its length, an absent one of no octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rands(Vec<u8>);

impl Rands {
    /// From the RANDs that the message in question depends on; an absent one is empty.
    ///
    /// # Errors
    /// One above 255 octets.
    pub fn new(initiator: &[u8], responder: &[u8]) -> Result<Self, TooLong> {
        Ok(Self([counted("RANDRi", initiator)?, counted("RANDRr", responder)?].concat()))
    }
}

/// The keys of a message, from the key that its sender and its receiver share. RFC 6043 §5.1.
///
/// RANDRi enters those of requests and transfers, RANDRr those of resolves and, with flag G, TRANSFER_RESP.
pub fn message_keys(
    key: &[u8],
    prf: Prf,
    mac: MacAlgorithm,
    csb_id: u32,
    direction: Direction,
    rands: &Rands,
) -> MessageKeys {
    let direction = match direction {
        Direction::Initial => 1,
        Direction::Response => 2,
    };
    MessageKeys::labelled(key, prf, mac, csb_id, |constant| {
        label(constant, NO_SESSION, csb_id, &[&[direction], &rands.0])
    })
}

/// A key that a responder gets in a form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Forked {
    /// MPKr.
    MpkR,
    /// A TGK.
    Tgk,
}

/// Forks a key for one responder, as long as the key. RFC 6043 §5.1.1.
///
/// # Errors
/// An identity above 65535 octets, or a RAND above 255.
pub fn fork(
    prf: Prf,
    what: Forked,
    key: &[u8],
    id: &[u8],
    rand_kms: &[u8],
) -> Result<Zeroizing<Vec<u8>>, TooLong> {
    let len = u16::try_from(id.len()).map_err(|_| TooLong { what: "IDRr", octets: id.len() })?;
    let constant = match what {
        Forked::MpkR => MPK_R_FORKED,
        Forked::Tgk => TGK_FORKED,
    };
    let rand = counted("RANDRkms", rand_kms)?;
    let label = label(constant, NO_SESSION, NO_BUNDLE, &[&[FORKING], &len.to_be_bytes(), id, &rand]);
    Ok(expanded(prf, key, &label))
}

fn expanded(prf: Prf, key: &[u8], label: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; key.len()]);
    expand(prf, key, label, &mut out);
    out
}

/// Derives a key of one crypto session from a TGK, as long as `out` is. RFC 6043 §5.1.2. RANDRi enters with flag H, RANDRr
/// with flag G.
pub fn traffic_key(prf: Prf, purpose: TrafficKey, tgk: &[u8], cs_id: u8, rands: &Rands, out: &mut [u8]) {
    expand(prf, tgk, &label(purpose.constant(), cs_id, NO_BUNDLE, &[&[TRAFFIC], &rands.0]), out);
}

/// The keys of Vr in the initiator data of a ticket: its MAC key alone is used. RFC 6043 §5.3.
pub fn initiator_data_keys(mpk_r: &[u8], prf: Prf, mac: MacAlgorithm) -> MessageKeys {
    MessageKeys::labelled(mpk_r, prf, mac, NO_BUNDLE, |constant| {
        label(constant, NO_SESSION, NO_BUNDLE, &[&[INITIATOR_DATA]])
    })
}

/// The keys of a base ticket. RFC 6043 Appendix A.2.
///
/// # Errors
/// A RAND above 255 octets.
pub fn ticket_keys(tpk: &[u8], prf: Prf, mac: MacAlgorithm, rand: &[u8]) -> Result<MessageKeys, TooLong> {
    let rand = counted("RAND of a ticket", rand)?;
    Ok(MessageKeys::labelled(tpk, prf, mac, NO_BUNDLE, |constant| {
        label(constant, NO_SESSION, NO_BUNDLE, &[&[TICKET], &rand])
    }))
}

/// MPKi and MPKr of a ticket, as long as its MPK. RFC 6043 Appendix A.3.
///
/// # Errors
/// A RAND above 255 octets.
pub fn mpks(prf: Prf, mpk: &[u8], rand: &[u8]) -> Result<[Zeroizing<Vec<u8>>; 2], TooLong> {
    let rand = counted("RAND of a ticket", rand)?;
    Ok([MPK_I, MPK_R]
        .map(|constant| expanded(prf, mpk, &label(constant, NO_SESSION, NO_BUNDLE, &[&[MPK], &rand]))))
}
