//! Start and end of all participants.

use super::DemoArgs;
use super::recording::Recording;
use super::scene::{self, Ues};
use super::summary::{Results, Transfer, UeResults};
use super::tally::Tally;
use crate::attacks::Replayer;
use crate::commands::ue;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use crate::lock::lock;
use crate::report::address_book::AddressBook;
use crate::report::events::{Form, Reporter, Writer};
use crate::terminal;
use sidelink_mac::engine;
use sidelink_mac::mux::Address;
use sidelink_radio::air::Air;
use sidelink_radio::{Anchor, Radio};
use sidelink_store::Keys;
use sidelink_ue::{
    Application, Event, FileReceiver, FileSender, Moment, Participant, Progress, Running, Send,
    ThreadOptions, Ue,
};
use sidelink_wire::ids::{Layer2Id, Lcid};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Octets of the file that goes over IP.
const FILE_OCTETS: usize = 8000;

/// All running participants.
pub(super) struct Demo {
    alice: DemoUe,
    bob: DemoUe,
    mallory: DemoUe,
    echo: Running<Replayer>,
    recorder: Option<Recording>,
    /// Writer of the lines of alice and bob.
    writer: Writer,
    file: FileOverIp,
    /// Samples a second.
    rate: f64,
}

/// A UE with the counts of its events.
struct DemoUe {
    running: Running<Ue>,
    tally: Tally,
}

/// Duration of the run, and its clock.
#[derive(Clone, Copy)]
struct Timing {
    /// Duration in subframes.
    duration: u64,
    real_time: bool,
}

impl Demo {
    /// Starts `ues` and the replayer.
    pub(super) fn start(args: &DemoArgs, ues: Ues, keys: &Keys, colours: bool) -> anyhow::Result<Self> {
        let Ues { alice, bob, mallory } = ues;
        let rate = alice.rate()?;
        let subframe_samples = alice.numerology()?.subframe_samples();
        let timing = Timing { duration: args.seconds * 1000, real_time: !args.lock_step };
        let air = Air::new(scene::air(args.seed, rate, timing.real_time, args.record.is_some()))?;
        let (sender, receiver, file) = FileOverIp::new()?;
        let form = Form::Text { colours, all: args.all };
        let (reporter, writer) = Reporter::new("alice", form, Box::new(std::io::stdout()));
        let reporter = reporter.with_names(AddressBook::new(&alice, keys));
        let quiet = |reporter: Reporter| Box::new(Filtered { reporter, all: args.all });
        let bobs = quiet(reporter.another("bob"));

        // All are attached before any begins: the time of the air starts with the last one.
        let radios = ["alice", "bob", "echo", "mallory"].map(|name| air.attach_named(name));
        let [alices_radio, bobs_radio, echos_radio, mallorys_radio] = radios;
        let recorder = args.record.as_deref().map(|path| {
            let radio = Recording::prepare(&air, path, &alice.radio)?;
            Recording::start(radio, path, timing.duration * subframe_samples as u64)
        });
        let recorder = recorder.transpose()?;
        Ok(Self {
            alice: DemoUe::start(&alice, alices_radio?, vec![quiet(reporter), Box::new(sender)], timing)?,
            bob: DemoUe::start(&bob, bobs_radio?, vec![bobs, Box::new(receiver)], timing)?,
            mallory: DemoUe::start(&mallory, mallorys_radio?, Vec::new(), timing)?,
            echo: start_echo(echos_radio?, &alice, timing)?,
            recorder,
            writer,
            file,
            rate,
        })
    }

