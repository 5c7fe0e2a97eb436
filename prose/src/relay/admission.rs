//! Which requests of remote UEs a relay answers. Each answered request asks the network for a key, and anybody can send one under
//! any layer-2 identity: there is a limit for each identity and one for all, and the memory is bounded.
//!
//! ```text
//! a service that is not served               refused: not allowed
//! as many remote UEs as there may be         refused: lack of resources
//! too many tries of this identity, or of all dropped: no answer, no question to the network
//! ```
//!
//! An identity has as many tries as a set-up takes, and gets one back after each interval. The table holds the identities that
//! have not all of them; where it is full, a new one takes the place of the one that has the most. So a flood under many identities
//! is bounded by the limit for all, in which honest UEs share: it denies service while it lasts, and costs the network no more.

use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;

/// Tries, and how fast they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    /// Tries at once.
    pub burst: u32,
    /// Milliseconds until one comes back.
    pub interval: u64,
}

/// Rules of a relay's admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionRules {
    /// Relay Service Codes that are served.
    pub services: Vec<[u8; 3]>,
    /// Largest number of remote UEs at a time.
    pub most: usize,
    /// Tries of one layer-2 identity: three of a set-up, and one more.
    pub each: Tries,
    /// Tries of all.
    pub all: Tries,
    /// Identities that are remembered.
    pub remembered: usize,
}

impl AdmissionRules {
    /// Returns the rules of a relay of these services.
    pub fn new(services: Vec<[u8; 3]>, most: usize) -> Self {
        let each = Tries { burst: 4, interval: 2000 };
        Self { services, most, each, all: Tries { burst: 16, interval: 250 }, remembered: 256 }
    }
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotAdmitted {
    /// The service is not served here.
    Service,
    /// There are as many remote UEs as there may be.
    Full,
    /// This identity tried too often.
    TooOften,
    /// All together tried too often.
    TooMany,
}

/// Tries that are left, at a time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    /// Since when the next one comes back.
    since: UtcTime,
}

impl Bucket {
    const fn full(tries: Tries, now: UtcTime) -> Self {
        Self { left: tries.burst, since: now }
    }

    /// Gives back what has come back since.
    fn refill(&mut self, tries: Tries, now: UtcTime) {
        let interval = tries.interval.max(1);
        let back = now.millis().saturating_sub(self.since.millis()) / interval;
        self.left = self.left.saturating_add(u32::try_from(back).unwrap_or(u32::MAX)).min(tries.burst);
        self.since = if self.left == tries.burst { now } else { self.since.plus_millis(back * interval) };
    }
}

/// The admission of one relay.
#[derive(Debug)]
pub struct AdmissionControl {
    rules: AdmissionRules,
    each: Vec<(Layer2Id, Bucket)>,
    all: Option<Bucket>,
}

impl AdmissionControl {
    /// Makes the admission of a relay.
    pub const fn new(rules: AdmissionRules) -> Self {
        Self { rules, each: Vec::new(), all: None }
    }

    /// Returns the largest number of remote UEs.
    pub const fn most(&self) -> usize {
        self.rules.most
    }

    /// Returns the number of identities that are remembered.
    pub fn remembered(&self) -> usize {
        self.each.len()
    }

    /// Admits a request of this layer-2 identity for a service, while `used` other remote UEs are linked.
    ///
    /// # Errors
    /// Why it is not answered.
    pub fn admit(
        &mut self,
        now: UtcTime,
        source: Layer2Id,
        service: [u8; 3],
        used: usize,
    ) -> Result<(), NotAdmitted> {
        if !self.rules.services.contains(&service) {
            return Err(NotAdmitted::Service);
        }
        if used >= self.rules.most {
            return Err(NotAdmitted::Full);
        }
        let (each, all) = (self.rules.each, self.rules.all);
        let total = self.all.get_or_insert(Bucket::full(all, now));
        total.refill(all, now);
        self.each.iter_mut().for_each(|(_, bucket)| bucket.refill(each, now));
        self.each.retain(|(_, bucket)| bucket.left < each.burst);
        let known = self.each.iter().position(|(known, _)| *known == source);
        if known.is_some_and(|at| self.each[at].1.left == 0) {
            return Err(NotAdmitted::TooOften);
        }
        if total.left == 0 {
            return Err(NotAdmitted::TooMany);
        }
        total.left -= 1;
        let at = known.unwrap_or_else(|| self.place(source, now));
        self.each[at].1.left -= 1;
        Ok(())
    }

    /// Makes a place for an identity, and returns it.
    fn place(&mut self, source: Layer2Id, now: UtcTime) -> usize {
        let bucket = Bucket::full(self.rules.each, now);
        if self.each.len() >= self.rules.remembered.max(1)
            && let Some(at) = (0..self.each.len()).max_by_key(|at| self.each[*at].1.left)
        {
            self.each[at] = (source, bucket);
            return at;
        }
        self.each.push((source, bucket));
        self.each.len() - 1
    }

    /// A link of this identity came up: its tries begin anew.
    pub fn linked(&mut self, source: Layer2Id) {
        self.each.retain(|(known, _)| *known != source);
    }
}

#[cfg(test)]
mod tests;
