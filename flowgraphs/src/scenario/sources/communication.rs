//! PSCCH and PSSCH of modes 1 and 2: in every period two SCIs, and transport blocks of four transmissions each
//! (TS 36.213 §14.1, §14.2).

use super::period::PeriodPlan;
use super::{Air, Instant, Source};
use crate::config::{Communication, ConfigError};
use crate::lock::lock;
use crate::scenario::protected::{GroupSenderId, SharedTraffic};
use crate::scenario::{Choice, CommunicationEntry, Payload};
use sidelink_phy::channel::pssch::{Grant, REDUNDANCY_VERSIONS};
use sidelink_phy::coding::crc::CRC16;
use sidelink_phy::impair::rng::Rng;
use sidelink_phy::pool::{CommunicationPool, Hopping};
use sidelink_phy::sci::{Format0, riv_encode};
use sidelink_phy::tables::is_precoding_size;
use sidelink_phy::transmit::{Content, SciFields, Transmission};
use sidelink_phy::units::{CyclicPrefix, Modulation, PrbRange, SidelinkMode};

pub(super) struct CommunicationSource {
    pool: CommunicationPool,
    control_cp: CyclicPrefix,
    data_cp: CyclicPrefix,
    carrier: usize,
    resource: Choice,
    sci: Format0,
    sci_bits: Vec<u8>,
    grant: Grant,
    modulation: Modulation,
    octets: usize,
    allocation: Allocation,
    payload: Payload,
    protected: Option<Protected>,
    rng: Rng,
    /// Subframes of the period that carry PSSCH, with the pool index of each.
    pattern: Vec<(u32, u32)>,
    /// PRBs of PSCCH.
    control: PeriodPlan<usize>,
    /// The block whose transmissions are under way, by its number; none when there was nothing to send.
    block: Option<(u64, Option<Vec<u8>>)>,
}

/// Who makes the blocks out of payloads.
struct Protected {
    traffic: SharedTraffic,
    id: GroupSenderId,
    /// Octets of a random payload.
    octets: usize,
    /// Payloads so far.
    payloads: u64,
}

impl CommunicationSource {
    pub(super) fn new(
        entry: &CommunicationEntry,
        who: (usize, &str),
        air: &Air<'_>,
        rng: Rng,
        place: &str,
    ) -> Result<Self, ConfigError> {
        let at = |key: &str| format!("{place}.{key}");
        let communication = pool(entry, air, place)?;
        let (pool, carrier) = (&communication.pool, air.prbs());
        let allocation = Allocation::new(entry, pool, air, &at)?;
        let pattern = pattern(entry, pool, &at)?;
        check_resource(entry.resource, pool, carrier, place)?;
        let protected = Protected::new(entry, who, air, place)?;
        let destination = protected.as_ref().map(|p| p.id.group_destination());
        let group = group(entry.group, destination, place)?;
        let (sci, sci_bits) = control_information(entry, &allocation, group, air, place)?;
        let grant = Grant {
            prbs: allocation.first,
            mcs: entry.mcs,
            rv: 0,
            n_id: u16::from(group),
            n_ssf: 0,
            transmission_format: false,
        };
        let (modulation, bits) = grant
            .size(SidelinkMode::D2d)
            .map_err(|e| ConfigError::new(e.to_string(), at("mcs"), "0 to 28"))?;
        if protected.is_none() {
            entry.payload.check(bits / 8, &at("payload"))?;
        }
        Ok(Self {
            pool: pool.clone(),
            control_cp: communication.control_cp,
            data_cp: communication.data_cp,
            carrier,
            resource: entry.resource,
            sci,
            sci_bits,
            grant,
            modulation,
            octets: bits / 8,
            allocation,
            payload: entry.payload.clone(),
            protected,
            rng,
            pattern,
            control: PeriodPlan::new(),
            block: None,
        })
    }

    /// Choose the PSCCH resource of the period that begins.
    fn begin(&mut self) {
        let n = match self.resource {
            Choice::Fixed(n) => n as usize,
            Choice::Random => {
                self.rng.fork(self.control.next()).below(self.pool.control_resources(self.carrier) as u64)
                    as usize
            }
        };
        let resource = self.pool.control_resource(self.carrier, n);
        self.control.begin(resource.map_or(Vec::new(), |r| r.to_vec()));
    }

