//! The AAA server: RADIUS from and to a UDP socket, SWx to the HSS.
//!
//! It has no store: see [`sidelink_network::aaa`] for why nothing of it has to survive a crash. Pseudonyms do survive one: they
//! open under a key in a file.

use std::collections::BTreeSet;
use std::sync::Arc;

use sidelink_network::aaa::{Aaa, Authentication};
use sidelink_network::hss::{EapAkaPrimeVector, Refusal, Resynchronisation, Ticket};
use sidelink_network::identity::Imsi;
use sidelink_network::radius::{Dropped, Event, Input, Output, RadiusServer};
use sidelink_security::counter::UtcTime;

use super::seeds::Chance;
use super::{Address, Function, Reply, now};
use crate::config::AaaConfig;
use crate::error::StartError;
use crate::status::Counters;
use crate::udp::{Datagram, Sender};

/// Asks an HSS for a vector of EAP-AKA' for an access network.
pub(crate) type Swx =
    Box<dyn Fn(Imsi, String, Option<Resynchronisation>, Reply<Result<EapAkaPrimeVector, Refusal>>) + Send>;

/// What an AAA server is asked.
pub(crate) enum AaaCommand {
    /// A datagram on the port of RADIUS.
    Datagram(Datagram),
    /// The HSS answered.
    Vector { ticket: Ticket, result: Result<EapAkaPrimeVector, Refusal> },
}

/// The AAA server of a process.
pub(crate) struct AaaFunction {
    server: RadiusServer,
    chance: Chance,
    counters: Arc<Counters>,
    swx: Swx,
    own: Address<AaaCommand>,
    socket: Sender,
    /// What was said to the operator already of why datagrams are dropped.
    said: BTreeSet<&'static str>,
}

impl AaaFunction {
    /// Without sessions.
    ///
    /// # Errors
    /// The keys of pseudonyms, or the system gives no random octets.
    pub(crate) fn new(
        config: AaaConfig,
        counters: Arc<Counters>,
        swx: Swx,
        own: Address<AaaCommand>,
        socket: Sender,
    ) -> Result<Self, StartError> {
        let aaa = config.with_pseudonym_keys()?;
        let server = RadiusServer::new(aaa.radius, Aaa::new(aaa.aaa));
        let (chance, said) = (Chance::new()?, BTreeSet::new());
        Ok(Self { server, chance, counters, swx, own, socket, said })
    }

    fn report(&mut self, event: &Event) {
        match event {
            Event::Accepted { authentication: Authentication::Full, .. } => self.counters.eap_full.add(),
            Event::Accepted { authentication: Authentication::Fast, .. } => self.counters.eap_fast.add(),
            Event::NotServed { from, why } => {
                self.counters.eap_rejected.add();
                tracing::info!("AAA: the relay at {from} may not ask: {why}");
            }
            Event::Forbidden { why, .. } => {
                self.counters.eap_rejected.add();
                tracing::info!("AAA: a remote UE is not served: {why}");
            }
            Event::Rejected { why } => {
                self.counters.eap_rejected.add();
                tracing::info!("AAA: a peer is rejected: {why}");
            }
            Event::Dropped { from, why } => {
                self.counters.radius_dropped.add();
                let fault = match why {
                    Dropped::Stranger => "stranger",
                    Dropped::MessageAuthenticator => "secret",
                    _ => return tracing::debug!("AAA: a datagram of {from} is passed over: {why}"),
                };
                // Once each: who floods this port does not flood the log.
                if self.said.insert(fault) {
                    tracing::warn!("AAA: datagrams are passed over, the first of {from}: {why}");
                }
            }
        }
    }
}

impl Function for AaaFunction {
    type Command = AaaCommand;

    fn take(&mut self, command: AaaCommand) {
        let now = now();
        self.chance.renew(now);
        match command {
            AaaCommand::Datagram(datagram) => {
                let (from, octets) = (datagram.sender(), datagram.octets());
                self.server.handle_input(Input::Datagram { now, from, octets }, &mut self.chance);
            }
            AaaCommand::Vector { ticket, result } => {
                self.server.handle_input(Input::Vector { now, ticket, result }, &mut self.chance);
            }
        }
    }

    fn tick(&mut self, now: UtcTime) {
        self.server.handle_input(Input::Tick { now }, &mut self.chance);
    }

    fn settle(&mut self) -> Option<UtcTime> {
        loop {
            match self.server.poll_output() {
                Output::Datagram { to, octets } => {
                    self.counters.radius_answered.add();
                    self.socket.send(to, &octets);
                }
                Output::Fetch { ticket, imsi, network_name, resynchronisation } => {
                    let own = self.own.clone();
                    // A queue that is full: the machine gives the fetch up by its own time.
                    let answer = move |result| _ = own.send(AaaCommand::Vector { ticket, result });
                    (self.swx)(imsi, network_name, resynchronisation, Box::new(answer));
                }
                Output::Event(event) => self.report(&event),
                Output::Timeout(at) => return at,
            }
        }
    }
}
