//! Who a UE is, for the ProSe Function and the PKMF: the key of its B-TID over Zn. TS 33.222 §5.4.
//!
//! TLS-PSK itself is not simulated: a handshake succeeds where both ends have the same Ks_NAF.

use super::messages::{Service, TlsRequest, UeId};
use sidelink_network::bsf::KeyMaterial;
use sidelink_network::hss::Ticket;
use sidelink_network::identity::{BTid, Fqdn, NafId};
use sidelink_security::counter::UtcTime;
use std::collections::BTreeMap;

/// Cost of a handshake of TLS.
pub(crate) struct Handshake {
    /// Round trips, with the one of TCP.
    pub(crate) round_trips: u64,
    /// Octets of each flight of TLS, in turn.
    pub(crate) flights: &'static [usize],
}

/// TLS 1.2 with TLS_DHE_PSK_WITH_AES_128_GCM_SHA256, a group of 4096 bits and the identity of a B-TID. Flights of our client and
/// server (`services`, its test `a_handshake_with_a_pre_shared_key_costs_what_the_table_says`), OpenSSL 3.0.22, 2026-11-29.
pub(crate) const HANDSHAKE: Handshake = Handshake { round_trips: 3, flights: &[168, 1127, 657, 51] };

/// TLS 1.3 with certificates of P-256 on both ends. Flights of our server and client (`services`, its test
/// `a_handshake_with_certificates_costs_what_the_table_says`), OpenSSL 3.0.22, 2026-11-29; a few octets differ from signature to
/// signature.
pub(crate) const CERTIFICATES: Handshake = Handshake { round_trips: 2, flights: &[253, 1100, 912] };

/// Octets that TLS adds to a record of TLS_DHE_PSK_WITH_AES_128_GCM_SHA256: header, explicit nonce, tag. RFC 5288 §3.
pub(crate) const RECORD: usize = 5 + 8 + 16;

/// The same in TLS 1.3: header, type, tag. RFC 8446 §5.2.
pub(crate) const RECORD_13: usize = 5 + 1 + 16;

/// Requests that wait for keys, at most.
const MOST_WAITING: usize = 256;

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Judged {
    /// It is of this subscriber.
    Of(sidelink_network::identity::Impi),
    /// Its key is asked for over Zn under this ticket.
    Ask(Ticket),
    /// It is nobody's.
    Refused,
}

/// The keys that a function has.
#[derive(Debug)]
pub(crate) struct Naf {
    keys: BTreeMap<BTid, KeyMaterial>,
    waiting: BTreeMap<Ticket, (UeId, TlsRequest)>,
    /// Those of two functions at one BSF never meet.
    tickets: u64,
}

/// The name of a function, and of its protocol. TS 33.220 Annex H: TLS with AES-128-GCM under a PSK.
pub(crate) fn naf_id(of: Service) -> NafId {
    let fqdn = match of {
        Service::ProseFunction => "prosefunction.mnc001.mcc001.pub.3gppnetwork.org",
        Service::Pkmf => "pkmf.mnc001.mcc001.pub.3gppnetwork.org",
    };
    // A constant of letters and dots.
    let fqdn = Fqdn::new(fqdn).unwrap_or_else(|_| unreachable!("a name"));
    NafId { fqdn, protocol: [1, 0, 1, 0, 0xa8] }
}

impl Naf {
    /// Of a function.
    pub(crate) const fn new(of: Service) -> Self {
        Self { keys: BTreeMap::new(), waiting: BTreeMap::new(), tickets: of as u64 }
    }

    /// Judges a request, or keeps it until its key is there: then take it back with [`Self::answered`].
    pub(crate) fn judge(
        &mut self,
        from: UeId,
        request: TlsRequest,
        now: UtcTime,
    ) -> (Judged, Option<TlsRequest>) {
        self.keys.retain(|_, key| key.expires > now);
        match self.keys.get(&request.b_tid) {
            Some(key) if key.ks_naf == request.key => (Judged::Of(key.impi.clone()), Some(request)),
            Some(_) => (Judged::Refused, Some(request)),
            None if self.waiting.len() >= MOST_WAITING => (Judged::Refused, Some(request)),
            None => {
                let ticket = Ticket(self.tickets);
                self.tickets += 2;
                self.waiting.insert(ticket, (from, request));
                (Judged::Ask(ticket), None)
            }
        }
    }

    /// Takes the answer over Zn, and gives the request back.
    pub(crate) fn answered(
        &mut self,
        ticket: Ticket,
        key: Option<KeyMaterial>,
    ) -> Option<(UeId, TlsRequest)> {
        let (from, request) = self.waiting.remove(&ticket)?;
        if let Some(key) = key {
            self.keys.insert(request.b_tid.clone(), key);
        }
        Some((from, request))
    }
}
