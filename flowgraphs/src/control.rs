//! Status, metrics and commands of a UE over HTTP, beside the sample path.
//!
//! ```text
//! UE thread: Panel::look, periodically: a snapshot into the board if nobody reads it, pending commands out of it
//! control thread (tokio): GET /status, GET /metrics, POST /send, POST /link, POST /shutdown          routes.rs
//!                         connections, each with its limits                                        server.rs
//! ```
//!
//! Bound to loopback by default; another address requires a token. Without a token a caller has to name a loopback
//! host, and must not be a web page: a browser on this machine visits pages whose name can be made to resolve to this
//! machine.

mod routes;
mod server;

pub use server::{ControlConfig, Server};

use crossbeam::channel::{Receiver, Sender, bounded};
use serde::{Serialize, Serializer};
use sidelink_phy::units::Hertz;
use sidelink_security::outcome::Outcome;
use sidelink_ue::clock::Clock;
use sidelink_ue::{IpStatus, LinkAction, LinkStatus, Observer, Refused, Role, Stack, Stage, Totals, Ue};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Subframes between two snapshots.
const EVERY: u64 = 100;

/// Capacity for pending commands.
const COMMANDS: usize = 64;

/// Status of a UE.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// Name of the UE.
    pub name: String,
    /// Source of its time.
    pub time: String,
    /// Subframe count modulo 10240, once it has a time.
    pub subframe: Option<u64>,
    /// Direct frame number, once it has a time.
    pub dfn: Option<u16>,
    /// UTC in milliseconds since 1970.
    pub utc_ms: Option<u64>,
    /// Error of its sample clock in parts per million, positive if it runs too fast.
    pub drift_ppm: f64,
    /// Carrier offset of the air.
    #[serde(rename = "cfo_hz", serialize_with = "number")]
    pub cfo: Hertz,
    /// Reason why it does not transmit, while that lasts.
    pub silent: Option<String>,
    /// Counters of the radio and the modem.
    pub totals: Totals,
    /// Mode 4: numbers of selected resources, and of tries that found none.
    pub selections: [u64; 2],
    /// Number of each outcome of receptions, by the names of the reports.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// One-to-one links.
    pub links: Vec<LinkStatus>,
    /// Addresses and packets of a relay or a remote UE.
    pub ip: Option<IpStatus>,
    /// Subframes in which a durable counter or a table was late.
    pub late_errands: u64,
    /// Time of each stage in microseconds: p50, p99, p99.9, worst.
    pub stages_us: BTreeMap<&'static str, [f64; 4]>,
    /// Number of measurements of each stage, and the sum of their microseconds.
    pub stages_sum_us: BTreeMap<&'static str, (u64, f64)>,
}

/// Writes a frequency as its number.
fn number<S: Serializer>(frequency: &Hertz, serializer: S) -> Result<S::Ok, S::Error> {
    frequency.0.serialize(serializer)
}

/// A command for a UE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send a text to a group.
    Send {
        /// Name of the group.
        to: String,
        /// The text.
        text: String,
    },
    /// Act on the link with a peer.
    Link {
        /// Name of the peer.
        peer: String,
        /// The action.
        action: LinkAction,
    },
    /// Clear the histograms.
    ResetStages,
    /// Take a snapshot now.
    Look,
}

/// Answer of a UE to a command.
pub type Answer = Result<(), Refused>;

