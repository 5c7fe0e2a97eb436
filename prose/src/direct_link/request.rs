//! The request of the initiating UE, in set-up and in re-keying: fresh values, the offer to authenticate, and the
//! conditions that a command must meet.

use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::direct::{
    Active, Capabilities, Chosen, Command, CommandRefusal, Disagreement, KdId, KdSessId, Offer, Policy,
    Profile, Requested, Stated, pick_half,
};
use sidelink_security::keys::Kd;
use sidelink_security::pdu::{Assurance, PduRefusal};

use super::frame;
use super::kd::{Identity, KdRecord};
use super::key_establishment::{AgreedKd, Asks, Heard, Refusal, Step, Steps};
use super::link::Common;
use super::local::{Half, Local};
use super::note::PduError;
use super::receive::parse;
use super::relaying::{RelayLink, Serves};
use sidelink_wire::ids::Lcid;
use sidelink_wire::pc5_signalling::{self as pc5, Body, MessageType, SIGNATURE_LEN};
use sidelink_wire::pdcp::{HEADER_LEN, MAC_I_LEN, OneToOneRepr};

/// SC periods of an exchange with a shared KD: the request, command, complete and accept.
const TURNS: u64 = 4;

/// SC periods that the containers add to a handshake, the time for their blocks included.
pub(super) const METHOD_TURNS: u64 = 4;

/// A request whose command is pending.
#[derive(Debug)]
pub(super) struct Request {
    requested: Requested,
    /// The KD that the request names.
    kd: Option<KdId>,
    /// Whether only a new KD is accepted.
    pub(super) reauthenticate: bool,
    agreement: Option<Agreement>,
}

/// The authentication that a request offers.
#[derive(Debug)]
struct Agreement {
    steps: Box<dyn Steps>,
    method: u8,
    /// Key information of the request.
    info: Vec<u8>,
    /// This end's half of the new KD's ID.
    kd_lsb: u16,
    /// Whether it carries a cookie.
    cookie: bool,
    /// The request message, which both ends authenticate.
    message: Vec<u8>,
    /// What makes it a link between remote UE and relay, if it is one.
    relay: Option<RelayLink>,
    /// Whom the method asks.
    asks: Asks,
    /// When this end's network was asked.
    asked_at: Option<UtcTime>,
    /// Milliseconds that this end's network took.
    own: u64,
    /// Whether a container or an answer came.
    stepped: bool,
    agreed: Option<AgreedKd>,
    /// Whether the KD comes from what a command carries: it is proven by that command, or forgotten.
    of_command: bool,
}

/// A proven command that fits the request.
#[derive(Debug)]
pub(super) enum ProvenCommand {
    /// Under a durable KD.
    Known(Active, KdId),
    /// Under a KD agreed on in this exchange, and the PRUK ID that it is from, if it is from one.
    New(Active, Box<KdRecord>, Option<[u8; 8]>),
}

/// Reason why a command is not accepted.
#[derive(Debug)]
pub(super) enum CommandError {
    /// The PDU is not authentic.
    Pdu(PduError),
    /// The command does not fit the request; and whether its MAC-I is right.
    Disagrees(Disagreement, Assurance),
    /// The method refuses the key in the command.
    Refused(Refusal),
    /// The method asks the network for the KD of the command.
    Asks(Vec<u8>),
}

impl From<PduRefusal> for CommandError {
    fn from(refusal: PduRefusal) -> Self {
        Self::Pdu(refusal.into())
    }
}

impl From<CommandRefusal> for CommandError {
    fn from(refusal: CommandRefusal) -> Self {
        match refusal {
            CommandRefusal::Pdu(refusal) => refusal.into(),
            CommandRefusal::Disagrees { disagreement, proven: true } => {
                Self::Disagrees(disagreement, Assurance::Verified)
            }
            CommandRefusal::Disagrees { disagreement, .. } => {
                Self::Disagrees(disagreement, Assurance::Unprotected)
            }
            _ => Self::Disagrees(Disagreement::NothingInCommon, Assurance::Unprotected),
        }
    }
}

