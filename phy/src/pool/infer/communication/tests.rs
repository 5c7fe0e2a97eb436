use super::*;
use crate::impair::rng::Rng;

/// Observations of a receiver that decodes everything in a pool: each UE draws a place for its SCI in every period.
struct Air {
    pool: CommunicationPool,
    carrier: usize,
    trps: Vec<u8>,
    time: u64,
    rng: Rng,
}

impl Air {
    fn new(pool: CommunicationPool, carrier: usize, trps: &[u8], time: u64, seed: u64) -> Self {
        Self { pool, carrier, trps: trps.to_vec(), time, rng: Rng::new(seed) }
    }

    /// Feeds the learner the observations of `subframes`. Those that `is_heard` refuses are lost.
    fn play(&mut self, learner: &mut CommunicationLearner, subframes: u64, is_heard: &dyn Fn(u64) -> bool) {
        let mut controls: Vec<[(u32, usize); 2]> = vec![[(0, 0); 2]; self.trps.len()];
        let mut begun = false;
        for t in self.time..self.time + subframes {
            let Some(into) = self.pool.into_period((t % 10_240) as u32) else { continue };
            if into == 0 {
                begun = true;
                for place in &mut controls {
                    let all = self.pool.control_resources(self.carrier) as u64;
                    *place = self.pool.control_resource(self.carrier, self.rng.below(all) as usize).unwrap();
                }
            }
            if !begun || !is_heard(t) {
                continue;
            }
            for (ue, &trp) in self.trps.iter().enumerate() {
                let at = |(s, prb): (u32, usize)| ControlSighting { subframe: t - (into - s) as u64, prb };
                let mut pair = controls[ue].map(|c| if c.0 <= into { Some(at(c)) } else { None });
                pair.sort_by_key(|c| c.map(|c| c.subframe));
                let pattern = self.pool.pattern_subframes(trp);
                let Some(i) = pattern.iter().position(|(s, _)| *s == into) else { continue };
                let Some(control) = pair[1] else { continue };
                if i == 0 {
                    pair.into_iter().flatten().for_each(|c| learner.control(c));
                    if let [Some(a), Some(b)] = pair {
                        learner.pair([a, b]);
                    }
                }
                learner.data(DataSighting {
                    subframe: t,
                    control: control.subframe,
                    trp,
                    n_ssf: (pattern[i].1 % 10) as u8,
                    transmission: (i % 4) as u8,
                    prbs: PrbRange { start: 2 * ue, len: 2 },
                    is_new: i % 4 == 0,
                });
            }
        }
        self.time += subframes;
    }
}

/// Returns a pool as an operator may configure it.
fn random_pool(rng: &mut Rng, carrier: usize) -> CommunicationPool {
    let mut below = |n: usize| rng.below(n as u64) as usize;
    let period = PERIODS[below(PERIODS.len())];
    let span = 2 + below(if period == 40 { 14 } else { 30 });
    let mut control_bitmap: Vec<bool> = (0..span).map(|_| below(3) > 0).collect();
    control_bitmap[0] |= !control_bitmap[1..].contains(&true);
    control_bitmap[span - 1] |= below(2) == 0;
    let num = 2 + below(carrier / 2 - 1);
    let start = below(carrier - 2 * num + 1);
    let end = start + 2 * num - 1 + below(carrier - start - 2 * num + 1);
    let prbs = PoolPrbs { start, end, num };
    let data = if below(3) == 0 {
        PsschSubframes::AfterControl
    } else {
        let len = [8, 12, 16, 20, 30, 40][below(6)];
        let mut bitmap: Vec<bool> = (0..len).map(|_| below(4) > 0).collect();
        bitmap[below(len)] = true;
        PsschSubframes::Bitmap { offset: (span + below(4)) as u32, bitmap }
    };
    CommunicationPool {
        period,
        offset: below(period as usize) as u32,
        control_bitmap,
        control_prbs: prbs,
        data,
        data_prbs: prbs,
        trp_set: TrpSet::Eight,
        hopping: HoppingConfig::default(),
    }
}

/// Whether a receiver configured with `learnt` receives all that UEs with these patterns send in `pool`.
fn explains(
    learnt: &CommunicationPool,
    pool: &CommunicationPool,
    carrier: usize,
    trps: &[u8],
    heard: u64,
) -> bool {
    if learnt.period != pool.period {
        return false;
    }
    let late = (learnt.offset + pool.period - pool.offset % pool.period) % pool.period;
    // in the true period, the learnt one begins `late` subframes later, or as much earlier
    let shift = |s: u32| (s + pool.period - late) % pool.period;
    let control: Vec<u32> = learnt.control_subframes();
    let seen = |s: u32| control.contains(&shift(s));
    // with few periods, not every place was observed
    let all_control = heard < 100 || pool.control_subframes().into_iter().all(seen);
    let prbs = pool.control_resources(carrier) == 0
        || heard < 100
        || pool.control_prbs.list(carrier).iter().all(|&q| learnt.control_prbs.contains(q));
    let data = trps.iter().all(|&trp| {
        let of_learnt = learnt.pattern_subframes(trp);
        let sent = pool.pattern_subframes(trp);
        sent.iter().enumerate().all(|(i, &(s, j))| {
            of_learnt.get(i).is_some_and(|&(at, index)| at == shift(s) && index % 10 == j % 10)
        })
    });
    all_control && prbs && data
}

#[test]
fn random_pools_are_learnt_from_three_ues() {
    let mut rng = Rng::new(7);
    let (mut learnt, mut tried) = (0, 0);
    for n in 0..300 {
        let carrier = [25, 50, 100][n % 3];
        let pool = random_pool(&mut rng, carrier);
        let trps: Vec<u8> = (0..3).map(|_| rng.below(106) as u8).collect();
        // a pool in which no UE can send a whole block cannot be learnt
        if trps.iter().all(|&trp| pool.pattern_subframes(trp).is_empty()) {
            continue;
        }
        tried += 1;
        let mut learner = CommunicationLearner::new(carrier);
        learner.restart(Clock::Dfn);
        let mut air = Air::new(pool.clone(), carrier, &trps, rng.below(10_000), n as u64);
        air.play(&mut learner, 9 * pool.period as u64, &|_| true);
        let Some(fit) = learner.fit() else {
            eprintln!("not learnt: {pool:?} {trps:?}");
            continue;
        };
        learnt += 1;
        assert!(explains(&fit.pool(), &pool, carrier, &trps, 9), "{pool:?} {trps:?} is not {fit:?}");
    }
    eprintln!("{learnt} of {tried}");
    assert!(learnt * 100 >= tried * 95, "{learnt} of {tried}");
}
