//! The summary at the end of the demo, and whether the demo succeeded.

use super::scene;
use super::tally::Counts;
use crate::terminal::{Ink, paint};
use sidelink_security::outcome::Outcome;
use sidelink_ue::{Progress, Role, Stage, Totals, Ue};
use std::io::{self, Write};

/// Results of the demo.
pub(super) struct Results {
    /// Results of alice and bob.
    pub(super) honest: [UeResults; 2],
    pub(super) bobs_sync: Role,
    pub(super) bobs_drift_ppm: f64,
    pub(super) transfer: Transfer,
    /// Subframes that were repeated.
    pub(super) repeated: u64,
    pub(super) forged_announcements: u64,
    pub(super) forged_pdus: u64,
}

/// Counts of an honest UE: actions and refusals.
pub(super) struct UeResults {
    name: &'static str,
    counts: Counts,
    /// The outcomes that occurred, with their counts.
    outcomes: Vec<(Outcome, u64)>,
    totals: Totals,
    /// Quantiles of each stage in microseconds: p50, p99, p99.9, worst.
    latency: Vec<(Stage, [f64; 4])>,
}

/// The result of the file transfer.
pub(super) struct Transfer {
    pub(super) octets: usize,
    pub(super) progress: Progress,
    /// Whether the file arrived complete and unchanged.
    pub(super) whole: bool,
}

impl UeResults {
    pub(super) fn of(name: &'static str, mut ue: Ue, counts: Counts) -> Self {
        let outcomes = ue.stack().counters().iter().filter(|(_, n)| *n > 0).collect();
        let latency = ue.latency_stats().microseconds_of_all();
        Self { name, counts, outcomes, totals: *ue.totals(), latency }
    }
}

impl Results {
    /// Writes the whole summary.
    pub(super) fn show(&self, out: &mut dyn Write, colours: bool) -> io::Result<()> {
        let title = |text: &str| paint(colours, Ink::Bold, text).to_string();
        writeln!(out, "\n{}", title("What they did"))?;
        self.show_deeds(out)?;
        writeln!(out, "\n{}", title("What the attackers achieved"))?;
        self.show_attacks(out)?;
        let believed = self.believed();
        let copies = self.copies();
        let verdict =
            format!("believed of what was forged: {believed}; {copies} copies were recognised as such");
        writeln!(out, "{}", paint(colours, if believed == 0 { Ink::Green } else { Ink::Red }, &verdict))?;
        writeln!(out, "\n{}", title("Time of each stage against the 1 ms of a subframe, microseconds"))?;
        self.show_times(out)?;
        writeln!(
            out,
            "\nNext: `sidelink ue --example`, `sidelink decode FILE`, `sidelink generate --example`."
        )?;
        out.flush()
    }

    /// Fails if the demo did not show what it should.
    pub(super) fn judge(&self) -> anyhow::Result<()> {
        if self.believed() > 0 {
            anyhow::bail!("a forged PDU was believed: this build is broken");
        }
        if self.honest.iter().any(|ue| ue.counts.discovered == 0) {
            anyhow::bail!(
                "the UEs did not find each other: this machine is too slow or too busy for real time (see the budget)"
            );
        }
        Ok(())
    }

    /// Returns the number of forged PDUs that were accepted.
    fn believed(&self) -> u64 {
        self.honest.iter().map(|ue| ue.counts.foreign).sum()
    }

    /// Returns the number of messages that were recognised as copies.
    fn copies(&self) -> u64 {
        let is_copy = |o: &Outcome| matches!(o, Outcome::Replay | Outcome::Late | Outcome::Reflected);
        let outcomes = self.honest.iter().flat_map(|ue| &ue.outcomes);
        outcomes.filter(|(o, _)| is_copy(o)).map(|(_, n)| n).sum()
    }

    fn show_deeds(&self, out: &mut dyn Write) -> io::Result<()> {
        let [a, b] = self.honest.each_ref().map(|ue| ue.counts);
        writeln!(
            out,
            "discovered: bob heard alice {} times of {}, alice heard bob {} times of {}, a new code every {} ms",
            b.discovered,
            a.announced,
            a.discovered,
            b.announced,
            scene::ROTATION_MS
        )?;
        writeln!(
            out,
            "time:       bob is {:?}; his sample clock is {:.2} ppm off, as he finds",
            self.bobs_sync, self.bobs_drift_ppm
        )?;
        writeln!(
            out,
            "group:      {} and {} PDUs, every one ciphered (EEA2), its MAC-I (EIA2) verified",
            a.received, b.received
        )?;
        let Transfer { octets, progress: Progress { count, arrived, sent, .. }, whole } = self.transfer;
        if whole {
            writeln!(
                out,
                "file:       {octets} octets over IP, {count} datagrams, whole and as sent ({sent} sent with repetitions)"
            )
        } else {
            writeln!(out, "file:       {arrived} of {count} datagrams had come at the end")
        }
    }

    fn show_attacks(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "echo repeated {} subframes; mallory sent {} announcements and {} PDUs",
            self.repeated, self.forged_announcements, self.forged_pdus
        )?;
        for UeResults { name, outcomes, .. } in &self.honest {
            let refused: Vec<_> = outcomes
                .iter()
                .filter(|(o, _)| !matches!(o, Outcome::Verified | Outcome::Deciphered | Outcome::NotForUs))
                .map(|(o, n)| format!("{} {n}", o.as_str()))
                .collect();
            let refused = if refused.is_empty() { "nothing".to_owned() } else { refused.join(", ") };
            writeln!(out, "{name:<6} refused: {refused}")?;
        }
        Ok(())
    }

    fn show_times(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{:<18} {:>38}   {:>38}",
            "", "alice  p50     p99   p99.9   worst", "bob    p50     p99   p99.9   worst"
        )?;
        for stage in Stage::ALL {
            let [alice, bob] = self.honest.each_ref().map(|ue| {
                let measured = ue.latency.iter().find(|(s, _)| *s == stage);
                measured.map_or_else(String::new, |(_, [p50, p99, p999, worst])| {
                    format!("{p50:>9.1} {p99:>7.1} {p999:>7.1} {worst:>7.1}")
                })
            });
            writeln!(out, "{:<18} {alice:>38}   {bob:>38}", stage.as_str())?;
        }
        for UeResults { name, totals: t, .. } in &self.honest {
            writeln!(
                out,
                "{name:<6} {} subframes, {} of them given up, {} bursts, {} late",
                t.subframes, t.skipped, t.bursts, t.late_bursts
            )?;
        }
        Ok(())
    }
}
