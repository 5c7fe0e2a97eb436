//! Behaviours of an attacker, chosen at random and by the PDUs that it received last.

use sidelink_prose::direct_link::Pdu;
use sidelink_security::direct::Profile;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{Body, Capabilities, Coding, Repr};

use super::world::{Chance, id};

/// One action of an attacker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaviour {
    /// Only listens, for this many periods.
    Wait(u8),
    /// Keeps back this many PDUs of the attacked UEs.
    Drop(u8),
    /// Delays a PDU for this many periods.
    Delay(u8),
    /// Replays a received PDU to one of the UEs.
    Replay { latest: bool },
    /// Sends a PDU back to its sender, in the name of its addressee, or from a source of its own.
    Reflect { own_source: bool },
    /// Sends a request in a received name, with a nonce of its own.
    Name { spoofed: bool },
    /// Sends this many of these at once.
    Flood(u8),
    /// Forges a message, unprotected or under a received header.
    Forge(u8),
    /// Changes a PDU in flight.
    Flip,
}

impl Behaviour {
    pub(crate) const KINDS: usize = 9;

    const fn kind(self) -> usize {
        match self {
            Self::Wait(_) => 0,
            Self::Drop(_) => 1,
            Self::Delay(_) => 2,
            Self::Replay { .. } => 3,
            Self::Reflect { .. } => 4,
            Self::Name { .. } => 5,
            Self::Flood(_) => 6,
            Self::Forge(_) => 7,
            Self::Flip => 8,
        }
    }

    fn any(chance: &mut Chance) -> Self {
        let many = chance.below(12) as u8 + 1;
        match chance.below(16) {
            0 | 1 => Self::Wait(many),
            2 => Self::Drop(chance.below(4) as u8 + 1),
            3 => Self::Delay(many),
            4 | 5 => Self::Replay { latest: true },
            6 => Self::Replay { latest: false },
            7 => Self::Reflect { own_source: true },
            8 => Self::Reflect { own_source: false },
            9 => Self::Name { spoofed: true },
            10 => Self::Name { spoofed: false },
            11 => Self::Flood(many * 8),
            12..=14 => Self::Forge(chance.below(8) as u8),
            _ => Self::Flip,
        }
    }
}

/// An attacker without keys, who receives everything.
pub(crate) struct Attacker {
    chance: Chance,
    profile: Profile,
    heard: Vec<Pdu>,
    waits: u8,
    drops: u8,
    delay: u8,
    flips: bool,
    pub(crate) did: [u32; Behaviour::KINDS],
}

impl Attacker {
    pub(crate) fn new(seed: u64, profile: Profile) -> Self {
        let did = [0; Behaviour::KINDS];
        let chance = Chance::new(seed ^ 0xa77a_c4e5);
        Self { chance, profile, heard: Vec::new(), waits: 0, drops: 0, delay: 0, flips: false, did }
    }

    /// Handles a PDU in flight: returns `None` when it is kept back, otherwise the additional periods of its flight.
    /// The attacker stands only between the two attacked UEs.
    pub(crate) fn on_air(&mut self, pdu: &mut Pdu, attacked: bool) -> Option<u64> {
        self.heard.push(pdu.clone());
        if self.heard.len() > 400 {
            self.heard.remove(0);
        }
        if !attacked {
            return Some(0);
        }
        if self.drops > 0 {
            self.drops -= 1;
            return None;
        }
        if std::mem::take(&mut self.flips) {
            let at = self.chance.below(pdu.octets.len() as u64);
            pdu.octets[at] ^= 1 << self.chance.below(8);
        }
        Some(u64::from(std::mem::take(&mut self.delay)))
    }

    /// Returns the PDUs that it sends now, each with the UE that receives it.
    pub(crate) fn act(&mut self) -> Vec<(usize, Pdu)> {
        let mut sent = Vec::new();
        if self.waits > 0 {
            self.waits -= 1;
            return sent;
        }
        for _ in 0..=self.chance.below(3) {
            let behaviour = Behaviour::any(&mut self.chance);
            self.did[behaviour.kind()] += 1;
            match behaviour {
                Behaviour::Wait(periods) => self.waits = periods,
                Behaviour::Drop(pdus) => self.drops = pdus,
                Behaviour::Delay(periods) => self.delay = periods,
                Behaviour::Flip => self.flips = true,
                Behaviour::Replay { latest } => sent.extend(self.replay(latest)),
                Behaviour::Reflect { own_source } => sent.extend(self.reflect(own_source)),
                Behaviour::Name { spoofed } => sent.extend(self.name(spoofed)),
                Behaviour::Flood(many) => {
                    for _ in 0..many {
                        sent.extend(self.name(false));
                    }
                }
                Behaviour::Forge(what) => sent.push(self.forge(what)),
            }
        }
        sent
    }

