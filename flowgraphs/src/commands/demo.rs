//! `sidelink demo`: two protected UEs in real time over a virtual air, an intruder, and the time that everything took.

mod recording;
mod scene;

use super::ue::stop_on_signals;
use crate::attacks::Replayer;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use crate::outputs::{ForceArgs, Outputs};
use crate::report::address_book::AddressBook;
use crate::report::events::{Form, Reporter};
use crate::terminal::{self, Ink, paint};
use clap::Args;
use recording::Recording;
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_prose::discovery::agent;
use sidelink_radio::air::Air;
use sidelink_radio::{Anchor, RadioError};
use sidelink_security::outcome::Outcome;
use sidelink_ue::{
    Application, Event, FileReceiver, FileSender, Moment, Participant, Progress, Running, Send as SendData,
    Stage, ThreadOptions, Ue,
};
use sidelink_wire::ids::{Layer2Id, Lcid};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Octets of the file that goes over IP.
const FILE_OCTETS: usize = 8000;

/// Arguments of `sidelink demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the air as a recording: a SigMF pair, or .sigmf, .cf32, .ci16 by its name; the keys go to NAME.keys.
    #[arg(long, value_name = "OUT")]
    pub record: Option<PathBuf>,
    /// Recordings that exist.
    #[command(flatten)]
    pub force: ForceArgs,
    /// Seed of everything random but the keys.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Seconds of air.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=3600))]
    pub seconds: u64,
    /// As fast as the processors allow, everybody waiting for everybody: the same air, whatever the machine.
    #[arg(long)]
    pub lock_step: bool,
    /// Show every line of what happens.
    #[arg(long)]
    pub all: bool,
}

/// What one UE was told, counted.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<Counts>>);

#[derive(Clone, Copy, Default)]
struct Counts {
    received: u64,
    discovered: u64,
    announced: u64,
    foreign: u64,
}

impl Application for Tally {
    fn work(&mut self, _now: Moment, _send: &mut SendData<'_>) {}

    fn event(&mut self, _now: Moment, event: &Event<'_>) {
        let mut counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::Mac(engine::Event::Received(engine::Received { data, .. })) => {
                counts.received += 1;
                // what mallory says is marked, so that anybody who believes it is found out
                counts.foreign += u64::from(data.windows(7).any(|w| w == b"mallory"));
            }
            Event::Discovery { event: agent::Event::Discovered(_), .. } => counts.discovered += 1,
            Event::Discovery { event: agent::Event::Announced(_), .. } => counts.announced += 1,
            _ => {}
        }
    }
}

