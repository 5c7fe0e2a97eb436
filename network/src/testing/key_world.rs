//! A PKMF and UEs over a channel that loses, repeats and reorders, with disks that may fail; whatever happens, what must
//! never happen is looked for.

use std::collections::{BTreeMap, BTreeSet};

use core::net::{IpAddr, Ipv4Addr};
use sidelink_security::cipher::Algorithm;
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{CounterStore, Lease, ReserveConfig, StreamId};
use sidelink_security::keys::{Pmk, Secret256};

use crate::identity::{Fqdn, Impi};
use crate::key_delivery::{Content, KeyName, Received, ServiceId};
use crate::pc3::MaxOffset;
use crate::pc8::{self, Code, MemberId, Message, ProtectionProfile};
use crate::pkmf::{self, Change, DiscoveryCode, Kind, Pkmf, RequestId, Response, Service, Standing};
use crate::pkmf_client::{self as client, PkmfClient, Wanted};

mod disks;

pub(crate) use disks::{Card, Disk};

/// 2026-07-25T17:20:00Z.
pub(crate) const START: u64 = 1_785_000_000_000;
pub(crate) const FIRE: ServiceId = ServiceId([0, 1, 1]);
pub(crate) const POLICE: ServiceId = ServiceId([0, 1, 2]);
pub(crate) const RELAY: Code = Code([0, 9, 9]);
pub(crate) const TEAM: Code = Code([0, 9, 8]);
pub(crate) const KEY_TYPE: ServiceId = ServiceId([0, 2, 2]);

pub(crate) fn pkmf_name() -> Fqdn {
    Fqdn::new("pkmf.mnc001.mcc001.pub.3gppnetwork.org").unwrap()
}

pub(crate) fn ue(number: u8) -> Impi {
    Impi::new(&format!("{number:015}@ims.mnc001.mcc001.3gppnetwork.org")).unwrap()
}

fn address(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
}

/// UEs 1 to 4 are of the fire brigade, 3 and 5 of the police; 1 to 3 may discover relays and the team.
pub(crate) fn config() -> pkmf::Config {
    let members = |numbers: &[u8]| numbers.iter().map(|n| (ue(*n), MemberId([1, 0, *n]))).collect();
    let services = vec![
        Service {
            id: FIRE,
            kind: Kind::Group { algorithm: Algorithm::Aes, members: members(&[1, 2, 3, 4]) },
        },
        Service { id: POLICE, kind: Kind::Group { algorithm: Algorithm::Zuc, members: members(&[3, 5]) } },
        Service {
            id: KEY_TYPE,
            kind: Kind::Discovery {
                codes: vec![DiscoveryCode::Relay(RELAY), DiscoveryCode::GroupMember(TEAM)],
                protection: ProtectionProfile::NONE.scrambled().with_mic().confidential(),
                encrypted: Some([0x3c; 23]),
                ues: [1, 2, 3].map(ue).to_vec(),
            },
        },
    ];
    let mut config = pkmf::Config::new(pkmf_name(), services, MaxOffset::new(32).unwrap());
    config.limits.ue.interval = 0;
    config.limits.all.interval = 0;
    config
}

pub(crate) struct Phone {
    pub(crate) client: PkmfClient,
    pub(crate) card: Card,
    pub(crate) events: Vec<client::Event>,
    pub(crate) card_works: bool,
    timeout: Option<UtcTime>,
}

/// What a store does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    Works,
    Fails,
    /// Neither answer comes.
    Hangs,
}

/// Odds of what the channel does, of 256.
#[derive(Clone, Copy, Default)]
pub(crate) struct Channel {
    pub(crate) lost: u8,
    pub(crate) repeated: u8,
    /// Milliseconds that a datagram takes at most.
    pub(crate) delay: u64,
}

enum To {
    Pkmf(u8),
    Phone(u8),
}

pub(crate) struct KeyWorld {
    pub(crate) config: pkmf::Config,
    pub(crate) pkmf: Pkmf,
    pub(crate) disk: Disk,
    pub(crate) now: UtcTime,
    pub(crate) medium: Medium,
    pub(crate) channel: Channel,
    pub(crate) phones: BTreeMap<u8, Phone>,
    pub(crate) events: Vec<pkmf::Event>,
    /// Datagrams of the PKMF and to whom, as many as were sent.
    pub(crate) sent: Vec<(u8, Vec<u8>)>,
    pub(crate) responses: Vec<(u8, Response)>,
    pub(crate) hanging: Vec<(pkmf::Ticket, Vec<Change>)>,
    air: Vec<(UtcTime, To, Vec<u8>)>,
    requests: BTreeMap<RequestId, u8>,
    timeout: Option<UtcTime>,
    random: u64,
    /// What was ever sent.
    counters: BTreeSet<([u8; 8], u32)>,
    contents: BTreeMap<KeyName, (Secret256, UtcTime)>,
    pmks: BTreeMap<[u8; 8], Pmk>,
}

