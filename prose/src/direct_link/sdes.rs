//! Method 6 as steps: each UE gives the other a key in a crypto attribute (SDES, RFC 4568), over the signalling of their
//! networks. TR 33.833 §6.4.2.
//!
//! ```text
//! key information  | 6 | connection id of the initiating UE 4 | [cookie 16] |
//! UE_1 -- a=crypto K1 --> network -- K1 --> UE_2          questions of sidelink_wire::sdes, no message on the air
//! UE_1 <-- K2 -- network <-- a=crypto K2 -- UE_2
//! ```
//!
//! KD = KDF(K1 || K2, identities). The attributes are in the clear: this is as good as the protection of each hop, and
//! every function between the UEs knows KD. On the air it would be known to everybody: the steps have no containers, and
//! no message leaves unprotected that has an attribute in it (`Local::send_plain`).

use sidelink_security::counter::UtcTime;
use sidelink_security::direct::Entropy;
use sidelink_security::direct::keying::kd_from_sdes;
use sidelink_security::direct::signed::Subject;
use sidelink_wire::direct_keying::{ConnectionId, Side};
use sidelink_wire::sdes::{CryptoAttribute, Exchange, KEY};
use zeroize::Zeroizing;

use super::cause::Cause;
use super::connection_info;
use super::kd::Identity;
use super::key_establishment::{Asks, Credentials, Heard, KeyEstablishment, Party, Refusal, Step, Steps};

/// Method 6: keys in crypto attributes, which networks carry.
#[derive(Debug, Clone, Copy)]
pub struct Sdes;

/// Tag of the attributes: there is one offer.
const TAG: u32 = 1;

impl Sdes {
    /// Octet of this method in key information.
    pub const METHOD: u8 = 6;
}

impl KeyEstablishment for Sdes {
    fn method(&self) -> u8 {
        Self::METHOD
    }

    fn asks(&self) -> Asks {
        Asks::Network
    }

    fn initiate(
        &self,
        _: UtcTime,
        _: Option<&Credentials>,
        seed: [u8; 32],
        cookie: Option<[u8; 16]>,
    ) -> Option<(Box<dyn Steps>, Vec<u8>)> {
        let mut rng = Entropy::new(&seed);
        let connection = connection_info::connection(&rng.draw(0))?;
        let info = connection_info::emit(Self::METHOD, connection, cookie);
        Some((Box::new(End::new(Side::Initiating, connection, rng)), info))
    }

    fn understands(&self, info: &[u8]) -> bool {
        connection_info::parse(Self::METHOD, info).is_some()
    }

    fn cookie(&self, info: &[u8]) -> Option<[u8; 16]> {
        connection_info::parse(Self::METHOD, info)?.1
    }

    fn answer(&self, info: &[u8], seed: [u8; 32]) -> Option<Box<dyn Steps>> {
        let (connection, _) = connection_info::parse(Self::METHOD, info)?;
        Some(Box::new(End::new(Side::Target, connection, Entropy::new(&seed))))
    }
}

/// One end, with its key.
#[derive(Debug)]
struct End {
    side: Side,
    connection: ConnectionId,
    key: Zeroizing<[u8; KEY]>,
}

fn refused(why: String) -> Refusal {
    Refusal { cause: Cause::AuthenticationFailure, why }
}

impl End {
    fn new(side: Side, connection: ConnectionId, mut rng: Entropy) -> Self {
        let drawn = Zeroizing::new(rng.draw(1));
        let mut key = Zeroizing::new([0; KEY]);
        key.copy_from_slice(&drawn[..KEY]);
        Self { side, connection, key }
    }

    fn ask(&self, party: &Party<'_>) -> Result<Step, Refusal> {
        if party.remote.kind != Identity::USER {
            let kind = party.remote.kind;
            return Err(refused(format!("a network names users, not identities of type {kind}")));
        }
        let attribute = CryptoAttribute { tag: TAG, key: &self.key }.emit();
        let attribute = Zeroizing::new(attribute.map_err(|error| refused(error.to_string()))?);
        let exchange = Exchange::new(self.side, self.connection, &party.remote.value, &attribute);
        exchange.emit().map(Step::Ask).map_err(|error| refused(error.to_string()))
    }

    fn agree(&self, party: &Party<'_>, octets: &[u8]) -> Result<Step, Refusal> {
        let mut other = Zeroizing::new([0; KEY]);
        let tag = CryptoAttribute::parse(octets, &mut other).map_err(|error| refused(error.to_string()))?;
        if tag != TAG {
            return Err(refused(format!("an attribute of tag {tag}, where {TAG} was offered")));
        }
        let [local, remote] =
            [party.local, party.remote].map(|end| Subject { kind: end.kind, value: &end.value });
        Ok(Step::Agreed(match self.side {
            Side::Initiating => kd_from_sdes(&self.key, &other, [local, remote]).into(),
            Side::Target => kd_from_sdes(&other, &self.key, [remote, local]).into(),
        }))
    }
}

impl Steps for End {
    fn step(&mut self, party: &Party<'_>, heard: Heard<'_>) -> Result<Step, Refusal> {
        match heard {
            Heard::Begin => self.ask(party),
            Heard::Answer(octets) => self.agree(party, octets),
            Heard::Container(_)
            | Heard::Admitted
            | Heard::Command { .. }
            | Heard::Freshness { .. }
            | Heard::OutOfStep { .. } => Ok(Step::Wait),
        }
    }
}