    /// Transport block `number`, made in subframe `now`; `None` when it cannot be sent.
    fn compose(&mut self, number: u64, now: Instant) -> Option<Vec<u8>> {
        let Some(Protected { traffic, id, octets, payloads }) = &mut self.protected else {
            let mut block = vec![0; self.octets];
            self.payload.fill(number, &self.rng, &mut block);
            return Some(block);
        };
        let next = || {
            *payloads += 1;
            self.payload.sdu(*payloads - 1, &self.rng, *octets)
        };
        lock(traffic).block(*id, now.subframe, self.octets, next)
    }
}

/// The pool of an entry.
fn pool<'a>(
    entry: &CommunicationEntry,
    air: &Air<'a>,
    place: &str,
) -> Result<&'a Communication, ConfigError> {
    if air.mode.is_v2x() {
        let what = format!("communication of modes 1 and 2 in mode {}", air.mode.number());
        return Err(ConfigError::new(what, place, "use [[ue.v2x]], or tm = 1 or 2"));
    }
    air.radio.communication.get(entry.pool).ok_or_else(|| {
        let what = format!("no communication pool {}", entry.pool);
        ConfigError::new(what, place, "add a [[radio.communication]]; pools count from 0")
    })
}

/// PRBs of PSSCH in every subframe.
struct Allocation {
    /// As the SCI names them.
    first: PrbRange,
    /// The assignment field of the SCI.
    rb_assignment: u16,
    hopping: Option<Hopping>,
}

impl Allocation {
    fn new(
        entry: &CommunicationEntry,
        pool: &CommunicationPool,
        air: &Air<'_>,
        at: &dyn Fn(&str) -> String,
    ) -> Result<Self, ConfigError> {
        let first = allocation(entry, air.prbs(), at)?;
        let (rb_assignment, hopping) = match entry.hopping {
            None => (riv_encode(air.prbs(), first.start, first.len).unwrap_or(0) as u16, None),
            Some(bits) => {
                let (assignment, hopping) = hopping(bits, first, pool, air, &at("hopping"))?;
                (assignment, Some(hopping))
            }
        };
        Ok(Self { first, rb_assignment, hopping })
    }

    /// PRBs in a subframe; `None` where a hop leaves the pool.
    fn prbs(&self, n_ssf: u8) -> Option<PrbRange> {
        self.hopping.map_or(Some(self.first), |hopping| hopping.prbs(n_ssf))
    }
}

impl Protected {
    /// Of an entry that is protected.
    fn new(
        entry: &CommunicationEntry,
        who: (usize, &str),
        air: &Air<'_>,
        place: &str,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(p) = &entry.protected else { return Ok(None) };
        let id = lock(air.traffic).add_data(who, p, entry.payload.longest(p.octets));
        let id = id.map_err(|e| e.within(place))?;
        Ok(Some(Self { traffic: air.traffic.clone(), id, octets: p.octets, payloads: 0 }))
    }
}

/// The SCI of an entry, and its bits.
fn control_information(
    entry: &CommunicationEntry,
    allocation: &Allocation,
    group: u8,
    air: &Air<'_>,
    place: &str,
) -> Result<(Format0, Vec<u8>), ConfigError> {
    let sci = Format0 {
        hopping: entry.hopping.is_some(),
        rb_assignment: allocation.rb_assignment,
        trp: entry.trp,
        mcs: entry.mcs,
        timing_advance: entry.timing_advance,
        group_destination: group,
    };
    let bandwidth = air.numerology.bandwidth();
    let mut bits = vec![0; Format0::bits(bandwidth)];
    sci.emit(bandwidth, &mut bits).map_err(|e| ConfigError::new(e.to_string(), place, "lower the number"))?;
    Ok((sci, bits))
}

/// The assignment field, and the hopping over the carrier (mode 1) or the pool (mode 2).
fn hopping(
    bits: u8,
    first: PrbRange,
    pool: &CommunicationPool,
    air: &Air<'_>,
    place: &str,
) -> Result<(u16, Hopping), ConfigError> {
    let carrier = air.prbs();
    let fits = Hopping::assignment(carrier, bits, first).and_then(|assignment| {
        Some((assignment, Hopping::new(assignment, carrier, pool.hopping_span(), pool.hopping)?))
    });
    let Some((assignment, hopping)) = fits else {
        let what = format!(
            "hopping bits {bits} with {} PRBs from {} on are no allocation that hops",
            first.len, first.start
        );
        return Err(ConfigError::new(
            what,
            place,
            "one hopping bit below 50 PRB, two from there on; or fewer PRBs: what hops is narrower than the carrier, and than a subband",
        ));
    };
    Ok((assignment, hopping))
}

