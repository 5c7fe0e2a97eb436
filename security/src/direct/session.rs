//! States of the agreement on a session key, at either side.

use super::context::{Context, Fingerprint, Kind, Opened, Root, SendError, Ticket, UNPROVEN_AHEAD};
use super::{Capabilities, Chosen, Disagreement, KdSessId, Nonce, Policy, Profile, Stated};
use crate::cipher::Algorithm;
use crate::keys::Kd;
use crate::pdu::{PduRefusal, Proof};

/// UE_1's parameters in its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Nonce_1: fresh, never used before.
    pub nonce_1: Nonce,
    /// UE_1's half of the KD-sess ID.
    pub msb: u8,
    /// Capabilities that UE_1 offers.
    pub capabilities: Capabilities,
    /// UE_1's policy, where its message states it (NR).
    pub stated: Option<Stated>,
}

/// Content of the Direct Security Mode Command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Nonce_2.
    pub nonce_2: Nonce,
    /// UE_2's half of the KD-sess ID.
    pub lsb: u8,
    /// The chosen algorithms.
    pub chosen: Chosen,
    /// UE_1's capabilities as UE_2 received them.
    pub echo: Capabilities,
    /// UE_1's policy as UE_2 received it (NR).
    pub echo_stated: Option<Stated>,
}

/// Parameters of a link apart from its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The specification whose formulas are used.
    pub profile: Profile,
    /// Integrity of user data.
    pub up_integrity: bool,
    /// In re-keying: the algorithms in use. Algorithms may change, but not from or to null.
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

/// UE_1 after its request.
#[derive(Debug)]
pub struct Requested {
    terms: Terms,
    offer: Offer,
    policy: Policy,
    /// The capabilities that UE_2 signed.
    peer: Option<Capabilities>,
}

impl Requested {
    /// Makes the state after a request with `offer`, whose capabilities must be those of the policy.
    pub const fn new(terms: Terms, offer: Offer, policy: Policy) -> Self {
        Self { terms, offer, policy, peer: None }
    }

    /// Sets the capabilities that UE_2 signed: a command with other algorithms is refused.
    pub const fn hear(&mut self, capabilities: Capabilities) {
        self.peer = Some(capabilities);
    }

    /// Returns the parameters of the request.
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Checks whether a command fits the request. This says nothing about a command that is not proven: see
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

    /// Derives the keys of a command from `kd`; the content is checked once the MAC-I is right ([`Unproven::prove`]).
    /// Takes `self` by reference: anyone can send commands, and the next may be the right one. `None` where the KD-sess
    /// ID is 0.
    pub fn command(&self, kd: &Kd, command: &Command) -> Option<Unproven> {
        let id = KdSessId::from_halves(self.offer.msb, command.lsb)?;
        let root = Root::derive(self.terms.profile, kd, &self.offer.nonce_1, &command.nonce_2);
        let context = Context::new(&root, id, command.chosen, self.terms.up_integrity, false);
        Some(Unproven { context: Box::new(context), judged: self.judge(command) })
    }
}

/// Reason why a command is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandRefusal {
    /// The MAC-I is wrong, or the PDU too short: the sender has proven nothing.
    Pdu(PduRefusal),
    /// The command does not fit the request.
    Disagrees {
        /// The reason.
        disagreement: Disagreement,
        /// Whether the MAC-I shows that a holder of KD sent it. It never does under null integrity.
        proven: bool,
    },
}

impl From<PduRefusal> for CommandRefusal {
    fn from(refusal: PduRefusal) -> Self {
        Self::Pdu(refusal)
    }
}

/// UE_1 with keys from a command that is not proven yet.
#[derive(Debug)]
pub struct Unproven {
    context: Box<Context>,
    judged: Result<(), Disagreement>,
}

impl Unproven {
    /// Verifies the PDU of the command, and only then checks its content; if both are right the keys are usable. With
    /// null integrity there is no proof, and both policies have allowed that.
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

/// UE_2 after its command, until UE_1 has proven its key.
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

