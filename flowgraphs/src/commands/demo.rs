//! `sidelink demo`: the main job in a few seconds, without hardware or files.

use crate::Sample;
use crate::args::{Form, Output};
use crate::bench::phy;
use crate::bench::timing::Timing;
use crate::hex;
use crate::receive::{Outcome, receiver_config};
use crate::report::{Counts, Report};
use crate::scenario::{Content, Generator, Scenario};
use crate::terminal::{self, Ink, paint};
use clap::Args;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::receive::stream::StreamReceiver;
use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SCENARIO: &str = include_str!("demo.toml");

/// Events that are shown one by one.
const SHOWN: usize = 24;

/// Arguments of `sidelink demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the air as a recording: a SigMF pair, or .sigmf, .cf32, .ci16 by its name.
    #[arg(long, value_name = "OUT")]
    pub record: Option<PathBuf>,
    /// Seed of everything random.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
}

/// What can be sent and heard, for comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Item {
    Sync(u64, u16),
    Sci(u64, usize, String),
    Block(u64, usize, String),
    Message(u64, usize, String),
}

/// Generate, receive, compare.
///
/// # Errors
/// Output that cannot be written, or a receiver that hears less than nine tenths of what was sent.
pub fn run(args: DemoArgs) -> anyhow::Result<()> {
    let mut scenario = Scenario::from_toml(SCENARIO, "the demo's scenario")?;
    scenario.seed = args.seed;
    if let Some(out) = &args.record {
        let config = std::env::temp_dir().join(format!("sidelink-demo-{}.toml", std::process::id()));
        std::fs::write(&config, SCENARIO)?;
        let generate = super::generate::GenerateArgs {
            config: Some(config.clone()),
            write: Some(out.clone()),
            example: None,
            keys: None,
            utc: None,
            snr: None,
            cfo: None,
            delay: None,
            channel: None,
            seed: Some(args.seed),
            format: None,
            archive: false,
        };
        let result = super::generate::run(generate);
        let _ = std::fs::remove_file(config);
        result?;
    }
    let mut out = terminal::stdout();
    let colours = terminal::colours_on_stdout();
    let mut heading =
        |text: &str| writeln!(out, "\n{}", paint(colours, Ink::Bold, text)).and_then(|()| out.flush());
    heading(
        "Two UEs, 10 MHz, transmission mode 2: SLSS, group communication and discovery, 15 dB, 650 Hz off, EPA5",
    )?;

    let mut generator = Generator::new(&scenario)?;
    let n = generator.subframe_samples();
    let mut samples = Vec::new();
    let mut sent = HashSet::new();
    let mut subframe = vec![Sample::default(); n];
    for _ in 0..scenario.duration {
        for event in generator.next_subframe(&mut subframe) {
            sent.insert(item_sent(event.subframe, &event.transmission.content));
        }
        samples.extend_from_slice(&subframe);
    }

    heading("What is heard")?;
    let radio = scenario.radio.resolve()?;
    let config = receiver_config(&radio, generator.numerology());
    let mut report = Report::open(&Output { form: Form::Table, file: None })?;
    let mut receiver = StreamReceiver::new(config);
    let mut heard = HashSet::new();
    let mut counts = Counts::default();
    let mut shown = 0;
    let mut failure = None;
    let mut emit = |event: Event<'_>, sample: i64| {
        counts.add(&event);
        heard.extend(item_heard(&event));
        if shown < SHOWN {
            shown += 1;
            failure = failure.take().or(report.event("demo", false, &event, sample).err());
        }
    };
    let start = Instant::now();
    receiver.push(&samples, &mut emit);
    receiver.finish(&mut emit);
    let work = start.elapsed();
    if let Some(e) = failure {
        return Err(e.into());
    }
    let outcome = Outcome {
        subframes: receiver.subframes(),
        samples: samples.len() as u64,
        air: samples.len() as f64 / generator.numerology().sample_rate(),
        work,
        first_sample: receiver.first_sample().unwrap_or(0),
        alignment: receiver.alignment(),
        assumed_pool: None,
        damaged: 0,
    };
    let more = [format!("the first {shown} of what was heard are shown")];
    report.summary("demo", false, &counts, &outcome, &more)?;
    // the delay of the scenario cuts the last subframe short, and a receiver starts with the first whole one
    let last = scenario.duration - 1;
    sent.retain(|i| subframe_of(i) < last);
    let missed = sent.difference(&heard).inspect(|i| tracing::info!("missed: {i:?}")).count();
    let is_invented = |i: &&Item| subframe_of(i) < last && !sent.contains(*i);
    let invented =
        heard.iter().filter(is_invented).inspect(|i| tracing::warn!("heard, but never sent: {i:?}")).count();
    let text =
        format!("{} transmissions were sent, {missed} of them missed, {invented} invented", sent.len());
    writeln!(
        out,
        "{}",
        paint(colours, if missed + invented == 0 { Ink::Green } else { Ink::Yellow }, &text)
    )?;

    budget(&mut out, colours)?;
    let next =
        "Next: `sidelink decode FILE` on a recording of yours, `sidelink generate --example` for a scenario.";
    writeln!(out, "\n{next}")?;
    out.flush()?;
    if missed * 10 > sent.len() || invented > 0 {
        anyhow::bail!("the receiver did not hear what was sent: this build is broken on this machine");
    }
    Ok(())
}

/// Stages of a receiver against the subframe that they must keep up with.
fn budget(out: &mut dyn Write, colours: bool) -> std::io::Result<()> {
    let title = "Time of each stage against the 1 ms of a subframe (50 PRB, one thread; `sidelink bench phy` for all)";
    writeln!(out, "\n{}", paint(colours, Ink::Bold, title))?;
    writeln!(out, "{:<62} {:>10} {:>9} {:>8}", "stage", "median us", "p99 us", "of 1 ms")?;
    let mut failure = None;
    phy::run(Duration::from_millis(40), "50 PRB", &mut |t: &Timing| {
        let (share, name) = (t.budget_percent(), &t.name);
        let line = writeln!(out, "{name:<62} {:>10.1} {:>9.1} {share:>6.1} %", t.median_us, t.p99_us);
        failure = failure.take().or(line.err());
    });
    failure.map_or(Ok(()), Err)
}

fn subframe_of(item: &Item) -> u64 {
    match item {
        Item::Sync(s, _) | Item::Sci(s, ..) | Item::Block(s, ..) | Item::Message(s, ..) => *s,
    }
}

fn item_sent(subframe: u64, content: &Content) -> Item {
    match content {
        Content::Sync { id, .. } => Item::Sync(subframe, id.value()),
        Content::Sci { bits, prb, .. } => Item::Sci(subframe, *prb, hex::of_bits(bits)),
        Content::SlSch { block, grant, .. } => Item::Block(subframe, grant.prbs.start, hex::of_bytes(block)),
        Content::SlDch { message, prb, .. } => Item::Message(subframe, *prb, hex::of_bytes(message)),
    }
}

fn item_heard(event: &Event<'_>) -> Option<Item> {
    Some(match event {
        Event::Mib { subframe, id, .. } => Item::Sync(*subframe, id.value()),
        Event::Sci { subframe, prb, bits, .. } => Item::Sci(*subframe, *prb, hex::of_bits(bits)),
        Event::SlSch(b) => Item::Block(b.subframe, b.grant.prbs.start, hex::of_bytes(b.block)),
        Event::SlDch { subframe, prb_start, message, .. } => {
            Item::Message(*subframe, *prb_start, hex::of_bytes(message))
        }
        _ => return None,
    })
}