const NUMBERS: StreamId = StreamId(*b"numbers of pkmf.");

fn begin(config: &pkmf::Config, disk: &mut Disk, seed: u8) -> Pkmf {
    let reserve = ReserveConfig { block: 8, low_water: 4 };
    let numbers = Lease::open(NUMBERS, 1, u64::MAX, reserve, &mut disk.counters).unwrap();
    Pkmf::new(config.clone(), numbers, &[seed; 32], disk.durable()).unwrap()
}

impl KeyWorld {
    pub(crate) fn new(config: pkmf::Config) -> Self {
        let mut disk = Disk::default();
        Self {
            pkmf: begin(&config, &mut disk, 1),
            config,
            disk,
            now: UtcTime::from_millis(START),
            medium: Medium::Works,
            channel: Channel::default(),
            phones: BTreeMap::new(),
            events: Vec::new(),
            sent: Vec::new(),
            responses: Vec::new(),
            hanging: Vec::new(),
            air: Vec::new(),
            requests: BTreeMap::new(),
            timeout: None,
            random: 0x9e37_79b9_7f4a_7c15,
            counters: BTreeSet::new(),
            contents: BTreeMap::new(),
            pmks: BTreeMap::new(),
        }
    }

    pub(crate) fn seed(&mut self, seed: u64) {
        self.random = seed | 1;
    }

    /// The PKMF dies and begins anew, from what is durable; its source of chance is the same as ever.
    pub(crate) fn restart(&mut self) {
        self.pkmf = begin(&self.config, &mut self.disk, 1);
        self.hanging.clear();
        self.requests.clear();
        self.drain();
    }

    pub(crate) fn add_phone(&mut self, number: u8) -> &mut Phone {
        let client = PkmfClient::new(client::Config::new(pkmf_name()), client::Durable::default());
        let phone =
            Phone { client, card: Card::default(), events: Vec::new(), card_works: true, timeout: None };
        self.phones.insert(number, phone);
        self.phone(number)
    }

    pub(crate) fn phone(&mut self, number: u8) -> &mut Phone {
        self.phones.get_mut(&number).unwrap()
    }

    /// A UE dies and begins anew.
    pub(crate) fn restart_phone(&mut self, number: u8) {
        let now = self.now;
        let phone = self.phone(number);
        phone.client = PkmfClient::new(client::Config::new(pkmf_name()), phone.card.durable());
        phone.client.handle_input(client::Input::Tick { now });
        self.drain();
    }

    pub(crate) fn want(&mut self, number: u8, wanted: &[Wanted]) {
        let now = self.now;
        self.phone(number).client.handle_input(client::Input::Want { now, wanted });
        self.drain();
    }

    pub(crate) fn request(&mut self, number: u8, body: &[u8]) {
        let request = RequestId(self.draw());
        self.requests.insert(request, number);
        let (now, ue, address) = (self.now, ue(number), address(number));
        let content_type = pc8::MEDIA_TYPE;
        self.pkmf.handle_input(pkmf::Input::Request { now, request, ue, address, content_type, body });
    }

    pub(crate) fn input(&mut self, input: pkmf::Input<'_>) {
        self.pkmf.handle_input(input);
        self.drain();
    }

    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn odds(&mut self, of_256: u8) -> bool {
        (self.draw() >> 16) as u8 <= of_256 && of_256 > 0
    }

    /// So many milliseconds go by, and nobody looks.
    pub(crate) fn want_nothing_for(&mut self, millis: u64) {
        self.now = self.now.plus_millis(millis);
    }

    /// So many milliseconds go by.
    pub(crate) fn run(&mut self, millis: u64) {
        let end = self.now.plus_millis(millis);
        loop {
            self.drain();
            let air = self.air.iter().map(|(at, ..)| *at);
            let phones = self.phones.values().filter_map(|phone| phone.timeout);
            let next = air.chain(phones).chain(self.timeout).min().filter(|at| *at <= end);
            let Some(at) = next else { break };
            assert!(at >= self.now || self.air.iter().any(|(due, ..)| *due == at), "time stands still");
            self.now = self.now.max(at);
            self.arrive();
            let now = self.now;
            self.pkmf.handle_input(pkmf::Input::Tick { now });
            self.phones.values_mut().for_each(|phone| phone.client.handle_input(client::Input::Tick { now }));
        }
        self.now = end;
        self.pkmf.handle_input(pkmf::Input::Tick { now: end });
        self.drain();
    }

