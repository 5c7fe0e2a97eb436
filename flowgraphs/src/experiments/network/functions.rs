//! HSS, BSF and ProSe Function with their store in memory: a message in, messages out.

use super::messages::{Message, Service, TlsAnswer, TlsRequest, UeId};
use super::naf::{self, Judged, Naf};
use sidelink_network::aka::Rand;
use sidelink_network::bsf::{self, Bsf, Connection};
use sidelink_network::hss::{self, Hss, Node, Purpose, Subject, Vector};
use sidelink_network::identity::Impi;
use sidelink_network::key_delivery::ServiceId;
use sidelink_network::pc3::Imsi;
use sidelink_network::pc8;
use sidelink_network::pkmf::{self, Pkmf};
use sidelink_network::prose_function::{
    self as function, Answer, Input, Output, ProseFunction, RequestId, Response, Subscription,
};
use sidelink_security::counter::UtcTime;
use sidelink_security::counter::memory::Memory;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// A subscriber of the network, as the ProSe Function sees it.
pub(crate) struct Known {
    pub(crate) ue: UeId,
    pub(crate) imsi: Imsi,
    pub(crate) subscription: Subscription,
}

/// The functions.
pub(crate) struct Functions {
    pub(crate) hss: Hss,
    bsf: Bsf,
    function: ProseFunction,
    pkmf: Pkmf,
    /// Of the ProSe Function and of the PKMF.
    nafs: [Naf; 2],
    disk: Memory,
    subscribers: BTreeMap<Impi, Known>,
    /// Requests at the ProSe Function, by its own names.
    serving: BTreeMap<RequestId, (UeId, RequestId)>,
    next_request: u64,
    /// What the ProSe Function reports.
    pub(crate) events: Vec<function::Event>,
}

impl Functions {
    pub(crate) fn new(hss: Hss, bsf: Bsf, function: ProseFunction, pkmf: Pkmf, disk: Memory) -> Self {
        Self {
            hss,
            bsf,
            function,
            pkmf,
            nafs: nafs(),
            disk,
            subscribers: BTreeMap::new(),
            serving: BTreeMap::new(),
            next_request: 0,
            events: Vec::new(),
        }
    }

    /// Makes a subscriber known to the ProSe Function.
    pub(crate) fn know(&mut self, impi: Impi, known: Known) {
        self.subscribers.insert(impi, known);
    }

    /// Withdraws something, as the operator.
    pub(crate) fn revoke(&mut self, now: UtcTime, what: function::Revocation) -> Vec<Message> {
        self.function.handle_input(Input::Revoke { now, what });
        self.work_function(now)
    }

    /// Takes a UE's right to keys of a group, as the operator.
    pub(crate) fn revoke_member(&mut self, now: UtcTime, service: ServiceId, ue: Impi) -> Vec<Message> {
        self.pkmf.handle_input(pkmf::Input::Revoke { now, service, ue });
        self.work_pkmf(now)
    }

    /// Takes a message. `rand` are random octets for a vector.
    pub(crate) fn receive(&mut self, now: UtcTime, message: Message, rand: [u8; 16]) -> Vec<Message> {
        match message {
            Message::UbRequest(ue, _, request) => {
                let from = Connection(ue.0 as u64);
                self.bsf.handle_input(bsf::Input::Request { now, from, request: &request });
                self.work_bsf()
            }
            Message::VectorRequest { ticket, impi, resynchronisation } => {
                self.hss.handle_input(hss::Input::Request(hss::Request {
                    now,
                    ticket,
                    subject: Subject::Impi(impi),
                    node: Node::Bsf,
                    purpose: Purpose::Gba,
                    rand: Rand(rand),
                    resynchronisation,
                }));
                self.work_hss()
            }
            Message::VectorAnswer { ticket, result } => {
                self.bsf.handle_input(bsf::Input::Vector { now, ticket, result });
                self.work_bsf()
            }
            Message::KeyRequest { by, ticket, b_tid } => {
                let naf_id = naf::naf_id(by);
                let naf = naf_id.fqdn.clone();
                self.bsf.handle_input(bsf::Input::KeyRequest { now, ticket, naf, b_tid, naf_id });
                self.work_bsf()
            }
            Message::KeyAnswer { by, ticket, result } => {
                match self.nafs[by as usize].answered(ticket, result.ok()) {
                    Some((ue, request)) => self.serve(now, ue, request, Tries::Last),
                    None => Vec::new(),
                }
            }
            Message::TlsRequest(ue, request) => self.serve(now, ue, request, Tries::First),
            Message::Verification(ue, octets) => {
                self.pkmf.handle_input(pkmf::Input::Datagram { now, from: address(ue), octets: &octets });
                self.work_pkmf(now)
            }
            Message::SubscriptionRequest(imsi) => {
                let known = self.subscribers.values().find(|known| known.imsi == imsi);
                let answer = known.map_or(Answer::Unknown, |known| Answer::Known(known.subscription.clone()));
                vec![Message::SubscriptionAnswer(imsi, answer)]
            }
            Message::SubscriptionAnswer(ue, answer) => {
                self.function.handle_input(Input::Subscription { now, ue, answer });
                self.work_function(now)
            }
            Message::UbResponse(..) | Message::TlsAnswer(..) | Message::Push(..) | Message::Keys(..) => {
                Vec::new()
            }
        }
    }

