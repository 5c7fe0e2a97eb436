//! Subscribers, functions and the ways between them, on one simulated clock.

use super::functions::{Functions, Known, body_of};
use super::messages::{
    Connection, Message, Service, UeId, answer_octets, post_octets, request_octets, response_octets,
};
use super::meter::{Meter, ReferencePoint};
use super::naf::{self, HANDSHAKE, RECORD};
use super::subscriber::{Subscriber, Told};
use super::ways::Ways;
use sidelink_network::bsf::{self, Bsf};
use sidelink_network::digest::Algorithm;
use sidelink_network::hss::{self, Hss};
use sidelink_network::identity;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::pc3_client::{self, Input};
use sidelink_network::pkmf::{self, Pkmf};
use sidelink_network::pkmf_client::{self, PkmfClient};
use sidelink_network::prose_function::{self as function, Durable, ProseFunction, Subscription};
use sidelink_network::ub_client::{self, UbClient};
use sidelink_network::usim::{SqnArray, Usim};
use sidelink_security::cipher::milenage::Subscriber as Card;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::{Lease, ReserveConfig, StreamId};
use sidelink_ue::air_rng::AirRng;
use std::collections::BTreeMap;

/// Stream of the numbers that codes and keys are bound to.
const CODES: StreamId = StreamId(*b"prose function\0\0");

/// Stream of the numbers that keys of groups are bound to.
const KEYS: StreamId = StreamId(*b"pkmf\0\0\0\0\0\0\0\0\0\0\0\0");

/// Digits of the MNC of the simulated network.
const MNC_DIGITS: usize = 2;

/// Everything on the network side.
pub(crate) struct Fabric {
    now: UtcTime,
    rng: AirRng,
    ways: Ways,
    meter: Meter,
    functions: Functions,
    subscribers: Vec<Subscriber>,
    /// What arrives when; the number keeps the order.
    in_flight: BTreeMap<(UtcTime, u64), Message>,
    sent: u64,
    told: Vec<(UtcTime, UeId, Told)>,
}

impl Fabric {
    /// Begins at `now`, without subscribers.
    ///
    /// # Errors
    /// The configuration of the ProSe Function does not fit.
    pub(crate) fn new(
        now: UtcTime,
        (config, keys): (function::Config, Vec<pkmf::Service>),
        ways: Ways,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let mut rng = AirRng::seeded(seed, "network");
        let mut disk = Memory::default();
        let max_offset = config.max_offset;
        let reserve = ReserveConfig::default();
        let lease = Lease::open(CODES, 0, u64::MAX, reserve, &mut disk)?;
        let chance: [u8; 32] = octets(&mut rng);
        let function = ProseFunction::new(config, lease, &chance, Durable::default())?;
        let lease = Lease::open(KEYS, 0, u64::MAX, reserve, &mut disk)?;
        let chance: [u8; 32] = octets(&mut rng);
        let keys = pkmf::Config::new(naf::naf_id(Service::Pkmf).fqdn, keys, max_offset);
        let pkmf = Pkmf::new(keys, lease, &chance, pkmf::Durable::default())?;
        let bsf = Bsf::new(bsf::Config::new(identity::Fqdn::new(BSF)?), []);
        let hss = Hss::new(hss::Config::default());
        Ok(Self {
            now,
            rng,
            ways,
            meter: Meter::default(),
            functions: Functions::new(hss, bsf, function, pkmf, disk),
            subscribers: Vec::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            told: Vec::new(),
        })
    }

