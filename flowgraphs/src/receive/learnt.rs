//! The learnt radio configuration of a receiver, as a file for `--config`: each table with its evidence as comments.

use crate::config::{
    Bitmap, CommunicationConfig, DiscoveryConfig, OneOrMany, PrbSet, RadioConfig, SyncConfig, V2xConfig,
};
use crate::outputs::OutputFile;
use sidelink_phy::pool::{PoolPrbs, PsschSubframes, V2xPool};
use sidelink_phy::receive::learn::{Evidence, Learnt, OpenValue, Part};
use sidelink_phy::receive::receiver::{CommunicationPlace, Config, DiscoveryPlace, Event, Receiver};
use sidelink_phy::units::{CyclicPrefix, SidelinkMode};
use std::fmt::Write as _;
use std::io::Write as _;

/// Number of MIBs at a place in time, after which synchronisation signals are assumed there.
const AGREEING_MIBS: u64 = 2;

/// Counts the evidence for the place of synchronisation signals.
#[derive(Clone, Debug, Default)]
pub struct SyncSeen {
    /// MIBs by subframe of the period, with the identity that came last.
    offsets: Vec<(u32, u64, u16)>,
}

/// Learnt radio configuration.
#[derive(Clone, Debug)]
pub struct LearntRadio {
    config: Config,
    sync: SyncSeen,
    communication: Vec<Learnt<CommunicationPlace>>,
    discovery: Vec<Learnt<DiscoveryPlace>>,
    v2x: Vec<Learnt<V2xPool>>,
}

impl SyncSeen {
    /// Counts an event.
    pub fn event(&mut self, event: &Event<'_>, sidelink: SidelinkMode) {
        let Event::Mib { id, time: Some(time), .. } = event else { return };
        let offset = time.count() % sync_period(sidelink);
        match self.offsets.iter_mut().find(|(at, ..)| *at == offset) {
            Some((_, count, last)) => (*count, *last) = (*count + 1, id.value()),
            None => self.offsets.push((offset, 1, id.value())),
        }
    }
}

fn sync_period(sidelink: SidelinkMode) -> u32 {
    match sidelink {
        SidelinkMode::V2x => 160,
        SidelinkMode::D2d => 40,
    }
}

impl LearntRadio {
    /// Takes the learnt configuration of `receiver`.
    pub fn new(receiver: &mut Receiver, sync: SyncSeen) -> Self {
        Self {
            config: receiver.config().clone(),
            sync,
            communication: receiver.learnt_communication(),
            discovery: receiver.learnt_discovery(),
            v2x: receiver.learnt_v2x(),
        }
    }

    /// Returns the number of learnt pools.
    pub fn pools(&self) -> usize {
        self.communication.len() + self.discovery.len() + self.v2x.len()
    }

    /// Returns the V2X pools, the one with most evidence first.
    pub fn v2x(&self) -> &[Learnt<V2xPool>] {
        &self.v2x
    }

    /// Returns the pools of modes 1 and 2 and of discovery, in a line each.
    pub fn in_words(&self) -> Vec<String> {
        let evidence = |e: &Evidence, blocks: &str| {
            let against = if e.contradictions > 0 {
                format!(", {} contradict", e.contradictions)
            } else {
                String::new()
            };
            format!("{} {blocks} agree{against}; --learn FILE keeps it", e.blocks)
        };
        let communication = self.communication.iter().map(|learnt| {
            let (pool, e) = (&learnt.pool.pool, evidence(&learnt.evidence, "blocks"));
            format!("learnt a communication pool: period {}, offset {}, {e}", pool.period, pool.offset)
        });
        let discovery = self.discovery.iter().map(|learnt| {
            let (pool, e) = (&learnt.pool.pool, evidence(&learnt.evidence, "messages"));
            format!("learnt a discovery pool: period {}, offset {}, {e}", pool.period, pool.offset)
        });
        communication.chain(discovery).collect()
    }

    /// Returns the text of the file.
    pub fn to_toml(&self, of: &str) -> String {
        let sidelink = self.config.mode.sidelink();
        let head = RadioConfig {
            prb: u32::try_from(self.config.numerology.bandwidth().prbs()).ok(),
            tm: Some(match sidelink {
                SidelinkMode::V2x => 4,
                SidelinkMode::D2d => 2,
            }),
            cp: (self.config.numerology.cp() == CyclicPrefix::Extended)
                .then(|| CyclicPrefix::Extended.into()),
            ..RadioConfig::default()
        };
        let mut text = format!("# What was learnt of {of}. `-c` takes this file.\n");
        text += "# tm tells V2X (4) from D2D (2): whether a base station gave the resources (1, 3) was not learnt.\n";
        text += &toml_of(&head);
        self.write_sync(&mut text, sidelink);
        for learnt in &self.communication {
            write_pool(&mut text, &learnt.evidence, "PSCCH", "blocks", |open| {
                open != Part::DataPrbs || !is_whole(&learnt.pool)
            });
            let table =
                RadioConfig { communication: vec![communication(&learnt.pool)], ..RadioConfig::default() };
            text += &toml_of(&table);
        }
        for learnt in &self.discovery {
            write_pool(&mut text, &learnt.evidence, "PSDCH", "messages", |_| true);
            let table = RadioConfig { discovery: vec![discovery(&learnt.pool)], ..RadioConfig::default() };
            text += &toml_of(&table);
        }
        for (i, learnt) in self.v2x.iter().enumerate() {
            write_pool(&mut text, &learnt.evidence, "SCIs", "blocks", |_| true);
            let pool = v2x_config(&learnt.pool);
            text += &toml_of(&match i {
                0 => RadioConfig { v2x: Some(pool), ..RadioConfig::default() },
                _ => RadioConfig { v2x_also: vec![pool], ..RadioConfig::default() },
            });
        }
        if self.pools() == 0 {
            text += "\n# No pool was learnt: too few blocks or messages decoded, or no pool agrees with all of them.\n";
        }
        text
    }

