//! The states of an agreement on a session key, for either side.

use super::context::{Context, Fingerprint, Kind, Opened, Root, SendError, Ticket, UNPROVEN_AHEAD};
use super::{Capabilities, Chosen, Disagreement, KdSessId, Nonce, Policy, Profile, Stated};
use crate::cipher::Algorithm;
use crate::keys::Kd;
use crate::pdu::{PduRefusal, Proof};

/// What UE_1 asks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Nonce_1: fresh, never used before.
    pub nonce_1: Nonce,
    /// UE_1's half of the KD-sess ID.
    pub msb: u8,
    /// What UE_1 offers.
    pub capabilities: Capabilities,
    /// How UE_1 stands to protection, where its message says so (NR).
    pub stated: Option<Stated>,
}

/// What the Direct Security Mode Command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Nonce_2.
    pub nonce_2: Nonce,
    /// UE_2's half of the KD-sess ID.
    pub lsb: u8,
    /// The algorithms.
    pub chosen: Chosen,
    /// UE_1's capabilities as UE_2 heard them.
    pub echo: Capabilities,
    /// UE_1's policy as UE_2 heard it (NR).
    pub echo_stated: Option<Stated>,
}

/// What holds for a link apart from its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whose formulas.
    pub profile: Profile,
    /// Integrity of user data.
    pub up_integrity: bool,
    /// In re-keying: what is in use. Algorithms may change, from and to null they may not.
    pub in_use: Option<Chosen>,
}

impl Terms {
    fn check(&self, chosen: Chosen) -> Result<(), Disagreement> {
        let null = |a| a == Algorithm::Null;
        match self.in_use {
            Some(old) if null(old.eea) != null(chosen.eea) || null(old.eia) != null(chosen.eia) => {
                Err(Disagreement::ActivationChanges(chosen))
            }
            _ => Ok(()),
        }
    }
}

/// UE_1, which asked.
#[derive(Debug)]
pub struct Requested {
    terms: Terms,
    offer: Offer,
    policy: Policy,
    /// What UE_2 signed that it accepts.
    peer: Option<Capabilities>,
}

impl Requested {
    /// Asks with `offer`, whose capabilities must be those of the policy.
    pub const fn new(terms: Terms, offer: Offer, policy: Policy) -> Self {
        Self { terms, offer, policy, peer: None }
    }

    /// Takes what UE_2 signed that it accepts: a command that leaves it is refused.
    pub const fn hear(&mut self, capabilities: Capabilities) {
        self.peer = Some(capabilities);
    }

    /// What was asked.
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whether a command fits what was asked. Of a command that nobody has proven this says nothing: see
    /// [`Self::command`].
    // TS 33.303 §6.5.5.2 step 4 (1)
    pub fn judge(&self, command: &Command) -> Result<(), Disagreement> {
        if command.echo != self.offer.capabilities {
            return Err(Disagreement::EchoDiffers { sent: self.offer.capabilities, echoed: command.echo });
        }
        if command.echo_stated != self.offer.stated {
            return Err(Disagreement::PolicyEchoDiffers);
        }
        self.policy.check(self.offer.capabilities, command.chosen)?;
        if self.peer.is_some_and(|peer| !peer.has(command.chosen)) {
            return Err(Disagreement::NotSigned(command.chosen));
        }
        self.terms.check(command.chosen)
    }

    /// Derives what a command names from `kd`; the content is judged once the MAC-I is right ([`Unproven::prove`]). By
    /// reference: anybody can send commands, and the next may be the right one. None where the KD-sess ID is 0.
    pub fn command(&self, kd: &Kd, command: &Command) -> Option<Unproven> {
        let id = KdSessId::from_halves(self.offer.msb, command.lsb)?;
        let root = Root::derive(self.terms.profile, kd, &self.offer.nonce_1, &command.nonce_2);
        let context = Context::new(&root, id, command.chosen, self.terms.up_integrity, false);
        Some(Unproven { context: Box::new(context), judged: self.judge(command) })
    }
}

