//! Overlay C by a ticket: both ends ask the key management server, and two messages go over the link. RFC 6043.

use super::media::{self, Media};
use super::packet::{MIKEY_PORT, VOICE_PORT, datagram, udp};
use super::protocol::{Fault, NAMES, Protocol, Taken};
use sidelink_prose::direct_link::{Ticket, TicketAccess};
use sidelink_prose::mikey::suite::Hash;
use sidelink_prose::mikey::ticket::{
    self, Answer, Granted, KmsKey, ReceivedTransfer, Request, Requested, Resolve, Session, Transfer,
    Transferred,
};
use sidelink_prose::mikey::{MakeError, NtpTime, Refused, Window};
use sidelink_security::counter::UtcTime;
use sidelink_security::mikey::TrafficKey;
use sidelink_security::srtp::MasterKey;
use sidelink_ue::KeyNetwork;
use sidelink_ue::air_rng::AirRng;
use sidelink_wire::mikey::{IdType, TicketFlags, TicketTerms, TicketType, Timestamp};
use zeroize::Zeroizing;

/// Milliseconds that a ticket counts.
const LIFE: u64 = 3_600_000;

/// CS ID of voice.
const CS_ID: u8 = 1;

fn user(number: usize) -> String {
    format!("ProSe:{}", NAMES[number])
}

const fn stamp(time: UtcTime) -> Timestamp {
    Timestamp::NtpUtc(NtpTime::from_utc(time).0)
}

/// How far an end is.
enum State {
    Idle,
    /// UE_1 waits for its ticket.
    Requested(Requested),
    /// UE_1 waits for TRANSFER_RESP.
    Transferred(Box<Granted>, Timestamp),
    /// UE_2 asks the server about TRANSFER_INIT.
    Resolving(Vec<u8>, UtcTime),
    /// UE_2 has answered with this, and UE_1 has its keys.
    Done(Vec<u8>),
}

/// Why an end does not go on.
enum Stopped {
    Refused(Refused),
    Unmade(MakeError),
}

impl From<Refused> for Stopped {
    fn from(why: Refused) -> Self {
        Self::Refused(why)
    }
}

impl From<MakeError> for Stopped {
    fn from(why: MakeError) -> Self {
        Self::Unmade(why)
    }
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => why.fmt(f),
            Self::Unmade(why) => why.fmt(f),
        }
    }
}

/// One end.
pub(super) struct TicketEnd {
    number: usize,
    access: TicketAccess,
    way: Box<dyn KeyNetwork>,
    csb_ids: [u32; 2],
    rands: [[u8; 16]; 2],
    patience: u64,
    due: UtcTime,
    state: State,
    /// Packets to send.
    out: Vec<Vec<u8>>,
    media: Option<Media>,
}

impl TicketEnd {
    /// Makes an end with its way to the server.
    ///
    /// # Errors
    /// The system has no random source.
    pub(super) fn new(
        number: usize,
        access: TicketAccess,
        way: Box<dyn KeyNetwork>,
        patience: u64,
    ) -> anyhow::Result<Self> {
        let mut rng = AirRng::of_system()?;
        Ok(Self {
            number,
            access,
            way,
            csb_ids: [rng.next_u64() as u32, rng.next_u64() as u32],
            rands: [rng.octets(), rng.octets()],
            patience,
            due: UtcTime::from_millis(0),
            state: State::Idle,
            out: Vec::new(),
            media: None,
        })
    }

