//! PSDCH: one message in every discovery period (TS 36.213 §14.3).

use super::period::PeriodPlan;
use super::{Air, Instant, Source};
use crate::config::{ConfigError, set_timing};
use crate::lock::lock;
use crate::scenario::protected::{DiscoverySenderId, SharedTraffic};
use crate::scenario::{Choice, DiscoveryEntry, Payload, Type2b};
use sidelink_phy::channel::psdch::{MESSAGE_BYTES, REDUNDANCY_VERSIONS};
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::pool::{DiscoveryPool, Type2bParameters};
use sidelink_phy::transmit::{Content, Transmission};
use sidelink_phy::units::{CyclicPrefix, PrbRange};
use sidelink_prose::discovery::FrameTime;

pub(super) struct DiscoverySource {
    pool: DiscoveryPool,
    cp: CyclicPrefix,
    carrier: usize,
    resource: Resource,
    message: Payload,
    protected: Option<(SharedTraffic, DiscoverySenderId)>,
    rvs: [u8; 4],
    rng: Rng,
    /// PRBs of the transmissions.
    plan: PeriodPlan<PrbRange>,
    /// The message of the current period, from its first transmission on.
    sent: Option<[u8; MESSAGE_BYTES]>,
}

/// Octets of a code.
const CODE_BYTES: usize = 23;

enum Resource {
    Type1(Choice),
    /// `(a_1, b_1)` of the next period.
    Type2b(Type2b, (u32, u32)),
}

impl DiscoverySource {
    pub(super) fn new(
        entry: &DiscoveryEntry,
        who: (usize, &str),
        air: &Air<'_>,
        rng: Rng,
        place: &str,
    ) -> Result<Self, ConfigError> {
        let Some(discovery) = air.radio.discovery.get(entry.pool) else {
            let what = format!("no discovery pool {}", entry.pool);
            return Err(ConfigError::new(what, place, "add a [[radio.discovery]]; pools count from 0"));
        };
        let (pool, carrier) = (&discovery.pool, air.prbs());
        check_message(entry, place)?;
        let resource = Resource::new(entry, place)?;
        resource.check(pool, carrier, place)?;
        let mut code = [0; CODE_BYTES];
        entry.message.fill(0, &rng, &mut code);
        let protected = entry.protected.as_ref().map(|protected| {
            let id = lock(air.traffic).add_message(who, (entry.pool, set_timing(pool)), protected, code);
            id.map(|id| (air.traffic.clone(), id)).map_err(|e| e.within(place))
        });
        Ok(Self {
            pool: pool.clone(),
            cp: discovery.cp,
            carrier,
            resource,
            message: entry.message.clone(),
            protected: protected.transpose()?,
            rvs: entry.redundancy_versions.map_or(Ok(REDUNDANCY_VERSIONS), |rvs| check_rvs(rvs, place))?,
            rng,
            plan: PeriodPlan::new(),
            sent: None,
        })
    }

    /// Choose the resource of the period that begins.
    fn begin(&mut self) {
        let transmissions = match &mut self.resource {
            Resource::Type1(Choice::Fixed(n)) => self.pool.type1(self.carrier, *n as usize),
            Resource::Type1(Choice::Random) => {
                // a pair across the gap of the pool cannot be sent: draw again
                let all = self.pool.resources(self.carrier) as u64;
                let mut rng = self.rng.fork(self.plan.next());
                (0..64).find_map(|_| self.pool.type1(self.carrier, rng.below(all) as usize))
            }
            Resource::Type2b(t, now) => {
                let parameters = Type2bParameters {
                    prb_index: t.prb_index,
                    subframe_index: t.subframe_index,
                    a: t.a,
                    b: t.b,
                    c: t.c,
                    // n' of the period that is planned for: the indices hold in period 0
                    // TS 36.213 §14.3.1 type 2B (2)
                    periods_since: ((self.plan.next() + 1) % 10) as u32,
                };
                let this = self.pool.type2b(self.carrier, *now);
                if let Some(next) = self.pool.type2b_next(self.carrier, &parameters, *now) {
                    *now = next;
                }
                this
            }
        };
        self.plan.begin(transmissions.unwrap_or_default());
        self.sent = None;
    }

