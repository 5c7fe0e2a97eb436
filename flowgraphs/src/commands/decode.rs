//! `sidelink decode`: what is in a recording.

use crate::args::{Form, Output, RadioArgs};
use crate::receive::{self, Outcome};
use crate::report::{Counts, PcapReport, Report};
use crate::{input, terminal};
use clap::Args;
use indicatif::ProgressBar;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::units::DfnSubframe;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Arguments of `sidelink decode`.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Recordings: SigMF (.sigmf-meta, .sigmf-data, .sigmf) or raw samples.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the recording does not say itself.
    #[command(flatten)]
    pub radio: RadioArgs,
    /// Form of the output: table, json or json:FILE; several at once.
    #[arg(short = 'F', value_name = "FORM[:FILE]", default_value = "table")]
    pub output: Vec<Output>,
    /// Write what was decoded to a capture file for Wireshark (link type 252).
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
}

/// Where everything goes that any of the files holds.
struct Sinks {
    reports: Vec<Report>,
    pcap: Option<PcapReport>,
}

/// Decode. Several files are decoded at once, each in its own order.
///
/// # Errors
/// A file that cannot be read, or a configuration that is wrong. The other files are decoded all the same.
pub fn run(args: DecodeArgs) -> anyhow::Result<()> {
    let to_stdout = args.output.iter().filter(|o| o.file.is_none()).map(|o| o.form);
    if to_stdout.clone().any(|f| f == Form::Json) && to_stdout.clone().any(|f| f == Form::Table) {
        anyhow::bail!(
            "-F table and -F json both write to standard output: give one of them a file, as in json:FILE"
        );
    }
    let reports = args.output.iter().map(Report::open).collect::<anyhow::Result<Vec<_>>>()?;
    let pcap = args.pcap.as_deref().map(PcapReport::create).transpose()?;
    let sinks = Mutex::new(Sinks { reports, pcap });
    let next = AtomicUsize::new(0);
    let errors = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(args.files.len());
    let work = || {
        while let Some(path) = args.files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(e) = decode(path, &args, &sinks) {
                lock(&errors).push(e);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(work);
        }
        work();
    });
    let sinks = sinks.into_inner().unwrap_or_else(|e| e.into_inner());
    if let Some(pcap) = sinks.pcap {
        pcap.finish()?;
    }
    let mut errors = errors.into_inner().unwrap_or_else(|e| e.into_inner());
    if errors.len() > 1 {
        let all: Vec<_> = errors.iter().map(|e| format!("{e:#}")).collect();
        anyhow::bail!("{} of {} files were not decoded:\n{}", all.len(), args.files.len(), all.join("\n"));
    }
    errors.pop().map_or(Ok(()), Err)
}

fn decode(path: &Path, args: &DecodeArgs, sinks: &Mutex<Sinks>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let several = args.files.len() > 1;
    let mut input = input::open(path, &args.radio)?;
    let mut plan = receive::plan(&mut input, &name)?;
    for assumed in &plan.assumed {
        tracing::info!("{name}: {assumed}");
    }
    let start = input.recording.info().start;
    let rate = input.rate;
    let bar = if several {
        ProgressBar::hidden()
    } else {
        terminal::progress(input.recording.info().length, "decode")
    };
    let mut counts = Counts::default();
    // the time that the last MIB told, and the capture subframe that it told it of
    let mut clock: Option<(u64, DfnSubframe)> = None;
    let outcome: Outcome = receive::run(
        &mut input,
        &plan,
        &mut |event, sample| {
            counts.add(&event);
            if let Event::Mib { subframe, time: Some(time), .. } = event {
                clock = Some((subframe, time));
            }
            let mut sinks = lock(sinks);
            for report in &mut sinks.reports {
                report.event(&name, several, &event, sample)?;
            }
            if let Some(pcap) = &mut sinks.pcap {
                let time = clock.map(|(k, t)| {
                    DfnSubframe::from_count(t.count() as u64 + event.subframe().saturating_sub(k))
                });
                pcap.event(&event, start, sample as f64 / rate, time)?;
            }
            Ok(())
        },
        &mut |samples| bar.set_position(samples),
    )?;
    bar.finish_and_clear();
    if let Some((size, num)) = outcome.assumed_pool {
        plan.assumed.push(format!("V2X pool size={size},num={num},start=0,adjacent=yes, by what decoded"));
    }
    for run in input.recording.damage().runs() {
        tracing::warn!("{name}: {run}");
    }
    for report in &mut lock(sinks).reports {
        report.summary(&name, several, &counts, &outcome, &plan.assumed)?;
    }
    Ok(())
}

/// A lock, even if a thread died with it: what it guards is only appended to.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