    /// Provisions a subscriber at HSS and ProSe Function, and gives it a USIM with the same random K and OPc.
    ///
    /// # Errors
    /// The subscriber is there already.
    pub(crate) fn add(
        &mut self,
        config: pc3_client::Config,
        subscription: Subscription,
    ) -> anyhow::Result<UeId> {
        let id = UeId(self.subscribers.len());
        let imsi = identity::Imsi::new(&config.ue.to_string())?;
        let impi = imsi.impi(MNC_DIGITS)?;
        let (k, opc): ([u8; 16], [u8; 16]) = (octets(&mut self.rng), octets(&mut self.rng));
        let card = || Card::with_opc(k, opc);
        let entry = hss::Subscription { imsi, impi: impi.clone(), keys: card(), reserved: 0 };
        self.functions.hss.add(entry)?;
        self.functions.know(impi.clone(), Known { ue: id, imsi: config.ue, subscription });
        let algorithms = vec![Algorithm::AkaV1Md5, Algorithm::AkaV1Sha256];
        let ub = ub_client::Config { impi, bsf: identity::Fqdn::new(BSF)?, algorithms };
        let ub = UbClient::new(ub, Usim::new(card(), SqnArray::default()));
        self.subscribers.push(Subscriber::new(id, ub, config));
        Ok(id)
    }

    /// Hands something to the UE's end of PC3, at the time of the fabric.
    pub(crate) fn pc3(&mut self, ue: UeId, input: impl FnOnce(UtcTime) -> Input<'static>) {
        let input = input(self.now);
        self.subscribers[ue.0].pc3(input);
        self.work(ue);
    }

    /// A UE wants keys of these groups from the PKMF.
    pub(crate) fn want_keys(&mut self, ue: UeId, wanted: &[pkmf_client::Wanted]) {
        self.subscribers[ue.0].want_keys(self.now, wanted);
        self.work(ue);
    }

    /// The keys of a UE.
    pub(crate) fn keys(&self, ue: UeId) -> &PkmfClient {
        self.subscribers[ue.0].pkmf()
    }

    /// Withdraws something, as the operator.
    pub(crate) fn revoke(&mut self, what: function::Revocation) {
        let messages = self.functions.revoke(self.now, what);
        self.send(messages);
    }

    /// Takes a UE's right to keys of a group, as the operator.
    pub(crate) fn revoke_member(&mut self, service: ServiceId, ue: identity::Impi) {
        let messages = self.functions.revoke_member(self.now, service, ue);
        self.send(messages);
    }

    /// Lets time pass until `end`, and everything happen until then.
    pub(crate) fn run_until(&mut self, end: UtcTime) {
        loop {
            let arrival = self.in_flight.keys().next().map(|(at, _)| *at);
            let deadlines = self.subscribers.iter_mut().filter_map(Subscriber::deadline);
            let next = deadlines.chain(arrival).min();
            let next = next.into_iter().chain(self.functions.deadline()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            match self.in_flight.first_entry().filter(|entry| entry.key().0 <= self.now) {
                Some(entry) => {
                    let message = entry.remove();
                    self.deliver(message);
                }
                None => self.tick(),
            }
        }
        self.now = self.now.max(end);
    }

    /// What the UEs told since the last call, with the time.
    pub(crate) fn told(&mut self) -> Vec<(UtcTime, UeId, Told)> {
        std::mem::take(&mut self.told)
    }

    /// What the ProSe Function reported since the last call.
    #[cfg(test)]
    pub(crate) fn events(&mut self) -> Vec<function::Event> {
        std::mem::take(&mut self.functions.events)
    }

    /// What went over the reference points.
    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The BSF loses its store, and the ProSe Function the keys that it had.
    #[cfg(test)]
    pub(crate) fn forget_keys(&mut self) -> anyhow::Result<()> {
        let bsf = Bsf::new(bsf::Config::new(identity::Fqdn::new(BSF)?), []);
        self.functions.forget_keys(bsf);
        Ok(())
    }

    /// The clock.
    pub(crate) fn now(&self) -> UtcTime {
        self.now
    }

    /// Time has passed for everybody.
    fn tick(&mut self) {
        let messages = self.functions.tick(self.now);
        self.send(messages);
        for ue in 0..self.subscribers.len() {
            self.work(UeId(ue));
        }
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::UbResponse(ue, _)
            | Message::TlsAnswer(ue, ..)
            | Message::Push(ue, _)
            | Message::Keys(ue, _) => {
                self.subscribers[ue.0].receive(self.now, message);
                self.work(ue);
            }
            message => {
                let rand = octets(&mut self.rng);
                let messages = self.functions.receive(self.now, message, rand);
                self.send(messages);
            }
        }
    }