impl Request {
    /// Makes a request with fresh values; `in_use` is the protection of the link that it re-keys. `None` without a
    /// session number.
    pub(super) fn new(
        local: &mut Local,
        in_use: Option<(Chosen, bool)>,
        kd: Option<KdId>,
        reauthenticate: bool,
    ) -> Option<Self> {
        let drawn = local.draw()?;
        let mut nonce_1 = [0; 16];
        // TS 24.334 §10.4.2.2 (7)
        nonce_1.copy_from_slice(&drawn[..16]);
        let msb = local.free_half(Half::Msb, drawn[16])?;
        let capabilities = local.config.policy.capabilities();
        // TS 33.303 §6.5.5.2 step 1 (1)
        let offer = Offer { nonce_1, msb, capabilities, stated: local.stated(capabilities) };
        let requested = Requested::new(local.terms(in_use), offer, local.config.policy);
        Some(Self { requested, kd, reauthenticate, agreement: None })
    }

    /// Offers to authenticate, if this UE can. `None` without a session number.
    pub(super) fn offer_agreement(
        &mut self,
        local: &mut Local,
        link: &Common,
        cookie: Option<[u8; 16]>,
    ) -> Option<()> {
        let relay = link.relay.as_ref();
        let serves = Serves::of(relay, &link.identity);
        if serves.first(&local.methods).is_none() {
            return Some(());
        }
        let seed = local.draw()?;
        let method = serves.first(&local.methods)?;
        let (steps, info) = method.initiate(local.clock, local.credentials.as_ref(), seed, cookie)?;
        let (method, asks) = (method.method(), method.asks());
        let drawn = local.draw()?;
        let wish = u16::from_be_bytes([drawn[0], drawn[1]]);
        let taken = |half| local.keyring.half_taken(|id| id.lsb() == half);
        // TS 33.303 §6.5.5.2 step 4 (2)
        let kd_lsb = pick_half(wish, u16::MAX, taken)?;
        self.agreement = Some(Agreement {
            steps,
            method,
            info,
            kd_lsb,
            cookie: cookie.is_some(),
            message: Vec::new(),
            relay: relay.cloned(),
            asks,
            asked_at: None,
            own: 0,
            stepped: false,
            agreed: None,
            of_command: false,
        });
        Some(())
    }

    pub(super) fn name(&mut self, kd: Option<KdId>) {
        self.kd = kd;
    }

    /// Replaces the sent capabilities by others: the echo does not fit then.
    #[cfg(test)]
    pub(super) fn forget_offer(&mut self) {
        let offer = *self.requested.offer();
        let capabilities = Capabilities { eea: 0x10, ..offer.capabilities };
        let terms =
            sidelink_security::direct::Terms { profile: Profile::Lte, up_integrity: false, in_use: None };
        self.requested = Requested::new(terms, Offer { capabilities, ..offer }, Policy::default());
    }

    pub(super) const fn offer(&self) -> &Offer {
        self.requested.offer()
    }

    /// Returns this end's half of the session key's ID.
    pub(super) const fn msb(&self) -> u8 {
        self.requested.offer().msb
    }

    /// Returns the key information of the message.
    pub(super) fn info(&self) -> Option<&[u8]> {
        let info = self.agreement.as_ref().map(|agreement| agreement.info.as_slice());
        info.filter(|info| !info.is_empty())
    }

    /// Returns the signature of the request, which is still without it.
    pub(super) fn sign(
        &mut self,
        local: &Local,
        remote: &Identity,
        unsigned: &[u8],
    ) -> Result<Option<[u8; SIGNATURE_LEN]>, Refusal> {
        let Some(agreement) = &mut self.agreement else { return Ok(None) };
        agreement.steps.sign_request(&local.party(remote, unsigned, agreement.relay.as_ref()))
    }

    /// Stores the message for the authentication that it offers.
    pub(super) fn sent(&mut self, message: Vec<u8>) {
        if let Some(agreement) = &mut self.agreement {
            agreement.message = message;
        }
    }

    /// Whether a cookie can be added.
    pub(super) fn takes_cookie(&self) -> bool {
        self.agreement.as_ref().is_some_and(|agreement| !agreement.cookie)
    }

    /// Whether the authentication that it offers has begun.
    pub(super) fn has_stepped(&self) -> bool {
        self.agreement.as_ref().is_some_and(|agreement| agreement.stepped)
    }

    /// Whether an authentication is offered and has not agreed on a KD.
    pub(super) fn awaits_kd(&self) -> bool {
        self.agreement.as_ref().is_some_and(|agreement| agreement.agreed.is_none())
    }

    /// Returns the first octet of the containers that are sent.
    pub(super) fn method(&self) -> u8 {
        self.agreement.as_ref().map_or(0, |agreement| agreement.method)
    }

