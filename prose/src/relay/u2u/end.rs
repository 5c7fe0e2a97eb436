//! An end: the users that it reaches, and through which relay.

use std::collections::VecDeque;

use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::pdcp::SduType;
use sidelink_wire::u2u::{Adaptation, Control, Layer, LocalId, Why};

use super::io::{Event, Output, Refusal};
use super::{address, far, refuse};
use crate::direct_link::Identity;

/// A path to a user.
#[derive(Debug)]
struct Path {
    user: Identity,
    relay: Layer2Id,
    layer: Layer,
    own: LocalId,
    peer: LocalId,
}

/// A user that this UE wants to reach, and the relay for it.
#[derive(Debug)]
struct Wanted {
    user: Identity,
    relay: Layer2Id,
    /// The relay before, until there is a path through this one.
    before: Option<Layer2Id>,
}

#[derive(Debug)]
pub(super) struct End {
    own: Identity,
    most: usize,
    wanted: Vec<Wanted>,
    /// The newest path to a user is the last one.
    paths: Vec<Path>,
}

impl End {
    pub(super) const fn new(own: Identity, most: usize) -> Self {
        Self { own, most, wanted: Vec::new(), paths: Vec::new() }
    }

    pub(super) fn layer(&self, peer: Layer2Id) -> Option<Layer> {
        self.path(peer).map(|path| path.layer)
    }

    fn path(&self, peer: Layer2Id) -> Option<&Path> {
        self.paths.iter().rev().find(|path| far(&path.user) == peer)
    }

    /// Reaches a user through a relay; a path through the one before serves until there is another.
    pub(super) fn want(
        &mut self,
        user: &Identity,
        (relay, peer): (&Identity, Layer2Id),
        is_up: bool,
        out: &mut VecDeque<Output>,
    ) {
        if self.paths.iter().any(|path| path.user == *user && path.relay == peer) {
            return;
        }
        let old = self.wanted.iter().position(|wanted| wanted.user == *user);
        let before = old.map(|at| self.wanted.remove(at).relay).filter(|before| *before != peer);
        self.wanted.push(Wanted { user: user.clone(), relay: peer, before });
        out.push_back(if is_up {
            Output::Control { peer, octets: Control::Want { name: user.name() }.emit() }
        } else {
            Output::Connect { peer, identity: relay.clone(), target: user.clone() }
        });
    }

    /// The link to a relay has ended, or did not come up.
    pub(super) fn down(&mut self, relay: Layer2Id, out: &mut VecDeque<Output>) {
        self.paths.retain(|path| {
            if path.relay == relay {
                let (user, why) = (path.user.clone(), Why::NoLink);
                out.push_back(Output::Event(Event::PathDown { user, relay, why }));
            }
            path.relay != relay
        });
    }

    /// A message of a relay.
    pub(super) fn control(&mut self, relay: Layer2Id, octets: &[u8], out: &mut VecDeque<Output>) {
        match Control::parse(octets) {
            Ok(Control::Path { own, peer, layer, name }) => {
                let user = Identity::user_of(name);
                self.learn(Path { user, relay, layer, own, peer }, out);
            }
            Ok(Control::Gone { why, name, .. }) => {
                let user = Identity::user_of(name);
                self.paths.retain(|path| path.relay != relay || path.user != user);
                out.push_back(Output::Event(Event::PathDown { user, relay, why }));
            }
            Ok(Control::Want { .. } | Control::Who { .. }) | Err(_) => refuse(out, relay, Refusal::Malformed),
        }
    }

    fn learn(&mut self, path: Path, out: &mut VecDeque<Output>) {
        if path.user == self.own {
            return refuse(out, path.relay, Refusal::Itself);
        }
        self.paths.retain(|known| known.relay != path.relay || known.user != path.user);
        if self.paths.len() >= self.most {
            return refuse(out, path.relay, Refusal::NoRoom);
        }
        let (user, relay, layer) = (path.user.clone(), path.relay, path.layer);
        self.paths.push(path);
        let wanted = self.wanted.iter_mut().find(|wanted| wanted.user == user && wanted.relay == relay);
        let before = wanted.and_then(|wanted| wanted.before.take());
        out.push_back(Output::Event(Event::PathUp { user, relay, layer }));
        // The relay before may serve other users still.
        if let Some(before) = before
            && !self.wanted.iter().any(|wanted| wanted.relay == before)
        {
            out.push_back(Output::Release { peer: before });
        }
    }

