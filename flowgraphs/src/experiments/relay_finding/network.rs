//! Where the KDs of an exercise come from: the PRUK of the remote UE, which one network knows. TS 33.303 §6.7.3.2.1.

use super::parties::Party;
use crate::experiments::answers::Answers;
use sidelink_prose::direct_link::{Identity, Ticket};
use sidelink_security::counter::UtcTime;
use sidelink_security::kdf::lte;
use sidelink_security::keys::Pruk;
use sidelink_ue::{KeyNetwork, NetworkAnswer};
use sidelink_wire::relay_keying::{Answer, Question};
use zeroize::Zeroizing;

/// Milliseconds of a leg between the relay and the network.
const LEG: u64 = 10;

/// Seconds that a KD lives.
const LIFETIME: u32 = 3600;

const PRUK_ID: [u8; 8] = *b"PRUK-001";

/// A UE's way to the network.
pub(super) struct Network {
    party: Party,
    answers: Answers,
    granted: u8,
}

impl Network {
    pub(super) fn of(party: Party) -> Self {
        Self { party, answers: Answers::default(), granted: 0 }
    }

    fn answer(&mut self, question: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let pruk = Pruk::from([0x77; 32]);
        let mut octets = Zeroizing::new(Vec::new());
        match Question::parse(question).ok()? {
            Question::Grant { service, nonce_1, .. } if matches!(self.party, Party::Relay(_)) => {
                self.granted += 1;
                let mut freshness = [self.granted; 16];
                freshness[0] = self.party.layer2_id() as u8;
                let kd = lte::relay_kd(&pruk, &service, &nonce_1, &freshness);
                let kd = kd.as_bytes();
                Answer::Granted { kd, lifetime: LIFETIME, freshness: &freshness, gpi: &[] }.emit(&mut octets);
            }
            Question::Derive { service, nonce_1, freshness, .. } if self.party == Party::Remote => {
                let kd = lte::relay_kd(&pruk, &service, &nonce_1, &freshness);
                Answer::Derived { kd: kd.as_bytes(), lifetime: LIFETIME, pruk_id: PRUK_ID }.emit(&mut octets);
            }
            _ => return None,
        }
        Some(octets)
    }
}

impl KeyNetwork for Network {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        let octets = self.answer(question);
        // The keys of the remote UE are its own.
        let legs = if self.party == Party::Remote { 0 } else { 2 };
        self.answers.put(now.plus_millis(legs * LEG), ticket, octets);
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        self.answers.take(now)
    }

    fn name_for_relay(&mut self, _: UtcTime, _: [u8; 3]) -> Option<Identity> {
        Some(Identity { kind: Identity::PRUK_ID, value: PRUK_ID.to_vec() })
    }
}
