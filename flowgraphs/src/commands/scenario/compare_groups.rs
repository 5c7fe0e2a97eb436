//! `sidelink compare` of ways to bring keys to groups: on a simulated clock, without a modem.

use super::Cases;
use crate::args::{Form, Output};
use crate::config::{ConfigError, LongMessageWay};
use crate::experiments::distribution::outcome::{self, Outcome};
use crate::experiments::distribution::question::{self, Case, Solution};
use crate::experiments::output;
use crate::inspect::plot::{self, Panel};
use crate::outputs::Outputs;
use clap::Args;
use std::io::Write;
use std::path::Path;

/// Arguments that are about groups.
#[derive(Debug, Args)]
pub(super) struct GroupArgs {
    /// Groups: share of the transport blocks that are lost, 0 to 0.5.
    #[arg(long, value_name = "P", default_value_t = 0.01)]
    block_loss: f64,
    /// Groups: milliseconds there and back between any two functions of the network, UEs included.
    #[arg(long, value_name = "MS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    round_trip: u64,
    /// Groups: share of the members that come 10 s late, 0 to 0.9.
    #[arg(long, value_name = "P", default_value_t = 0.1)]
    late: f64,
    /// Group owner: SC periods between two members that ask to join, 0 to 1000; an exchange takes 7 where nothing is lost.
    #[arg(long, value_name = "PERIODS", default_value_t = 8, value_parser = clap::value_parser!(u64).range(0..=1000))]
    join_every: u64,
}

/// Runs the solutions, and prints what each cost.
///
/// # Errors
/// A value is out of range, or a bug.
pub(super) fn run(
    solutions: &[Solution],
    (cases, given): (&Cases, &GroupArgs),
    (form, plot): (&Output, Option<&Path>),
    mut outputs: Outputs,
) -> anyhow::Result<()> {
    cases.check_air()?;
    check("--block-loss", given.block_loss, 0.5)?;
    check("--late", given.late, 0.9)?;
    let picture = plot.map(|path| plot::claim(&mut outputs, path)).transpose()?;
    let mut out = form.claim(&mut outputs)?.create()?;
    let mut all = Vec::new();
    for solution in solutions {
        for case in cases_of(*solution, cases, given) {
            tracing::info!(
                "{} N = {}, P = {}, {}",
                case.solution.name(),
                case.members,
                case.pool.period,
                case.way.name()
            );
            let outcome = case.run()?;
            // a long comparison shows what it has
            if form.form == Form::Json {
                output::write_as(
                    Form::Json,
                    std::slice::from_ref(&outcome),
                    || outcome::rows(&[]),
                    &mut out,
                )?;
                out.flush()?;
            }
            all.push(outcome);
        }
    }
    if form.form != Form::Json {
        output::write_as(form.form, &all, || outcome::rows(&all), &mut out)?;
    }
    out.finish()?;
    if let Some(place) = &picture {
        plot::draw(place, "Until every member of a group has its key", &panels(&all))?;
    }
    Ok(())
}

fn check(name: &str, value: f64, most: f64) -> Result<(), ConfigError> {
    if (0.0..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::usage(format!("{name} {value}: out of range"), format!("0 to {most}")))
}

/// The trials of a solution. A way over PC5 makes no difference to those that send nothing long over it.
fn cases_of(solution: Solution, cases: &Cases, given: &GroupArgs) -> Vec<Case> {
    let goes_over_pc5 = matches!(solution, Solution::Sakke | Solution::Owner);
    let ways = if goes_over_pc5 { &cases.long_messages[..] } else { &[LongMessageWay::Whole] };
    let mut all = Vec::new();
    for &members in &cases.members {
        for &period in cases.sc_periods() {
            for &mcs in &cases.mcs {
                for &way in ways {
                    for seed in cases.seeds() {
                        let pool = question::pool(period, mcs, given.block_loss);
                        let (members, round_trip, late) = (members as usize, given.round_trip, given.late);
                        let join_every = given.join_every;
                        all.push(Case { solution, members, pool, way, round_trip, join_every, late, seed });
                    }
                }
            }
        }
    }
    all
}

/// Curves over the number of members, both axes by powers of ten.
fn panels(all: &[Outcome]) -> Vec<Panel<'static>> {
    let curves = |title: &str, y: &str, value: &dyn Fn(&Outcome) -> Option<f64>| {
        let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
        for outcome in all {
            let name = format!("{}, {}, P = {}", outcome.solution, outcome.way, outcome.period);
            let Some(value) = value(outcome).filter(|value| *value > 0.0) else { continue };
            let point = ((outcome.members as f64).log10(), value.log10());
            match curves.iter_mut().find(|(known, _)| *known == name) {
                Some((_, points)) => points.push(point),
                None => curves.push((name, vec![point])),
            }
        }
        let x = "log10 of the members".to_owned();
        (!curves.is_empty()).then(|| Panel::Curves {
            title: title.to_owned(),
            x,
            y: y.to_owned(),
            least_span: 1.0,
            curves,
        })
    };
    let seconds = |ms: Option<u64>| ms.map(|ms| ms as f64 / 1000.0);
    let all = [
        curves("Until the last member has the first key", "log10 of seconds", &|o| seconds(o.first.last_ms)),
        curves("Until all but the one stolen have another", "log10 of seconds", &|o| {
            seconds(o.rekeying.last_ms)
        }),
        curves("Transport blocks of the first key", "log10 of blocks", &|o| Some(o.first.n_tb as f64)),
        curves("Transport blocks of re-keying", "log10 of blocks", &|o| Some(o.rekeying.n_tb as f64)),
    ];
    all.into_iter().flatten().collect()
}