    /// Returns the timeout of the answer in this try, in milliseconds.
    pub(super) fn patience(&self, local: &Local, tries: u8) -> u64 {
        let Some(Agreement { asks, own, .. }) = self.agreement.as_ref() else {
            return local.config.t4100(TURNS);
        };
        local.config.t4100(TURNS + METHOD_TURNS) + local.config.time_of_peer(*asks, tries, *own)
    }

    /// Starts to wait for this end's network, and returns until when.
    pub(super) fn asked(&mut self, local: &Local) -> UtcTime {
        if let Some(agreement) = &mut self.agreement {
            agreement.asked_at = Some(local.now);
        }
        local.now.plus_millis(local.config.t4100(TURNS + METHOD_TURNS) + local.config.network_time)
    }

    /// This end's network has answered. Returns until when the peer's answer is waited for in this try.
    pub(super) fn answered(&mut self, local: &Local, tries: u8) -> UtcTime {
        if let Some(agreement) = &mut self.agreement {
            let asked_at = agreement.asked_at.take().unwrap_or(local.now);
            agreement.own = local.now.millis().saturating_sub(asked_at.millis());
        }
        local.now.plus_millis(self.patience(local, tries))
    }

    /// Returns this end's half of a new KD's ID.
    pub(super) fn kd_lsb(&self) -> u16 {
        self.agreement.as_ref().map_or(0, |agreement| agreement.kd_lsb)
    }

    /// Takes a step of the authentication, if one is offered and has not ended: a repeated container costs nothing, and
    /// restarts no timer.
    pub(super) fn step(
        &mut self,
        local: &Local,
        remote: &Identity,
        heard: Heard<'_>,
    ) -> Result<Step, Refusal> {
        let running = |agreement: &&mut Agreement| agreement.agreed.is_none();
        let Some(agreement) = self.agreement.as_mut().filter(running) else { return Ok(Step::Wait) };
        let Agreement { steps, message, relay, .. } = agreement;
        let step = steps.step(&local.party(remote, message, relay.as_ref()), heard);
        let said = matches!(step, Ok(Step::Send(_) | Step::SendAgreed(..)));
        agreement.stepped |= said || matches!(heard, Heard::Container(_) | Heard::Answer(_));
        step
    }

    /// Stores the KD of the authentication.
    pub(super) fn agreed(&mut self, kd: AgreedKd) {
        if let Some(capabilities) = kd.capabilities {
            self.requested.hear(capabilities);
        }
        if let Some(agreement) = &mut self.agreement {
            agreement.agreed = Some(kd);
        }
    }

    /// Checks a command; `clashes` when the ID of its key is in use on this link.
    pub(super) fn on_command(
        &mut self,
        link: &Common,
        local: &mut Local,
        header: OneToOneRepr,
        octets: &mut [u8],
        clashes: bool,
    ) -> Result<ProvenCommand, CommandError> {
        let end = octets.len().checked_sub(MAC_I_LEN).filter(|end| *end >= HEADER_LEN);
        let message = octets.get(HEADER_LEN..end.unwrap_or(0)).ok_or(PduRefusal::TooShort)?;
        // TS 24.334 §10.4.5.6.2, 10.4.8.6.2
        let parsed = parse(local.config.profile, message).map_err(|error| CommandError::Pdu(error.into()))?;
        let Body::SecurityModeCommand(command) = parsed.body else { return Err(PduRefusal::BadMac.into()) };
        let unknown = CommandError::Disagrees(Disagreement::NothingInCommon, Assurance::Unprotected);
        let (l3_octets, kd_id_msb) = (message.len(), command.kd_id_msb);
        let terms = Command {
            nonce_2: command.nonce,
            lsb: command.kd_sess_lsb,
            chosen: chosen(command.algorithms).ok_or(unknown)?,
            echo: Capabilities { eea: command.capabilities.eea, eia: command.capabilities.eia },
            echo_stated: command.policy.and_then(frame::stated),
        };
        let heard = self.hear_key(link, local, &command)?;
        let proven = self.prove_command(link, local, (header, octets), (&terms, kd_id_msb), clashes);
        if let (Err(_), Some(agreement)) = (&proven, &mut self.agreement)
            && (heard || agreement.of_command)
        {
            // The signature was right, but not the rest, or the command was forged: the next one brings its key again.
            agreement.agreed = None;
        }
        let (active, kd_id) = proven?;
        local.remember(active.fingerprint());
        local.meter(link.remote, false, MessageType::SecurityModeCommand, [l3_octets, octets.len()]);
        let agreed = self.agreement.as_mut().and_then(|agreement| agreement.agreed.take());
        Ok(match agreed.filter(|_| kd_id_msb.is_some()) {
            Some(kd) => {
                let pruk_id = kd.pruk_id;
                ProvenCommand::New(active, Box::new(local.record(kd_id, kd, link.identity.clone())), pruk_id)
            }
            None => ProvenCommand::Known(active, kd_id),
        })
    }