    /// The message whose first transmission is `now`, `into` the period; `None` when there is none.
    fn compose(&self, now: Instant, into: u32) -> Option<[u8; MESSAGE_BYTES]> {
        let mut message = [0; MESSAGE_BYTES];
        match &self.protected {
            None => self.message.fill(self.plan.current()?, &self.rng, &mut message),
            Some((traffic, id)) => {
                let period = now.subframe.saturating_sub(u64::from(into));
                let frame = FrameTime::of_count(now.at.count() as u16);
                message = lock(traffic).message(*id, (now.subframe, frame), period)?;
            }
        }
        Some(message)
    }
}

/// Whether the message fits, and is the key store's business alone where that has the code.
fn check_message(entry: &DiscoveryEntry, place: &str) -> Result<(), ConfigError> {
    let answers = entry.protected.as_ref().is_some_and(|p| p.answers.is_some());
    entry.message.check(if answers { CODE_BYTES } else { MESSAGE_BYTES }, &format!("{place}.message"))?;
    if entry.protected.is_some() && !answers && entry.message != Payload::default() {
        let what = "both message and protected";
        return Err(ConfigError::new(what, place, "keep one of them: the key store holds the code"));
    }
    Ok(())
}

impl Resource {
    fn new(entry: &DiscoveryEntry, place: &str) -> Result<Self, ConfigError> {
        match (entry.resource, entry.type_2b) {
            (Some(_), Some(_)) => {
                let what = "both resource (type 1) and type-2b";
                Err(ConfigError::new(what, place, "keep one of them"))
            }
            (choice, None) => Ok(Self::Type1(choice.unwrap_or(Choice::Random))),
            (None, Some(t)) => Ok(Self::Type2b(t, (t.prb_index, t.subframe_index))),
        }
    }

    /// Whether the pool has it.
    fn check(&self, pool: &DiscoveryPool, carrier: usize, place: &str) -> Result<(), ConfigError> {
        let all = pool.resources(carrier);
        let split =
            "its pair of PRBs lies across the gap of the pool; choose an even prb.num, or another resource";
        match self {
            Self::Type1(Choice::Fixed(n)) if *n as usize >= all => {
                let what = format!("the pool has {all} resources, from 0 on");
                Err(ConfigError::new(what, format!("{place}.resource {n}"), "choose another"))
            }
            Self::Type1(Choice::Fixed(n)) if pool.type1(carrier, *n as usize).is_none() => {
                Err(ConfigError::new(split, format!("{place}: n_PSDCH {n} of {all}"), ""))
            }
            Self::Type1(Choice::Random) if all == 0 => {
                Err(ConfigError::new("the pool has no resource", place, "give it two PRBs at least"))
            }
            Self::Type2b(_, (a, b)) if *a as usize >= pool.n_f(carrier) || *b as usize >= pool.n_t() => {
                let what =
                    format!("prb-index {a} of {}, subframe-index {b} of {}", pool.n_f(carrier), pool.n_t());
                Err(ConfigError::new(what, place, "both count from 0 on"))
            }
            _ => Ok(()),
        }
    }
}

fn check_rvs(rvs: [u8; 4], place: &str) -> Result<[u8; 4], ConfigError> {
    match rvs.iter().find(|rv| **rv > 3) {
        Some(rv) => {
            let what = format!("no redundancy version {rv}");
            Err(ConfigError::new(what, format!("{place}.redundancy-versions"), "0, 1, 2 or 3"))
        }
        None => Ok(rvs),
    }
}

impl Source for DiscoverySource {
    fn plan(&mut self, now: Instant, out: &mut Vec<Transmission>) {
        let Some(into) = self.pool.into_period(now.at.count()) else { return };
        if into == 0 {
            self.begin();
        }
        if self.plan.starts_at(into) {
            self.sent = self.compose(now, into);
        }
        let Some(message) = self.sent else { return };
        for (j, prbs) in self.plan.at(into) {
            let content =
                Content::SlDch { message, rv: self.rvs[j % 4], prb: prbs.start, transmission: j as u32 + 1 };
            out.push(Transmission { cp: self.cp, amplitude: 1.0, content });
        }
    }

    fn prefixes(&self) -> Vec<CyclicPrefix> {
        vec![self.cp]
    }
}
