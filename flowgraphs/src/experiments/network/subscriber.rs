//! The network end of a UE: USIM, Ub, PC3. It bootstraps when a request needs a key.

use super::messages::{Connection, Message, Service, TlsAnswer, TlsRequest, UeId};
use super::naf;
use sidelink_network::identity::BTid;
use sidelink_network::pc3_client::{self, Input, NoAnswer, Output, Pc3Client};
use sidelink_network::pkmf;
use sidelink_network::pkmf_client::{self, Durable, PkmfClient};
use sidelink_network::prose_function::{Refused, RequestId, Response};
use sidelink_network::ub_client::{self, Bootstrapped, Failure, UbClient};
use sidelink_security::counter::UtcTime;
use zeroize::Zeroizing;

/// Milliseconds until an answer over Ub counts as lost.
const PATIENCE: u64 = 10_000;

/// Milliseconds between a bootstrapping that failed and the next.
const RETRY: u64 = 10_000;

/// What a subscriber tells.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is moved once")]
pub(crate) enum Told {
    /// There is a key, after so many milliseconds.
    Bootstrapped { b_tid: BTid, took: u64 },
    /// There is none.
    NotBootstrapped(Failure),
    /// From PC3.
    Pc3(Output),
    /// From PC8 and MIKEY.
    Keys(pkmf_client::Event),
}

/// How far the bootstrapping is.
#[derive(Clone, Copy)]
enum Bootstrapping {
    Idle,
    /// Since when; the last request counts as lost at `until`.
    Running {
        since: UtcTime,
        until: UtcTime,
    },
    /// Failed: again at this time.
    Failed {
        again: UtcTime,
    },
}

/// The network end of a UE.
pub(crate) struct Subscriber {
    id: UeId,
    ub: UbClient,
    pc3: Pc3Client,
    pkmf: PkmfClient,
    next_request: u64,
    key: Option<Bootstrapped>,
    bootstrapping: Bootstrapping,
    connection: Connection,
    /// Requests that wait for a key, and those that are under way with one.
    waiting: Vec<(Service, RequestId, Zeroizing<String>)>,
    under_way: Vec<(Service, RequestId, Zeroizing<String>)>,
}

impl Subscriber {
    pub(crate) fn new(id: UeId, ub: UbClient, config: pc3_client::Config) -> Self {
        Self {
            id,
            ub,
            pc3: Pc3Client::new(config),
            pkmf: PkmfClient::new(
                pkmf_client::Config::new(naf::naf_id(Service::Pkmf).fqdn),
                Durable::default(),
            ),
            next_request: 0,
            key: None,
            bootstrapping: Bootstrapping::Idle,
            connection: Connection::New,
            waiting: Vec::new(),
            under_way: Vec::new(),
        }
    }

    /// Hands something to PC3.
    pub(crate) fn pc3(&mut self, input: Input<'_>) {
        self.pc3.handle_input(input);
    }

    /// Wants keys of these from the PKMF, and of nothing else.
    pub(crate) fn want_keys(&mut self, now: UtcTime, wanted: &[pkmf_client::Wanted]) {
        self.pkmf.handle_input(pkmf_client::Input::Want { now, wanted });
    }

    /// The UE's end of PC8, for its keys.
    pub(crate) const fn pkmf(&self) -> &PkmfClient {
        &self.pkmf
    }

    /// Takes a message.
    pub(crate) fn receive(&mut self, now: UtcTime, message: Message) {
        match message {
            Message::UbResponse(_, response) => {
                self.ub.handle_input(ub_client::Input::Response { now, response: &response });
            }
            Message::Push(_, body) => self.pc3.handle_input(Input::Push { now, body: body.as_bytes() }),
            Message::TlsAnswer(_, from, request, answer) => self.answered(now, (from, request), answer),
            Message::Keys(_, octets) => {
                self.pkmf.handle_input(pkmf_client::Input::Datagram { now, octets: &octets });
            }
            _ => {}
        }
    }

    fn answered(&mut self, now: UtcTime, (from, request): (Service, RequestId), answer: TlsAnswer) {
        let ours = |(to, of, _): &(Service, RequestId, _)| (*to, *of) == (from, request);
        let Some(at) = self.under_way.iter().position(ours) else { return };
        let (_, _, body) = self.under_way.swap_remove(at);
        let why = match answer {
            TlsAnswer::UnknownKey => {
                self.key = None;
                return self.waiting.push((from, request, body));
            }
            TlsAnswer::Keys(pkmf::Response::Message(body)) => {
                return self.pkmf.handle_input(pkmf_client::Input::Response { now, body: body.as_bytes() });
            }
            TlsAnswer::Keys(pkmf::Response::Refused(_)) => {
                return self.pkmf.handle_input(pkmf_client::Input::Lost { now });
            }
            TlsAnswer::Response(Response::Message(body)) => {
                return self.pc3.handle_input(Input::Response { now, request, body: body.as_bytes() });
            }
            // An update's answer: nothing comes back.
            TlsAnswer::Response(Response::Accepted) => {
                return self.pc3.handle_input(Input::Response { now, request, body: &[] });
            }
            TlsAnswer::Response(Response::Refused(Refused::NoSubscription)) => NoAnswer::Forbidden,
            TlsAnswer::Response(Response::Refused(Refused::TooMany { wait })) => NoAnswer::Wait(wait),
            TlsAnswer::Response(Response::Refused(_)) => NoAnswer::Lost,
        };
        self.pc3.handle_input(Input::NoAnswer { now, request, why });
    }

