//! The places of the remote UEs of a relay: the n-th has the n-th address of the relay's network, and the n-th prefix of 64
//! bits of its IPv6 prefix. Two have never the same place.

use sidelink_prose::direct_link::Identity;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ip::ndisc::{PREFIX, prefix_of};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What addresses are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    /// The relay's own address, and the bits of its network.
    pub(super) own: (Ipv4Addr, u8),
    /// IPv6 prefix, and its bits, below 64.
    pub(super) prefix: Option<(Ipv6Addr, u8)>,
    /// Milliseconds for which a place that was left goes to nobody else.
    pub(super) hold: u64,
}

impl Space {
    fn network(&self) -> u32 {
        let (own, bits) = self.own;
        u32::from(own) & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
    }

    /// Returns the number of places; of them one may be the relay's own.
    fn size(&self) -> u32 {
        // Neither the first nor the last address of a network is a host's.
        let hosts = 1_u64 << (32 - self.own.1.min(32));
        let hosts = u32::try_from(hosts.saturating_sub(2)).unwrap_or(u32::MAX);
        let prefixes = self.prefix.map_or(u32::MAX, |(_, bits)| {
            1_u32.checked_shl(u32::from(64 - bits)).map_or(u32::MAX, |all| all - 1)
        });
        hosts.min(prefixes)
    }

    fn address(&self, place: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.network() + place)
    }

    fn place_of(&self, address: Ipv4Addr) -> Option<u32> {
        let place = u32::from(address).checked_sub(self.network())?;
        (place >= 1 && place <= self.size() && address != self.own.0).then_some(place)
    }

    fn prefix(&self, place: u32) -> Option<[u8; PREFIX]> {
        let (base, _) = self.prefix?;
        Some(prefix_of(Ipv6Addr::from(u128::from(base) | u128::from(place) << 64)))
    }
}

/// No place is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

/// A place of a remote UE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its address.
    pub(super) address: Ipv4Addr,
    /// Its prefix.
    pub(super) prefix: Option<[u8; PREFIX]>,
}

struct Taken {
    place: u32,
    who: Identity,
    /// When it was left; `None` while it is in use.
    left: Option<UtcTime>,
}

/// All places.
pub(super) struct Pool {
    space: Space,
    taken: Vec<Taken>,
}

impl Pool {
    pub(super) const fn new(space: Space) -> Self {
        Self { space, taken: Vec::new() }
    }

    pub(super) const fn space(&self) -> &Space {
        &self.space
    }

    /// Takes the place of a remote UE: the one that it had, else the one of the address that it would like if nobody has that,
    /// else the first that nobody had yet, or the one that was left for longest.
    // TS 24.334 §10.4.6.3 (2)
    pub(super) fn take(
        &mut self,
        now: UtcTime,
        who: &Identity,
        wish: Option<Ipv4Addr>,
    ) -> Result<Place, Exhausted> {
        if let Some(taken) = self.taken.iter_mut().find(|taken| taken.who == *who) {
            taken.left = None;
            let place = taken.place;
            return Ok(self.place(place));
        }
        let is_known = |place: u32| self.taken.iter().any(|taken| taken.place == place);
        let own = u32::from(self.space.own.0).wrapping_sub(self.space.network());
        let new = wish.and_then(|wish| self.space.place_of(wish)).filter(|place| !is_known(*place));
        let new = new.or_else(|| (1..=self.space.size()).find(|place| *place != own && !is_known(*place)));
        let place = match new {
            Some(place) => place,
            None => self.forget_oldest(now).ok_or(Exhausted)?,
        };
        self.taken.push(Taken { place, who: who.clone(), left: None });
        Ok(self.place(place))
    }

    /// Leaves the place of a remote UE.
    pub(super) fn leave(&mut self, now: UtcTime, who: &Identity) {
        if let Some(taken) = self.taken.iter_mut().find(|taken| taken.who == *who && taken.left.is_none()) {
            taken.left = Some(now);
        }
    }

    /// Returns the number of places that a new remote UE may get now.
    pub(super) fn free(&self, now: UtcTime) -> u32 {
        let kept = self.taken.iter().filter(|taken| !self.is_over(now, taken)).count();
        let own = u32::from(self.space.place_of_own());
        self.space.size().saturating_sub(own).saturating_sub(u32::try_from(kept).unwrap_or(u32::MAX))
    }

    fn place(&self, place: u32) -> Place {
        Place { address: self.space.address(place), prefix: self.space.prefix(place) }
    }

    fn is_over(&self, now: UtcTime, taken: &Taken) -> bool {
        taken.left.is_some_and(|left| left.plus_millis(self.space.hold) <= now)
    }

    fn forget_oldest(&mut self, now: UtcTime) -> Option<u32> {
        let over = (0..self.taken.len()).filter(|index| self.is_over(now, &self.taken[*index]));
        let oldest = over.min_by_key(|index| self.taken[*index].left)?;
        Some(self.taken.remove(oldest).place)
    }
}

