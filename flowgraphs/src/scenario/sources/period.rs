//! Plan of a pool's current period: subframes and what each carries.

/// Resources of the period of a pool that has begun last. Pools of communication and discovery have such periods; those of
/// V2X count subframes without an end.
pub(super) struct PeriodPlan<R> {
    /// Whole periods that have begun in the recording.
    begun: u64,
    /// Subframe in the period, and what is used in it. Empty before the first period.
    resources: Vec<(u32, R)>,
}

impl<R: Copy> PeriodPlan<R> {
    /// Before the first period.
    pub(super) fn new() -> Self {
        Self { begun: 0, resources: Vec::new() }
    }

    /// Number of the period that begins next, from 0 on.
    pub(super) fn next(&self) -> u64 {
        self.begun
    }

    /// Begin the next period, with these resources.
    pub(super) fn begin(&mut self, resources: Vec<(u32, R)>) {
        self.resources = resources;
        self.begun += 1;
    }

    /// Number of the current period; none before the first.
    pub(super) fn current(&self) -> Option<u64> {
        self.begun.checked_sub(1)
    }

    /// Whether the first resource is used in subframe `into` of the period.
    pub(super) fn starts_at(&self, into: u32) -> bool {
        self.resources.first().is_some_and(|(first, _)| *first == into)
    }

    /// Resources that are used in subframe `into` of the period, each with its place among all.
    pub(super) fn at(&self, into: u32) -> impl Iterator<Item = (usize, R)> {
        let here = self.resources.iter().enumerate().filter(move |(_, (subframe, _))| *subframe == into);
        here.map(|(j, (_, resource))| (j, *resource))
    }
}
