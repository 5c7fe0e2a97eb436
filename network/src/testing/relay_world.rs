//! A remote UE, a relay, their PKMF, a BSF that pushes and an HSS; between them the messages of PC5 as values. Each write of the
//! PKMF and of the remote UE can be its last.

use sidelink_security::counter::UtcTime;
use sidelink_security::counter::reserve::{Lease, ReserveConfig, StreamId};
use sidelink_security::keys::Kd;

use core::net::{IpAddr, Ipv4Addr};

use super::World;
use super::key_world::{Disk, RELAY, pkmf_name};
use crate::gba_push::bsf::{self as push, PushBsf};
use crate::identity::Impi;
use crate::pc3::{Imsi, MaxOffset, Plmn};
use crate::pc8::response::KeyResponse;
use crate::pc8::{self, Code, Message, OtherId};
use crate::pkmf::{self, Pkmf, Remote, Response, Told};
use crate::pkmf_client::{self as client, PkmfClient};
use crate::relay_client::{self as relay, Granted, RelayClient};
use crate::remote_ue::{self as remote, Failure, ImsiPolicy, LinkId, Proof, RemoteUe, Slots, User};
use crate::usim::{SqnArray, Usim};

pub(crate) const OTHER: OtherId = OtherId([0xaa; 16]);

pub(crate) fn relay_ue(number: u8) -> Impi {
    super::key_world::ue(100 + number)
}

pub(crate) fn remote_imsi() -> Imsi {
    Imsi::new(Plmn::new("001", "01").unwrap(), "0000000001").unwrap()
}

/// One remote UE, which may use relays 1 and 2 for [`RELAY`]; relay 3 is for another service.
pub(crate) fn config() -> pkmf::Config {
    let mut config = pkmf::Config::new(pkmf_name(), Vec::new(), MaxOffset::new(32).unwrap());
    config.relays.relays = vec![
        (relay_ue(1), vec![RELAY, Code([7; 3])]),
        (relay_ue(2), vec![RELAY]),
        (relay_ue(3), vec![Code([7; 3])]),
    ];
    config.relays.remotes =
        vec![Remote { ue: super::impi(), imsi: remote_imsi(), codes: vec![RELAY], told: Told::Other(OTHER) }];
    for limit in [&mut config.limits.ue, &mut config.limits.relay, &mut config.limits.push] {
        limit.interval = 0;
    }
    config.limits.all.interval = 0;
    config
}

/// Who dies at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Pkmf,
    Remote,
}

/// Whether the last write is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

/// Somebody died.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Died;

/// Why a link came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoLink {
    Died,
    Relay(relay::Refused),
    Remote(Failure),
}

impl From<Died> for NoLink {
    fn from(_: Died) -> Self {
        Self::Died
    }
}

pub(crate) struct RelayWorld {
    pub(crate) net: World,
    push: PushBsf,
    config: pkmf::Config,
    pub(crate) pkmf: Pkmf,
    pub(crate) disk: Disk,
    pub(crate) relay: RelayClient,
    pub(crate) relay_number: u8,
    pub(crate) policy: ImsiPolicy,
    pub(crate) remote: RemoteUe,
    pub(crate) slots: Slots,
    pub(crate) sqn: SqnArray,
    pub(crate) client: PkmfClient,
    pub(crate) events: Vec<pkmf::Event>,
    /// Vectors that were asked for.
    pub(crate) pushes: usize,
    pub(crate) bsf_works: bool,
    /// The ACCEPT of the relay is lost.
    pub(crate) accept_lost: bool,
    /// Changes what the PKMF asks the BSF for.
    pub(crate) misdirect: Option<fn(&mut push::Request)>,
    /// Changes the GPI on its way.
    pub(crate) tamper: Option<fn(&mut Vec<u8>)>,
    /// Names that were shown on the air.
    pub(crate) shown: Vec<User>,
    /// GPIs that were sent on the air.
    pub(crate) gpis: Vec<Vec<u8>>,
    /// Octets of the last request and answer over PC8.
    pub(crate) octets: (usize, usize),
    /// Writes until now, and at which of them who dies.
    pub(crate) writes: usize,
    pub(crate) dies: Option<(usize, When)>,
    pub(crate) died: Option<Side>,
    links: u32,
    requests: u64,
}

const NUMBERS: StreamId = StreamId(*b"numbers of pkmf.");

