//! The links of a relay to its remote UEs, and the PKMF: TS 33.303 §6.7.3.2.1.1 step 4, §6.7.3.2.3.
//!
//! ```text
//! question Grant         -> admission -> KEY_REQUEST -> KEY_RESPONSE -> answer Granted, Denied
//! question Resynchronise -> KEY_REQUEST with RAND and AUTS, once for each GPI
//! ```
//!
//! The KD goes into the answer and is kept nowhere here (TR-10). Anybody can ask a relay for anything: requests to the network are
//! few, whoever asks (TR-8); what one layer-2 identity may ask for is the links' own rule.

use super::users::{MncDigits, user};
use sidelink_network::aka::{Auts, Rand};
use sidelink_network::gba_push::Packet;
use sidelink_network::limit::{Bucket, RateLimit};
use sidelink_network::pc8::{Code, ErrorCode};
use sidelink_network::relay_client::{Granted, Identity, Input, Output, Refused, RelayClient};
use sidelink_network::remote_ue::LinkId;
use sidelink_prose::direct_link::Ticket;
use sidelink_security::counter::UtcTime;
use sidelink_ue::{KeyNetwork, NetworkAnswer};
use sidelink_wire::relay_keying::{Answer, Denial, Question};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use zeroize::Zeroizing;

/// Names a request over PC8.
pub(crate) type RequestId = LinkId;

/// What came back.
pub(crate) enum Reply {
    /// A document of PC8. It may hold a key.
    Document(Zeroizing<Vec<u8>>),
    /// No connection, or another status.
    Lost,
}

/// The way of a relay to its PKMF: PC8. It must not block.
pub(crate) trait RelayPort: Send {
    /// Sends a document.
    fn send(&mut self, now: UtcTime, request: RequestId, document: Zeroizing<String>);

    /// Returns a reply that has come, once.
    fn reply(&mut self, now: UtcTime) -> Option<(RequestId, Reply)>;

    /// Learns of a remote UE that was granted a KD: who it is, for the report to the MME.
    fn granted(&mut self, _now: UtcTime, _remote: Identity) {}

    /// Learns why there is no KD.
    fn refused(&mut self, _now: UtcTime, _why: &NoKd) {}
}

/// Why a remote UE gets no KD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoKd {
    /// More requests than this relay passes on.
    TooOften,
    /// What it calls itself is no name that a network knows.
    Nameless,
    /// The PKMF, or the way to it.
    Network(Refused),
}

impl fmt::Display for NoKd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooOften => f.write_str("more requests than this relay passes on"),
            Self::Nameless => f.write_str("it calls itself nothing that a network knows"),
            Self::Network(why) => why.fmt(f),
        }
    }
}

/// Settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelaySettings {
    /// Digits of the mobile network code of the home PLMNs of remote UEs.
    pub(crate) mnc: MncDigits,
    /// Seconds that a KD lives at most; it ends with its link before. PC8 does not say it.
    pub(crate) kd_lifetime: u32,
    /// Milliseconds until an answer of the PKMF counts as lost.
    pub(crate) patience: u64,
    /// Milliseconds for which a remote UE may say that its USIM is out of step.
    pub(crate) memory: u64,
    /// Requests to the network, of all remote UEs together.
    pub(crate) rate: RateLimit,
}

impl Default for RelaySettings {
    /// A KD of a day; 10 s; 20 s; 16 requests at once and four a second after that.
    fn default() -> Self {
        Self {
            mnc: MncDigits::default(),
            kd_lifetime: 86_400,
            patience: 10_000,
            memory: 20_000,
            rate: RateLimit { burst: 16, interval: 250 },
        }
    }
}

/// A request of a remote UE.
struct Asked {
    ticket: Option<Ticket>,
    /// RAND of its GPI.
    rand: Option<Rand>,
    /// Until when it is remembered.
    until: UtcTime,
}

/// The relay's way to KDs, as its links ask for them.
pub(crate) struct RelayKeys<P> {
    client: RelayClient,
    port: P,
    settings: RelaySettings,
    asked: BTreeMap<LinkId, Asked>,
    bucket: Option<Bucket>,
    next: u32,
    answers: VecDeque<NetworkAnswer>,
}

impl<P: RelayPort> RelayKeys<P> {
    /// Over this way.
    pub(crate) fn new(settings: RelaySettings, port: P) -> Self {
        Self {
            client: RelayClient::new(settings.patience),
            port,
            settings,
            asked: BTreeMap::new(),
            bucket: None,
            next: 0,
            answers: VecDeque::new(),
        }
    }

    fn answer(&mut self, ticket: Ticket, answer: &Answer<'_>) {
        let mut octets = Zeroizing::new(Vec::with_capacity(320));
        answer.emit(&mut octets);
        self.answers.push_back(NetworkAnswer { ticket, octets: Some(octets) });
    }

