//! What each fuzz target does with its bytes, and valid inputs to start from.
//!
//! A body takes any bytes, must not panic, and checks what can be checked of the answer: what was parsed comes back when
//! it is emitted, an empty grid decodes to nothing, a file yields as many samples as it says. It returns whether the
//! bytes were understood. Every seed is.
//!
//! | file | entries |
//! |---|---|
//! | [`wire`] | formats of layer 2 and PC5 |
//! | [`mikey`] | MIKEY, and what is inside of its tickets and extensions |
//! | [`files`] | SigMF, archives, raw samples |
//! | [`config`] | TOML of radio configurations and scenarios |
//! | [`keys`] | key stores |
//! | [`links`] | two UEs with a link, and what the air does to it |
//! | [`network`] | messages of the network side: XML, HTTP Digest, EAP, RADIUS, IKEv2, short messages |
//! | [`keying`] | messages of direct keying and of group keys |
//! | [`coding`] | SCI, channel decoders on soft values and grids |
//! | [`collision`] | two UEs at one place |
//! | [`stream`] | the whole receiver on samples, of one antenna and of several |

pub mod coding;
pub mod collision;
pub mod config;
pub mod files;
pub mod keying;
pub mod keys;
pub mod links;
pub mod mikey;
pub mod network;
pub mod stream;
pub mod wire;

/// One entry of the fuzzer.
pub struct Target {
    /// Name of the file in `fuzz_targets/`.
    pub name: &'static str,
    /// The body; whether the bytes were understood.
    pub run: fn(&[u8]) -> bool,
    /// Inputs that are understood.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All entries.
pub const TARGETS: &[Target] = &[
    wire::SL_SCH,
    wire::RLC_UM,
    wire::PDCP,
    wire::MIB_SL,
    wire::PC5_DISCOVERY,
    wire::PC5_SIGNALLING,
    mikey::MIKEY,
    wire::LONG_MESSAGE,
    wire::GROUP_OWNER,
    wire::GROUP_KEYS,
    files::SIGMF_META,
    files::SIGMF_PAIR,
    files::SIGMF_ARCHIVE,
    files::RAW,
    config::RADIO,
    config::SCENARIO,
    keys::KEYSTORE,
    links::LINKS,
    network::SBI,
    network::XML,
    network::DIGEST,
    network::EAP,
    network::RADIUS,
    network::IKE,
    network::CARD,
    keying::KEYING,
    coding::SCI,
    coding::CONTROL_LLRS,
    coding::TRANSPORT_LLRS,
    coding::PSBCH,
    coding::PSCCH,
    coding::PSDCH,
    coding::PSSCH,
    stream::STREAM,
    stream::ANTENNAS,
    collision::COLLISION,
];

/// Bytes to one number after the other; zeros when they have run out.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Two bytes as one sample, ±127 standing for ±[`SCALE`]. An I of -128 stands for what no receiver should be given.
pub(crate) fn sample(pair: &[u8]) -> sidelink_phy::Sample {
    const WILD: [f32; 8] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38, -1e38, 1e-38, 1e20, 0.0];
    let (i, q) = (pair[0] as i8, pair.get(1).map_or(0, |&q| q as i8));
    match i {
        i8::MIN => sidelink_phy::Sample::new(WILD[(q as u8 % 8) as usize], WILD[(q as u8 / 8 % 8) as usize]),
        _ => sidelink_phy::Sample::new(i as f32, q as f32) * (SCALE / 127.0),
    }
}

/// The inverse of [`sample`].
pub(crate) fn quantise(x: sidelink_phy::Sample) -> [u8; 2] {
    [x.re, x.im].map(|v| (v * 127.0 / SCALE).round().clamp(-127.0, 127.0) as i8 as u8)
}

/// Full scale.
pub(crate) const SCALE: f32 = 4.0;