    /// Waits until alice and bob have ended, or `stop` is set.
    pub(super) fn wait(&self, stop: &AtomicBool) {
        let over = || self.alice.running.is_finished() && self.bob.running.is_finished();
        while !over() && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends all participants, and returns the results once all their lines are written.
    pub(super) fn finish(self) -> anyhow::Result<Results> {
        let (alice, bob) = (ended(self.alice.running)?, ended(self.bob.running)?);
        let (mallory, echo) = (ended(self.mallory.running)?, ended(self.echo)?);
        if let Some(recorder) = self.recorder {
            writeln!(terminal::stdout(), "\n{}", recorder.finish(self.rate)?)?;
        }
        let (bobs_sync, bobs_drift_ppm) = (bob.sync().role(), bob.clock().map_or(0.0, |c| c.drift() * 1e6));
        let honest = [
            UeResults::of("alice", alice, self.alice.tally.counts()),
            UeResults::of("bob", bob, self.bob.tally.counts()),
        ];
        self.writer.finish()?;
        Ok(Results {
            honest,
            bobs_sync,
            bobs_drift_ppm,
            transfer: self.file.transfer(),
            repeated: echo.replayed(),
            forged_announcements: self.mallory.tally.counts().announced,
            forged_pdus: mallory.totals().sent[2] / 4,
        })
    }
}

impl DemoUe {
    fn start(
        config: &UeConfig,
        radio: Box<dyn Radio>,
        mut applications: Vec<Box<dyn Application>>,
        timing: Timing,
    ) -> anyhow::Result<Self> {
        let Timing { duration, real_time } = timing;
        let tally = Tally::default();
        applications.push(Box::new(tally.clone()));
        let streams = radio.start()?;
        let anchor = ue::anchor(config, streams.anchor);
        let mut ue = config.build(RadioFacts { anchor, real_time, draws: Draws::Seeded }, applications)?;
        ue.set_duration(duration);
        let running = Running::start(ue, streams, real_time, ThreadOptions::default(), None)?;
        Ok(Self { running, tally })
    }
}

/// Starts the replayer on the carrier of `config`.
fn start_echo(radio: Box<dyn Radio>, config: &UeConfig, timing: Timing) -> anyhow::Result<Running<Replayer>> {
    let streams = radio.start()?;
    let anchor = streams.anchor.unwrap_or(Anchor { utc_ns: 0, uncertainty_ns: 0 });
    let mut echo =
        Replayer::new("echo", config.numerology()?, anchor, scene::REPLAY_AFTER, scene::REPLAY_GAIN);
    echo.set_duration(timing.duration);
    Ok(Running::start(echo, streams, timing.real_time, ThreadOptions::default(), None)?)
}

fn ended<P: Participant>(running: Running<P>) -> anyhow::Result<P> {
    let (participant, result) =
        running.stop().map_err(|_| anyhow::anyhow!("a thread failed; this is a bug"))?;
    result?;
    Ok(participant)
}

/// A file transfer from alice to the group.
struct FileOverIp {
    content: Vec<u8>,
    sent: Arc<Mutex<Progress>>,
    received: Arc<Mutex<Option<Vec<u8>>>>,
}

impl FileOverIp {
    /// Makes the file and its two applications.
    fn new() -> anyhow::Result<(FileSender, FileReceiver, Self)> {
        let address = Address::Group(Layer2Id::from_octets(scene::GROUP_ID));
        let content: Vec<u8> = (0..FILE_OCTETS).map(|i| (i * i % 251) as u8).collect();
        let (sender, sent) = FileSender::new(address, Lcid::GROUP_DATA, content.clone())?;
        let (receiver, received) = FileReceiver::new(address, Lcid::GROUP_DATA);
        Ok((sender, receiver, Self { content, sent, received }))
    }

    fn transfer(&self) -> Transfer {
        let whole = lock(&self.received).as_deref() == Some(&self.content[..]);
        Transfer { octets: self.content.len(), progress: *lock(&self.sent), whole }
    }
}

/// Leaves the datagrams of the file out of the report.
struct Filtered {
    reporter: Reporter,
    all: bool,
}

impl Application for Filtered {
    fn work(&mut self, _now: Moment, _send: &mut Send<'_>) {}

    fn event(&mut self, now: Moment, event: &Event<'_>) {
        let is_ip = |sdu: &engine::Received<'_>| sdu.data.first() == Some(&0x45);
        let is_file = matches!(event, Event::Mac(engine::Event::Received(sdu)) if is_ip(sdu));
        if self.all || !is_file {
            self.reporter.event(now, event);
        }
    }
}
