//! The target UE: sends commands, and accepts the peer that completes. In set-up it waits in the table of half-open
//! links, in re-keying on the link; the states are the same.

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{
    Active, Chosen, Command, KdId, KdSessId, Offer, Proposed, Stated, pick_half,
};

use super::frame;
use super::io::{Output, Pdu};
use super::kd::{Change, Identity, KdRecord, Ticket};
use super::key_establishment::{AgreedKd, Asks, CommandKey, Freshness, Heard, Refusal, Step, Steps};
use super::link::Common;
use super::local::Local;
use super::note::{Note, PduError};
use super::receive::parse;
use super::relaying::RelayLink;
use super::request::{METHOD_TURNS, wire_capabilities};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pc5_signalling::{
    Algorithms, AuthenticationPhase, Body, MessageType, SecurityModeCommand, UserInfo, UserPlane,
};
use sidelink_wire::pdcp::{HEADER_LEN, OneToOneRepr};

/// The method octet of a refusal without a method.
const NO_METHOD: u8 = 0;

/// State of the target UE.
#[derive(Debug)]
pub(super) enum Target {
    /// A method agrees on a KD.
    Establishing(Establishing),
    /// The command is sent.
    AwaitingComplete(AwaitingComplete),
    /// The complete was right; the new KD becomes durable.
    StoringKd(StoringKd),
}

/// A method agrees on a KD.
#[derive(Debug)]
pub(super) struct Establishing {
    pub(super) steps: Box<dyn Steps>,
    pub(super) method: u8,
    /// Whom the method asks.
    asks: Asks,
    /// The request message, which both ends authenticate.
    pub(super) request: Vec<u8>,
    /// A pending query.
    pub(super) question: Option<Ticket>,
    /// The time of a message, which becomes durable.
    pub(super) admitting: Option<Ticket>,
    /// What makes it a link between remote UE and relay, if it is one.
    pub(super) relay: Option<RelayLink>,
}

/// The command is sent.
#[derive(Debug)]
pub(super) struct AwaitingComplete {
    pub(super) proposed: Proposed,
    kd: KdInUse,
    /// The octets of the command, to repeat it.
    command: Vec<u8>,
}

/// The complete was right; the new KD becomes durable.
#[derive(Debug)]
pub(super) struct StoringKd {
    pub(super) ticket: Ticket,
    pub(super) active: Active,
    pub(super) kd: KdId,
    /// The one-time identity that the initiating UE gave.
    pub(super) connection: Option<[u8; 4]>,
}

/// What a command carries beside its own terms.
#[derive(Debug, Default)]
pub(super) struct Carried {
    key: Option<CommandKey>,
    freshness: Option<Freshness>,
}

/// The KD of an exchange.
#[derive(Debug)]
pub(super) enum KdInUse {
    /// Durable already.
    Known(KdId),
    /// Agreed on in this exchange. So far its ID contains only the target UE's half.
    New(Box<KdRecord>),
}

/// Content of a proven complete.
#[derive(Debug)]
pub(super) struct Proven {
    pub(super) active: Active,
    kd: KdInUse,
    /// The initiating UE's half of a new KD's ID.
    lsb: Option<u16>,
    /// Policy of the initiating UE for user data, if it states one.
    pub(super) up_policy: Option<Stated>,
    /// The one-time identity that the initiating UE gives.
    connection: Option<[u8; 4]>,
}

/// Result of checking a PDU on the security mode channel.
#[derive(Debug)]
pub(super) enum Completed {
    /// The complete.
    Proven(Box<Proven>),
    /// Another message of a peer that holds the keys: a refusal, or malformed.
    Ended,
    /// Not authentic.
    Refused(AwaitingComplete, PduError),
}

/// Result of a proven complete.
#[derive(Debug)]
pub(super) enum Agreed {
    /// The keys are in use.
    Now(Active, KdId, Option<[u8; 4]>),
    /// The keys are in use once the KD is durable.
    Storing(StoringKd),
    /// The new KD lacks the peer's half of its ID: a protocol error of the peer.
    Nothing,
}

impl Target {
    /// Returns the KD-sess ID.
    pub(super) const fn id(&self) -> Option<KdSessId> {
        match self {
            Self::Establishing(_) => None,
            Self::AwaitingComplete(state) => Some(state.proposed.id()),
            Self::StoringKd(state) => Some(state.active.id()),
        }
    }

    /// Whether the command is sent, and nothing of the peer proves that it came.
    pub(super) const fn awaits_complete(&self) -> bool {
        matches!(self, Self::AwaitingComplete(_))
    }

    /// Whether the store is waited for under this ticket.
    pub(super) fn stores(&self, ticket: Ticket) -> bool {
        match self {
            Self::StoringKd(state) => state.ticket == ticket,
            Self::Establishing(state) => state.admitting == Some(ticket),
            Self::AwaitingComplete(_) => false,
        }
    }