/// Reason why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// Too many commands are pending, or the UE has ended.
    Busy,
    /// The UE did not answer in time.
    NoAnswer,
    /// The UE refused.
    Refused(Refused),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("the UE takes no more commands now"),
            Self::NoAnswer => f.write_str("the UE did not answer"),
            Self::Refused(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for CommandError {}

/// Shared state of control and UE.
pub struct Board {
    status: Mutex<Arc<Status>>,
    commands: Sender<(Command, Sender<Answer>)>,
    stop: Arc<AtomicBool>,
}

impl Board {
    /// Returns the last snapshot.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Returns a present snapshot: that of the next look, or the last one if the UE does not look.
    pub fn fresh(&self) -> Arc<Status> {
        if let Ok(answer) = self.command(Command::Look) {
            let _ = answer.recv_timeout(Duration::from_secs(1));
        }
        self.status()
    }

    /// Queues a command; its answer comes from the receiver.
    ///
    /// # Errors
    /// Too many commands are pending, or the UE has ended.
    pub fn command(&self, command: Command) -> Result<Receiver<Answer>, CommandError> {
        let (answer, receiver) = bounded(1);
        self.commands.try_send((command, answer)).map_err(|_| CommandError::Busy)?;
        Ok(receiver)
    }

    fn put(&self, new: Status) {
        if let Ok(mut status) = self.status.try_lock() {
            *status = Arc::new(new);
        }
    }

    /// Ends the UE.
    pub fn shutdown(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The UE's side of a [`Board`].
pub struct Panel {
    board: Arc<Board>,
    waiting: Receiver<(Command, Sender<Answer>)>,
    last: u64,
}

/// Makes a board and its panel; `stop` ends the UE.
pub fn board(stop: Arc<AtomicBool>) -> (Arc<Board>, Panel) {
    let (commands, waiting) = bounded(COMMANDS);
    let board = Arc::new(Board { status: Mutex::default(), commands, stop });
    (Arc::clone(&board), Panel { board, waiting, last: 0 })
}

impl Observer<Ue> for Panel {
    fn look(&mut self, ue: &mut Ue) {
        while let Ok((command, answer)) = self.waiting.try_recv() {
            let result = match command {
                Command::Send { to, text } => ue.say(&to, text.as_bytes()),
                Command::Link { peer, action } => match ue.stack().links() {
                    Some(links) => links.act(&peer, action),
                    None => Err(Refused::NoLinks),
                },
                Command::Look => {
                    self.board.put(Status::of(ue));
                    Ok(())
                }
                Command::ResetStages => {
                    ue.latency_stats().reset();
                    Ok(())
                }
            };
            let _ = answer.try_send(result);
        }
        let now = ue.totals().subframes;
        if now >= self.last + EVERY || self.last == 0 {
            self.last = now.max(1);
            // skipped while a reader holds the board: the next one comes soon
            self.board.put(Status::of(ue));
        }
    }
}

impl Status {
    /// Takes the status of a UE.
    pub fn of(ue: &mut Ue) -> Self {
        let clock = ue.clock().cloned();
        let t = clock.as_ref().map(|_| ue.next_subframe());
        let outcomes = |stack: &mut Stack| {
            let counters = stack.counters();
            Outcome::ALL.iter().map(|o| (o.as_str(), counters.of(*o))).filter(|(_, n)| *n > 0).collect()
        };
        let time = match ue.sync().role() {
            Role::Searching => "searching".to_owned(),
            Role::Absolute => "utc".to_owned(),
            Role::Reference => "reference".to_owned(),
            Role::Following(id, _) => format!("follows {id}"),
        };
        Self {
            name: ue.name().to_owned(),
            time,
            subframe: t,
            dfn: t.map(|t| Clock::dfn(t).dfn()),
            utc_ms: t.and_then(|t| clock.as_ref()?.utc(t)).map(|utc| utc.millis()),
            drift_ppm: clock.as_ref().map_or(0.0, |clock| clock.drift() * 1e6),
            cfo: ue.cfo(),
            silent: ue.silence().map(|why| why.to_string()),
            totals: *ue.totals(),
            selections: ue.selection().map_or([0; 2], |m| [m.selections(), m.refusals()]),
            outcomes: outcomes(ue.stack()),
            links: ue.stack().links().map_or_else(Vec::new, |links| links.status().to_vec()),
            ip: ue.ip_status(),
            late_errands: ue.stack().late_errands(),
            stages_us: Stage::ALL
                .iter()
                .map(|stage| (stage.as_str(), ue.latency_stats().microseconds(*stage)))
                .collect(),
            stages_sum_us: Stage::ALL
                .iter()
                .map(|stage| (stage.as_str(), ue.latency_stats().sum_microseconds(*stage)))
                .collect(),
        }
    }

    /// Returns the metrics in the text format of Prometheus.
    pub fn metrics(&self) -> String {
        let ue = self.name.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        let mut out = Metrics { out: String::new(), ue };
        let t = &self.totals;
        let silent = f64::from(u8::from(self.silent.is_some()));
        for (name, help, value) in [
            ("subframes_total", "Subframes that have passed.", t.subframes),
            (
                "skipped_subframes_total",
                "Subframes not received: later ones waited, or samples lost.",
                t.skipped,
            ),
            ("deaf_subframes_total", "Subframes not received because the UE sent in them.", t.deaf),
            ("silent_subframes_total", "Subframes in which nothing could be sent.", t.silent),
            ("lost_samples_total", "Samples that the radio lost.", t.lost_samples),
            ("bursts_total", "Bursts handed to the radio.", t.bursts),
            ("late_bursts_total", "Bursts that the radio refused because they came too late.", t.late_bursts),
            ("selections_total", "Resources selected (mode 4).", self.selections[0]),
            ("refused_selections_total", "Selections that found no resource (mode 4).", self.selections[1]),
            (
                "late_jobs_total",
                "Subframes in which a durable counter or a table was late.",
                self.late_errands,
            ),
        ] {
            out.family(name, Kind::Counter, help, &[("", value as f64)]);
        }
        out.family("silent", Kind::Gauge, "1 while the UE can send nothing.", &[("", silent)]);
        let channels = ["channel=\"psbch\"", "channel=\"pscch\"", "channel=\"pssch\"", "channel=\"psdch\""];
        let per = |values: [u64; 4]| channels.into_iter().zip(values.map(|v| v as f64)).collect::<Vec<_>>();
        out.family("heard_total", Kind::Counter, "Blocks heard, by channel.", &per(t.heard));
        out.family("sent_total", Kind::Counter, "Transmissions, by channel.", &per(t.sent));
        let outcomes: Vec<_> =
            self.outcomes.iter().map(|(o, n)| (format!("outcome=\"{o}\""), *n as f64)).collect();
        let outcomes: Vec<_> = outcomes.iter().map(|(o, n)| (o.as_str(), *n)).collect();
        out.family("received_total", Kind::Counter, "What became of what was received.", &outcomes);
        self.stages(&mut out);
        let drift = [("", self.drift_ppm * 1e-6)];
        out.family("clock_drift_ratio", Kind::Gauge, "By what part the sample clock is too fast.", &drift);
        let offset = [("", self.cfo.0)];
        out.family("carrier_offset_hertz", Kind::Gauge, "Carrier of the air against the own one.", &offset);
        out.out
    }

    /// Adds the times of the stages, as a summary.
    fn stages(&self, out: &mut Metrics) {
        let name = "stage_duration_seconds";
        out.head(name, Kind::Summary, "Time of each stage of a subframe.");
        for (stage, values) in &self.stages_us {
            for (value, quantile) in values.iter().zip(["0.5", "0.99", "0.999", "1"]) {
                out.value(name, &format!("stage=\"{stage}\",quantile=\"{quantile}\""), value * 1e-6);
            }
            let (count, sum) = self.stages_sum_us.get(stage).copied().unwrap_or_default();
            out.value(&format!("{name}_sum"), &format!("stage=\"{stage}\""), sum * 1e-6);
            out.value(&format!("{name}_count"), &format!("stage=\"{stage}\""), count as f64);
        }
    }
}

/// Type of a family of metrics.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Summary,
}

/// Metrics as a text.
struct Metrics {
    out: String,
    /// Value of the label of every sample.
    ue: String,
}

impl Metrics {
    fn family(&mut self, name: &str, kind: Kind, help: &str, values: &[(&str, f64)]) {
        self.head(name, kind, help);
        for (labels, value) in values {
            self.value(name, labels, *value);
        }
    }

    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        // writing into a string cannot fail
        let _ = writeln!(self.out, "# HELP sidelink_{name} {help}\n# TYPE sidelink_{name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &str, value: f64) {
        let separator = if labels.is_empty() { "" } else { "," };
        let _ = writeln!(self.out, "sidelink_{name}{{ue=\"{}\"{separator}{labels}}} {value}", self.ue);
    }
}

#[cfg(test)]
mod tests;
