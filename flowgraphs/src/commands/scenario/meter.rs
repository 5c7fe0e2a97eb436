//! What a case cost: the cost vector of the proposals' digest, per entity.

use super::cast::Scenario;
use crate::terminal;
use crate::ue::{LinkEvent, Totals};
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// One run to do.
pub(super) struct Case<'a> {
    pub(super) scenario: &'a Scenario,
    /// SC period in subframes.
    pub(super) period: u64,
    /// Es/N0 in dB.
    pub(super) snr: f64,
    pub(super) seed: u64,
}

/// One run that was played: UE_1 first, UE_2 second.
pub(super) struct Played {
    pub(super) events: [Vec<(u64, LinkEvent)>; 2],
    pub(super) totals: [Totals; 2],
    /// The longest that layer 2 took with what one subframe brought.
    pub(super) layer2_us: [f64; 2],
    /// Subframes after the start at which the link was asked for.
    pub(super) connect: u64,
    /// Blocks that attackers sent.
    pub(super) attacks: u64,
}

/// A message on the air.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Message {
    /// Milliseconds after the link was asked for.
    pub(super) at_ms: i64,
    /// 0 for UE_1.
    pub(super) from: usize,
    pub(super) message: u8,
    pub(super) l3_octets: usize,
    pub(super) pdu_octets: usize,
}

/// What one UE spent.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Spent {
    pub(super) msgs: usize,
    pub(super) l3_octets: usize,
    pub(super) pdu_octets: usize,
    pub(super) n_tb: u64,
    pub(super) sf_pscch: u64,
    pub(super) sf_pssch: u64,
    /// SC periods in which it sent.
    pub(super) sc_periods: u64,
    pub(super) layer2_worst_us: f64,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Costs {
    pub(super) name: String,
    pub(super) period: u64,
    pub(super) snr_db: f64,
    pub(super) seed: u64,
    /// Milliseconds from the asking to the link, at UE_1 and at UE_2.
    pub(super) setup_ms: [Option<u64>; 2],
    pub(super) rekeyings: [usize; 2],
    /// Messages of the application: sent by UE_1, delivered to UE_2 in order, each once.
    pub(super) delivered: usize,
    pub(super) spent: [Spent; 2],
    /// Transmissions of attackers, and what was dropped with a reason.
    pub(super) attacks: u64,
    pub(super) notes: usize,
    /// Links that came about other than the one that was asked for.
    pub(super) foreign_links: usize,
    pub(super) failure: Option<String>,
}

impl Played {
    /// Every message that was sent, in its order.
    pub(super) fn messages(&self) -> Vec<Message> {
        let start = self.start();
        let sent = |from: usize| {
            self.events[from].iter().filter_map(move |(t, event)| match event {
                LinkEvent::Sent { message, l3_octets, pdu_octets } => Some(Message {
                    at_ms: *t as i64 - start as i64,
                    from,
                    message: *message,
                    l3_octets: *l3_octets,
                    pdu_octets: *pdu_octets,
                }),
                _ => None,
            })
        };
        let mut all: Vec<_> = sent(0).chain(sent(1)).collect();
        all.sort_by_key(|m| m.at_ms);
        all
    }

    /// The subframe in which the link was asked for.
    fn start(&self) -> u64 {
        let asked = self.events[0].iter().find(|(_, e)| matches!(e, LinkEvent::Connecting));
        asked.map_or(self.connect, |(t, _)| *t)
    }
}