/// The PRBs of an entry.
fn allocation(
    entry: &CommunicationEntry,
    carrier: usize,
    at: &dyn Fn(&str) -> String,
) -> Result<PrbRange, ConfigError> {
    let prbs = PrbRange { start: entry.start as usize, len: entry.len as usize };
    let (start, len) = (entry.start, entry.len);
    if !is_precoding_size(prbs.len) {
        let what = format!("{len} PRBs cannot be transform precoded");
        return Err(ConfigError::new(
            what,
            at("len"),
            "a product of 2, 3 and 5: 1 2 3 4 5 6 8 9 10 12 15 ...",
        ));
    }
    if riv_encode(carrier, prbs.start, prbs.len).is_none() {
        let what = format!("{len} PRBs from {start} on leave the carrier of {carrier}");
        return Err(ConfigError::new(what, at("start"), "start + len is at most prb"));
    }
    Ok(prbs)
}

/// Subframes of a period that carry PSSCH, with the pool index of each.
fn pattern(
    entry: &CommunicationEntry,
    pool: &CommunicationPool,
    at: &dyn Fn(&str) -> String,
) -> Result<Vec<(u32, u32)>, ConfigError> {
    let pattern = pool.pattern_subframes(entry.trp);
    if pattern.is_empty() {
        let subframes = pool.data_subframes().len();
        let what = format!("pattern {} has no four subframes in the {subframes} of the pool", entry.trp);
        let remedy = "choose another (0 to 106 for N_TRP = 8), or a longer period";
        return Err(ConfigError::new(what, at("trp"), remedy));
    }
    Ok(pattern)
}

fn check_resource(
    resource: Choice,
    pool: &CommunicationPool,
    carrier: usize,
    place: &str,
) -> Result<(), ConfigError> {
    let all = pool.control_resources(carrier);
    match resource {
        Choice::Fixed(n) if pool.control_resource(carrier, n as usize).is_none() => {
            let what = format!("the pool has {all} resources, from 0 on");
            Err(ConfigError::new(what, format!("{place}.resource"), "choose another"))
        }
        _ if all == 0 => {
            Err(ConfigError::new("the pool has no PSCCH resource", place, "give it two PRBs at least"))
        }
        _ => Ok(()),
    }
}

/// The destination in the SCI: as configured, or that of the group whose keys protect the data.
fn group(configured: Option<u8>, destination: Option<u8>, place: &str) -> Result<u8, ConfigError> {
    match (configured, destination) {
        (Some(said), Some(octet)) if said != octet => {
            let what = format!("group {said}, but the identity of the group ends in {octet}");
            Err(ConfigError::new(what, format!("{place}.group"), "leave it out"))
        }
        (None, None) => {
            Err(ConfigError::new("no group", place, "add group = 0 to 255, the destination in the SCI"))
        }
        (said, octet) => Ok(said.or(octet).unwrap_or_default()),
    }
}

impl Source for CommunicationSource {
    fn plan(&mut self, now: Instant, out: &mut Vec<Transmission>) {
        let Some(into) = self.pool.into_period(now.at.count()) else { return };
        if into == 0 {
            self.begin();
        }
        for (_, prb) in self.control.at(into) {
            let content = Content::Sci {
                fields: SciFields::Format0(self.sci),
                bits: self.sci_bits.clone(),
                prb,
                n_cs: 0,
                crc16: CRC16.bits(&self.sci_bits) as u16,
            };
            out.push(Transmission { cp: self.control_cp, amplitude: 1.0, content });
        }
        let Some(period) = self.control.current() else { return };
        let Some(i) = self.pattern.iter().position(|(subframe, _)| *subframe == into) else { return };
        let n_ssf = (self.pattern[i].1 % 10) as u8;
        let Some(prbs) = self.allocation.prbs(n_ssf) else { return };
        let repetitions = REDUNDANCY_VERSIONS.len();
        let number = period * (self.pattern.len() / repetitions) as u64 + (i / repetitions) as u64;
        if self.block.as_ref().is_none_or(|(current, _)| *current != number) {
            self.block = Some((number, self.compose(number, now)));
        }
        let Some((_, Some(block))) = self.block.clone() else { return };
        let grant = Grant { prbs, n_ssf, rv: REDUNDANCY_VERSIONS[i % repetitions], ..self.grant };
        let content = Content::SlSch { grant, modulation: self.modulation, block, number };
        out.push(Transmission { cp: self.data_cp, amplitude: 1.0, content });
    }

    fn prefixes(&self) -> Vec<CyclicPrefix> {
        vec![self.control_cp, self.data_cp]
    }
}
