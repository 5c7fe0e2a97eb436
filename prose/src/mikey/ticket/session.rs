//! What both users have in the end.

use sidelink_security::mikey::ticket::{Forked, Rands, fork, traffic_key};
use sidelink_security::mikey::{Prf, TrafficKey};
use sidelink_wire::mikey::{KeyData, KeyKind, TicketFlags};
use zeroize::Zeroizing;

use super::TicketKeys;
use crate::mikey::{NtpTime, Refused};

/// A key of a ticket, as this pair of users has it.
pub enum SharedKey {
    /// A TGK or GTGK: others are derived from it.
    Generating(Zeroizing<Vec<u8>>),
    /// A TEK: it is used itself.
    Traffic(Zeroizing<Vec<u8>>),
}

impl core::fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Generating(_) => "Generating(redacted)",
            Self::Traffic(_) => "Traffic(redacted)",
        })
    }
}

/// The keys that two users share by a ticket, each having proven to have been given them.
#[derive(Debug)]
pub struct Session {
    peer: String,
    csb_id: u32,
    time: NtpTime,
    prf: Prf,
    rands: Rands,
    keys: Vec<SharedKey>,
}

/// How the keys of a ticket become those of a pair.
pub(super) enum Forking<'a> {
    /// The server has forked them, or they are not forked.
    Done,
    /// They have to be forked for this responder with RANDRkms.
    For(&'a [u8], &'a [u8]),
}

/// RANDs as they enter traffic keys: RANDRi with flag H, RANDRr with flag G.
pub(super) fn traffic_rands(
    flags: TicketFlags,
    initiator: &[u8],
    responder: &[u8],
) -> Result<Rands, Refused> {
    let taken = |flag, rand| if flags.has(flag) { rand } else { &[][..] };
    Ok(Rands::new(taken(TicketFlags::H, initiator), taken(TicketFlags::G, responder))?)
}

impl Session {
    pub(super) fn new(
        peer: &str,
        (csb_id, time): (u32, NtpTime),
        prf: Prf,
        rands: Rands,
        keys: &TicketKeys,
        forking: &Forking<'_>,
    ) -> Result<Self, Refused> {
        let shared = |key: &KeyData<'_>| {
            Ok(match (key.kind, forking) {
                (KeyKind::Tgk, Forking::For(responder, rand_kms)) => {
                    SharedKey::Generating(fork(prf, Forked::Tgk, key.key, responder, rand_kms)?)
                }
                (KeyKind::Tek, _) => SharedKey::Traffic(Zeroizing::new(key.key.to_vec())),
                // A key of a group is the same for all its members.
                _ => SharedKey::Generating(Zeroizing::new(key.key.to_vec())),
            })
        };
        let keys = keys.others().iter().map(shared).collect::<Result<_, Refused>>()?;
        Ok(Self { peer: peer.to_owned(), csb_id, time, prf, rands, keys })
    }

    /// URI of the other user.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// CSB ID of the transfer.
    pub const fn csb_id(&self) -> u32 {
        self.csb_id
    }

    /// T of the message that completed it.
    pub const fn time(&self) -> NtpTime {
        self.time
    }

    /// The keys, in the order of the ticket: at least one.
    pub fn keys(&self) -> &[SharedKey] {
        &self.keys
    }

    /// Derives a key of a crypto session from the first key, as long as `out` is. A TEK is not derived from: it is copied,
    /// and has to be as long.
    ///
    /// # Errors
    /// A TEK of another length, or for another purpose than traffic.
    pub fn derive(&self, purpose: TrafficKey, cs_id: u8, out: &mut [u8]) -> Result<(), Refused> {
        match self.keys.first() {
            Some(SharedKey::Generating(tgk)) => {
                traffic_key(self.prf, purpose, tgk, cs_id, &self.rands, out);
                Ok(())
            }
            Some(SharedKey::Traffic(tek)) if purpose == TrafficKey::Tek && tek.len() == out.len() => {
                out.copy_from_slice(tek);
                Ok(())
            }
            _ => Err(Refused::Profile("a TGK, or a TEK of the length that is wanted")),
        }
    }
}