    /// Whether a query is pending.
    pub(super) const fn asks(&self) -> bool {
        matches!(self, Self::Establishing(state) if state.question.is_some())
    }

    /// Whether a query with this ticket is pending.
    pub(super) fn has_asked(&self, ticket: Ticket) -> bool {
        matches!(self, Self::Establishing(state) if state.question == Some(ticket))
    }
}

impl Establishing {
    /// Returns the steps that answer key information; `None` when no method understands it, or no session number is
    /// durable.
    pub(super) fn begin(
        local: &mut Local,
        (request, info): (&[u8], &[u8]),
        relay: Option<RelayLink>,
    ) -> Option<Self> {
        let seed = local.draw()?;
        let method = local.methods.iter().find(|method| method.understands(info))?;
        let (steps, method, asks) = (method.answer(info, seed)?, method.method(), method.asks());
        Some(Self { steps, method, asks, request: request.to_vec(), question: None, admitting: None, relay })
    }

    /// Returns until when the next step is waited for: that of the peer, whose network may need time, or of this end's network.
    pub(super) fn deadline(&self, local: &Local) -> UtcTime {
        let asks = if self.question.is_some() { Asks::Network } else { self.asks };
        local.now.plus_millis(local.config.t4100(METHOD_TURNS) + local.config.time_of_network(asks))
    }

    /// Takes a step.
    pub(super) fn step(
        &mut self,
        local: &Local,
        remote: &Identity,
        heard: Heard<'_>,
    ) -> Result<Step, Refusal> {
        self.steps.step(&local.party(remote, &self.request, self.relay.as_ref()), heard)
    }

    /// Queries the network.
    pub(super) fn ask(&mut self, local: &mut Local, remote: &Identity, question: Vec<u8>) {
        let ticket = local.new_ticket();
        self.question = Some(ticket);
        let remote = remote.clone();
        local.push(Output::Ask { ticket, method: self.method, remote, question });
    }

    /// Takes the message of this time from the peer, once. The method goes on when that is durable.
    pub(super) fn admit(&mut self, local: &mut Local, remote: &Identity, time: u64) -> Result<(), Refusal> {
        self.admitting = Some(local.admit(remote, time)?);
        Ok(())
    }
}

impl AwaitingComplete {
    /// Returns the command that answers an offer, and its PDU.
    pub(super) fn new(
        local: &Local,
        (mut proposed, command): (Proposed, Command),
        kd: KdInUse,
        sequence: u16,
        carried: &Carried,
    ) -> Option<(Self, Vec<u8>)> {
        let (key, freshness) = (carried.key.as_ref(), carried.freshness.as_ref());
        let kd_id_msb = match &kd {
            KdInUse::Known(_) => None,
            KdInUse::New(record) => Some(record.id.msb().to_be_bytes()),
        };
        let own = &local.config.identity;
        // TS 33.303 §6.5.5.2 step 3 (1)
        let body = Body::SecurityModeCommand(SecurityModeCommand {
            capabilities: wire_capabilities(command.echo),
            // TS 24.334 §10.4.5.2 (4)
            nonce: command.nonce_2,
            algorithms: Algorithms { eea: command.chosen.eea.id(), eia: command.chosen.eia.id() },
            kd_sess_lsb: command.lsb,
            kd_id_msb,
            // TS 33.303 §6.7.3.2.1.1
            kd_freshness: freshness.map(|freshness| freshness.parameter),
            gpi: freshness.and_then(|freshness| freshness.gpi.as_deref()),
            // TS 24.334 §10.4.5.2 (6); TS 33.303 §6.5.7.3.1 step 2
            user_info: key.map(|_| UserInfo { kind: own.kind, value: &own.value }),
            signature: key.map(|key| key.signature),
            encrypted_payload: key.map(|key| key.payload.as_slice()),
            policy: command.echo_stated.map(frame::wire_policy),
        });
        let command = frame::message(local.config.profile, sequence, body);
        let pdu = frame::seal_command(&mut proposed, &command).ok()?;
        Some((Self { proposed, kd, command }, pdu))
    }

    /// Puts out the PDU of the command.
    pub(super) fn transmit(&self, local: &mut Local, [source, peer]: [Layer2Id; 2], octets: Vec<u8>) {
        let (lcid, message) = (Lcid::PC5_S_SECURITY_MODE, Some(MessageType::SecurityModeCommand));
        let session = Some(self.proposed.fingerprint());
        local.transmit(Pdu { source, peer, lcid, message, session, octets }, self.command.len());
    }

    /// Repeats the command.
    pub(super) fn again(&mut self, local: &mut Local, link: &Common) {
        if let Ok(pdu) = frame::seal_command(&mut self.proposed, &self.command) {
            self.transmit(local, [link.local, link.remote], pdu);
        }
    }