impl Space {
    /// Whether the relay's own address is among the places.
    fn place_of_own(&self) -> bool {
        let place = u32::from(self.own.0).wrapping_sub(self.network());
        place >= 1 && place <= self.size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    const HOLD: u64 = 60_000;

    fn pool(bits: u8, prefix: Option<(Ipv6Addr, u8)>) -> Pool {
        Pool::new(Space { own: (Ipv4Addr::new(10, 45, 0, 1), bits), prefix, hold: HOLD })
    }

    fn at(ms: u64) -> UtcTime {
        UtcTime::from_millis(ms)
    }

    fn ue(number: u32) -> Identity {
        Identity::user(&format!("ue{number}"))
    }

    #[test]
    fn no_two_get_one_address_and_none_the_relays() {
        let mut pool = pool(28, Some(("fd45::".parse().unwrap(), 56)));
        assert_eq!(pool.free(at(0)), 13);
        let given: Vec<_> = (0..13).map(|n| pool.take(at(0), &ue(n), None).unwrap()).collect();
        let addresses: HashSet<_> = given.iter().map(|place| place.address).collect();
        let prefixes: HashSet<_> = given.iter().map(|place| place.prefix).collect();
        assert_eq!((addresses.len(), prefixes.len()), (13, 13));
        assert!(!addresses.contains(&Ipv4Addr::new(10, 45, 0, 1)));
        assert!(addresses.iter().all(|a| (2..15).contains(&a.octets()[3]) && a.octets()[..3] == [10, 45, 0]));
        assert_eq!(pool.take(at(0), &ue(13), None), Err(Exhausted));
        assert_eq!(pool.free(at(0)), 0);
        // Who has a place keeps it.
        assert_eq!(pool.take(at(1), &ue(5), None), Ok(given[5]));
        assert_eq!(pool.take(at(1), &ue(5), Some(Ipv4Addr::new(10, 45, 0, 14))), Ok(given[5]));
    }

    #[test]
    fn a_place_that_was_left_waits_for_its_ue_and_then_goes_to_another() {
        let mut pool = pool(30, None);
        let place = pool.take(at(0), &ue(1), None).unwrap();
        assert_eq!(place, Place { address: Ipv4Addr::new(10, 45, 0, 2), prefix: None });
        pool.leave(at(1000), &ue(1));
        assert_eq!(pool.take(at(1000 + HOLD - 1), &ue(2), None), Err(Exhausted));
        assert_eq!(pool.free(at(1000 + HOLD - 1)), 0);
        assert_eq!(pool.take(at(1001), &ue(1), None), Ok(place), "it is back");
        pool.leave(at(2000), &ue(1));
        // Leaving twice does not lengthen the wait.
        pool.leave(at(3000), &ue(1));
        assert_eq!(pool.free(at(2000 + HOLD)), 1);
        assert_eq!(pool.take(at(2000 + HOLD), &ue(2), None), Ok(place));
        assert_eq!(pool.take(at(2000 + HOLD), &ue(1), None), Err(Exhausted));
    }

    #[test]
    fn a_wish_is_granted_where_nobody_has_the_address() {
        let mut pool = pool(24, None);
        let wish = Ipv4Addr::new(10, 45, 0, 77);
        assert_eq!(pool.take(at(0), &ue(1), Some(wish)).unwrap().address, wish);
        for other in
            [wish, Ipv4Addr::new(10, 45, 0, 1), Ipv4Addr::new(10, 45, 0, 0), Ipv4Addr::new(10, 45, 1, 7)]
        {
            let given = pool.take(at(0), &ue(u32::from(other)), Some(other)).unwrap().address;
            assert_ne!(given, other);
        }
    }

    #[test]
    fn the_oldest_place_goes_first() {
        let mut pool = pool(29, None);
        let places: Vec<_> = (0..5).map(|n| pool.take(at(0), &ue(n), None).unwrap()).collect();
        pool.leave(at(20), &ue(3));
        pool.leave(at(10), &ue(4));
        assert_eq!(pool.take(at(10 + HOLD), &ue(9), None), Ok(places[4]));
        assert_eq!(pool.take(at(10 + HOLD), &ue(8), None), Err(Exhausted));
        assert_eq!(pool.take(at(20 + HOLD), &ue(8), None), Ok(places[3]));
    }

    #[test]
    fn an_ipv6_prefix_bounds_the_places_too() {
        let mut pool = pool(16, Some(("fd45::".parse().unwrap(), 62)));
        assert_eq!(pool.take(at(0), &ue(0), None).unwrap().prefix, Some([0xfd, 0x45, 0, 0, 0, 0, 0, 2]));
        assert_eq!(pool.take(at(0), &ue(1), None).unwrap().prefix, Some([0xfd, 0x45, 0, 0, 0, 0, 0, 3]));
        assert_eq!(pool.take(at(0), &ue(2), None), Err(Exhausted));
    }
}
