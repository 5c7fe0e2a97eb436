//! The application of a UE that talks over an overlay.

use super::paths::Uu;
use super::protocol::{Protocol, Taken};
use super::voice::{Voice, number_of};
use crate::experiments::log::{Log, Over, OverlayEntry};
use sidelink_mac::mux::Address;
use sidelink_prose::direct_link::{self, LinkId, State};
use sidelink_ue::{Application, Event, Moment, Outgoing, Send as SendData};
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use std::collections::{HashSet, VecDeque};
use std::time::Instant;

/// What an end is told.
pub(super) struct EndConfig {
    /// 0 for UE_1.
    pub(super) number: usize,
    pub(super) peer: Layer2Id,
    /// SC period in subframes.
    pub(super) period: u64,
    /// Its Uu leg, where there is one.
    pub(super) uu: Option<Uu>,
}

/// The application.
pub(super) struct End {
    config: EndConfig,
    protocol: Box<dyn Protocol>,
    voice: Voice,
    log: Log,
    /// Links with the peer that are up.
    links: HashSet<LinkId>,
    /// Whether there was ever one: the overlay begins with it.
    is_begun: bool,
    was_ready: bool,
    arrived: VecDeque<Vec<u8>>,
}

impl End {
    pub(super) fn new(config: EndConfig, protocol: Box<dyn Protocol>, log: Log) -> Self {
        let voice = Voice::new(config.number, config.period);
        Self {
            config,
            protocol,
            voice,
            log,
            links: HashSet::new(),
            is_begun: false,
            was_ready: false,
            arrived: VecDeque::new(),
        }
    }

    /// The way that packets go now: the link, where it is up.
    fn way(&self) -> Option<Over> {
        match (self.links.is_empty(), &self.config.uu) {
            (false, _) => Some(Over::Link),
            (true, Some(_)) => Some(Over::Network),
            (true, None) => None,
        }
    }

    fn take(&mut self, now: Moment, packet: &[u8], over: Over) {
        let began = Instant::now();
        let taken = self.protocol.take(now.utc, packet);
        let cpu_us = began.elapsed().as_secs_f64() * 1e6;
        self.taken(now, taken, (cpu_us, over));
        while let Some(packet) = self.protocol.more() {
            self.taken(now, Taken::Voice(packet), (0.0, over));
        }
    }

    fn taken(&self, now: Moment, taken: Taken, (cpu_us, over): (f64, Over)) {
        let entry = match taken {
            Taken::Voice(packet) => match number_of(&packet) {
                Some(number) => OverlayEntry::Came { number, cpu_us, over },
                None => OverlayEntry::Refused("data that was not sent in this form".to_owned()),
            },
            Taken::Handshake => OverlayEntry::Step { cpu_us },
            Taken::Refused(why) => OverlayEntry::Refused(why),
        };
        self.log.overlay(now, entry);
    }

    fn send(&self, now: Moment, packet: Vec<u8>, over: Over, send: &mut SendData<'_>) {
        match (over, &self.config.uu) {
            (Over::Network, Some(uu)) => uu.send(now.utc, packet),
            _ => {
                let address = Address::Ue(self.config.peer);
                let (lcid, sdu_type) = (Lcid::LINK_DATA, SduType::Ip);
                if let Err(why) = send(Outgoing { address, lcid, sdu_type, data: &packet }) {
                    self.log.overlay(now, OverlayEntry::Refused(why.to_string()));
                }
            }
        }
    }

    fn handshake(&mut self, now: Moment, over: Over, send: &mut SendData<'_>) {
        let is_handshake = self.protocol.is_in_handshake();
        let began = Instant::now();
        let packets = self.protocol.work(now.utc);
        let cpu_us = began.elapsed().as_secs_f64() * 1e6;
        let is_ready = self.protocol.is_ready();
        if !packets.is_empty() || is_ready != self.was_ready {
            self.log.overlay(now, OverlayEntry::Step { cpu_us });
        }
        for packet in packets {
            let octets = packet.len();
            self.log.overlay(
                now,
                match is_handshake {
                    true => OverlayEntry::Handshake { octets, over },
                    false => OverlayEntry::Upkeep { octets },
                },
            );
            self.send(now, packet, over, send);
        }
        if is_ready && !self.was_ready {
            self.log.overlay(now, OverlayEntry::Ready);
        }
        self.was_ready = is_ready;
    }

    fn speak(&mut self, now: Moment, over: Over, send: &mut SendData<'_>) {
        let Some((number, plain)) = self.voice.due(now.t) else { return };
        let began = Instant::now();
        let protected = self.protocol.protect(&plain);
        let cpu_us = began.elapsed().as_secs_f64() * 1e6;
        match protected {
            Ok(packet) => {
                let (plain, octets) = (plain.len(), packet.len());
                self.log.overlay(now, OverlayEntry::Sent { number, plain, octets, cpu_us, over });
                self.send(now, packet, over, send);
            }
            Err(why) => self.log.overlay(now, OverlayEntry::Refused(why.to_string())),
        }
    }
}

impl Application for End {
    fn work(&mut self, now: Moment, send: &mut SendData<'_>) {
        while let Some(packet) = self.arrived.pop_front() {
            self.take(now, &packet, Over::Link);
        }
        while let Some(packet) = self.config.uu.as_ref().and_then(|uu| uu.receive(now.utc)) {
            self.take(now, &packet, Over::Network);
        }
        let Some(over) = self.way().filter(|_| self.is_begun) else { return };
        self.handshake(now, over, send);
        if self.was_ready {
            self.speak(now, over, send);
        }
    }

    fn event(&mut self, _: Moment, event: &Event<'_>) {
        let peer = self.config.peer;
        match event {
            Event::Link(direct_link::Event::State { link, peer: of, state }) if *of == peer => match state {
                State::Up { .. } => {
                    self.links.insert(*link);
                    self.is_begun = true;
                }
                State::Closed { .. } => _ = self.links.remove(link),
                _ => {}
            },
            _ => self.arrived.extend(event.data(Address::Ue(peer), SduType::Ip).map(<[u8]>::to_vec)),
        }
    }
}
