//! The recordings that the project did not make, and what is in them.
//!
//! They lie beside a checkout (`../shared/recordings`) and are no part of it: a test that needs them says so and passes
//! without them.

use serde::Deserialize;
use sidelink_phy::Sample;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::pool::{
    CommunicationPool, DiscoveryPool, HoppingConfig, PoolPrbs, PsschSubframes, TrpSet, V2xPool,
};
use sidelink_phy::receive::receiver::{CommunicationPlace, Config, DiscoveryPlace};
use sidelink_phy::units::{Bandwidth, CyclicPrefix, Hertz, TransmissionMode};
use std::path::PathBuf;

/// Folder of the recordings, `None` (and a line on stderr) when they are absent.
pub fn recordings() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: no ../shared ({})", path.display());
    None
}

/// Read a raw cf32 file.
pub fn read_cf32(path: &std::path::Path) -> Vec<Sample> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let value = |b: &[u8]| f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    bytes.chunks_exact(8).map(|b| Sample::new(value(&b[..4]), value(&b[4..]))).collect()
}

/// `captures/truth.json`.
#[derive(Debug, Deserialize)]
pub struct Truth {
    pub files: Vec<Capture>,
}

#[derive(Debug, Deserialize)]
pub struct Capture {
    pub file: String,
    pub sample_rate_hz: f64,
    pub n_rb: usize,
    pub transmission_mode: u8,
    pub cyclic_prefix: String,
    pub n_sl_id: Option<u16>,
    pub psbch: Vec<Mib>,
    pub sci: Vec<Sci>,
    pub tb: Vec<Block>,
    pub v2x_pool: Option<Subchannels>,
    pub d2d_pool: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Mib {
    pub subframe: u64,
    pub bits: usize,
    pub hex: String,
    pub dfn: u16,
    pub subframe_number: u8,
}

#[derive(Debug, Deserialize)]
pub struct Sci {
    pub subframe: u64,
    pub prb: usize,
    pub cyclic_shift: u8,
    pub bits: usize,
    pub hex: String,
    pub crc16: u16,
}

#[derive(Debug, Deserialize)]
pub struct Block {
    pub subframe: u64,
    pub n_ssf: u8,
    pub rv_field: u8,
    pub prb_start: usize,
    pub prbs: usize,
    pub mcs: u8,
    pub bits: usize,
    pub hex: String,
}

#[derive(Debug, Deserialize)]
pub struct Subchannels {
    pub size_subchannel: usize,
    pub num_subchannel: usize,
    pub start_rb_subchannel: usize,
    pub adjacency_pscch_pssch: bool,
}

impl Truth {
    /// Read it.
    pub fn load(recordings: &std::path::Path) -> Self {
        let text = std::fs::read_to_string(recordings.join("captures/truth.json")).expect("truth.json");
        serde_json::from_str(&text).expect("truth.json parses")
    }
}

fn numerology(n_rb: usize, cp: CyclicPrefix, rate: f64) -> Numerology {
    Numerology::at_rate(Bandwidth::from_prbs(n_rb).expect("a bandwidth"), cp, Hertz(rate)).expect("a rate")
}

impl Capture {
    /// A receiver that knows what the file's entry says: rate, bandwidth, mode and pool, nothing else.
    pub fn config(&self) -> Config {
        let cp = if self.cyclic_prefix == "extended" { CyclicPrefix::Extended } else { CyclicPrefix::Normal };
        let mode = TransmissionMode::from_number(self.transmission_mode).expect("a mode");
        let mut config = Config::new(numerology(self.n_rb, cp, self.sample_rate_hz), mode);
        if let Some(p) = &self.v2x_pool {
            config.v2x = Some(V2xPool {
                start: p.start_rb_subchannel,
                adjacent: p.adjacency_pscch_pssch,
                ..V2xPool::simple(p.size_subchannel, p.num_subchannel)
            });
        }
        if self.d2d_pool.is_some() {
            // "PSCCH in subframes 1 and 2, PSSCH in subframe 3, all PRBs"
            config.communication.push(communication(
                cp,
                CommunicationPool {
                    period: 40,
                    offset: 0,
                    control_bitmap: vec![false, true, true],
                    control_prbs: PoolPrbs::whole(self.n_rb),
                    data: PsschSubframes::AfterControl,
                    data_prbs: PoolPrbs::whole(self.n_rb),
                    trp_set: TrpSet::Eight,
                    hopping: HoppingConfig::default(),
                },
            ));
        }
        config
    }
}

/// A sidecar of `reference/`.
#[derive(Debug, Deserialize)]
pub struct Reference {
    pub sample_rate_hz: f64,
    #[serde(rename = "NSLRB")]
    pub n_rb: usize,
    #[serde(rename = "NSLID")]
    pub n_sl_id: u16,
    pub cp: String,
    pub transmission_mode: u8,
    pub events: Vec<ReferenceEvent>,
    #[serde(default)]
    pub ues: Vec<ReferenceUe>,
    #[serde(default)]
    pub messages: Vec<ReferenceMessage>,
    pub discovery_pool: Option<ReferenceDiscoveryPool>,
    pub comm_pool: Option<ReferenceCommPool>,
    pub v2x_pool: Option<ReferenceV2xPool>,
    #[serde(default, rename = "syncOffsetIndicator")]
    pub sync_offset: u32,
    #[serde(default, rename = "first_absolute_subframe")]
    pub first_absolute_subframe: u32,
}

#[derive(Debug, Deserialize)]
pub struct ReferenceEvent {
    pub channel: String,
    pub capture_subframe: u64,
    pub absolute_subframe: Option<u32>,
    pub mib_sl_hex: Option<String>,
    pub ue: Option<usize>,
    pub tb: Option<usize>,
    pub rv: Option<u8>,
    #[serde(default)]
    pub prbs: Vec<usize>,
    #[serde(default)]
    pub pscch_prbs: Vec<usize>,
    pub n_ssf: Option<u8>,
    pub sci_hex: Option<String>,
    pub pscch_cyclic_shift: Option<u8>,
}

#[derive(Debug, Deserialize)]
pub struct ReferenceUe {
    pub tb_hex: ReferenceBlocks,
    pub mcs: u8,
}

/// One block or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum ReferenceBlocks {
    One(String),
    Many(Vec<String>),
}