    fn pick(&mut self, latest: bool) -> Option<Pdu> {
        let among = if latest { self.heard.len().min(4) } else { self.heard.len() };
        let back = self.chance.below(among as u64);
        self.heard.iter().rev().nth(back).cloned()
    }

    fn ue(&mut self) -> usize {
        self.chance.below(4)
    }

    fn replay(&mut self, latest: bool) -> Option<(usize, Pdu)> {
        let mut pdu = self.pick(latest)?;
        if self.chance.below(4) == 0 {
            pdu.lcid = [28, 29, 30, 3].map(|lcid| Lcid::new(lcid).unwrap())[self.chance.below(4)];
        }
        if self.chance.below(3) == 0 {
            pdu.source = id(self.ue());
        }
        Some((self.ue(), pdu))
    }

    fn reflect(&mut self, own_source: bool) -> Option<(usize, Pdu)> {
        let mut pdu = self.pick(true)?;
        let back = (0..4).find(|ue| id(*ue) == pdu.source)?;
        pdu.source = if own_source { Layer2Id::new(1).unwrap() } else { pdu.peer };
        // A request names its sender: name the other UE.
        for (mine, other) in [("mary", "john"), ("john", "mary")] {
            if let Some(at) = pdu.octets.windows(4).position(|w| w == mine.as_bytes()) {
                pdu.octets[at..at + 4].copy_from_slice(other.as_bytes());
                break;
            }
        }
        Some((back, pdu))
    }

    /// Returns a received request with another nonce.
    fn name(&mut self, spoofed: bool) -> Option<(usize, Pdu)> {
        let mut requests = self.heard.iter().filter(|pdu| pdu.lcid == Lcid::PC5_S_UNPROTECTED);
        let mut pdu = requests.rfind(|pdu| pdu.octets.len() > 34)?.clone();
        for octet in &mut pdu.octets[20..30] {
            *octet = self.chance.below(256) as u8;
        }
        if !spoofed {
            pdu.source = Layer2Id::new(0x1000 + self.chance.below(0x1000) as u32).unwrap();
        }
        Some((self.ue(), pdu))
    }

    fn forge(&mut self, what: u8) -> (usize, Pdu) {
        let nonce = [self.chance.below(256) as u8; 16];
        let body = match what {
            0 => Body::Release { reason: 1 },
            1 => Body::CommunicationReject { cause: 1 },
            2 => Body::SecurityModeReject { cause: 6, rand: None, auts: None },
            3 => Body::Keepalive { counter: 1, maximum_inactivity: None },
            4 => Body::SecurityModeComplete { kd_id_lsb: None, up_policy: None, connection: None },
            5 => Body::Authentication {
                phase: sidelink_wire::pc5_signalling::AuthenticationPhase::Reject,
                method: 0xc0,
                content: &nonce,
            },
            6 => Body::RekeyingRequest(sidelink_wire::pc5_signalling::RekeyingRequest {
                capabilities: Capabilities { eea: 0x80, eia: 0x80 },
                nonce,
                kd_sess_msb: 7,
                re_auth: None,
                pruk_id: None,
                key_info: None,
            }),
            _ => Body::RekeyingResponse,
        };
        let coding = if self.profile == Profile::Nr { Coding::Nr } else { Coding::Lte };
        let repr = Repr { sequence: 1, body };
        let mut message = vec![0; repr.buffer_len(coding)];
        // Fields that NR lacks stay zero: a malformed message.
        let _ = repr.emit(coding, &mut message);
        let mut octets = vec![0x40, 0, 0, 0, 0];
        octets.extend(message);
        let lcid = [28, 29, 30, 3].map(|lcid| Lcid::new(lcid).unwrap())[self.chance.below(4)];
        if let (true, Some(pdu)) = (self.chance.below(2) == 0, self.pick(true)) {
            octets[..5].copy_from_slice(&pdu.octets[..5]);
            octets[4] = octets[4].wrapping_add(self.chance.below(8) as u8);
            octets.extend([0; 4]);
        }
        let (to, source) = (self.ue(), id(self.ue()));
        (to, Pdu { source, peer: id(to), lcid, message: None, session: None, octets })
    }
}
