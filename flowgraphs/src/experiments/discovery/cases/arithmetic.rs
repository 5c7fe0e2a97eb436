//! The digest's arithmetic of pools, measured over IQ beside what it predicts.

use super::{AttackCase, Expect, Findings, Game, Scale};
use crate::experiments::discovery::builds::build;
use crate::experiments::discovery::costs::DiscoveryCosts;
use crate::experiments::discovery::engine::{Cast, run};
use crate::experiments::discovery::runs;
use crate::experiments::discovery::setting::Setting;
use crate::experiments::discovery::statistics::{Figure, share};

pub(super) const ALL: &[AttackCase] = &[AttackCase {
    name: "discovery-collisions",
    what: "the digest's chances to hear a UE in one period, and of collisions, measured beside what it predicts",
    expect: Expect::Measured,
    play: collisions,
}];

/// Residual loss of blocks that the digest takes for granted.
const RESIDUAL: f64 = 0.01;

/// Chance that another UE of `all` takes the same of `resources`.
pub(crate) fn collision(all: usize, resources: usize) -> f64 {
    1.0 - (1.0 - 1.0 / resources as f64).powi(all as i32 - 1)
}

/// Chance to hear one given UE in one period, without capture: as the digest has it, with a share of blocks that is lost
/// anyhow. It counts a collision with the monitor's own block, in whose subframe the monitor is deaf, twice.
fn digest(setting: &Setting) -> f64 {
    (1.0 - RESIDUAL) * heard(setting) * (1.0 - 1.0 / setting.resources() as f64)
}

/// Chance to hear one given UE in one period, without capture and noise.
pub(crate) fn heard(setting: &Setting) -> f64 {
    let deaf = f64::from(setting.transmissions) / f64::from(setting.subframes);
    let clear = 1.0 - collision(setting.announcers - 1, setting.resources());
    // One of several transmissions is enough at a high signal-to-noise ratio.
    let deaf = if setting.transmissions == 1 { deaf } else { 0.0 };
    (1.0 - deaf) * clear
}

/// Runs seeds of a setting; returns the shares of what was heard, and of collisions.
fn measured(setting: &Setting, seeds: u64) -> anyhow::Result<(Option<Figure>, Option<Figure>)> {
    let build =
        build("discovery-unprotected").ok_or_else(|| anyhow::anyhow!("no build without protection"))?;
    let all: Vec<Setting> =
        (0..seeds).map(|n| Setting { seed: 1000 * setting.seed + n, ..setting.clone() }).collect();
    let costs = runs::each(&all, |setting| {
        Ok(DiscoveryCosts::of(build, setting, &run(build, setting, Cast::default())?))
    })?;
    let heard: Vec<_> = costs.iter().map(|c| (c.heard, c.chances)).collect();
    let collided: Vec<_> = costs.iter().map(|c| (c.collided, c.blocks)).collect();
    Ok((share(&heard), share(&collided)))
}

fn figure(value: Option<Figure>) -> String {
    value.map_or("-".to_owned(), |f| format!("{:.3} +-{:.3}", f.mean, f.ci.unwrap_or(f64::NAN)))
}

/// Whether a prediction is within twice the interval: of twenty figures one is expected beyond once.
fn is_near(value: Option<Figure>, predicted: f64) -> bool {
    value.is_some_and(|f| (f.mean - predicted).abs() <= 2.0 * f.ci.unwrap_or(0.0) + 0.005)
}

fn collisions(game: Game, out: &mut Findings) -> anyhow::Result<()> {
    let (all, pools, seeds, seconds) = match game.scale {
        Scale::Whole => (&[10, 20, 50][..], &[8, 16, 40][..], 10, 12.8),
        Scale::Quick => (&[10, 20][..], &[8][..], 4, 6.4),
    };
    let base = Setting { seconds, seed: game.seed, ..Setting::default() };
    for &announcers in all {
        for &subframes in pools {
            let setting = Setting { announcers, subframes, monitors: 2, ..base.clone() };
            let (equal, _) = measured(&setting, seeds)?;
            let (digest, exact) = (digest(&setting), heard(&setting));
            out.expect(
                is_near(equal, exact),
                format!(
                    "M = {announcers}, L = {subframes}: heard {} with equal powers; {exact:.3} predicted, {digest:.3} by the digest",
                    figure(equal)
                ),
            );
            if game.scale == Scale::Whole {
                let (spread, _) = measured(
                    &Setting { spread_db: 20.0, snr: sidelink_phy::units::Decibel(30.0), ..setting },
                    seeds,
                )?;
                out.note(format!(
                    "M = {announcers}, L = {subframes}: heard {} with powers spread over 20 dB",
                    figure(spread)
                ));
            }
        }
    }
    for (announcers, subframes, transmissions) in [(100, 8, 1), (100, 16, 1), (100, 40, 1), (20, 8, 4)] {
        if game.scale == Scale::Quick && transmissions == 1 {
            continue;
        }
        let setting = Setting { announcers, subframes, transmissions, monitors: 1, ..base.clone() };
        let (heard, collided) = measured(&setting, seeds)?;
        let predicted = collision(announcers, setting.resources());
        out.expect(
            is_near(collided, predicted),
            format!(
                "M = {announcers}, L = {subframes}, N_TX = {transmissions}: own resource taken {}; {predicted:.3} predicted; heard {}",
                figure(collided),
                figure(heard)
            ),
        );
    }
    Ok(())
}