    /// Has the method take the key in a command; returns whether it did.
    // TS 24.334 §10.4.5.3 (2)
    fn hear_key(
        &mut self,
        link: &Common,
        local: &mut Local,
        command: &pc5::SecurityModeCommand<'_>,
    ) -> Result<bool, CommandError> {
        let heard = match (&command.kd_freshness, &command.signature, command.encrypted_payload) {
            (Some(parameter), ..) => Heard::Freshness { parameter, gpi: command.gpi },
            (None, Some(signature), Some(payload)) => {
                Heard::Command { user_info: command.user_info, signature, payload }
            }
            _ => return Ok(false),
        };
        let pending = self.agreement.as_ref().is_some_and(|agreement| agreement.agreed.is_none());
        if !pending || command.kd_id_msb.is_none() || !local.may_judge() {
            return Ok(false);
        }
        match self.step(local, &link.identity, heard).map_err(CommandError::Refused)? {
            Step::Agreed(kd) => {
                self.agreed(kd);
                Ok(true)
            }
            Step::Ask(question) => {
                self.agreement.iter_mut().for_each(|agreement| agreement.of_command = true);
                Err(CommandError::Asks(question))
            }
            _ => Ok(false),
        }
    }

    /// Checks the MAC-I of a command, and that it fits the request.
    fn prove_command(
        &self,
        link: &Common,
        local: &Local,
        (header, octets): (OneToOneRepr, &mut [u8]),
        (terms, kd_id_msb): (&Command, Option<[u8; 2]>),
        clashes: bool,
    ) -> Result<(Active, KdId), CommandError> {
        let (kd, kd_id) = self.kd_of(link, local, kd_id_msb).ok_or(PduRefusal::UnknownKey)?;
        let unproven = self.requested.command(kd, terms).ok_or(PduRefusal::UnknownKey)?;
        let lcid = Lcid::PC5_S_SECURITY_MODE.value();
        // TS 24.334 §10.4.5.3 (1)
        let (active, opened) = unproven.prove(header.sn, lcid, octets, HEADER_LEN)?;
        // Both nonces can be those of an earlier session, whose counters would repeat; and an ID is used for one key.
        if clashes || local.knows(active.fingerprint()) {
            let assurance = Assurance::from(&opened.proof);
            return Err(CommandError::Disagrees(Disagreement::Identity, assurance));
        }
        Ok((active, kd_id))
    }

    /// Returns the KD that a command names: a new one requires an authentication in this exchange, and a request for a
    /// new one accepts no known KD.
    fn kd_of<'a>(&'a self, link: &Common, local: &'a Local, msb: Option<[u8; 2]>) -> Option<(&'a Kd, KdId)> {
        match msb {
            Some(msb) => {
                let agreed = self.agreement.as_ref()?.agreed.as_ref()?;
                Some((&agreed.kd, KdId::from_halves(u16::from_be_bytes(msb), self.kd_lsb())))
            }
            None if self.reauthenticate => None,
            None => {
                let kd = self.kd?;
                // TS 24.334 §10.4.5.3 (3)
                Some((&local.keyring.find(kd, &link.identity, local.clock, local.number())?.kd, kd))
            }
        }
    }

    /// Whether a PDU on the security mode channel can be the command of this request.
    pub(super) const fn awaits(&self, id: KdSessId) -> bool {
        self.msb() == id.msb()
    }
}

/// Returns this UE's policy for user data, if messages state it.
pub(super) fn user_plane_policy(local: &Local) -> Option<Stated> {
    let Policy { ciphering, up_integrity: integrity, .. } = local.config.policy;
    (local.config.profile == Profile::Nr).then_some(Stated { integrity, ciphering })
}

pub(super) const fn wire_capabilities(capabilities: Capabilities) -> pc5::Capabilities {
    pc5::Capabilities { eea: capabilities.eea, eia: capabilities.eia }
}

fn chosen(algorithms: pc5::Algorithms) -> Option<Chosen> {
    let eea = Algorithm::try_from(algorithms.eea).ok()?;
    let eia = Algorithm::try_from(algorithms.eia).ok()?;
    Some(Chosen { eea, eia })
}