/// Why a command is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandRefusal {
    /// The MAC-I is wrong, or the PDU too short: nobody has proven anything.
    Pdu(PduRefusal),
    /// It does not fit what was asked.
    Disagrees {
        /// Why.
        disagreement: Disagreement,
        /// Whether the MAC-I shows that a holder of KD sent it. Under null integrity nothing does.
        proven: bool,
    },
}

impl From<PduRefusal> for CommandRefusal {
    fn from(refusal: PduRefusal) -> Self {
        Self::Pdu(refusal)
    }
}

/// UE_1, which derived keys from a command that nobody has proven yet.
#[derive(Debug)]
pub struct Unproven {
    context: Box<Context>,
    judged: Result<(), Disagreement>,
}

impl Unproven {
    /// Verifies the PDU of the command, and only then judges what it says; what is right makes the keys usable. With
    /// null integrity there is no proof, and the policy of both has allowed that.
    // TS 33.303 §6.5.2 (5)
    pub fn prove(
        self,
        sn: u16,
        lcid: u8,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<(Active, Opened), CommandRefusal> {
        let Self { mut context, judged } = self;
        let opened = context.open(sn, lcid, Kind::Command, pdu, header)?;
        let proven = matches!(opened.proof, Proof::Integrity(_));
        match judged {
            Ok(()) => Ok((Active(context), opened)),
            Err(disagreement) => Err(CommandRefusal::Disagrees { disagreement, proven }),
        }
    }
}

/// UE_2, which commands and waits for the proof of UE_1.
#[derive(Debug)]
pub struct Proposed(Box<Context>);

impl Proposed {
    /// Derives the keys of a command in answer to an offer.
    // TS 33.303 §6.5.5.2 step 3 (2)
    pub fn new(terms: Terms, kd: &Kd, offer: &Offer, command: &Command) -> Result<Self, Disagreement> {
        terms.check(command.chosen)?;
        let id = KdSessId::from_halves(offer.msb, command.lsb).ok_or(Disagreement::Identity)?;
        let root = Root::derive(terms.profile, kd, &offer.nonce_1, &command.nonce_2);
        Ok(Self(Box::new(Context::new(&root, id, command.chosen, terms.up_integrity, true))))
    }

    /// Name of the session key.
    pub const fn id(&self) -> KdSessId {
        self.0.id
    }

    /// A public name that follows from the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// The algorithms.
    pub const fn chosen(&self) -> Chosen {
        self.0.chosen
    }

    /// The SN of a command: the only thing that is sent in this state.
    pub fn begin(&mut self) -> Result<Ticket, SendError> {
        self.0.begin()
    }