impl Tally {
    fn counts(&self) -> Counts {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Run it.
///
/// # Errors
/// Output that cannot be written, or UEs that did not find each other.
pub fn run(args: DemoArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.record {
        Outputs::new(args.force).claim_recording("--record", path)?;
    }
    let colours = terminal::colours_on_stdout();
    let stop = stop_on_signals()?;
    let folder = scene::Folder::new()?;
    let (keys, forged) = (scene::keys()?, scene::forged_keys()?);
    if let Some(path) = &args.record {
        recording::keep_keys(path, &keys)?;
    }
    let talk = |text: &str, every: u64| {
        format!("[[talk]]\nto = \"{}\"\nevery = {every}\ntext = \"{text}\"\n", scene::GROUP)
    };
    let seeds = |k: u64| args.seed.wrapping_mul(1000) + k;
    let config = |name: &str, k: u64, keys, more: &str| -> anyhow::Result<UeConfig> {
        Ok(scene::ue(name, seeds(k), scene::store(folder.path(), name, keys)?, more)?)
    };
    let time =
        |source: &str, id: u16| format!("[time]\nsource = \"{source}\"\nid = {id}\npatience = 100000\n");
    let alice = config("alice", 1, &keys, &(time("utc", 300) + &talk("alice: do you hear me?", 1300)))?;
    let bob = config("bob", 2, &keys, &(time("slss", 301) + &talk("bob: loud and clear", 1700)))?;
    let silent = "[time]\nsource = \"utc\"\ntransmit = \"never\"\n";
    let mallory = config("mallory", 3, &forged, &(silent.to_owned() + &talk("mallory", 900)))?;

    println_bold(
        colours,
        "Two UEs, 5 MHz, transmission mode 2, over a virtual air: 20 dB, EPA5, bob 250 Hz and 4 ppm off.",
    )?;
    println_bold(
        colours,
        "An intruder repeats everything 3.2 s later, another forges under the identity of alice.",
    )?;
    let rate = alice.rate()?;
    let numerology = alice.numerology()?;
    let (n, carrier) = (numerology.subframe_samples(), alice.radio.clone());
    let real_time = !args.lock_step;
    let air = Air::new(scene::air(args.seed, rate, real_time, args.record.is_some()))?;
    let duration = args.seconds * 1000;
    let address = Address::Group(Layer2Id::from_octets(scene::GROUP_ID));
    let lcid = Lcid::GROUP_DATA;
    let file: Vec<u8> = (0..FILE_OCTETS).map(|i| (i * i % 251) as u8).collect();
    let (sender, sent) = FileSender::new(address, lcid, file.clone());
    let (receiver, received) = FileReceiver::new(address, lcid);
    let form = Form::Text { colours, all: args.all };
    let (reporter, writer) = Reporter::new("alice", form, Box::new(std::io::stdout()));
    let reporter = reporter.with_names(AddressBook::new(&alice, &keys));
    let quiet = |reporter: Reporter| Filtered { reporter, all: args.all };
    let bobs = quiet(reporter.another("bob"));
    let (alices_tally, bobs_tally) = (Tally::default(), Tally::default());
    let mallorys_tally = Tally::default();

    // all are there before anybody begins: the air's time starts with the last of them
    let radios = ["alice", "bob", "echo", "mallory"].map(|name| air.attach_named(name));
    let [alices_radio, bobs_radio, echos_radio, mallorys_radio] = radios;
    let recorder =
        args.record.as_deref().map(|path| Recording::prepare(&air, path, &carrier).map(|r| (r, path)));
    let recorder = recorder.transpose()?;
    let recorder =
        recorder.map(|(radio, path)| Recording::start(radio, path, duration * n as u64)).transpose()?;
    let start = |ue: UeConfig,
                 radio: Result<Box<dyn sidelink_radio::Radio>, RadioError>,
                 applications: Vec<Box<dyn Application>>| {
        begin(&ue, radio?, applications, duration, real_time)
    };
    let alice = start(
        alice,
        alices_radio,
        vec![Box::new(quiet(reporter)), Box::new(alices_tally.clone()), Box::new(sender)],
    )?;
    let bob = start(bob, bobs_radio, vec![Box::new(bobs), Box::new(bobs_tally.clone()), Box::new(receiver)])?;
    let mallory = start(mallory, mallorys_radio, vec![Box::new(mallorys_tally.clone())])?;
    let echo = {
        let streams = echos_radio?.start()?;
        let anchor = streams.anchor.unwrap_or(Anchor { utc_ns: 0, uncertainty_ns: 0 });
        let mut echo = Replayer::new("echo", numerology, anchor, scene::REPLAY_AFTER, 3.0);
        echo.set_duration(duration);
        Running::start(echo, streams, real_time, ThreadOptions::default(), None)?
    };
    let over = || alice.is_finished() && bob.is_finished() || stop.load(Ordering::Relaxed);
    while !over() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (mut alice, mut bob) = (ended(alice)?, ended(bob)?);
    let (mallory, echo) = (ended(mallory)?, ended(echo)?);
    if let Some(recorder) = recorder {
        writeln!(terminal::stdout(), "\n{}", recorder.finish(rate)?)?;
    }
    let outcomes = [outcomes(&mut alice), outcomes(&mut bob)];
    let totals = [*alice.totals(), *bob.totals()];
    let latency_stats =
        [alice.latency_stats().microseconds_of_all(), bob.latency_stats().microseconds_of_all()];
    let (bobs_sync, bobs_drift) = (bob.sync().role(), bob.clock().map_or(0.0, |c| c.drift() * 1e6));
    drop((alice, bob));
    writer.finish()?;

    let mut out = terminal::stdout();
    writeln!(out)?;
    writeln!(out, "{}", paint(colours, Ink::Bold, "What they did"))?;
    let (a, b) = (alices_tally.counts(), bobs_tally.counts());
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
        "time:       bob is {bobs_sync:?}; his sample clock is {bobs_drift:.2} ppm off, as he finds"
    )?;
    writeln!(
        out,
        "group:      {} and {} PDUs, every one ciphered (EEA2), its MAC-I (EIA2) verified",
        a.received, b.received
    )?;
    let progress = lock(&sent);
    let whole = lock(&received).as_deref() == Some(&file[..]);
    writeln!(out, "file:       {}", told(&progress, whole))?;
    writeln!(out)?;
    writeln!(out, "{}", paint(colours, Ink::Bold, "What the intruders achieved"))?;
    writeln!(
        out,
        "echo repeated {} subframes; mallory sent {} announcements and {} PDUs",
        echo.replayed(),
        mallorys_tally.counts().announced,
        mallory.totals().sent[2] / 4
    )?;
    for (name, outcomes) in ["alice", "bob"].iter().zip(&outcomes) {
        let refused: Vec<_> = outcomes
            .iter()
            .filter(|(o, _)| !matches!(o, Outcome::Verified | Outcome::Deciphered | Outcome::NotForUs))
            .map(|(o, n)| format!("{} {n}", o.as_str()))
            .collect();
        writeln!(
            out,
            "{name:<6} refused: {}",
            if refused.is_empty() { "nothing".to_owned() } else { refused.join(", ") }
        )?;
    }
    let believed = a.foreign + b.foreign;
    let is_copy = |o: &Outcome| matches!(o, Outcome::Replay | Outcome::Late | Outcome::Reflected);
    let copies: u64 = outcomes.iter().flatten().filter(|(o, _)| is_copy(o)).map(|(_, n)| n).sum();
    let verdict = format!("believed of what was forged: {believed}; {copies} copies were recognised as such");
    writeln!(out, "{}", paint(colours, if believed == 0 { Ink::Green } else { Ink::Red }, &verdict))?;
    writeln!(out)?;
    writeln!(
        out,
        "{}",
        paint(colours, Ink::Bold, "Time of each stage against the 1 ms of a subframe, microseconds")
    )?;
    show_budget(&mut out, &latency_stats)?;
    for (name, t) in ["alice", "bob"].iter().zip(&totals) {
        writeln!(
            out,
            "{name:<6} {} subframes, {} of them given up, {} bursts, {} late",
            t.subframes, t.skipped, t.bursts, t.late_bursts
        )?;
    }
    writeln!(out, "\nNext: `sidelink ue --example`, `sidelink decode FILE`, `sidelink generate --example`.")?;
    out.flush()?;
    if stop.load(Ordering::Relaxed) {
        return Ok(());
    }
    if believed > 0 {
        anyhow::bail!("a forged PDU was believed: this build is broken");
    }
    if a.discovered == 0 || b.discovered == 0 {
        anyhow::bail!(
            "the UEs did not find each other: this machine is too slow or too busy for real time (see the budget)"
        );
    }
    Ok(())
}

fn begin(
    config: &UeConfig,
    radio: Box<dyn sidelink_radio::Radio>,
    applications: Vec<Box<dyn Application>>,
    duration: u64,
    real_time: bool,
) -> anyhow::Result<Running<Ue>> {
    let streams = radio.start()?;
    let facts =
        RadioFacts { anchor: super::ue::anchor(config, streams.anchor), real_time, draws: Draws::Seeded };
    let mut ue = config.build(facts, applications)?;
    ue.set_duration(duration);
    Ok(Running::start(ue, streams, real_time, ThreadOptions::default(), None)?)
}

fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.stop().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}

