//! `sidelink network demo`: three subscribers get keys from the network and use them on the air, with one who forges.
//!
//! ```text
//! provisioning.rs  codes, filters and keys, before the air
//! on_air.rs        the UEs in one air; matches reported while they are heard
//! story.rs         what is shown
//! ```

mod on_air;
mod provisioning;
mod story;

use crate::config::ConfigError;
use crate::experiments::network::ways::{MOST_LOSS, NamedWay, Way, Ways};
use crate::terminal;
use clap::Args;
use std::io::Write;
use story::Story;

/// Arguments of `sidelink network demo`.
#[derive(Debug, Args)]
pub struct NetworkDemoArgs {
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Milliseconds there and back between any two functions, UEs included.
    #[arg(long, value_name = "MS", default_value_t = 40, value_parser = clap::value_parser!(u64).range(0..=10_000))]
    pub round_trip: u64,
    /// Share of the messages between them that are lost once, 0 to 0.9.
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    pub loss: f64,
    /// Another way for one reference point: Ub, Zh, Zn, PC3 or PC4a, as PC3=200 or PC3=200,0.1; may be repeated.
    #[arg(long, value_name = "NAME=MS[,P]")]
    way: Vec<NamedWay>,
}

/// Runs it.
///
/// # Errors
/// Arguments that do not fit, output that cannot be written, or a demo that did not show what it should.
pub fn run(args: &NetworkDemoArgs) -> anyhow::Result<()> {
    if !(0.0..=MOST_LOSS).contains(&args.loss) {
        return Err(ConfigError::new("a loss must be 0 to 0.9", "--loss", "leave it out for none").into());
    }
    let mut story = Story::new(terminal::stdout(), terminal::colours_on_stdout());
    story
        .title("Three subscribers of PLMN 001-01: alice, bob and carol. Bob and carol may discover alice.")?;
    let mut ways = Ways::all(Way { round_trip: args.round_trip, loss: args.loss });
    args.way.iter().for_each(|way| ways.set(*way));
    let (fabric, keys) = provisioning::run(ways, args.seed, &mut story)?;
    story.title("On the air: 5 MHz, 20 dB. Alice begins after 6 s; before, carol announces her code: she has its DUSK.")?;
    let found = on_air::run(fabric, keys, args.seed, &mut story)?;
    story.costs(found.fabric.meter())?;
    story.verdict(&found)?;
    story.into_inner().flush()?;
    found.judge()
}