    /// A PDU of a link from end to end goes out.
    pub(super) fn send_pdu(&self, peer: Layer2Id, (lcid, pdu): (Lcid, &[u8]), out: &mut VecDeque<Output>) {
        let path = self.path(peer).filter(|path| path.layer == Layer::Two);
        let (Some(path), Some(lcid)) = (path, lcid.carrying()) else {
            return refuse(out, peer, Refusal::NoPath);
        };
        let octets = Adaptation { source: path.own, target: path.peer }.emit(pdu);
        out.push_back(Output::Adapted { peer: path.relay, lcid, octets });
    }

    /// A PDU behind an adaptation header came from a relay.
    pub(super) fn adapted(&self, relay: Layer2Id, (lcid, octets): (Lcid, &[u8]), out: &mut VecDeque<Output>) {
        let (Ok((header, pdu)), Some(lcid)) = (Adaptation::parse(octets), lcid.carried()) else {
            return refuse(out, relay, Refusal::Malformed);
        };
        let fits = |path: &&Path| {
            path.relay == relay
                && path.layer == Layer::Two
                && (path.own, path.peer) == (header.target, header.source)
        };
        match self.paths.iter().find(fits) {
            Some(path) => {
                let (source, octets) = (far(&path.user), pdu.to_vec());
                out.push_back(Output::Pdu { source, lcid, octets });
            }
            None => {
                // What told of the path was lost, as blocks are: the relay tells it again if there is one.
                let who = Control::Who { peer: header.source };
                out.push_back(Output::Control { peer: relay, octets: who.emit() });
                refuse(out, relay, Refusal::NoPath);
            }
        }
    }

    /// Asks again for the paths that are wanted and not there, of relays whose link is up.
    pub(super) fn ask_again(&self, is_up: impl Fn(Layer2Id) -> bool, out: &mut VecDeque<Output>) {
        for Wanted { user, relay, .. } in &self.wanted {
            let has_path = self.paths.iter().any(|path| path.user == *user && path.relay == *relay);
            if !has_path && is_up(*relay) {
                let octets = Control::Want { name: user.name() }.emit();
                out.push_back(Output::Control { peer: *relay, octets });
            }
        }
    }

    /// Data goes out over a path of layer 3.
    pub(super) fn send_packet(
        &self,
        peer: Layer2Id,
        (sdu_type, data): (SduType, &[u8]),
        out: &mut VecDeque<Output>,
    ) {
        let Some(path) = self.path(peer).filter(|path| path.layer == Layer::Three) else {
            return refuse(out, peer, Refusal::NoPath);
        };
        let packet = match sdu_type {
            SduType::Ip => Some(data.to_vec()),
            _ => address::wrap(&self.own, &path.user, data),
        };
        match packet {
            Some(octets) => out.push_back(Output::Packet { peer: path.relay, octets }),
            None => refuse(out, peer, Refusal::Malformed),
        }
    }

    /// A packet came from a relay.
    pub(super) fn packet(&self, relay: Layer2Id, octets: &[u8], out: &mut VecDeque<Output>) {
        let Some(ends) = address::ends(octets) else { return refuse(out, relay, Refusal::Malformed) };
        let fits = |path: &&Path| {
            path.relay == relay
                && path.layer == Layer::Three
                && address(&path.user) == ends.source
                && address(&self.own) == ends.destination
        };
        let Some(path) = self.paths.iter().find(fits) else { return refuse(out, relay, Refusal::NoPath) };
        let (sdu_type, data) = match address::unwrap(octets) {
            Some(data) => (SduType::NonIp, data),
            None => (SduType::Ip, octets),
        };
        let peer = far(&path.user);
        out.push_back(Output::Data { relay, peer, sdu_type, data: data.to_vec() });
    }
}
