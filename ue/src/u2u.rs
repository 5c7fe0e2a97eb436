//! Paths of a UE through UE-to-UE relays: the machine of `sidelink_prose::relay::u2u`, the links from end to end, and the
//! requests of the configuration. `stack/u2u.rs` drives it.

use super::links::Links;
use sidelink_prose::direct_link::Identity;
use sidelink_prose::relay::u2u::{Config, Input, U2u, far};
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::{Layer2Id, Lcid};
use sidelink_wire::u2u::Layer;

/// What a relay carries in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carriage {
    /// The end that gets it.
    pub to: Layer2Id,
    /// Logical channel.
    pub lcid: Lcid,
    /// The PDU behind its adaptation header, or the packet.
    pub octets: Vec<u8>,
}

/// Sees what a relay carries, and says what it carries instead: a relay that is not honest. For exercises.
pub trait Meddler: Send {
    /// Takes what the relay is about to hand to an end, and the time.
    fn meddle(&mut self, now: UtcTime, carriage: Carriage) -> Vec<Carriage>;
}

/// A relay for a user, from some time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Through {
    /// Milliseconds after the start; without it the other end asks for the path.
    pub at: Option<u64>,
    /// The relay in its role ([`Identity::relay`]).
    pub relay: Identity,
    /// Its layer-2 ID.
    pub peer: Layer2Id,
}

/// A user that this UE reaches through relays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The user.
    pub user: Identity,
    /// The relays, one after the other.
    pub through: Vec<Through>,
}

/// The paths of one UE.
pub struct Paths {
    pub(super) machine: U2u,
    /// Links from end to end, over relays of layer 2.
    pub(super) ends: Links,
    pub(super) meddler: Option<Box<dyn Meddler>>,
    routes: Vec<Route>,
    began: Option<u64>,
    /// Milliseconds after which what tells of a path is asked for again.
    again: u64,
    /// Whether the machine or the links got an input whose outputs are not handled yet.
    pub(super) has_input: bool,
}

impl Paths {
    /// Makes the paths of a UE: `ends` are its links from end to end, whose peers are named by
    /// [`far`](sidelink_prose::relay::u2u::far).
    /// Every so many milliseconds it asks again for paths that are not there.
    pub fn new(config: Config, ends: Links, routes: Vec<Route>, again: u64) -> Self {
        let (machine, again) = (U2u::new(config), again.max(1));
        Self { machine, ends, meddler: None, routes, began: None, again, has_input: false }
    }

    /// Returns the links from end to end: to give them credentials.
    pub fn ends(&mut self) -> &mut Links {
        &mut self.ends
    }

    /// Lets a meddler see what this relay carries.
    pub fn set_meddler(&mut self, meddler: Box<dyn Meddler>) {
        self.meddler = Some(meddler);
    }

    /// Returns the users that this UE reaches, by their names of [`far`].
    pub fn users(&self) -> impl Iterator<Item = (String, Layer2Id)> + '_ {
        self.routes
            .iter()
            .map(|route| (String::from_utf8_lossy(&route.user.value).into_owned(), far(&route.user)))
    }

    /// Whether this is the name of a user behind a relay.
    pub(super) fn has(&self, peer: Layer2Id) -> bool {
        self.routes.iter().any(|route| far(&route.user) == peer)
    }

    /// Whether this UE asks for the paths to a user, and for the link from end to end.
    pub(super) fn asks_for(&self, user: &Identity) -> bool {
        let asks = |route: &&Route| route.user == *user && route.through.iter().any(|way| way.at.is_some());
        self.routes.iter().find(asks).is_some()
    }

    pub(super) fn handle_input(&mut self, input: Input<'_>) {
        self.machine.handle_input(input);
        self.has_input = true;
    }

    /// Takes a PDU behind an adaptation header. Returns false where the channel carries none.
    pub(super) fn hear_adapted(&mut self, source: Layer2Id, lcid: Lcid, pdu: &[u8]) -> bool {
        let carries = lcid.carried().is_some();
        if carries {
            self.handle_input(Input::Adapted { peer: source, lcid, octets: pdu });
        }
        carries
    }

    /// Begins subframe `t`: asks for the paths that are due.
    pub(super) fn begin(&mut self, t: u64) {
        let age = t - *self.began.get_or_insert(t);
        if age > 0 && age.is_multiple_of(self.again) {
            self.handle_input(Input::Again);
        }
        for route in &mut self.routes {
            let due = route.through.iter_mut().filter(|way| way.at.is_some_and(|at| at <= age));
            for Through { at, relay, peer } in due {
                // Asked once; that it asks is remembered.
                *at = Some(u64::MAX);
                self.machine.handle_input(Input::Want { user: &route.user, relay, peer: *peer });
                self.has_input = true;
            }
        }
    }

    /// Returns the layer of the path to a user.
    pub(super) fn layer(&self, peer: Layer2Id) -> Option<Layer> {
        self.machine.layer(peer)
    }
}