    fn shared(&self) -> KmsKey<'_> {
        KmsKey { key: &self.access.key, id: self.access.key_id.as_deref().map(|id| (IdType::Octets, id)) }
    }

    fn window(&self, now: UtcTime) -> Window {
        Window::around(now, self.access.window.millis(), self.access.window.millis())
    }

    fn request(&self, now: UtcTime) -> Result<Requested, MakeError> {
        let (own, other) = (user(self.number), user(1 - self.number));
        let kms = self.access.kms.as_str();
        let terms = TicketTerms {
            kms: Some((IdType::Uri, kms.as_bytes())),
            initiator: Some((IdType::Uri, own.as_bytes())),
            start: Some(stamp(now.minus_millis(self.access.window.millis()))),
            end: Some(stamp(now.plus_millis(LIFE))),
            responders: vec![(IdType::Uri, other.as_bytes())],
            ..TicketTerms::default()
        };
        let request = Request {
            csb_id: self.csb_ids[0],
            time: stamp(now),
            rand: &self.rands[0],
            initiator: &own,
            kms: Some(kms),
            ticket_type: TicketType::GPP_BASE,
            flags: TicketFlags::GPP_BASE,
            terms,
            hash: Hash::HmacSha256,
        };
        ticket::request(self.shared(), &request)
    }

    /// The transfer of a ticket, which is the same each time.
    fn transferred<'g>(&self, granted: &'g Granted, time: Timestamp) -> Result<Transferred<'g>, MakeError> {
        let transfer = Transfer {
            csb_id: self.csb_ids[1],
            time,
            rand: &self.rands[1],
            responder: &user(1 - self.number),
            sessions: Vec::new(),
            policies: Vec::new(),
            hash: Hash::HmacSha256,
        };
        ticket::transfer(granted, &transfer)
    }

    fn resolve(&self, at: UtcTime) -> Resolve<'_> {
        let kms = Some(self.access.kms.as_str());
        Resolve {
            csb_id: self.csb_ids[0],
            time: stamp(at),
            rand: &self.rands[0],
            kms,
            hash: Hash::HmacSha256,
        }
    }

    fn keyed(&mut self, session: &Session) -> Result<(), Refused> {
        let (mut key, mut salt) = (Zeroizing::new([0; 16]), Zeroizing::new([0; 14]));
        session.derive(TrafficKey::Tek, CS_ID, &mut *key)?;
        session.derive(TrafficKey::Salt, CS_ID, &mut *salt)?;
        self.media = Some(Media::shared(self.number, &MasterKey::new(*key, *salt)));
        Ok(())
    }

    /// An answer of the server.
    fn answered(&mut self, now: UtcTime, octets: &[u8]) -> Result<(), Stopped> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Requested(requested) => {
                let granted = requested.open(self.shared(), octets, self.window(now))?;
                self.state = State::Transferred(Box::new(granted), stamp(now));
                self.due = now;
            }
            State::Resolving(transfer, at) => {
                let local = user(self.number);
                let received = ReceivedTransfer::parse(&transfer, &local, self.window(at))?;
                let resolving = received.resolve(self.shared(), &self.resolve(at))?;
                let resolved = resolving.open(self.shared(), octets, self.window(now))?;
                let (sessions, policies) = (Vec::new(), Vec::new());
                let answer = Answer { time: stamp(now), sessions, policies, hash: Hash::HmacSha256 };
                let response = resolved.answer(&answer)?;
                let session = resolved.session()?;
                self.keyed(&session)?;
                self.out.push(udp(self.number, MIKEY_PORT, &response));
                self.state = State::Done(response);
            }
            state => self.state = state,
        }
        Ok(())
    }

    fn message(&mut self, now: UtcTime, octets: &[u8]) -> Result<(), Stopped> {
        match &self.state {
            State::Idle if self.number == 1 => {
                let local = user(self.number);
                let received = ReceivedTransfer::parse(octets, &local, self.window(now))?;
                let question = received.resolve(self.shared(), &self.resolve(now))?.octets().to_vec();
                self.way.ask(now, Ticket(1), &question);
                self.state = State::Resolving(octets.to_vec(), now);
            }
            State::Done(response) if self.number == 1 => {
                // UE_1 asks again: its answer was lost.
                self.out.push(udp(self.number, MIKEY_PORT, response));
            }
            State::Transferred(granted, at) => {
                let session = self.transferred(granted, *at)?.open(octets, self.window(now))?;
                self.keyed(&session)?;
                self.state = State::Done(Vec::new());
            }
            _ => {}
        }
        Ok(())
    }
}

impl Protocol for TicketEnd {
    fn work(&mut self, now: UtcTime) -> Vec<Vec<u8>> {
        if self.number == 0 && matches!(self.state, State::Idle) && now >= self.due {
            // A server that does not answer is asked once: its silence is no reason for another ticket.
            self.due = now.plus_millis(LIFE);
            if let Ok(requested) = self.request(now) {
                self.way.ask(now, Ticket(0), requested.octets());
                self.state = State::Requested(requested);
            }
        }
        if let Some(octets) = self.way.poll(now).and_then(|answer| answer.octets)
            && let Err(why) = self.answered(now, &octets)
        {
            tracing::debug!("overlay by ticket: {why}");
        }
        if let State::Transferred(granted, at) = &self.state
            && now >= self.due
            && let Ok(transferred) = self.transferred(granted, *at)
        {
            let packet = udp(self.number, MIKEY_PORT, transferred.octets());
            self.due = now.plus_millis(self.patience);
            self.out.push(packet);
        }
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, now: UtcTime, packet: &[u8]) -> Taken {
        match datagram(packet) {
            Some((MIKEY_PORT, octets)) => match self.message(now, octets) {
                Ok(()) => Taken::Handshake,
                Err(why) => Taken::Refused(why.to_string()),
            },
            Some((VOICE_PORT, rtp)) => media::open(&mut self.media, rtp),
            _ => Taken::Refused("a packet of no use here".to_owned()),
        }
    }

    fn is_ready(&self) -> bool {
        self.media.is_some()
    }

    fn protect(&mut self, packet: &[u8]) -> Result<Vec<u8>, Fault> {
        media::protect(&mut self.media, packet)
    }
}