impl Costs {
    pub(super) fn of(case: &Case<'_>, played: &Played) -> Self {
        let start = played.start();
        let up = |i: usize| {
            played.events[i].iter().find(|(_, e)| matches!(e, LinkEvent::Up)).map(|(t, _)| t - start)
        };
        let count = |i: usize, which: fn(&LinkEvent) -> bool| {
            played.events[i].iter().filter(|(_, e)| which(e)).count()
        };
        let messages = played.messages();
        let spent = [0, 1].map(|i| {
            let own = messages.iter().filter(|m| m.from == i);
            let [_, scis, blocks, _] = played.totals[i].sent;
            Spent {
                msgs: own.clone().count(),
                l3_octets: own.clone().map(|m| m.l3_octets).sum(),
                pdu_octets: own.map(|m| m.pdu_octets).sum(),
                n_tb: blocks / 4,
                sf_pscch: scis,
                sf_pssch: blocks,
                sc_periods: scis / 2,
                layer2_worst_us: played.layer2_us[i],
            }
        });
        let numbers: Vec<u64> = played.events[1]
            .iter()
            .filter_map(|(_, e)| if let LinkEvent::Data(number) = e { *number } else { None })
            .collect();
        let ordered = numbers.windows(2).all(|w| w[0] < w[1]);
        let ups = count(1, |e| matches!(e, LinkEvent::Up));
        let mut costs = Self {
            name: case.scenario.name.to_owned(),
            period: case.period,
            snr_db: case.snr,
            seed: case.seed,
            setup_ms: [up(0), up(1)],
            rekeyings: [0, 1].map(|i| count(i, |e| matches!(e, LinkEvent::Rekeyed { .. }))),
            delivered: numbers.len(),
            spent,
            attacks: played.attacks,
            notes: count(0, |e| matches!(e, LinkEvent::Note(_)))
                + count(1, |e| matches!(e, LinkEvent::Note(_))),
            foreign_links: ups.saturating_sub(1),
            failure: None,
        };
        costs.failure = if !ordered {
            Some("a message came twice, or out of its order".to_owned())
        } else if costs.foreign_links > 0 {
            Some("a second link came about".to_owned())
        } else if case.snr >= 10.0 && costs.setup_ms.contains(&None) {
            Some("there is no link".to_owned())
        } else {
            None
        };
        costs
    }
}

/// As lines of JSON.
pub(super) fn json(all: &[Costs], file: Option<&Path>) -> anyhow::Result<()> {
    let mut out = open(file)?;
    for costs in all {
        writeln!(out, "{}", serde_json::to_string(costs)?)?;
    }
    Ok(out.flush()?)
}

/// For people: UE_1 / UE_2 in every column.
pub(super) fn table(all: &[Costs], file: Option<&Path>) -> anyhow::Result<()> {
    let mut out = open(file)?;
    writeln!(
        out,
        "{:<20} {:>4} {:>6} {:>4} {:>13} {:>7} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7} {:>7} {:>6} {:>5}",
        "scenario",
        "P",
        "SNR dB",
        "seed",
        "set-up ms",
        "msgs",
        "L3 octets",
        "PDU oct.",
        "TBs",
        "PSCCH sf",
        "PSSCH sf",
        "periods",
        "re-keys",
        "data",
        "notes"
    )?;
    for c in all {
        let pair = |f: fn(&Spent) -> u64| format!("{}/{}", f(&c.spent[0]), f(&c.spent[1]));
        let ms = |v: Option<u64>| v.map_or("-".to_owned(), |v| v.to_string());
        writeln!(
            out,
            "{:<20} {:>4} {:>6} {:>4} {:>13} {:>7} {:>9} {:>9} {:>7} {:>9} {:>9} {:>7} {:>7} {:>6} {:>5}",
            c.name,
            c.period,
            c.snr_db,
            c.seed,
            format!("{}/{}", ms(c.setup_ms[0]), ms(c.setup_ms[1])),
            pair(|s| s.msgs as u64),
            pair(|s| s.l3_octets as u64),
            pair(|s| s.pdu_octets as u64),
            pair(|s| s.n_tb),
            pair(|s| s.sf_pscch),
            pair(|s| s.sf_pssch),
            pair(|s| s.sc_periods),
            format!("{}/{}", c.rekeyings[0], c.rekeyings[1]),
            c.delivered,
            c.notes
        )?;
        if c.attacks > 0 {
            writeln!(
                out,
                "  the attacker sent {} transmissions; links that came of it: {}; refused with a note: {}",
                c.attacks, c.foreign_links, c.notes
            )?;
        }
    }
    Ok(out.flush()?)
}

fn open(file: Option<&Path>) -> anyhow::Result<Box<dyn Write>> {
    Ok(match file {
        Some(path) => {
            let file = std::fs::File::create(path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
            Box::new(std::io::BufWriter::new(file))
        }
        None => Box::new(terminal::stdout()),
    })
}