    /// Lets time pass, and does what is due. `cnonce` are random octets for a bootstrapping.
    pub(crate) fn work(&mut self, now: UtcTime, cnonce: [u8; 16]) -> (Vec<Message>, Vec<Told>) {
        let (mut messages, mut told) = (Vec::new(), Vec::new());
        self.pc3.handle_input(Input::Tick { now });
        self.pkmf.handle_input(pkmf_client::Input::Tick { now });
        if matches!(self.bootstrapping, Bootstrapping::Running { until, .. } if until <= now) {
            self.ub.handle_input(ub_client::Input::Lost);
        }
        self.work_ub(now, &mut messages, &mut told);
        self.work_pc3(&mut told);
        self.work_pkmf(now, &mut messages, &mut told);
        let may_begin = match self.bootstrapping {
            Bootstrapping::Idle => true,
            Bootstrapping::Failed { again } => again <= now,
            Bootstrapping::Running { .. } => false,
        };
        if !self.waiting.is_empty() && !self.send_waiting(now, &mut messages) && may_begin {
            self.connection = Connection::New;
            self.bootstrapping = Bootstrapping::Running { since: now, until: now.plus_millis(PATIENCE) };
            self.ub.handle_input(ub_client::Input::Bootstrap { cnonce });
            self.work_ub(now, &mut messages, &mut told);
        }
        (messages, told)
    }

    fn work_ub(&mut self, now: UtcTime, messages: &mut Vec<Message>, told: &mut Vec<Told>) {
        while let Some(output) = self.ub.poll_output() {
            match output {
                ub_client::Output::Request(request) => {
                    if let Bootstrapping::Running { until, .. } = &mut self.bootstrapping {
                        *until = now.plus_millis(PATIENCE);
                    }
                    messages.push(Message::UbRequest(self.id, self.connection, request));
                    self.connection = Connection::Kept;
                }
                // The card of a simulation outlives nothing.
                ub_client::Output::Store(_) => self.ub.handle_input(ub_client::Input::Stored),
                ub_client::Output::Done(key) => {
                    let since = match self.bootstrapping {
                        Bootstrapping::Running { since, .. } => since,
                        _ => now,
                    };
                    let took = now.millis() - since.millis();
                    told.push(Told::Bootstrapped { b_tid: key.b_tid.clone(), took });
                    self.key = Some(key);
                    self.bootstrapping = Bootstrapping::Idle;
                }
                ub_client::Output::Failed(why) => {
                    told.push(Told::NotBootstrapped(why));
                    self.bootstrapping = Bootstrapping::Failed { again: now.plus_millis(RETRY) };
                }
            }
        }
    }

    fn work_pc3(&mut self, told: &mut Vec<Told>) {
        loop {
            match self.pc3.poll_output() {
                Output::Request { request, body } => {
                    self.waiting.push((Service::ProseFunction, request, body));
                }
                Output::Timeout(_) => return,
                output => told.push(Told::Pc3(output)),
            }
        }
    }

    fn work_pkmf(&mut self, now: UtcTime, messages: &mut Vec<Message>, told: &mut Vec<Told>) {
        loop {
            match self.pkmf.poll_output() {
                pkmf_client::Output::Request(body) => {
                    self.next_request += 1;
                    self.waiting.push((Service::Pkmf, RequestId(self.next_request), body));
                }
                pkmf_client::Output::Send(octets) => messages.push(Message::Verification(self.id, octets)),
                pkmf_client::Output::Store { ticket, .. } => {
                    self.pkmf.handle_input(pkmf_client::Input::Stored { now, ticket });
                }
                // No subscriber here uses relays.
                pkmf_client::Output::Pruk(_) => {}
                pkmf_client::Output::Event(event) => told.push(Told::Keys(event)),
                pkmf_client::Output::Timeout(_) => return,
            }
        }
    }

    /// Sends what waits, if there is a key. Returns whether there is.
    fn send_waiting(&mut self, now: UtcTime, messages: &mut Vec<Message>) -> bool {
        let Some(key) = &self.key else { return false };
        for (to, request, body) in std::mem::take(&mut self.waiting) {
            let Some(ks_naf) = key.ks_naf(now, &naf::naf_id(to)) else {
                self.waiting.push((to, request, body));
                continue;
            };
            let b_tid = key.b_tid.clone();
            let sent = TlsRequest { to, request, b_tid, key: ks_naf, body: body.clone() };
            messages.push(Message::TlsRequest(self.id, sent));
            self.under_way.push((to, request, body));
        }
        self.waiting.is_empty()
    }

    /// Returns when it has to be called again, if nothing comes before.
    pub(crate) fn deadline(&mut self) -> Option<UtcTime> {
        let bootstrapping = match self.bootstrapping {
            Bootstrapping::Idle => None,
            Bootstrapping::Running { until, .. } => Some(until),
            Bootstrapping::Failed { again } => (!self.waiting.is_empty()).then_some(again),
        };
        let pc3 = match self.pc3.poll_output() {
            Output::Timeout(at) => at,
            // `work` has taken everything.
            _ => None,
        };
        let pkmf = match self.pkmf.poll_output() {
            pkmf_client::Output::Timeout(at) => at,
            _ => None,
        };
        bootstrapping.into_iter().chain(pc3).chain(pkmf).min()
    }
}