impl ReferenceUe {
    /// Transport block `n` in hex.
    pub fn block(&self, n: usize) -> &str {
        match &self.tb_hex {
            ReferenceBlocks::One(hex) => hex,
            ReferenceBlocks::Many(all) => &all[n],
        }
    }
}

#[derive(Debug, Deserialize)]
pub struct ReferenceMessage {
    pub ue: usize,
    pub payload_hex: String,
}

#[derive(Debug, Deserialize)]
pub struct ReferenceDiscoveryPool {
    #[serde(rename = "discPeriod_r12")]
    pub period: u32,
    #[serde(rename = "offsetIndicator_r12")]
    pub offset: u32,
    #[serde(rename = "subframeBitmap_r12")]
    pub bitmap: String,
    #[serde(rename = "numRepetition_r12")]
    pub repetitions: u32,
    #[serde(rename = "prb_Start_r12")]
    pub prb_start: usize,
    #[serde(rename = "prb_End_r12")]
    pub prb_end: usize,
    #[serde(rename = "prb_Num_r12")]
    pub prb_num: usize,
    #[serde(rename = "numRetx_r12")]
    pub retx: u32,
}

#[derive(Debug, Deserialize)]
pub struct ReferenceCommPool {
    #[serde(rename = "scPeriod_r12")]
    pub period: u32,
    #[serde(rename = "offsetIndicator_r12")]
    pub offset: u32,
    #[serde(rename = "subframeBitmap_r12")]
    pub bitmap: String,
    #[serde(rename = "prb_Start_r12")]
    pub prb_start: usize,
    #[serde(rename = "prb_End_r12")]
    pub prb_end: usize,
    #[serde(rename = "prb_Num_r12")]
    pub prb_num: usize,
}

#[derive(Debug, Deserialize)]
pub struct ReferenceV2xPool {
    #[serde(rename = "sl_Subframe_r14")]
    pub bitmap: String,
    #[serde(rename = "adjacencyPSCCH_PSSCH_r14")]
    pub adjacent: bool,
    #[serde(rename = "sizeSubchannel_r14")]
    pub size: usize,
    #[serde(rename = "numSubchannel_r14")]
    pub num: usize,
    #[serde(rename = "startRB_Subchannel_r14")]
    pub start: usize,
    #[serde(rename = "startRB_PSCCH_Pool_r14")]
    pub control_start: usize,
}

fn communication(cp: CyclicPrefix, pool: CommunicationPool) -> CommunicationPlace {
    CommunicationPlace { pool, control_cp: cp, data_cp: cp }
}

fn bits(s: &str) -> Vec<bool> {
    s.bytes().map(|b| b == b'1').collect()
}

impl Reference {
    /// A receiver that knows rate, bandwidth, mode and pools.
    pub fn config(&self) -> Config {
        let cp = if self.cp.eq_ignore_ascii_case("extended") {
            CyclicPrefix::Extended
        } else {
            CyclicPrefix::Normal
        };
        let mode = TransmissionMode::from_number(self.transmission_mode).expect("a mode");
        let mut config = Config::new(numerology(self.n_rb, cp, self.sample_rate_hz), mode);
        if let Some(p) = &self.discovery_pool {
            config.discovery.push(DiscoveryPlace {
                cp,
                pool: DiscoveryPool {
                    period: 10 * p.period,
                    offset: p.offset,
                    bitmap: bits(&p.bitmap),
                    repetitions: p.repetitions,
                    transmissions: p.retx + 1,
                    prbs: PoolPrbs { start: p.prb_start, end: p.prb_end, num: p.prb_num },
                },
            });
        }
        if let Some(p) = &self.comm_pool {
            let prbs = PoolPrbs { start: p.prb_start, end: p.prb_end, num: p.prb_num };
            config.communication.push(communication(
                cp,
                CommunicationPool {
                    period: p.period,
                    offset: p.offset,
                    control_bitmap: bits(&p.bitmap),
                    control_prbs: prbs,
                    data: PsschSubframes::AfterControl,
                    data_prbs: prbs,
                    trp_set: TrpSet::Eight,
                    hopping: HoppingConfig::default(),
                },
            ));
        }
        if let Some(p) = &self.v2x_pool {
            config.v2x = Some(V2xPool {
                size: p.size,
                num: p.num,
                start: p.start,
                adjacent: p.adjacent,
                control_start: p.control_start,
                bitmap: bits(&p.bitmap),
                sync_offsets: vec![self.sync_offset],
            });
        }
        config
    }
}
