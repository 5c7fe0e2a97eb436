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

use crate::args::{Form, Output};
use crate::config::ConfigError;
use crate::experiments::network::ways::{MOST_LOSS, NamedWay, Way, Ways};
use crate::outputs::{Existing, Outputs};
use crate::terminal;
use clap::Args;
use on_air::Found;
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
    /// Another way for one reference point: Ub, Zh, Zn, PC3, PC4a, PC8 or MIKEY, as PC3=200 or PC3=200,0.1; may be
    /// repeated.
    #[arg(long, value_name = "NAME=MS[,P]")]
    way: Vec<NamedWay>,
    /// Form of the output: table, or json: one object, with what was verified and what each reference point cost.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    output: Output,
}

/// Runs it.
///
/// # Errors
/// Arguments that do not fit, output that cannot be written, or a demo that did not show what it should.
pub fn run(args: &NetworkDemoArgs) -> anyhow::Result<()> {
    if !(0.0..=MOST_LOSS).contains(&args.loss) {
        return Err(ConfigError::new("a loss must be 0 to 0.9", "--loss", "leave it out for none").into());
    }
    let mut out = args.output.claim(&mut Outputs::new(Existing::Keep))?.create()?;
    let found = match args.output.form {
        Form::Table => tell(args, Story::new(&mut out, terminal::colours_on_stdout()))?,
        Form::Json => {
            let found = tell(args, Story::new(std::io::sink(), false))?;
            writeln!(out, "{}", found.json(args.seed))?;
            found
        }
        Form::Csv => {
            return Err(ConfigError::new("the demo has no rows", "-F csv", "use table or json").into());
        }
    };
    out.finish()?;
    found.judge()
}

/// Plays it.
fn tell<W: Write>(args: &NetworkDemoArgs, mut story: Story<W>) -> anyhow::Result<Found> {
    story
        .title("Three subscribers of PLMN 001-01: alice, bob and carol. Bob and carol may discover alice.")?;
    let mut ways = Ways::all(Way { round_trip: args.round_trip, loss: args.loss });
    args.way.iter().for_each(|way| ways.set(*way));
    let (fabric, keys) = provisioning::run(ways, args.seed, &mut story)?;
    story.title(
        "On the air: 5 MHz, 20 dB. Alice begins after 6 s; before, carol announces her code: she has its DUSK.",
    )?;
    let found = on_air::run(fabric, keys, args.seed, &mut story)?;
    story.costs(found.fabric.meter())?;
    story.verdict(&found)?;
    Ok(found)
}
