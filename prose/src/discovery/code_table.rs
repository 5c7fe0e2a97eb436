//! Followed identities whose messages are computed ahead into tables, and the jobs that build the tables.

use core::mem::take;
use core::ops::RangeInclusive;
use std::sync::Arc;

use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::book::{CodeBook, Entry, RestrictedBook, RotatingBook};
use sidelink_security::discovery::matching::{
    Match, Matcher, PeriodTable, Scratch, TableBuilder, TableError, Workers,
};
use sidelink_security::discovery::rotation::{PeriodIndex, Window};
use sidelink_security::discovery::{Message, Refusal, Verified};

use super::{AirTime, TimePolicy};

/// A table to be built for a period, on any thread.
pub struct Job(pub(super) Inner);

pub(super) enum Inner {
    Rotating(TableBuilder<RotatingBook>, u32),
    Code(TableBuilder<RestrictedBook>, u32),
}

impl Job {
    /// Computes up to `places` codes; returns `true` when the table is complete.
    pub fn run(&mut self, places: usize) -> bool {
        match &mut self.0 {
            Inner::Rotating(builder, _) => builder.build_chunk(places),
            Inner::Code(builder, _) => builder.build_chunk(places),
        }
    }

    /// Computes the next codes on several threads, at most 262144 of them; returns `true` when the table is complete. The
    /// table is the same as by [`Self::run`].
    pub fn run_on(&mut self, workers: &dyn Workers) -> bool {
        match &mut self.0 {
            Inner::Rotating(builder, _) => builder.build_round(workers),
            Inner::Code(builder, _) => builder.build_round(workers),
        }
    }

    /// Returns the number of places of the table.
    pub fn places(&self) -> usize {
        match &self.0 {
            Inner::Rotating(builder, _) => builder.places(),
            Inner::Code(builder, _) => builder.places(),
        }
    }

    /// Returns the period of the table.
    pub const fn period(&self) -> PeriodIndex {
        match &self.0 {
            Inner::Rotating(builder, _) => builder.period(),
            Inner::Code(builder, _) => builder.period(),
        }
    }
}

/// A book, its tables, and the state of the book that each table represents.
pub(super) struct CodeTable<B: CodeBook + Clone> {
    pub(super) book: B,
    /// The book as it is now, for jobs: copied when the first of them needs it.
    shared: Option<Arc<B>>,
    /// Number of changes of the book.
    pub(super) generation: u32,
    matcher: Matcher<B>,
    built: Vec<(PeriodIndex, u32)>,
    /// Whether a job is pending.
    building: bool,
    /// The periods for which tables were needed when the job was given out.
    wanted: RangeInclusive<u64>,
    /// The window of the last slot, kept because a subframe brings many messages.
    window: ((UtcTime, u64), Window),
    spare: Option<PeriodTable<B>>,
    /// The memory of the last builder.
    scratch: Scratch,
    /// Vacated places, with the generation in which they were vacated: older tables still contain their former owners.
    retired: Vec<(Entry, u32)>,
}

impl<B: CodeBook + Clone> CodeTable<B> {
    pub(super) fn new(book: B) -> Self {
        let (built, retired) = (Vec::with_capacity(4), Vec::new());
        let epoch = UtcTime::from_millis(0);
        let window = ((epoch, 0), book.period().window(epoch, 0));
        Self {
            book,
            shared: None,
            generation: 0,
            matcher: Matcher::new(),
            built,
            building: false,
            wanted: 0..=0,
            window,
            spare: None,
            scratch: Scratch::default(),
            retired,
        }
    }

    /// Returns the octets of the book, of its tables, and of what builds them.
    pub(super) fn octets(&self) -> usize {
        let spare = self.spare.as_ref().map_or(0, PeriodTable::octets);
        self.book.octets() + self.matcher.octets() + spare + self.scratch.octets()
    }

    pub(super) fn changed(&mut self) {
        self.generation += 1;
        self.shared = None;
    }

    pub(super) fn retire(&mut self, slot: Entry) {
        self.changed();
        self.retired.push((slot, self.generation));
    }

    /// Returns a job for a period of the window, or the one after the present, whose table is absent or older than the
    /// book.
    pub(super) fn job(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
    ) -> Result<Option<TableBuilder<B>>, TableError> {
        if self.book.is_empty() || self.building {
            return Ok(None);
        }
        let window = policy.window(self.book.period(), now);
        let next = self.book.period().index(now.slot).next();
        let last = window.last.max(next).0.min(window.first.0.saturating_add(2));
        self.wanted = window.first.0..=last;
        let wanted = self
            .wanted
            .clone()
            .map(PeriodIndex)
            .find(|&period| !self.built.contains(&(period, self.generation)));
        let Some(period) = wanted else { return Ok(None) };
        let shared = self.shared.get_or_insert_with(|| Arc::new(self.book.clone()));
        let builder =
            TableBuilder::new(Arc::clone(shared), period, self.spare.take())?.with(take(&mut self.scratch));
        self.building = true;
        Ok(Some(builder))
    }

    pub(super) fn install(&mut self, builder: TableBuilder<B>, generation: u32) {
        self.building = false;
        let Ok((table, scratch)) = builder.finish_with_scratch() else { return };
        self.scratch = scratch;
        let period = table.period();
        self.built.retain(|&(built, _)| built != period);
        self.built.push((period, generation));
        self.spare = self.matcher.install_near(table, self.wanted.clone());
        let matcher = &self.matcher;
        self.built.retain(|&(built, _)| matcher.table(built).is_some());
        let oldest = self.built.iter().map(|&(_, generation)| generation).min().unwrap_or(generation);
        self.retired.retain(|&(_, generation)| generation > oldest);
    }

    #[inline]
    pub(super) fn verify(
        &mut self,
        policy: &TimePolicy,
        now: &AirTime,
        message: &Message,
    ) -> Result<Verified<Match>, Refusal> {
        let asked = (now.slot, policy.uncertainty_millis);
        if self.window.0 != asked {
            self.window = (asked, policy.window(self.book.period(), now));
        }
        let found = self.matcher.verify(self.window.1, message)?;
        let knows = self.built.iter().find(|(period, _)| *period == found.period);
        let generation = knows.map_or(0, |&(_, generation)| generation);
        let vacated = self.retired.iter().any(|&(slot, since)| slot == found.slot && generation < since);
        if vacated { Err(Refusal::NotAuthorised) } else { Ok(found) }
    }
}
