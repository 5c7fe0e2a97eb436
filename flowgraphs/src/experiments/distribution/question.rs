//! Which solutions are compared, and with what.

use super::invitation::{Admission, Invitations};
use super::layer2::{self, Layer2};
use super::outcome::{Costs, Outcome};
use super::pkmf::Pkmf;
use super::pool::Pool;
use super::trial::{self, Group};
use super::{identity, mls, owner};
use crate::config::{LongMessageWay, LongMessages};
use sidelink_mac::mux::Address;
use sidelink_security::counter::UtcTime;
use sidelink_wire::ids::Layer2Id;

/// Layer-2 identity of the group.
pub(crate) const GROUP: u32 = 0x00_01a2;

/// When a trial begins.
const START: UtcTime = UtcTime::from_millis(1_800_000_000_000);

/// Milliseconds after which members come that are late.
const LATE_AFTER: u64 = 10_000;

/// PRBs of a grant.
const PRBS: usize = 10;

/// A solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Solution {
    /// S3.1: I_MESSAGEs of MIKEY-SAKKE.
    Sakke,
    /// S3.4: a group owner with certificates.
    Owner,
    /// The standard's: PGKs of a PKMF.
    Pgk,
    /// S3.2 (i).
    Invitation,
    /// S3.2 (ii).
    WhiteList,
    /// RFC 9420, priced.
    Mls,
}

impl Solution {
    pub(crate) const ALL: [Self; 6] =
        [Self::Sakke, Self::Owner, Self::Pgk, Self::Invitation, Self::WhiteList, Self::Mls];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sakke => "group-sakke",
            Self::Owner => "group-owner",
            Self::Pgk => "group-pgk",
            Self::Invitation => "group-invitation",
            Self::WhiteList => "group-white-list",
            Self::Mls => "group-mls",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|solution| solution.name() == name)
    }
}

/// Octets of MAC and RLC headers around the one PDU of a block, at most.
const HEADERS: usize = 10;

/// A trial to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) solution: Solution,
    pub(crate) members: usize,
    pub(crate) pool: Pool,
    /// How messages travel that are longer than a block.
    pub(crate) way: LongMessageWay,
    /// Milliseconds there and back between any two functions of the network, UEs included.
    pub(crate) round_trip: u64,
    /// Group owner: SC periods between two UEs that ask to join.
    pub(crate) join_every: u64,
    /// Share of the members that come late.
    pub(crate) late: f64,
    pub(crate) seed: u64,
}

/// Returns the pool of a case.
pub(crate) const fn pool(period: u64, mcs: u8, loss: f64) -> Pool {
    Pool { period, mcs, prbs: PRBS, places: 1, control_places: 14, loss }
}

impl Case {
    /// Milliseconds until the last member has the first key, as the digest of the proposals counts them.
    pub(crate) fn predicted(&self) -> Option<u64> {
        let (n, period) = (self.members as u64, self.pool.period);
        let periods = |blocks: u64| blocks.div_ceil(self.pool.blocks().max(1));
        match self.solution {
            // seven blocks a member, one destination a period
            Solution::Sakke => Some(n * periods(7) * period),
            Solution::Invitation => Some(n * periods(2) * period),
            // seven periods a member at P = 40
            Solution::Owner => Some(n * 7 * period),
            Solution::Pgk | Solution::WhiteList | Solution::Mls => None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// What the command line asks for cannot be, or a bug.
    pub(crate) fn run(&self) -> anyhow::Result<Outcome> {
        let mut air = self.air()?;
        let (n, now, seed) = (self.members, START, self.seed);
        // An invitation is to one destination, and has a period of its own.
        let when = (now, self.pool.period);
        let room = self.pool.block_octets().saturating_sub(HEADERS);
        let way = LongMessages { way: self.way, ..LongMessages::default() }.way(room)?;
        let mut solution: Box<dyn trial::Solution> = match self.solution {
            Solution::Mls => return Ok(self.priced()),
            Solution::Sakke => Box::new(identity::group(n, now, self.pool.period, way, seed)?),
            Solution::Owner => {
                Box::new(owner::group(n, now, (self.pool.period, self.join_every), way, seed)?)
            }
            Solution::Pgk => Box::new(Pkmf::new(n, now, self.round_trip, seed)?),
            Solution::Invitation => {
                Box::new(Invitations::new(Admission::Invitation, n, when, self.round_trip, seed)?)
            }
            Solution::WhiteList => {
                Box::new(Invitations::new(Admission::WhiteList, n, when, self.round_trip, seed)?)
            }
        };
        // never the one who is stolen
        let late = ((self.late * n as f64).round() as usize).min(n.saturating_sub(2));
        let patience = 60_000 + 2000 * n as u64;
        let group = Group { members: n, late, late_after: LATE_AFTER, patience };
        let trial = trial::run(solution.as_mut(), &mut air, group)?;
        Ok(Outcome::of(self, &trial))
    }

    fn air(&self) -> anyhow::Result<Layer2> {
        let mut air = Layer2::new(self.pool, START, self.seed);
        let group = Address::Group(Layer2Id::new(GROUP)?);
        for station in 0..=self.members {
            air.add(layer2::identity(station)?, &[group]);
        }
        Ok(air)
    }

    /// A tree of keys: each member sends its KeyPackage, the first the Welcome; one commit removes a member.
    fn priced(&self) -> Outcome {
        let n = self.members;
        let costs = |messages: u64, blocks: u64, wanted: usize| {
            let periods = blocks.div_ceil(self.pool.blocks().max(1));
            let last = Some(periods * self.pool.period);
            Costs {
                wanted,
                keyed: wanted,
                median_ms: last,
                p95_ms: last,
                last_ms: last,
                n_tb: blocks,
                tb_octets: blocks * self.pool.block_octets() as u64,
                grants: periods.max(messages),
                subframes: 4 * blocks + 2 * periods.max(messages),
                ..Costs::default()
            }
        };
        let room = self.pool.block_octets().saturating_sub(OVERHEAD).max(1);
        let blocks = |octets: usize| octets.div_ceil(room) as u64;
        let first = n as u64 * blocks(mls::KEY_PACKAGE) + blocks(mls::welcome(n));
        let removal = blocks(mls::removal_mean(n + 1).round() as usize);
        Outcome {
            way: "priced".to_owned(),
            first: costs(n as u64 + 1, first, n),
            rekeying: costs(1, removal, n.saturating_sub(1)),
            ..Outcome::empty(self)
        }
    }
}

/// Octets of a block that are not PDCP's data: MAC, RLC, PDCP.
const OVERHEAD: usize = 8 + 5;