    /// Loses every bootstrapped key.
    #[cfg(test)]
    pub(crate) fn forget_keys(&mut self, bsf: Bsf) {
        (self.bsf, self.nafs) = (bsf, nafs());
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: UtcTime) -> Vec<Message> {
        self.bsf.handle_input(bsf::Input::Tick { now });
        let mut messages = self.work_bsf();
        self.function.handle_input(Input::Tick { now });
        messages.extend(self.work_function(now));
        self.pkmf.handle_input(pkmf::Input::Tick { now });
        messages.extend(self.work_pkmf(now));
        messages
    }

    /// Returns when time has to pass, if nothing comes before.
    pub(crate) fn deadline(&mut self) -> Option<UtcTime> {
        let bsf = match self.bsf.poll_output() {
            bsf::Output::Timeout(at) => at,
            _ => None,
        };
        let function = match self.function.poll_output() {
            Output::Timeout(at) => at,
            _ => None,
        };
        let pkmf = match self.pkmf.poll_output() {
            pkmf::Output::Timeout(at) => at,
            _ => None,
        };
        bsf.into_iter().chain(function).chain(pkmf).min()
    }

    /// Serves a request of a UE whose key is known, or asks for its key once.
    fn serve(&mut self, now: UtcTime, ue: UeId, request: TlsRequest, tries: Tries) -> Vec<Message> {
        let (to, name, b_tid) = (request.to, request.request, request.b_tid.clone());
        let unknown = || vec![Message::TlsAnswer(ue, to, name, TlsAnswer::UnknownKey)];
        let (judged, request) = self.nafs[to as usize].judge(ue, request, now);
        match (judged, request, tries) {
            (Judged::Of(impi), Some(request), _) => match self.subscribers.get(&impi) {
                Some(known) if known.ue == ue => {
                    let own = RequestId(self.next_request);
                    self.next_request += 1;
                    self.serving.insert(own, (ue, name));
                    let body = request.body.as_bytes();
                    match to {
                        Service::ProseFunction => {
                            let ue = known.imsi;
                            let solution = None;
                            let request = own;
                            self.function.handle_input(Input::Message { now, request, ue, solution, body });
                            self.work_function(now)
                        }
                        Service::Pkmf => {
                            let (request, address) = (pkmf::RequestId(own.0), address(ue));
                            let content_type = pc8::MEDIA_TYPE;
                            let ue = impi;
                            self.pkmf.handle_input(pkmf::Input::Request {
                                now,
                                request,
                                ue,
                                address,
                                content_type,
                                body,
                            });
                            self.work_pkmf(now)
                        }
                    }
                }
                _ => unknown(),
            },
            (Judged::Ask(ticket), _, Tries::First) => vec![Message::KeyRequest { by: to, ticket, b_tid }],
            (Judged::Ask(ticket), _, Tries::Last) => {
                // The BSF knows no such key.
                self.nafs[to as usize].answered(ticket, None);
                unknown()
            }
            _ => unknown(),
        }
    }

