//! The selection window and the resources in it that may still be chosen.

use super::config::{Config, MAX_SUBCHANNELS, Period, Request, Resource};

/// The largest selection window, subframes: T2 is at most 100.
pub(super) const MAX_WINDOW: usize = 101;

/// A bit for each subframe of the window.
pub(super) type Offsets = u128;

/// For each subframe of the window the first sub-channels that are still free, as bits.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) now: u64,
    pub(super) first: u64,
    len: usize,
    free: [u32; MAX_WINDOW],
    /// Number of raises of the thresholds after which a sub-channel of a subframe is free.
    raises: [[u8; MAX_SUBCHANNELS as usize]; MAX_WINDOW],
    length: u8,
    subchannels: u8,
    pub(super) priority: u8,
    pub(super) period: Period,
    /// Own P'_rsvp, in indices of t^SL.
    pub(super) steps: u64,
    pub(super) c_resel: u64,
    pub(super) p_step: u32,
}

impl Window {
    // TS 36.213 §14.1.1.6 step 1 (1)
    pub(super) fn new(config: &Config, request: &Request, c_resel: u32) -> Self {
        let (t1, t2) = config.window;
        let t2 = request.t2.unwrap_or(t2).min(t2);
        let first = request.now + u64::from(t1);
        let len = usize::from(t2 - t1) + 1;
        let all = (1 << (config.subchannels - request.length + 1)) - 1;
        let mut free = [0; MAX_WINDOW];
        for (offset, starts) in free[..len].iter_mut().enumerate() {
            *starts = if config.in_pool(first + offset as u64) { all } else { 0 };
        }
        Self {
            now: request.now,
            first,
            len,
            free,
            raises: [[0; MAX_SUBCHANNELS as usize]; MAX_WINDOW],
            length: request.length,
            subchannels: config.subchannels,
            priority: request.priority,
            period: request.period,
            steps: request.period.steps(config.p_step).max(1),
            c_resel: u64::from(c_resel.max(1)),
            p_step: config.p_step,
        }
    }

    /// Returns the number of subframes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether no resource of a subframe is left.
    pub(super) fn is_taken(&self, offset: usize) -> bool {
        self.free[offset] == 0
    }

    /// Returns the number of resources that are left.
    pub(super) fn count(&self) -> usize {
        self.free[..self.len].iter().map(|starts| starts.count_ones() as usize).sum()
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = Resource> + '_ {
        let subframes = self.free[..self.len].iter().enumerate();
        subframes.flat_map(move |(offset, &starts)| {
            let subframe = self.first + offset as u64;
            let bits = (0..self.subchannels).filter(move |&first| starts >> first & 1 == 1);
            bits.map(move |first| Resource { subframe, first, length: self.length })
        })
    }

    /// Removes whole subframes.
    pub(super) fn exclude(&mut self, mut offsets: Offsets) {
        while offsets != 0 {
            let offset = offsets.trailing_zeros() as usize;
            offsets &= offsets - 1;
            if offset < self.len {
                self.free[offset] = 0;
            }
        }
    }

    /// Marks sub-channel `m` of a subframe as reserved until the thresholds were raised `raises` times.
    pub(super) fn raise(&mut self, offset: usize, m: usize, raises: u32) {
        let most = &mut self.raises[offset][m];
        *most = (*most).max(u8::try_from(raises).unwrap_or(u8::MAX));
    }

    /// Does the same for `length` sub-channels from `first` on in each subframe of which a repetition, every own
    /// P'_rsvp_TX, meets subframe `reserved`.
    // TS 36.213 §14.1.1.6 step 6 (4)
    pub(super) fn reserve(&mut self, reserved: u64, first: u8, length: u8, raises: u32) {
        let Some(ahead) = reserved.checked_sub(self.first) else { return };
        // The last one before it, and those whole periods earlier.
        let mut at = ahead % self.steps;
        while at < self.len as u64 && at <= ahead {
            if (ahead - at) / self.steps < self.c_resel {
                for m in first..first.saturating_add(length).min(self.subchannels) {
                    self.raise(at as usize, m.into(), raises);
                }
            }
            at += self.steps;
        }
    }

    /// Runs step 6: removes the reserved resources, with thresholds that are raised until `needed` resources are left,
    /// or until a higher one would leave no more. Returns how often they were raised.
    // TS 36.213 §14.1.1.6 step 7
    pub(super) fn exclude_reserved(&mut self, needed: usize) -> u32 {
        let mut by_raises = [0usize; u8::MAX as usize + 1];
        self.each(|raises, _, _| by_raises[usize::from(raises)] += 1);
        let (mut raised, mut left) = (0, by_raises[0]);
        for (raises, count) in by_raises.iter().enumerate().take(super::MAX_RAISES as usize + 1).skip(1) {
            if left >= needed {
                break;
            }
            if *count > 0 {
                raised = raises;
                left += count;
            }
        }
        let mut free = self.free;
        self.each(|raises, offset, start| {
            if usize::from(raises) > raised {
                free[offset] &= !(1 << start);
            }
        });
        self.free = free;
        raised as u32
    }

    /// Calls `f` with the number of raises that free it, the subframe and the first sub-channel of each resource.
    fn each(&self, mut f: impl FnMut(u8, usize, u8)) {
        for (offset, &starts) in self.free[..self.len].iter().enumerate() {
            for start in (0..self.subchannels).filter(|start| starts >> start & 1 == 1) {
                let own = usize::from(start)..usize::from(start + self.length);
                let most = self.raises[offset][own].iter().copied().max().unwrap_or(0);
                f(most, offset, start);
            }
        }
    }
}
