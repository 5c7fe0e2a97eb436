//! Timers of a link in use: the exchange, the privacy timer, keep-alive, inactivity.

use sidelink_security::counter::UtcTime;

use super::io::Closed;
use super::link::{Common, Next, Repeat};
use super::local::Local;
use super::session::{Exchange, Session, Up};
use sidelink_wire::pc5_signalling::Body;

impl Up {
    pub(super) fn deadline(&self, local: &Local) -> UtcTime {
        let Session { retired, keepalive, heard_at, .. } = &self.session;
        let alive = match keepalive {
            Some(repeat) if repeat.tries < local.config.tries => repeat.deadline,
            Some(_) => UtcTime::from_millis(u64::MAX),
            None => heard_at.plus_millis(local.config.keepalive),
        };
        let inactive = heard_at.plus_millis(local.config.inactivity);
        let exchange = self.exchange.deadline().into_iter().chain(self.privacy_deadline(local));
        exchange.chain(retired.iter().map(|old| old.until)).chain([alive]).fold(inactive, UtcTime::min)
    }

    pub(super) fn on_time(mut self, link: &mut Common, local: &mut Local) -> Next {
        let now = local.now;
        self.session.retired.retain(|old| old.until > now);
        if self.exchange.deadline().is_some_and(|deadline| deadline <= now) {
            match self.exchange_due(link, local) {
                Ok(up) => self = up,
                Err(closed) => return Next::Close(closed),
            }
        }
        if self.privacy_deadline(local).is_some_and(|deadline| deadline <= now) {
            self.session.renamed_at = now;
            // Refused if it would protect nothing: then there is nothing to hide either.
            let _ = self.update_identifiers(link, local);
        }
        match self.session.liveness_due(link, local) {
            Some(closed) => Next::Close(closed),
            None => self.into(),
        }
    }

    /// Handles the timer of the exchange.
    fn exchange_due(self, link: &mut Common, local: &mut Local) -> Result<Self, Closed> {
        let Self { mut session, exchange } = self;
        let exchange = match exchange {
            Exchange::Idle => Exchange::Idle,
            Exchange::Rekeying(state) => state.on_time(&mut session, link, local),
            Exchange::StoringRekeyed(state) => state.on_time(&mut session, link, local),
            Exchange::AwaitingResponse(state) => state.on_time(&mut session, link, local)?,
            Exchange::TargetRekeying(state) => state.on_time(&mut session, link, local),
            Exchange::UpdateRequested(state) => state.on_time(&mut session, link, local),
            Exchange::UpdateAccepted(state) => state.on_time(&mut session, link, local),
        };
        Ok(Self { session, exchange })
    }
}

impl Session {
    /// Handles keep-alive and inactivity.
    fn liveness_due(&mut self, link: &mut Common, local: &mut Local) -> Option<Closed> {
        let now = local.now;
        if self.heard_at.plus_millis(local.config.inactivity) <= now {
            return Some(Closed::Inactive);
        }
        match self.keepalive {
            Some(repeat) if repeat.deadline <= now && repeat.tries < local.config.tries => {
                self.keep_alive(link, local, repeat.tries + 1);
            }
            None if self.heard_at.plus_millis(local.config.keepalive) <= now => {
                self.keep_alive(link, local, 1);
            }
            _ => {}
        }
        None
    }

    /// Requests a proof of the peer's SN after much data without a MAC-I.
    pub(super) fn ask_for_proof(&mut self, link: &mut Common, local: &mut Local) {
        if self.keepalive.is_none() && self.active.wants_proof() {
            self.keep_alive(link, local, 1);
        }
    }

    fn keep_alive(&mut self, link: &mut Common, local: &mut Local, tries: u8) {
        let deadline = local.now.plus_millis(local.config.t4101());
        self.keepalive = Some(Repeat { deadline, tries });
        self.keepalive_counter = self.keepalive_counter.wrapping_add(u32::from(tries == 1));
        let body = Body::Keepalive { counter: self.keepalive_counter, maximum_inactivity: None };
        self.send(link, local, body);
    }
}