    fn work(&mut self, ue: UeId) {
        let cnonce = octets(&mut self.rng);
        let (messages, told) = self.subscribers[ue.0].work(self.now, cnonce);
        self.told.extend(told.into_iter().map(|told| (self.now, ue, told)));
        self.send(messages);
    }

    /// Counts messages and sets them on their way.
    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            let (at, before) = self.count(&message);
            let way = self.ways.way(at);
            // What never arrives is missed by whoever waits for it.
            let delay = match at {
                ReferencePoint::Mikey => self.ways.datagram(at, &mut self.rng),
                _ => self.ways.delay(at, &mut self.rng),
            };
            if let Some(delay) = delay {
                let arrival = self.now.plus_millis(before * way.round_trip + delay);
                self.sent += 1;
                self.in_flight.insert((arrival, self.sent), message);
            }
        }
    }

    /// Counts a message. Returns its reference point, and the round trips that are waited for before it is sent.
    fn count(&mut self, message: &Message) -> (ReferencePoint, u64) {
        let (at, octets, before, ends) = match message {
            Message::UbRequest(_, connection, request) => {
                let before = u64::from(*connection == Connection::New);
                (ReferencePoint::Ub, request_octets(request), before, Ends::Request)
            }
            Message::UbResponse(_, response) => {
                (ReferencePoint::Ub, response_octets(response), 0, Ends::Answer)
            }
            Message::VectorRequest { .. } => (ReferencePoint::Zh, 0, 0, Ends::Request),
            Message::VectorAnswer { .. } => (ReferencePoint::Zh, 0, 0, Ends::Answer),
            Message::KeyRequest { .. } => (ReferencePoint::Zn, 0, 0, Ends::Request),
            Message::KeyAnswer { .. } => (ReferencePoint::Zn, 0, 0, Ends::Answer),
            Message::SubscriptionRequest(_) => (ReferencePoint::Pc4a, 0, 0, Ends::Request),
            Message::SubscriptionAnswer(..) => (ReferencePoint::Pc4a, 0, 0, Ends::Answer),
            Message::TlsRequest(_, request) => {
                let at = of(request.to);
                HANDSHAKE.flights.iter().for_each(|flight| self.meter.message(at, *flight));
                let octets = post_octets(naf::naf_id(request.to).fqdn.as_str(), &request.body) + RECORD;
                (at, octets, HANDSHAKE.round_trips, Ends::Request)
            }
            Message::TlsAnswer(_, from, _, answer) => {
                (of(*from), answer_octets(body_of(answer)) + RECORD, 0, Ends::Answer)
            }
            Message::Keys(_, octets) => (ReferencePoint::Mikey, octets.len(), 0, Ends::Request),
            Message::Verification(_, octets) => (ReferencePoint::Mikey, octets.len(), 0, Ends::Answer),
            Message::Push(_, body) => {
                (ReferencePoint::Pc3, answer_octets(Some(body)) + RECORD, 0, Ends::Request)
            }
        };
        self.meter.message(at, octets);
        self.meter.round_trips(at, before + u64::from(ends == Ends::Answer));
        (at, before)
    }
}

const fn of(service: Service) -> ReferencePoint {
    match service {
        Service::ProseFunction => ReferencePoint::Pc3,
        Service::Pkmf => ReferencePoint::Pc8,
    }
}

/// Which end of a round trip a message is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Request,
    Answer,
}

/// The BSF of the simulated network. TS 23.003 §16.2.
const BSF: &str = "bsf.mnc001.mcc001.pub.3gppnetwork.org";

fn octets<const N: usize>(rng: &mut AirRng) -> [u8; N] {
    let mut octets = [0; N];
    for chunk in octets.chunks_mut(8) {
        let drawn = rng.next_u64().to_le_bytes();
        chunk.iter_mut().zip(drawn).for_each(|(to, from)| *to = from);
    }
    octets
}