    fn arrive(&mut self) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.air).into_iter().partition(|(at, ..)| *at <= now);
        self.air = later;
        for (_, to, octets) in due {
            match to {
                To::Pkmf(number) => {
                    let from = address(number);
                    self.pkmf.handle_input(pkmf::Input::Datagram { now, from, octets: &octets });
                }
                To::Phone(number) => {
                    if let Some(phone) = self.phones.get_mut(&number) {
                        phone.client.handle_input(client::Input::Datagram { now, octets: &octets });
                    }
                }
            }
            self.drain();
        }
    }

    fn fly(&mut self, to: fn(u8) -> To, number: u8, octets: &[u8]) {
        let Channel { lost, repeated, delay } = self.channel;
        for copy in 0..3 {
            let goes = if copy == 0 { !self.odds(lost) } else { self.odds(repeated) };
            let at = self.now.plus_millis(self.draw() % (delay + 1));
            if goes {
                self.air.push((at, to(number), octets.to_vec()));
            }
        }
    }

    /// Does what everybody says, until nobody says anything.
    pub(crate) fn drain(&mut self) {
        loop {
            let pkmf = self.drain_pkmf();
            let numbers: Vec<_> = self.phones.keys().copied().collect();
            let phones = numbers.into_iter().filter(|number| self.drain_phone(*number)).count();
            if !pkmf && phones == 0 {
                return;
            }
        }
    }

    fn drain_pkmf(&mut self) -> bool {
        let mut any = false;
        loop {
            let now = self.now;
            match self.pkmf.poll_output() {
                pkmf::Output::Timeout(at) => {
                    self.timeout = at;
                    return any;
                }
                pkmf::Output::Respond { request, response } => self.responded(request, response),
                pkmf::Output::Send { to, octets } => {
                    let IpAddr::V4(to) = to else { panic!("{to}") };
                    let number = to.octets()[3];
                    self.judge_sent(number, &octets);
                    self.fly(To::Phone, number, &octets);
                    self.sent.push((number, octets));
                }
                pkmf::Output::Store { ticket, changes } => match self.medium {
                    Medium::Works => {
                        changes.into_iter().for_each(|change| self.disk.apply(change));
                        self.pkmf.handle_input(pkmf::Input::Stored { now, ticket });
                    }
                    Medium::Fails => self.pkmf.handle_input(pkmf::Input::StoreFailed { now, ticket }),
                    Medium::Hangs => self.hanging.push((ticket, changes)),
                },
                pkmf::Output::Reserve(reservation) if self.medium == Medium::Fails => {
                    let stream = reservation.stream();
                    self.pkmf.handle_input(pkmf::Input::ReservationFailed { now, stream });
                }
                pkmf::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.disk.counters).unwrap();
                    self.pkmf.handle_input(pkmf::Input::Granted { now, granted });
                }
                pkmf::Output::Push(request) => panic!("no relay asks here: {request:?}"),
                pkmf::Output::Event(event) => self.events.push(event),
            }
            any = true;
        }
    }

    /// What hung becomes durable after all.
    pub(crate) fn unhang(&mut self) {
        for (ticket, changes) in std::mem::take(&mut self.hanging) {
            changes.into_iter().for_each(|change| self.disk.apply(change));
            let now = self.now;
            self.pkmf.handle_input(pkmf::Input::Stored { now, ticket });
            self.drain();
        }
    }

    fn responded(&mut self, request: RequestId, response: Response) {
        let (now, number) = (self.now, self.requests.remove(&request).expect("one answer a request"));
        if let Response::Message(body) = &response {
            self.judge_answer(number, body.as_bytes());
        }
        if let Some(phone) = self.phones.get_mut(&number) {
            match &response {
                Response::Message(body) => {
                    phone.client.handle_input(client::Input::Response { now, body: body.as_bytes() });
                }
                Response::Refused(_) => phone.client.handle_input(client::Input::Lost { now }),
            }
        }
        self.responses.push((number, response));
    }

    fn drain_phone(&mut self, number: u8) -> bool {
        let mut any = false;
        loop {
            let now = self.now;
            let phone = self.phone(number);
            match phone.client.poll_output() {
                client::Output::Timeout(at) => {
                    phone.timeout = at;
                    return any;
                }
                client::Output::Request(body) => {
                    if self.odds(self.channel.lost) {
                        self.phone(number).client.handle_input(client::Input::Lost { now });
                    } else {
                        self.request(number, body.as_bytes());
                    }
                }
                client::Output::Send(octets) => {
                    self.judge_acknowledged(number, &octets);
                    self.fly(To::Pkmf, number, &octets);
                }
                client::Output::Store { ticket, changes } => {
                    if phone.card_works {
                        changes.into_iter().for_each(|change| phone.card.apply(change));
                        phone.client.handle_input(client::Input::Stored { now, ticket });
                    } else {
                        phone.client.handle_input(client::Input::StoreFailed { now, ticket });
                    }
                }
                client::Output::Pruk(_) => panic!("nobody wants a PRUK here"),
                client::Output::Event(event) => phone.events.push(event),
            }
            any = true;
        }
    }

    /// A PMK is durable when it is told, and is told once.
    fn judge_answer(&mut self, number: u8, body: &[u8]) {
        let Ok(Message::KeyResponse(answer)) = Message::from_xml(body) else { panic!("no answer") };
        if let Some(info) = answer.pmk {
            let stored = self.disk.ues.get(&ue(number)).expect("the PMK is durable");
            assert_eq!((stored.pmk_id, &stored.pmk), (info.id, &info.pmk), "the PMK that is durable");
            let twice = self.pmks.values().any(|pmk| *pmk == info.pmk);
            assert!(!twice, "a PMK twice");
            assert!(self.pmks.insert(info.id.0, info.pmk).is_none(), "a PMK ID twice");
        }
    }

    /// No counter comes twice; what is sent is durable, and one key alone has a name as long as it counts.
    fn judge_sent(&mut self, number: u8, octets: &[u8]) {
        let received = Received::parse(octets, &self.config.name).unwrap();
        let (id, counter) = (received.pmk_id, received.counter);
        assert!(self.counters.insert((id.0, counter)), "counter {counter} twice");
        let reserved = self.disk.counters.reserved(&pkmf::stream(id)).unwrap();
        assert!(counter > 0 && u64::from(counter) < reserved, "the counter is durable");
        let stored = self.disk.ues.get(&ue(number)).expect("a UE that is durable");
        assert_eq!(stored.pmk_id, id);
        let Content::Key(name, key, period) = received.verify(&stored.pmk).unwrap().content else { return };
        let record = self.disk.keys.get(&name).expect("the key is durable");
        assert_eq!((&record.key, record.period), (&key, period));
        assert!(self.now.counter() < period.to, "a key that has ended");
        assert_eq!(record.standing, Standing::Valid, "a revoked key is given to nobody");
        let may = !self.disk.revocations.contains(&(name.service, ue(number)));
        assert!(may, "a revoked UE gets nothing");
        if let Some((before, end)) = self.contents.get(&name) {
            assert!(*before == key || self.now >= *end, "two keys under one name");
        }
        self.contents.insert(name, (key, UtcTime::from_counter(period.to)));
    }

    /// What a UE says that it has is durable, and so is the counter.
    fn judge_acknowledged(&mut self, number: u8, octets: &[u8]) {
        let name = self.config.name.clone();
        let answer = crate::key_delivery::Verification::parse(octets, &name).unwrap();
        let pmk = self.phone(number).card.pmk.as_ref().expect("a PMK that is durable");
        assert_eq!(pmk.id, answer.pmk_id);
        assert!(pmk.counter >= answer.counter, "the counter is durable");
        let pmk = Pmk::from(*pmk.pmk.as_bytes());
        let message = self.sent.iter().filter(|(to, _)| *to == number).find_map(|(_, octets)| {
            let received = Received::parse(octets, &name).unwrap();
            (received.counter == answer.counter && received.pmk_id == answer.pmk_id)
                .then(|| received.verify(&pmk).unwrap().content)
        });
        match message.expect("an answer to something") {
            Content::Key(key, ..) => assert!(self.phone(number).card.keys.contains_key(&key)),
            Content::Delete(key) => assert!(!self.phone(number).card.keys.contains_key(&key)),
            Content::Solicit(_) => panic!("nobody asked for an answer"),
        }
    }

    /// IDs of the keys that a UE has, of a service.
    pub(crate) fn ids(&mut self, number: u8, service: ServiceId) -> Vec<u8> {
        let keys = &self.phone(number).card.keys;
        keys.keys().filter(|name| name.service == service).map(|name| name.id.get()).collect()
    }
}