    fn deny(&mut self, now: UtcTime, ticket: Ticket, why: &NoKd) {
        self.port.refused(now, why);
        self.answer(ticket, &Answer::Denied(denial(why)));
    }

    fn admits(&mut self, now: UtcTime) -> bool {
        let rate = self.settings.rate;
        self.bucket.get_or_insert_with(|| Bucket::new(rate, now)).take(rate, now)
    }

    fn question(&mut self, now: UtcTime, ticket: Ticket, question: &Question<'_>) {
        let until = now.plus_millis(self.settings.patience + self.settings.memory);
        match *question {
            Question::Grant { service, user: said, nonce_1 } => {
                let Some(user) = user(said, self.settings.mnc) else {
                    return self.deny(now, ticket, &NoKd::Nameless);
                };
                if !self.admits(now) {
                    return self.deny(now, ticket, &NoKd::TooOften);
                }
                let link = LinkId(self.next);
                self.next = self.next.wrapping_add(1);
                self.asked.insert(link, Asked { ticket: Some(ticket), rand: None, until });
                let service = Code(service);
                self.client.handle_input(Input::Ask { now, link, user, service, nonce_1 });
            }
            Question::Resynchronise { rand, auts } => {
                let (rand, auts) = (Rand(rand), Auts(auts));
                // AUTS for a GPI that this relay did not pass on is nobody's.
                let known = |asked: &Asked| asked.rand == Some(rand) && asked.ticket.is_none();
                let found = self.asked.iter_mut().find(|(_, asked)| known(asked));
                let Some((link, asked)) = found else {
                    return self.deny(now, ticket, &NoKd::Network(Refused::Resynchronised));
                };
                (asked.ticket, asked.rand) = (Some(ticket), None);
                let link = *link;
                self.client.handle_input(Input::Resynchronise { now, link, rand, auts });
            }
            // Those of EAP are another network's.
            Question::Derive { .. } | Question::ToPeer { .. } | Question::ToServer { .. } => {
                self.deny(now, ticket, &NoKd::Nameless);
            }
        }
    }

    fn granted(&mut self, now: UtcTime, link: LinkId, granted: &Granted) {
        let Some(asked) = self.asked.get_mut(&link) else { return };
        let gpi = granted.gpi.as_ref().map_or(&[][..], |gpi| gpi.octets());
        asked.rand = Packet::new_checked(gpi).ok().map(|packet| packet.rand());
        asked.until = now.plus_millis(self.settings.memory);
        self.port.granted(now, granted.remote.clone());
        if let Some(ticket) = asked.ticket.take() {
            let (kd, lifetime, freshness) =
                (granted.kd.as_bytes(), self.settings.kd_lifetime, &granted.freshness);
            self.answer(ticket, &Answer::Granted { kd, lifetime, freshness, gpi });
        }
    }

    fn refused(&mut self, now: UtcTime, link: LinkId, why: Refused) {
        if let Some(ticket) = self.asked.remove(&link).and_then(|asked| asked.ticket) {
            self.deny(now, ticket, &NoKd::Network(why));
        }
    }

    /// Does what the machine says, and hands it what came.
    fn work(&mut self, now: UtcTime) {
        self.client.handle_input(Input::Tick { now });
        loop {
            match self.client.poll_output() {
                Output::Request { link, body } => self.port.send(now, link, body),
                Output::Granted { link, granted } => self.granted(now, link, &granted),
                Output::Refused { link, why } => self.refused(now, link, why),
                Output::Timeout(_) => match self.port.reply(now) {
                    Some((link, Reply::Document(body))) => {
                        self.client.handle_input(Input::Response { now, link, body: &body });
                    }
                    Some((link, Reply::Lost)) => self.client.handle_input(Input::Lost { now, link }),
                    None => break,
                },
            }
        }
        // A link that is up needs the machine no more.
        let over = self.asked.iter().filter(|(_, asked)| asked.until <= now);
        for link in over.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.asked.remove(&link);
            self.client.handle_input(Input::Ended { now, link });
        }
    }
}

/// What a remote UE may be told of it.
const fn denial(why: &NoKd) -> Denial {
    match why {
        NoKd::Nameless | NoKd::Network(Refused::Pkmf(ErrorCode::UnknownRemoteUe)) => Denial::Unknown,
        NoKd::Network(Refused::Pkmf(_)) => Denial::NotAllowed,
        NoKd::TooOften | NoKd::Network(_) => Denial::Unreachable,
    }
}

impl<P: RelayPort> KeyNetwork for RelayKeys<P> {
    fn ask(&mut self, now: UtcTime, ticket: Ticket, question: &[u8]) {
        match Question::parse(question) {
            Ok(question) => self.question(now, ticket, &question),
            Err(_) => self.deny(now, ticket, &NoKd::Nameless),
        }
        self.work(now);
    }

    fn poll(&mut self, now: UtcTime) -> Option<NetworkAnswer> {
        if self.answers.is_empty() {
            self.work(now);
        }
        self.answers.pop_front()
    }
}
