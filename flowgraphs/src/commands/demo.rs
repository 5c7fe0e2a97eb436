//! `sidelink demo`: two protected UEs in real time over a virtual air, two attackers, and the processing times.
//!
//! ```text
//! scene.rs      participants, their keys, the air                                                     ue.toml
//! running.rs    starts and ends all participants
//! tally.rs      counts of the events of one UE
//! summary.rs    the summary at the end
//! recording.rs  recording of the air
//! ```

mod recording;
mod running;
mod scene;
mod summary;
mod tally;

use super::ue::stop_on_signals;
use crate::outputs::{ForceArgs, Outputs};
use crate::terminal::{self, Ink, paint};
use clap::Args;
use running::Demo;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Arguments of `sidelink demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Record the air: as a SigMF pair, or as .sigmf, .cf32 or .ci16 if the name ends so; the keys go to NAME.keys.
    #[arg(long, value_name = "OUT")]
    pub record: Option<PathBuf>,
    /// Whether existing recordings are replaced.
    #[command(flatten)]
    pub force: ForceArgs,
    /// Seed of all random numbers except the keys.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Seconds on the air.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub seconds: u64,
    /// Run in lock-step, as fast as the processors allow, with every UE waiting for the others: the air is the same on
    /// every machine.
    #[arg(long)]
    pub lock_step: bool,
    /// Show every event.
    #[arg(long)]
    pub all: bool,
}

/// Runs the demo.
///
/// # Errors
/// Output cannot be written, or the UEs did not find each other.
pub fn run(args: DemoArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.record {
        Outputs::new(args.force).claim_recording("--record", path)?;
    }
    let colours = terminal::colours_on_stdout();
    let stop = stop_on_signals()?;
    let folder = scene::Folder::new()?;
    let keys = scene::keys()?;
    if let Some(path) = &args.record {
        recording::keep_keys(path, &keys)?;
    }
    let ues = scene::ues(folder.path(), args.seed, &keys)?;
    introduce(colours)?;
    let demo = Demo::start(&args, ues, &keys, colours)?;
    demo.wait(&stop);
    let results = demo.finish()?;
    results.show(&mut terminal::stdout(), colours)?;
    if stop.load(Ordering::Relaxed) { Ok(()) } else { results.judge() }
}

fn introduce(colours: bool) -> std::io::Result<()> {
    let mut out = terminal::stdout();
    for text in [
        "Two UEs, 5 MHz, transmission mode 2, over a virtual air: 20 dB, EPA5, bob 250 Hz and 4 ppm off.",
        "An attacker repeats everything 3.2 s later, another forges under the identity of alice.",
    ] {
        writeln!(out, "{}", paint(colours, Ink::Bold, text))?;
    }
    out.flush()
}