fn outcomes(ue: &mut Ue) -> Vec<(Outcome, u64)> {
    ue.stack().counters().iter().filter(|(_, n)| *n > 0).collect()
}

fn told(progress: &Progress, whole: bool) -> String {
    let Progress { count, arrived, sent, .. } = *progress;
    if whole {
        format!(
            "{FILE_OCTETS} octets over IP, {count} datagrams, whole and as sent ({sent} sent with repetitions)"
        )
    } else {
        format!("{arrived} of {count} datagrams had come at the end")
    }
}

fn show_budget(out: &mut dyn Write, latency_stats: &[Vec<(Stage, [f64; 4])>; 2]) -> std::io::Result<()> {
    writeln!(
        out,
        "{:<18} {:>38}   {:>38}",
        "", "alice  p50     p99   p99.9   worst", "bob    p50     p99   p99.9   worst"
    )?;
    for stage in Stage::ALL {
        let row = |latency_stats: &[(Stage, [f64; 4])]| match latency_stats.iter().find(|(s, _)| *s == stage)
        {
            Some((_, v)) => format!("{:>9.1} {:>7.1} {:>7.1} {:>7.1}", v[0], v[1], v[2], v[3]),
            None => String::new(),
        };
        writeln!(
            out,
            "{:<18} {:>38}   {:>38}",
            stage.as_str(),
            row(&latency_stats[0]),
            row(&latency_stats[1])
        )?;
    }
    Ok(())
}

fn println_bold(colours: bool, text: &str) -> std::io::Result<()> {
    let mut out = terminal::stdout();
    writeln!(out, "{}", paint(colours, Ink::Bold, text))?;
    out.flush()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Leaves the datagrams of the file out of the report.
struct Filtered {
    reporter: Reporter,
    all: bool,
}

impl Application for Filtered {
    fn work(&mut self, _now: Moment, _send: &mut SendData<'_>) {}

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let is_ip = |sdu: &engine::Received<'_>| sdu.data.first() == Some(&0x45);
        let is_file = matches!(event, Event::Mac(engine::Event::Received(sdu)) if is_ip(sdu));
        if self.all || !is_file {
            self.reporter.event(now, event);
        }
    }
}
