//! Which pool a band has that nobody described: the pools that fit it, until one of them explains a transport block.

use crate::pool::V2xPool;
use std::sync::Arc;

/// Values of numSubchannel and sizeSubchannel (TS 36.331 §6.3.8; spares left out).
const NUM: [usize; 7] = [1, 3, 5, 8, 10, 15, 20];
const SIZE: [usize; 19] = [4, 5, 6, 8, 9, 10, 12, 15, 16, 18, 20, 25, 30, 48, 50, 72, 75, 96, 100];

/// Pools with PSCCH and PSSCH side by side from PRB 0 on: the others would need to be said.
pub(super) struct PoolGuess {
    pools: Vec<Arc<V2xPool>>,
    settled: Option<usize>,
}

impl PoolGuess {
    /// The pools that fit `carrier_prbs`, those that fill most of it first.
    pub(super) fn new(carrier_prbs: usize) -> Self {
        let mut pools: Vec<_> = NUM
            .iter()
            .flat_map(|&num| SIZE.iter().map(move |&size| V2xPool::simple(size, num)))
            .filter(|p| p.check(carrier_prbs).is_ok())
            .map(Arc::new)
            .collect();
        pools.sort_by_key(|p| std::cmp::Reverse(p.size * p.num));
        Self { pools, settled: None }
    }

    pub(super) fn len(&self) -> usize {
        self.pools.len()
    }

    pub(super) fn candidate(&self, i: usize) -> &Arc<V2xPool> {
        &self.pools[i]
    }

    pub(super) fn settle(&mut self, i: usize) {
        self.settled = Some(i);
    }

    pub(super) fn settled(&self) -> Option<&Arc<V2xPool>> {
        self.settled.map(|i| &self.pools[i])
    }
}