    /// Verifies a complete of `peer`.
    pub(super) fn on_complete(
        self,
        local: &mut Local,
        peer: Layer2Id,
        header: OneToOneRepr,
        octets: &mut [u8],
    ) -> Completed {
        let Self { proposed, kd, command } = self;
        let lcid = Lcid::PC5_S_SECURITY_MODE.value();
        let (active, end) = match proposed.complete(header.sn, lcid, octets, HEADER_LEN) {
            Ok((active, opened)) => (active, opened.end),
            Err((proposed, refusal)) => {
                return Completed::Refused(Self { proposed, kd, command }, refusal.into());
            }
        };
        let message = &octets[HEADER_LEN..end];
        let Ok(Body::SecurityModeComplete { kd_id_lsb, up_policy, connection }) =
            parse(local.config.profile, message).map(|repr| repr.body)
        else {
            return Completed::Ended;
        };
        local.remember(active.fingerprint());
        local.meter(peer, false, MessageType::SecurityModeComplete, [message.len(), octets.len()]);
        let (lsb, up_policy) = (kd_id_lsb.map(u16::from_be_bytes), up_policy.and_then(frame::stated));
        Completed::Proven(Box::new(Proven { active, kd, lsb, up_policy, connection }))
    }
}

impl Proven {
    /// Uses a known KD at once. A new one gets its ID and replaces the derived ones of this peer, in one durable step.
    pub(super) fn agree(self, local: &mut Local) -> Agreed {
        let Self { active, kd, lsb, connection, .. } = self;
        match (kd, lsb) {
            (KdInUse::Known(kd), _) => Agreed::Now(active, kd, connection),
            (KdInUse::New(_), None) => Agreed::Nothing,
            (KdInUse::New(mut record), Some(lsb)) => {
                // TS 24.334 §10.4.5.4; TS 24.334 §12.5.1.24 to .28; TS 33.303 §6.5.5.2 step 5
                record.id = KdId::from_halves(record.id.msb(), lsb);
                let kd = record.id;
                let mut changes = local.keyring.others(&record.peer, kd);
                changes.push(Change::Put(*record));
                let ticket = local.store(changes);
                Agreed::Storing(StoringKd { ticket, active, kd, connection })
            }
        }
    }
}

/// Sends the accept. In NR it states the identity of this UE, and the protection of user data.
pub(super) fn send_accept(active: &mut Active, link: &mut Common, local: &mut Local, given: Option<[u8; 4]>) {
    let nr = local.is_nr();
    let own = local.config.identity.clone();
    let body = Body::CommunicationAccept {
        ip_config: local.config.allocation.octet(),
        link_local: None,
        user_info: nr.then_some(UserInfo { kind: own.kind, value: &own.value }),
        up: nr.then(|| UserPlane {
            ciphering: active.chosen().eea != Algorithm::Null,
            integrity: active.up_integrity(),
        }),
        connection: given,
    };
    link.send_protected(local, active, Lcid::PC5_S_PROTECTED, body);
}

impl Local {
    /// Returns the command under a KD just agreed on with `remote`.
    pub(super) fn command_under_new(
        &mut self,
        (peer, sequence): (Layer2Id, u16),
        remote: &Identity,
        offer: Offer,
        mut kd: AgreedKd,
        in_use: Option<(Chosen, bool)>,
    ) -> Option<(AwaitingComplete, Vec<u8>)> {
        let carried = Carried { key: kd.command.take(), freshness: kd.freshness.take() };
        let record = self.new_record(kd, remote.clone())?;
        let terms = self.terms(in_use);
        match self.propose(terms, offer, &record.kd) {
            Ok(proposal) => {
                AwaitingComplete::new(self, proposal, KdInUse::New(Box::new(record)), sequence, &carried)
            }
            Err(Some(disagreement)) => {
                self.note(Note::Disagreed { peer, disagreement });
                None
            }
            Err(None) => None,
        }
    }

    /// Returns the record of a KD that was agreed on; so far its ID contains only the target UE's half.
    fn new_record(&mut self, kd: AgreedKd, peer: Identity) -> Option<KdRecord> {
        let drawn = self.draw()?;
        let wish = u16::from_be_bytes([drawn[0], drawn[1]]);
        // TS 24.334 §10.4.5.2 (2)
        let msb = pick_half(wish, u16::MAX, |half| self.keyring.half_taken(|id| id.msb() == half))?;
        Some(self.record(KdId::from_halves(msb, 0), kd, peer))
    }

    /// Reports the reason why a method refused the peer: to the operator always, to the peer once a period.
    pub(super) fn not_authenticated(&mut self, addresses: [Layer2Id; 2], refusal: &Refusal) {
        let cause = refusal.cause;
        self.note(Note::NotAuthenticated { peer: addresses[1], cause, why: refusal.why.clone() });
        if self.may_refuse() {
            let (phase, content) = (AuthenticationPhase::Reject, [cause.value()]);
            let body = Body::Authentication { phase, method: NO_METHOD, content: &content };
            let message = frame::message(self.config.profile, self.next_sequence(), body);
            self.send_plain(addresses, body.message_type(), &message);
        }
    }
}