fn begin(config: &pkmf::Config, disk: &mut Disk) -> Pkmf {
    let reserve = ReserveConfig { block: 8, low_water: 4 };
    let numbers = Lease::open(NUMBERS, 1, u64::MAX, reserve, &mut disk.counters).unwrap();
    Pkmf::new(config.clone(), numbers, &[1; 32], disk.durable()).unwrap()
}

fn remote_ue(policy: ImsiPolicy, sqn: &SqnArray, slots: &Slots) -> RemoteUe {
    let config = remote::Config {
        impi: super::impi(),
        imsi: remote_imsi(),
        pkmf: pkmf_name(),
        policy,
        derivation: Default::default(),
    };
    RemoteUe::new(config, Usim::new(super::keys(), sqn.clone()), slots.duplicate())
}

fn phone() -> PkmfClient {
    PkmfClient::new(client::Config::new(pkmf_name()), client::Durable::default())
}

impl RelayWorld {
    pub(crate) fn new(config: pkmf::Config) -> Self {
        let (mut disk, slots, sqn) = (Disk::default(), Slots::default(), SqnArray::default());
        let policy = ImsiPolicy::default();
        Self {
            net: World::new(|_| ()),
            push: PushBsf::new(push::Config::default()),
            pkmf: begin(&config, &mut disk),
            config,
            disk,
            relay: RelayClient::new(5_000),
            relay_number: 1,
            policy,
            remote: remote_ue(policy, &sqn, &slots),
            slots,
            sqn,
            client: phone(),
            events: Vec::new(),
            pushes: 0,
            bsf_works: true,
            accept_lost: false,
            misdirect: None,
            tamper: None,
            shown: Vec::new(),
            gpis: Vec::new(),
            octets: (0, 0),
            writes: 0,
            dies: None,
            died: None,
            links: 0,
            requests: 0,
        }
    }

    pub(crate) fn now(&self) -> UtcTime {
        self.net.now
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.net.now = self.net.now.plus_millis(millis);
        let now = self.now();
        self.input(pkmf::Input::Tick { now });
    }

    pub(crate) fn with_policy(mut self, policy: ImsiPolicy) -> Self {
        self.policy = policy;
        self.restart_remote();
        self
    }

    pub(crate) fn restart_pkmf(&mut self) {
        self.pkmf = begin(&self.config, &mut self.disk);
    }

    /// The remote UE begins anew from what is durable, its card too.
    pub(crate) fn restart_remote(&mut self) {
        self.remote = remote_ue(self.policy, &self.sqn, &self.slots);
        self.client = phone();
    }

    /// One more write: true where it is made, an error where it was the last.
    fn write(&mut self, side: Side) -> Option<When> {
        self.writes += 1;
        let (_, when) = self.dies.take_if(|(at, _)| *at == self.writes)?;
        self.died = Some(side);
        Some(when)
    }

    pub(crate) fn input(&mut self, input: pkmf::Input<'_>) -> Option<Response> {
        self.pkmf.handle_input(input);
        self.settle_pkmf().ok().flatten()
    }

