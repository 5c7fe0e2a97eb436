use super::*;
use crate::impair::rng::Rng;

fn random_pool(rng: &mut Rng, carrier: usize) -> DiscoveryPool {
    let mut below = |n: usize| rng.below(n as u64) as usize;
    loop {
        let period = PERIODS[below(11)];
        let len = 4 + below((period as usize).min(40) - 3);
        let mut bitmap: Vec<bool> = (0..len).map(|_| below(3) > 0).collect();
        bitmap[0] = true;
        let repetitions = 1 + below((period as usize / len).min(6));
        let num = 2 * (1 + below(carrier / 4));
        let start = below(carrier - 2 * num + 1);
        let end = start + 2 * num - 1 + below(carrier - start - 2 * num + 1);
        let pool = DiscoveryPool {
            period,
            offset: below(period as usize) as u32,
            bitmap,
            repetitions: repetitions as u32,
            transmissions: 1 + below(4) as u32,
            prbs: PoolPrbs { start, end, num },
        };
        // three UEs that draw their places have few in common
        if pool.resources(carrier) >= 12 && pool.n_t() >= 1 {
            return pool;
        }
    }
}

/// Feeds the learner `periods` of a pool in which `ues` announce, each at a place that it draws.
fn play(
    learner: &mut DiscoveryLearner,
    pool: &DiscoveryPool,
    carrier: usize,
    ues: usize,
    periods: u64,
    rng: &mut Rng,
) {
    for period in 0..periods {
        let mut taken = Vec::new();
        for _ in 0..ues {
            let n = rng.below(pool.resources(carrier) as u64) as usize;
            let Some(places) = pool.type1(carrier, n).filter(|_| !taken.contains(&n)) else { continue };
            taken.push(n);
            let mut prbs = [None; 4];
            for (j, (into, range)) in places.iter().enumerate() {
                prbs[j] = Some(range.start);
                learner.transmission(DiscoverySighting {
                    subframe: (pool.offset + *into) as u64 + period * pool.period as u64,
                    transmission: j as u8,
                    is_new: j == 0,
                });
            }
            learner.places(prbs);
        }
    }
}

/// Whether a receiver configured with `learnt` combines all that may be sent in `pool` at the observed places.
fn explains(fit: &DiscoveryFit, pool: &DiscoveryPool, carrier: usize, learner: &DiscoveryLearner) -> bool {
    let learnt = fit.pool();
    let subframes = learnt.subframes();
    if fit.period != pool.period || learnt.transmissions != pool.transmissions {
        return false;
    }
    (0..pool.resources(carrier)).filter_map(|n| pool.type1(carrier, n)).all(|places| {
        let fold = learner.folds.iter().find(|f| f.period == pool.period).unwrap();
        let at = |s: u32| (pool.offset + s) % pool.period;
        if places.iter().any(|&(s, _)| fold.cells[at(s) as usize] == UNSEEN) {
            return true;
        }
        let late = |s: u32| (at(s) + pool.period - fit.offset) % pool.period;
        let numbers: Vec<Option<usize>> =
            places.iter().map(|&(s, _)| subframes.iter().position(|&l| l == late(s))).collect();
        let first = numbers[0].unwrap_or(usize::MAX);
        numbers.iter().enumerate().all(|(j, &l)| l == Some(first + j)) && first.is_multiple_of(places.len())
    })
}

#[test]
fn random_pools_are_learnt_from_three_ues() {
    let mut rng = Rng::new(3);
    let (mut learnt, tried) = (0, 120);
    for n in 0..tried {
        let carrier = [25, 50, 100][n % 3];
        let pool = random_pool(&mut rng, carrier);
        let mut learner = DiscoveryLearner::new(carrier);
        learner.restart(Clock::Dfn);
        // as long as DFN time allows
        play(&mut learner, &pool, carrier, 3, (9_000 / pool.period as u64).min(40), &mut rng);
        let Some(fit) = learner.fit() else {
            eprintln!("not learnt: {pool:?}");
            continue;
        };
        learnt += 1;
        assert!(explains(&fit, &pool, carrier, &learner), "{pool:?} is not {fit:?}");
    }
    assert!(learnt * 100 >= tried * 93, "{learnt} of {tried}");
}
