//! Timers of a link in use: the exchange, the privacy timer, keep-alive, inactivity.

use sidelink_security::counter::UtcTime;

use super::cause::Cause;
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
            // T4101 of the last repetition runs until the inactivity period is over.
            Some(_) => UtcTime::from_millis(u64::MAX),
            None => self.session.quiet_until(local),
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
            Exchange::Triggered(state) => state.on_time(&mut session, link, local),
            Exchange::Rekeying(state) => state.on_time(&mut session, link, local)?,
            Exchange::StoringRekeyed(state) => state.on_time(&mut session, link, local)?,
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
            // TS 24.334 §10.4.3.5.1, §10.4.2.6.2: keep-alives had no answer; whoever still hears is told.
            // TS 24.334 §10.4.2.6.2 (2); TS 24.334 §10.4.3.5.1 (2)
            self.send_release(link, local, Cause::NotAvailable);
            return Some(Closed::Inactive);
        }
        match self.keepalive {
            Some(repeat) if repeat.deadline <= now && repeat.tries < local.config.tries => {
                // TS 24.334 §10.4.3.5.1 (1)
                self.keep_alive(link, local, repeat.tries + 1);
            }
            None if self.quiet_until(local) <= now => {
                self.keep_alive(link, local, 1);
            }
            _ => {}
        }
        None
    }

    /// When a keep-alive is due: T4102, or T4108 where the peer gave a shorter period. Not sooner than an exchange takes, so
    /// that no period of a peer makes this UE send without end.
    // TS 24.334 §10.4.3.3 (2)
    fn quiet_until(&self, local: &Local) -> UtcTime {
        let least = local.config.t4101().min(local.config.keepalive);
        let period = self.peer_inactivity.map_or(u64::MAX, |period| period.max(least));
        self.heard_at.plus_millis(local.config.keepalive.min(period))
    }

    /// The peer's answer to a keep-alive: TS 24.334 §10.4.3.4. Of one that was not sent last it raises nothing.
    // TS 24.334 §10.4.3.4
    pub(super) const fn on_keepalive_ack(&mut self, counter: u32) {
        if counter == self.keepalive_counter {
            self.keepalive_counter = counter.wrapping_add(1);
        }
    }

    /// Asks the peer to prove its SN when much came that no MAC-I covers.
    pub(super) fn ask_for_proof(&mut self, link: &mut Common, local: &mut Local) {
        if self.keepalive.is_none() && self.active.wants_proof() {
            self.keep_alive(link, local, 1);
        }
    }

    fn keep_alive(&mut self, link: &mut Common, local: &mut Local, tries: u8) {
        let deadline = local.now.plus_millis(local.config.t4101());
        // TS 24.334 §10.4.3.2 (3)
        self.keepalive = Some(Repeat { deadline, tries });
        // A relay has to know how long its remote UE may be silent: TS 24.334 §10.4.3.2.
        let seconds = u32::try_from(local.config.inactivity.div_ceil(1000)).unwrap_or(u32::MAX);
        let maximum_inactivity = link.relay.as_ref().map(|_| seconds);
        self.send(link, local, Body::Keepalive { counter: self.keepalive_counter, maximum_inactivity });
    }
}
