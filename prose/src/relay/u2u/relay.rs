//! The relay: its ends with their local identities, and the paths between them.

use std::collections::VecDeque;

use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::u2u::{Adaptation, Control, Layer, LocalId, Why};

use super::io::{Config, Event, Output, Refusal};
use super::{address, refuse};
use crate::direct_link::Identity;

/// A UE behind this relay.
#[derive(Debug)]
struct Entry {
    id: LocalId,
    /// The user.
    user: Identity,
    service: [u8; 3],
    peer: Layer2Id,
    is_up: bool,
}

/// What waits for the link to the target.
#[derive(Debug)]
enum Held {
    Pdu(Lcid, Vec<u8>),
    Packet(Vec<u8>),
}

/// A path between two ends, the one that asked for it first.
#[derive(Debug)]
struct Path {
    ends: [LocalId; 2],
    layer: Layer,
    held: Vec<Held>,
    is_ready: bool,
}

impl Path {
    fn joins(&self, one: LocalId, other: LocalId) -> bool {
        self.ends == [one, other] || self.ends == [other, one]
    }
}

#[derive(Debug)]
pub(super) struct Relay {
    config: Config,
    entries: Vec<Entry>,
    paths: Vec<Path>,
}

impl Relay {
    pub(super) const fn new(config: Config) -> Self {
        Self { config, entries: Vec::new(), paths: Vec::new() }
    }