    fn work_hss(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.hss.poll_output() {
                hss::Output::Reserve(reservation) => {
                    if let Ok(granted) = reservation.commit(&mut self.disk) {
                        self.hss.handle_input(hss::Input::Granted { granted });
                    }
                }
                hss::Output::Answer { ticket, result } => {
                    let result = result.and_then(|vector| match vector {
                        Vector::Gba(quintet) => Ok(quintet),
                        _ => Err(hss::Refusal::NotForThisNode),
                    });
                    messages.push(Message::VectorAnswer { ticket, result });
                }
                hss::Output::Timeout(_) => return messages,
            }
        }
    }

    fn work_bsf(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.bsf.poll_output() {
                bsf::Output::Response { to, response } => {
                    messages.push(Message::UbResponse(UeId(to.0 as usize), response));
                }
                bsf::Output::Fetch { ticket, impi, resynchronisation } => {
                    messages.push(Message::VectorRequest { ticket, impi, resynchronisation });
                }
                bsf::Output::Store { ticket, .. } => {
                    self.bsf.handle_input(bsf::Input::Stored { ticket });
                }
                bsf::Output::Key { ticket, result } => {
                    let by = if ticket.0 % 2 == 0 { Service::ProseFunction } else { Service::Pkmf };
                    messages.push(Message::KeyAnswer { by, ticket, result });
                }
                bsf::Output::Forget { .. } => {}
                bsf::Output::Timeout(_) => return messages,
            }
        }
    }

    fn work_function(&mut self, now: UtcTime) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.function.poll_output() {
                Output::Respond { request, response } => {
                    if let Some((ue, name)) = self.serving.remove(&request) {
                        let answer = TlsAnswer::Response(response);
                        messages.push(Message::TlsAnswer(ue, Service::ProseFunction, name, answer));
                    }
                }
                Output::Push { ue, body } => {
                    let known = self.subscribers.values().find(|known| known.imsi == ue);
                    messages.extend(known.map(|known| Message::Push(known.ue, body)));
                }
                Output::AskSubscription { ue } => messages.push(Message::SubscriptionRequest(ue)),
                Output::Store { ticket, .. } => self.function.handle_input(Input::Stored { now, ticket }),
                Output::Reserve(reservation) => match reservation.commit(&mut self.disk) {
                    Ok(granted) => self.function.handle_input(Input::Granted { now, granted }),
                    Err(_) => self.function.handle_input(Input::ReservationFailed { now }),
                },
                // No other network asks.
                Output::Tell { .. } => {}
                Output::Event(event) => self.events.push(event),
                // This run has no second start to hint at, and no UE that asks for EPC-level discovery.
                Output::RememberRefusal { .. } | Output::EpcLevel { .. } | Output::PublicKeys { .. } => {}
                Output::Timeout(_) => return messages,
            }
        }
    }
}

impl Functions {
    fn work_pkmf(&mut self, now: UtcTime) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            match self.pkmf.poll_output() {
                pkmf::Output::Respond { request, response } => {
                    if let Some((ue, name)) = self.serving.remove(&RequestId(request.0)) {
                        let answer = TlsAnswer::Keys(response);
                        messages.push(Message::TlsAnswer(ue, Service::Pkmf, name, answer));
                    }
                }
                pkmf::Output::Send { to, octets } => {
                    messages.extend(ue_of(to).map(|ue| Message::Keys(ue, octets)));
                }
                pkmf::Output::Store { ticket, .. } => {
                    self.pkmf.handle_input(pkmf::Input::Stored { now, ticket });
                }
                pkmf::Output::Reserve(reservation) => {
                    if let Ok(granted) = reservation.commit(&mut self.disk) {
                        self.pkmf.handle_input(pkmf::Input::Granted { now, granted });
                    }
                }
                // No relay asks here.
                pkmf::Output::Push(_) | pkmf::Output::Event(_) => {}
                pkmf::Output::Timeout(_) => return messages,
            }
        }
    }
}

const fn nafs() -> [Naf; 2] {
    [Naf::new(Service::ProseFunction), Naf::new(Service::Pkmf)]
}

/// Address of a UE, for MIKEY.
fn address(ue: UeId) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(ue.0 as u128 + 1))
}

fn ue_of(address: IpAddr) -> Option<UeId> {
    let IpAddr::V6(address) = address else { return None };
    usize::try_from(u128::from(address)).ok()?.checked_sub(1).map(UeId)
}

/// How often the key of a request was asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tries {
    First,
    Last,
}

/// The body of an answer, for the meter.
pub(crate) fn body_of(answer: &TlsAnswer) -> Option<&str> {
    match answer {
        TlsAnswer::Response(Response::Message(body)) | TlsAnswer::Keys(pkmf::Response::Message(body)) => {
            Some(body)
        }
        _ => None,
    }
}