    /// Returns the ID of the session key.
    pub const fn id(&self) -> KdSessId {
        self.0.id
    }

    /// Returns a public name that is derived from the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// Returns the algorithms.
    pub const fn chosen(&self) -> Chosen {
        self.0.chosen
    }

    /// Takes the SN of a command, the only PDU that is sent in this state.
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

    /// Opens user data that UE_1 sends under the new key before its complete arrives: only in re-keying, where the old
    /// keys have proven UE_1.
    pub fn open_early(
        &mut self,
        sn: u16,
        lcid: u8,
        pdu: &mut [u8],
        header: usize,
    ) -> Result<Opened, PduRefusal> {
        self.0.open(sn, lcid, Kind::User, pdu, header)
    }

    /// Verifies the complete: a right one makes the keys usable, a wrong one leaves the state unchanged.
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
    /// SN at which re-keying begins, so that it is complete long before the last SN. Our value: the specification only
    /// says that no SN is used twice.
    // TS 33.303 §6.5.5.3 (1)
    pub const REKEY_AT: u16 = 0xf000;

    /// Returns the ID of the session key.
    pub const fn id(&self) -> KdSessId {
        self.0.id
    }

    /// Returns a public name that is derived from the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// Returns the algorithms.
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

    /// Sets whether user data carries a MAC-I, as both UEs have agreed, before the first user data. Never with null
    /// integrity.
    pub fn agree_up_integrity(&mut self, on: bool) {
        self.0.agree_up_integrity(on);
    }

    /// Returns the number of SN that are left for sending.
    pub const fn left(&self) -> u32 {
        self.0.left()
    }

    /// Whether either side has used enough SN that a new key is due.
    pub fn wants_rekeying(&self) -> bool {
        self.0.left() <= 0x1_0000 - u32::from(Self::REKEY_AT) || self.0.heard() >= Self::REKEY_AT
    }

    /// Whether the peer has sent so far ahead without a MAC-I that it should prove its SN with the answer to a
    /// keep-alive, before its PDUs are refused as too far ahead.
    pub fn wants_proof(&self) -> bool {
        self.0.unproven_ahead() > UNPROVEN_AHEAD / 2
    }

    /// Returns the octets that protection adds after the data.
    pub const fn mac_octets(&self, kind: Kind) -> usize {
        self.0.mac_octets(kind)
    }

    /// Takes the next SN, for one PDU.
    pub fn begin(&mut self) -> Result<Ticket, SendError> {
        self.0.begin()
    }

    /// Protects the PDU of a ticket: `header` octets with the ticket's fields, the data, and room for
    /// [`Self::mac_octets`].
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

    /// Opens a PDU in place.
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

    /// Returns the same keys under a new name, under which nothing was sent yet. `None` when they had the name before.
    pub fn renamed(&mut self, id: KdSessId) -> Option<Renamed> {
        self.0.renamed(id).map(|context| Renamed(Box::new(context)))
    }

    /// Stops sending, because a newer key replaces this one. PDUs on their way can still be opened.
    pub fn retire(self) -> Retired {
        Retired(self.0)
    }
}

/// A session key under a name that the peer may use already: opens, does not protect yet.
#[derive(Debug)]
pub struct Renamed(Box<Context>);

impl Renamed {
    /// Returns the new name.
    pub const fn id(&self) -> KdSessId {
        self.0.id
    }

    /// Opens a PDU in place.
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

    /// Allows sending: the peer knows the name, or uses it.
    pub fn activate(self) -> Active {
        Active(self.0)
    }
}

/// A session key that a newer one replaced: opens, never protects.
#[derive(Debug)]
pub struct Retired(Box<Context>);

impl Retired {
    /// Returns the ID of the session key.
    pub const fn id(&self) -> KdSessId {
        self.0.id
    }

    /// Opens a PDU in place.
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