    fn write_sync(&self, text: &mut String, sidelink: SidelinkMode) {
        let seen = self.sync.offsets.iter().filter(|(_, count, _)| *count >= AGREEING_MIBS);
        let mut seen: Vec<_> = seen.copied().collect();
        seen.sort_by_key(|&(_, count, _)| std::cmp::Reverse(count));
        seen.truncate(3);
        if seen.is_empty() {
            *text += "\n# No MIB told the time: offsets below count from the start of the capture.\n";
            return;
        }
        *text += "\n";
        for (offset, count, id) in &seen {
            let _ = writeln!(text, "# Offset {offset}: {count} MIBs, the last of N_ID^SL {id}.");
        }
        let mut offsets: Vec<u32> = seen.iter().map(|(offset, ..)| *offset).collect();
        let offset =
            if offsets.len() == 1 { OneOrMany::One(offsets.remove(0)) } else { OneOrMany::Many(offsets) };
        let sync =
            SyncConfig { offset: Some(offset), period: Some(sync_period(sidelink)), ..SyncConfig::default() };
        *text += &toml_of(&RadioConfig { sync: Some(sync), ..RadioConfig::default() });
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The system's error, with the name.
    pub fn write(&self, mut file: OutputFile, of: &str) -> std::io::Result<()> {
        file.write_all(self.to_toml(of).as_bytes())?;
        file.finish()
    }
}

/// Returns a table as TOML.
fn toml_of(config: &RadioConfig) -> String {
    // numbers, texts and lists of tables: each has a form
    toml::to_string(config).unwrap_or_default()
}

/// Writes the evidence of a pool, as comments before its table.
fn write_pool(
    text: &mut String,
    evidence: &Evidence,
    control: &str,
    blocks: &str,
    is_told: impl Fn(Part) -> bool,
) {
    let Evidence { control: n, blocks: b, contradictions, open, .. } = evidence;
    let _ = writeln!(text, "\n# {n} {control} and {b} {blocks} agree, {contradictions} contradict.");
    for open in open.iter().filter(|open| is_told(open.part)) {
        let what = match open.value {
            OpenValue::Seen => "what was seen in use; the pool may have more",
            OpenValue::Most => "as much as agrees with what was seen; the pool may have less",
            OpenValue::Default => "not learnt: a default",
        };
        let _ = writeln!(text, "# {}: {what}.", key(open.part));
    }
    if !evidence.timed {
        *text += "# No MIB told the time: the offset holds for this capture only.\n";
    }
}

/// Returns the key of a part.
fn key(part: Part) -> &'static str {
    match part {
        Part::Period => "period",
        Part::Offset => "offset",
        Part::ControlBitmap => "control-bitmap",
        Part::ControlPrbs => "control-prb",
        Part::DataBitmap => "data-bitmap and data-offset",
        Part::DataPrbs => "data-prb",
        Part::Hopping => "hopping",
        Part::Bitmap => "bitmap",
        Part::Prbs => "prb",
        Part::Transmissions => "transmissions",
        Part::Size => "size",
        Part::Num => "num",
        Part::Start => "start",
        Part::SyncOffset => "sync-offset",
        _ => "more",
    }
}

fn is_whole(place: &CommunicationPlace) -> bool {
    place.pool.data_prbs == place.pool.control_prbs
}

fn prb_set(prbs: PoolPrbs) -> PrbSet {
    PrbSet { start: prbs.start as u32, end: prbs.end as u32, num: prbs.num as u32 }
}

fn communication(place: &CommunicationPlace) -> CommunicationConfig {
    let pool = &place.pool;
    let (data_offset, data_bitmap) = match &pool.data {
        PsschSubframes::AfterControl => (None, None),
        PsschSubframes::Bitmap { offset, bitmap } => (Some(*offset), Some(Bitmap(bitmap.clone()))),
    };
    let prefix = |cp: CyclicPrefix| (cp == CyclicPrefix::Extended).then(|| cp.into());
    CommunicationConfig {
        period: pool.period,
        offset: pool.offset,
        control_bitmap: Bitmap(pool.control_bitmap.clone()),
        control_prb: prb_set(pool.control_prbs),
        control_cp: prefix(place.control_cp),
        data_bitmap,
        data_offset,
        data_prb: Some(prb_set(pool.data_prbs)),
        data_cp: prefix(place.data_cp),
        trp_length: None,
        hopping: None,
    }
}

fn discovery(place: &DiscoveryPlace) -> DiscoveryConfig {
    let pool = &place.pool;
    DiscoveryConfig {
        period: pool.period,
        offset: pool.offset,
        bitmap: Bitmap(pool.bitmap.clone()),
        repetitions: Some(pool.repetitions),
        transmissions: Some(pool.transmissions),
        prb: prb_set(pool.prbs),
        cp: (place.cp == CyclicPrefix::Extended).then(|| place.cp.into()),
    }
}

fn v2x_config(pool: &V2xPool) -> V2xConfig {
    V2xConfig {
        size: pool.size as u32,
        num: pool.num as u32,
        start: pool.start as u32,
        adjacent: pool.adjacent,
        pscch_start: (!pool.adjacent).then_some(pool.control_start as u32),
        bitmap: None,
        sync_offset: match pool.sync_offsets[..] {
            [] => None,
            [one] => Some(OneOrMany::One(one)),
            _ => Some(OneOrMany::Many(pool.sync_offsets.clone())),
        },
    }
}