    /// Does what the PKMF says; the answer, if there is one.
    fn settle_pkmf(&mut self) -> Result<Option<Response>, Died> {
        let mut answer = None;
        loop {
            let now = self.now();
            match self.pkmf.poll_output() {
                pkmf::Output::Timeout(_) => return Ok(answer),
                pkmf::Output::Respond { response, .. } => answer = Some(response),
                pkmf::Output::Store { ticket, changes } => {
                    let dies = self.write(Side::Pkmf);
                    if dies != Some(When::Before) {
                        changes.into_iter().for_each(|change| self.disk.apply(change));
                    }
                    if dies.is_some() {
                        self.restart_pkmf();
                        return Err(Died);
                    }
                    self.pkmf.handle_input(pkmf::Input::Stored { now, ticket });
                }
                pkmf::Output::Push(request) => {
                    self.pushes += 1;
                    let (ticket, result) = (request.ticket, self.pushed(*request));
                    self.pkmf.handle_input(pkmf::Input::Pushed { now, ticket, result });
                }
                pkmf::Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.disk.counters).unwrap();
                    self.pkmf.handle_input(pkmf::Input::Granted { now, granted });
                }
                pkmf::Output::Send { .. } => panic!("there are no groups here"),
                pkmf::Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn pushed(&mut self, mut request: push::Request) -> Result<push::Pushed, push::Refusal> {
        self.misdirect.iter().for_each(|misdirect| misdirect(&mut request));
        if !self.bsf_works {
            return Err(push::Refusal::Late);
        }
        let now = self.now();
        self.push.handle_input(push::Input::Request { now, request });
        loop {
            match self.push.poll_output() {
                push::Output::Fetch { ticket, impi, resynchronisation } => {
                    let result = self.net.vector(ticket, impi, resynchronisation);
                    self.push.handle_input(push::Input::Vector { now, ticket, result });
                }
                push::Output::Answer { result, .. } => return result,
                push::Output::Timeout(at) => panic!("{at:?}"),
            }
        }
    }

    /// What the PKMF answers to a UE.
    pub(crate) fn ask(&mut self, ue: Impi, body: &str) -> Result<Option<Response>, Died> {
        self.requests += 1;
        let (now, request) = (self.now(), pkmf::RequestId(self.requests));
        let (address, content_type) = (IpAddr::V4(Ipv4Addr::LOCALHOST), pc8::MEDIA_TYPE);
        let body = body.as_bytes();
        self.pkmf.handle_input(pkmf::Input::Request { now, request, ue, address, content_type, body });
        let answer = self.settle_pkmf()?;
        if let Some(Response::Message(answer)) = &answer {
            self.octets = (body.len(), answer.len());
        }
        Ok(answer)
    }

    /// The message that a PKMF answers with.
    pub(crate) fn message(&mut self, ue: Impi, body: &str) -> KeyResponse {
        match self.ask(ue, body) {
            Ok(Some(Response::Message(answer))) => match Message::from_xml(answer.as_bytes()) {
                Ok(Message::KeyResponse(answer)) => answer,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Does what the remote UE's keys say; what is left.
    pub(crate) fn settle_remote(&mut self) -> Result<Vec<remote::Output>, Died> {
        let mut left = Vec::new();
        while let Some(output) = self.remote.poll_output() {
            match output {
                remote::Output::Store { ticket, slots } => {
                    self.remote_writes(|world| world.slots = slots)?;
                    self.remote.handle_input(remote::Input::Stored(ticket));
                }
                remote::Output::StoreUsim(array) => {
                    self.remote_writes(|world| world.sqn = array)?;
                    self.remote.handle_input(remote::Input::UsimStored);
                }
                remote::Output::Holds(pruk) => {
                    let now = self.now();
                    self.client.handle_input(client::Input::Holds { now, pruk });
                }
                other => left.push(other),
            }
        }
        Ok(left)
    }

    fn remote_writes(&mut self, write: impl FnOnce(&mut Self)) -> Result<(), Died> {
        let dies = self.write(Side::Remote);
        if dies != Some(When::Before) {
            write(self);
        }
        if dies.is_some() {
            self.restart_remote();
            return Err(Died);
        }
        Ok(())
    }

    /// The remote UE asks for a PRUK over PC8; why it gets none.
    pub(crate) fn fetch(&mut self) -> Result<Vec<client::Event>, Died> {
        let (now, pruk) = (self.now(), self.remote.holds());
        self.client.handle_input(client::Input::Holds { now, pruk });
        self.client.handle_input(client::Input::Want { now, wanted: &[client::Wanted::Pruk] });
        let mut events = Vec::new();
        loop {
            let now = self.now();
            match self.client.poll_output() {
                client::Output::Timeout(_) => return Ok(events),
                client::Output::Request(body) => match self.ask(super::impi(), &body)? {
                    Some(Response::Message(body)) => {
                        let body = body.as_bytes();
                        self.client.handle_input(client::Input::Response { now, body });
                    }
                    _ => self.client.handle_input(client::Input::Lost { now }),
                },
                client::Output::Pruk(info) => {
                    let held = remote::Held { id: info.id, pruk: info.pruk };
                    self.remote.handle_input(remote::Input::Provisioned(held));
                    self.settle_remote()?;
                }
                client::Output::Event(event) => {
                    if matches!(event, client::Event::Rejected(client::Wanted::Pruk, _)) {
                        self.remote.handle_input(remote::Input::Refused);
                        self.settle_remote()?;
                    }
                    events.push(event);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// What the PKMF lets the relay have.
    pub(crate) fn granted(&mut self, link: LinkId) -> Result<Granted, NoLink> {
        loop {
            let now = self.now();
            match self.relay.poll_output() {
                relay::Output::Request { link, body } => {
                    match self.ask(relay_ue(self.relay_number), &body)? {
                        Some(Response::Message(body)) => {
                            let body = body.as_bytes();
                            self.relay.handle_input(relay::Input::Response { now, link, body });
                        }
                        _ => self.relay.handle_input(relay::Input::Lost { now, link }),
                    }
                }
                relay::Output::Granted { link: of, granted } if of == link => return Ok(*granted),
                relay::Output::Refused { why, .. } => return Err(NoLink::Relay(why)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// A link from the request to the ACCEPT: the KD of both ends is one.
    pub(crate) fn connect(&mut self) -> Result<(), NoLink> {
        self.links += 1;
        let (link, nonce_1) = (LinkId(self.links), [self.links as u8; 16]);
        let result = self.link(link, nonce_1);
        let now = self.now();
        self.relay.handle_input(relay::Input::Ended { now, link });
        self.remote.handle_input(remote::Input::Ended(link));
        result
    }

    fn link(&mut self, link: LinkId, nonce_1: [u8; 16]) -> Result<(), NoLink> {
        self.remote.handle_input(remote::Input::Connect { link, service: RELAY, nonce_1 });
        let user = match self.settle_remote()?.pop() {
            Some(remote::Output::Request { user, .. }) => user,
            Some(remote::Output::Failed { why, .. }) => return Err(NoLink::Remote(why)),
            other => panic!("{other:?}"),
        };
        self.shown.push(user);
        let now = self.now();
        self.relay.handle_input(relay::Input::Ask { now, link, user, service: RELAY, nonce_1 });
        let mut granted = self.granted(link)?;
        loop {
            match self.commanded(link, &granted)? {
                remote::Output::Kd { kd, .. } => {
                    assert!(kd == granted.kd, "the MAC of the command");
                    break;
                }
                remote::Output::Resynchronise { rand, auts, .. } => {
                    self.relay.handle_input(relay::Input::Resynchronise { now, link, rand, auts });
                    granted = self.granted(link)?;
                }
                remote::Output::Failed { why, .. } => return Err(NoLink::Remote(why)),
                other => panic!("{other:?}"),
            }
        }
        if !self.accept_lost {
            self.remote.handle_input(remote::Input::Accepted(link));
            assert!(self.settle_remote()?.is_empty());
        }
        Ok(())
    }

    fn commanded(&mut self, link: LinkId, granted: &Granted) -> Result<remote::Output, Died> {
        let now = self.now();
        let gpi = granted.gpi.as_ref().map(|gpi| {
            let mut octets = gpi.octets().to_vec();
            self.tamper.iter().for_each(|tamper| tamper(&mut octets));
            octets
        });
        self.gpis.extend(gpi.clone());
        let (freshness, gpi) = (granted.freshness, gpi.as_deref());
        self.remote.handle_input(remote::Input::Command { now, link, freshness, gpi });
        Ok(self.settle_remote()?.pop().expect("it says something"))
    }

    /// What the remote UE makes of a command that anybody says, after a request of its own.
    pub(crate) fn forged(&mut self, gpi: Option<&[u8]>) -> Vec<remote::Output> {
        self.links += 1;
        let (now, link) = (self.now(), LinkId(self.links));
        self.remote.handle_input(remote::Input::Connect { link, service: RELAY, nonce_1: [9; 16] });
        self.settle_remote().unwrap();
        self.remote.handle_input(remote::Input::Command { now, link, freshness: [8; 16], gpi });
        self.settle_remote().unwrap()
    }

    /// Somebody says that the PRUK ID is unknown; what it calls itself then.
    pub(crate) fn rejected(&mut self, proof: Proof) -> Option<User> {
        self.links += 1;
        let link = LinkId(self.links);
        self.remote.handle_input(remote::Input::Connect { link, service: RELAY, nonce_1: [9; 16] });
        self.settle_remote().unwrap();
        self.remote.handle_input(remote::Input::Rejected { link, proof });
        self.links += 1;
        let link = LinkId(self.links);
        self.remote.handle_input(remote::Input::Connect { link, service: RELAY, nonce_1: [9; 16] });
        match self.settle_remote().unwrap().pop() {
            Some(remote::Output::Request { user, .. }) => Some(user),
            _ => None,
        }
    }

    /// Whether a KD is of a PRUK that the remote UE has.
    pub(crate) fn kd_is_of(&self, kd: &Kd, freshness: &[u8; 16], nonce_1: &[u8; 16]) -> bool {
        let held = self.slots.current.iter().chain(&self.slots.pending);
        held.into_iter().any(|held| {
            sidelink_security::kdf::lte::relay_kd(&held.pruk, &RELAY.0, nonce_1, freshness) == *kd
        })
    }
}