    /// The link with an end is up: the end asked for a path, or this relay asked the end for the sake of one.
    pub(super) fn up(
        &mut self,
        peer: Layer2Id,
        (name, service): (&[u8], [u8; 3]),
        target: &Identity,
        out: &mut VecDeque<Output>,
    ) {
        let user = Identity::user_of(name);
        let Some(id) = self.entry(&user, service, peer) else {
            let gone = Control::Gone { peer: None, why: Why::NoRoom, name: target.name() };
            return out.push_back(Output::Control { peer, octets: gone.emit() });
        };
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            (entry.is_up, entry.peer, entry.service) = (true, peer, service);
        }
        if *target != user {
            self.open(id, target, out);
        }
        for at in 0..self.paths.len() {
            if self.paths[at].ends[1] == id {
                self.make_ready(at, out);
            }
        }
    }

    /// The link with an end has ended, or did not come up: its paths go, and links that no path needs.
    pub(super) fn down(&mut self, peer: Layer2Id, out: &mut VecDeque<Output>) {
        let Some(at) = self.entries.iter().position(|entry| entry.peer == peer) else { return };
        let entry = self.entries.remove(at);
        let (ended, kept) = std::mem::take(&mut self.paths)
            .into_iter()
            .partition::<Vec<_>, _>(|path| path.ends.contains(&entry.id));
        self.paths = kept;
        for path in ended {
            let other = if path.ends[0] == entry.id { path.ends[1] } else { path.ends[0] };
            let Some(other) = self.entries.iter().find(|known| known.id == other && known.is_up) else {
                continue;
            };
            let why = if entry.is_up { Why::Ended } else { Why::NoLink };
            let gone = Control::Gone { peer: Some(entry.id), why, name: entry.user.name() };
            out.push_back(Output::Control { peer: other.peer, octets: gone.emit() });
            // A link that this relay asked for has no other purpose.
            let (id, peer) = (other.id, other.peer);
            if path.ends[1] == id && !self.paths.iter().any(|path| path.ends.contains(&id)) {
                out.push_back(Output::Release { peer });
            }
        }
    }

    /// A message of an end.
    pub(super) fn control(&mut self, peer: Layer2Id, octets: &[u8], out: &mut VecDeque<Output>) {
        match (Control::parse(octets), self.of_peer(peer).map(|entry| entry.id)) {
            (Ok(Control::Want { name }), Some(id)) => self.open(id, &Identity::user_of(name), out),
            (Ok(Control::Who { peer: other }), Some(id)) => self.tell_again([id, other], out),
            (_, None) => refuse(out, peer, Refusal::NoHop),
            _ => refuse(out, peer, Refusal::Malformed),
        }
    }

    /// A PDU of layer 2 of an end: it goes on as it is.
    pub(super) fn adapted(
        &mut self,
        peer: Layer2Id,
        (lcid, octets): (Lcid, &[u8]),
        out: &mut VecDeque<Output>,
    ) {
        let Ok((header, _)) = Adaptation::parse(octets) else {
            return refuse(out, peer, Refusal::Malformed);
        };
        if self.of_peer(peer).is_none_or(|entry| entry.id != header.source) {
            return refuse(out, peer, Refusal::NotItsOwn);
        }
        let held = Held::Pdu(lcid, octets.to_vec());
        let result = self.carry([header.source, header.target], (Layer::Two, held), out);
        if let Err(why) = result {
            refuse(out, peer, why);
        }
    }

    /// A packet of an end: it goes on by its address.
    pub(super) fn packet(&mut self, peer: Layer2Id, octets: &[u8], out: &mut VecDeque<Output>) {
        let result = self.route(peer, octets, out);
        if let Err(why) = result {
            refuse(out, peer, why);
        }
    }

    fn route(&mut self, peer: Layer2Id, octets: &[u8], out: &mut VecDeque<Output>) -> Result<(), Refusal> {
        let ends = address::ends(octets).ok_or(Refusal::Malformed)?;
        let from = self.of_peer(peer).ok_or(Refusal::NoHop)?;
        if address(&from.user) != ends.source {
            return Err(Refusal::NotItsOwn);
        }
        let from = from.id;
        let to = self.entries.iter().find(|entry| address(&entry.user) == ends.destination);
        let to = to.ok_or(Refusal::NoPath)?.id;
        let mut packet = octets.to_vec();
        if !address::passes_on(&mut packet) {
            return Err(Refusal::TooManyHops);
        }
        self.carry([from, to], (Layer::Three, Held::Packet(packet)), out)
    }

    /// Carries something between two ends with a path, or holds it until the path is ready.
    fn carry(
        &mut self,
        [from, to]: [LocalId; 2],
        (layer, held): (Layer, Held),
        out: &mut VecDeque<Output>,
    ) -> Result<(), Refusal> {
        let path = self.paths.iter_mut().find(|path| path.joins(from, to)).ok_or(Refusal::NoPath)?;
        if path.layer != layer {
            return Err(Refusal::OtherLayer);
        }
        if !path.is_ready {
            if path.held.len() >= self.config.held {
                return Err(Refusal::NoRoom);
            }
            path.held.push(held);
            return Ok(());
        }
        let to = self.entries.iter().find(|entry| entry.id == to).ok_or(Refusal::NoPath)?;
        out.push_back(held.to(to.peer));
        Ok(())
    }

    /// Opens a path from an end to a user.
    fn open(&mut self, source: LocalId, target: &Identity, out: &mut VecDeque<Output>) {
        let Some(from) = self.entries.iter().find(|entry| entry.id == source) else { return };
        let (peer, service) = (from.peer, from.service);
        match self.place(source, service, target) {
            Ok((id, layer)) => self.announce([source, id], (service, layer), out),
            Err(why) => {
                let gone = Control::Gone { peer: None, why, name: target.name() };
                out.push_back(Output::Control { peer, octets: gone.emit() });
            }
        }
    }

    /// Returns the local identity of the target of a path, and its layer.
    fn place(
        &mut self,
        source: LocalId,
        service: [u8; 3],
        target: &Identity,
    ) -> Result<(LocalId, Layer), Why> {
        let layer = self.config.services.iter().find(|(known, _)| *known == service).ok_or(Why::Unknown)?.1;
        let known = self.entries.iter().find(|entry| entry.user == *target);
        let near = self.config.neighbours.iter().find(|(user, _)| user == target).map(|(_, peer)| *peer);
        let peer = known.map(|entry| entry.peer).or(near).ok_or(Why::Unknown)?;
        if *target == self.config.own
            || known.is_some_and(|entry| entry.id == source || entry.service != service)
        {
            return Err(Why::Unknown);
        }
        if self.paths.len() >= self.config.paths {
            return Err(Why::NoRoom);
        }
        let id = self.entry(target, service, peer).ok_or(Why::NoRoom)?;
        Ok((id, layer))
    }

    /// Tells the source of a path, and sets up the link to the target where there is none.
    fn announce(
        &mut self,
        ends: [LocalId; 2],
        (service, layer): ([u8; 3], Layer),
        out: &mut VecDeque<Output>,
    ) {
        let [from, to] = ends.map(|id| self.entries.iter().find(|entry| entry.id == id));
        let (Some(from), Some(to)) = (from, to) else { return };
        tell([from, to], layer, out);
        let (is_up, peer, target) = (to.is_up, to.peer, to.user.clone());
        if !self.paths.iter().any(|path| path.joins(ends[0], ends[1])) {
            self.paths.push(Path { ends, layer, held: Vec::new(), is_ready: false });
        }
        if is_up {
            let at = self.paths.iter().position(|path| path.joins(ends[0], ends[1]));
            at.into_iter().for_each(|at| self.make_ready(at, out));
        } else {
            let identity = Identity::end(service, target.name());
            out.push_back(Output::Connect { peer, identity, target });
        }
    }

    /// Both links of a path are up: the target is told, and gets what was held.
    fn make_ready(&mut self, at: usize, out: &mut VecDeque<Output>) {
        let Some(path) = self.paths.get_mut(at).filter(|path| !path.is_ready) else { return };
        let [from, to] = path.ends.map(|id| self.entries.iter().find(|entry| entry.id == id));
        let (Some(from), Some(to)) = (from, to) else { return };
        path.is_ready = true;
        tell([to, from], path.layer, out);
        let ends = [from.user.clone(), to.user.clone()];
        out.push_back(Output::Event(Event::Relaying { ends, layer: path.layer }));
        let peer = to.peer;
        out.extend(path.held.drain(..).map(|held| held.to(peer)));
    }

    /// Tells an end once more of a path that there is.
    fn tell_again(&self, [own, other]: [LocalId; 2], out: &mut VecDeque<Output>) {
        let path = self.paths.iter().find(|path| path.joins(own, other));
        let [own, other] = [own, other].map(|id| self.entries.iter().find(|entry| entry.id == id));
        if let (Some(path), Some(own), Some(other)) = (path, own, other) {
            tell([own, other], path.layer, out);
        }
    }

    fn of_peer(&self, peer: Layer2Id) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.peer == peer && entry.is_up)
    }

    /// Returns the local identity of a user; a new one where it has none, and there is room.
    fn entry(&mut self, user: &Identity, service: [u8; 3], peer: Layer2Id) -> Option<LocalId> {
        if let Some(entry) = self.entries.iter().find(|entry| entry.user == *user) {
            return Some(entry.id);
        }
        // Two users of one address cannot be told apart at layer 3.
        let same = |entry: &Entry| address(&entry.user) == address(user);
        if self.entries.len() >= self.config.ends || self.entries.iter().any(same) {
            return None;
        }
        let is_free = |id: &LocalId| self.entries.iter().all(|entry| entry.id != *id);
        let id = (1..=u8::MAX).filter_map(LocalId::new).find(is_free)?;
        self.entries.push(Entry { id, user: user.clone(), service, peer, is_up: false });
        Some(id)
    }
}

impl Held {
    fn to(self, peer: Layer2Id) -> Output {
        match self {
            Self::Pdu(lcid, octets) => Output::Adapted { peer, lcid, octets },
            Self::Packet(octets) => Output::Packet { peer, octets },
        }
    }
}

/// Tells the first of two ends that there is a path to the second.
fn tell([own, other]: [&Entry; 2], layer: Layer, out: &mut VecDeque<Output>) {
    let path = Control::Path { own: own.id, peer: other.id, layer, name: other.user.name() };
    out.push_back(Output::Control { peer: own.peer, octets: path.emit() });
}