    /// Protects the command.
    pub fn protect_command(
        &self,
        ticket: Ticket,
        lcid: u8,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<(), SendError> {
        self.0.protect(ticket, lcid, Kind::Command, pdu, header)
    }

    /// Opens user data that UE_1 sends under the new key before its complete arrives: in re-keying only, where the old
    /// keys proved UE_1.
    pub fn open_early(
        &mut self,
        sn: u16,
        lcid: u8,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<Opened, PduRefusal> {
        self.0.open(sn, lcid, Kind::User, pdu, header)
    }

    /// Verifies the complete; what is right makes the keys usable, what is wrong leaves the state as it was.
    pub fn complete(
        mut self,
        sn: u16,
        lcid: u8,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<(Active, Opened), (Self, PduRefusal)> {
        match self.0.open(sn, lcid, Kind::Signalling, pdu, header) {
            Ok(opened) => Ok((Active(self.0), opened)),
            Err(refusal) => Err((self, refusal)),
        }
    }
}

/// A session key that both sides have proven: protects and opens.
#[derive(Debug)]
pub struct Active(Box<Context>);

impl Active {
    /// SN at which re-keying begins, so that it ends long before the last. Ours: the specification only says that no
    /// SN is used twice.
    // TS 33.303 §6.5.5.3 (1)
    pub const REKEY_AT: u16 = 0xf000;

    /// Name of the session key.
    pub const fn id(&self) -> KdSessId {
        self.0.id
    }

    /// A public name that follows from the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// The algorithms.
    pub const fn chosen(&self) -> Chosen {
        self.0.chosen
    }

    /// Whether this side sent the command of this key.
    pub fn commanded(&self) -> bool {
        self.0.commands()
    }

    /// Whether user data carries a MAC-I.
    pub const fn up_integrity(&self) -> bool {
        self.0.up_integrity
    }

    /// Both have agreed whether user data carries a MAC-I: before the first of it. Never with null integrity.
    pub fn agree_up_integrity(&mut self, on: bool) {
        self.0.agree_up_integrity(on);
    }

    /// SN that are left for sending.
    pub const fn left(&self) -> u32 {
        self.0.left()
    }

    /// Whether so many SN are used, by either side, that a new key is due.
    pub fn wants_rekeying(&self) -> bool {
        self.0.left() <= 0x1_0000 - u32::from(Self::REKEY_AT) || self.0.heard() >= Self::REKEY_AT
    }

    /// Whether the peer has sent so much without a MAC-I that it should prove its SN: with the answer to a keep-alive,
    /// before it is refused as too far ahead.
    pub fn wants_proof(&self) -> bool {
        self.0.unproven_ahead() > UNPROVEN_AHEAD / 2
    }

    /// Octets that protection adds behind the data.
    pub const fn mac_octets(&self, kind: Kind) -> usize {
        self.0.mac_octets(kind)
    }

    /// The next SN, that of no other PDU.
    pub fn begin(&mut self) -> Result<Ticket, SendError> {
        self.0.begin()
    }

    /// Protects the PDU of a ticket: `header` octets with the ticket's fields, the data, and [`Self::mac_octets`] of
    /// room.
    pub fn protect(
        &self,
        ticket: Ticket,
        lcid: u8,
        kind: Kind,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<(), SendError> {
        self.0.protect(ticket, lcid, kind, pdu, header)
    }

    /// Opens a PDU in its place.
    pub fn open(
        &mut self,
        sn: u16,
        lcid: u8,
        kind: Kind,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<Opened, PduRefusal> {
        self.0.open(sn, lcid, kind, pdu, header)
    }

    /// The same keys under a new name, in which nothing is sent yet. `None` when they have had it before.
    pub fn renamed(&mut self, id: KdSessId) -> Option<Renamed> {
        self.0.renamed(id).map(|context| Renamed(Box::new(context)))
    }

    /// Sends no more: a newer key does. What is under way can still be opened.
    pub fn retire(self) -> Retired {
        Retired(self.0)
    }
}

/// A session key under a name that the peer may use already: opens, does not protect yet.
#[derive(Debug)]
pub struct Renamed(Box<Context>);

impl Renamed {
    /// The new name.
    pub const fn id(&self) -> KdSessId {
        self.0.id
    }

    /// Opens a PDU in its place.
    pub fn open(
        &mut self,
        sn: u16,
        lcid: u8,
        kind: Kind,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<Opened, PduRefusal> {
        self.0.open(sn, lcid, kind, pdu, header)
    }

    /// The peer knows the name, or uses it: this side may too.
    pub fn activate(self) -> Active {
        Active(self.0)
    }
}

/// A session key that a newer one replaced: opens, never protects.
#[derive(Debug)]
pub struct Retired(Box<Context>);

impl Retired {
    /// Name of the session key.
    pub const fn id(&self) -> KdSessId {
        self.0.id
    }

    /// Opens a PDU in its place.
    pub fn open(
        &mut self,
        sn: u16,
        lcid: u8,
        kind: Kind,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<Opened, PduRefusal> {
        self.0.open(sn, lcid, kind, pdu, header)
    }
}
