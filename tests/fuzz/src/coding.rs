//! Control information and channel decoders: on bits, on soft values, on grids.

use super::{Bytes, Target, quantise, sample};
use sidelink_phy::channel::pssch::Grant;
use sidelink_phy::channel::{psbch, pscch, psdch, pssch};
use sidelink_phy::coding::tail_biting::{ControlDecoder, ControlEncoder};
use sidelink_phy::coding::transport::{DecoderConfig, SoftBuffer, TransportDecoder, TransportEncoder};
use sidelink_phy::grid::Grid;
use sidelink_phy::numerology::Numerology;
use sidelink_phy::sci::{Format0, Format1};
use sidelink_phy::sequence::dmrs::References;
use sidelink_phy::units::{
    Antennas, Bandwidth, CyclicPrefix, Hertz, PrbRange, SidelinkMode, SlssId, TransmissionMode,
};
use sidelink_phy::{Llr, Sample};
use std::cell::RefCell;
use std::slice::from_ref;
use std::sync::Arc;

/// SCI of both formats: a byte that chooses, and packed bits.
pub const SCI: Target = Target { name: "sci", run: sci, seeds: sci_seeds };
/// Soft values of SCI and MIB-SL, a byte each.
pub const CONTROL_LLRS: Target =
    Target { name: "control_llrs", run: control_llrs, seeds: control_llrs_seeds };
/// Soft values of transport blocks, two bytes each.
pub const TRANSPORT_LLRS: Target =
    Target { name: "transport_llrs", run: transport_llrs, seeds: transport_llrs_seeds };
/// PSBCH on a grid.
pub const PSBCH: Target = Target { name: "psbch", run: run_psbch, seeds: psbch_seeds };
/// PSCCH on a grid.
pub const PSCCH: Target = Target { name: "pscch", run: run_pscch, seeds: pscch_seeds };
/// PSDCH on a grid.
pub const PSDCH: Target = Target { name: "psdch", run: run_psdch, seeds: psdch_seeds };
/// PSSCH on a grid.
pub const PSSCH: Target = Target { name: "pssch", run: run_pssch, seeds: pssch_seeds };

fn unpack(bytes: &[u8], bits: usize) -> Vec<u8> {
    (0..bits).map(|i| bytes.get(i / 8).map_or(0, |b| b >> (7 - i % 8) & 1)).collect()
}

fn sci(data: &[u8]) -> bool {
    let mut bytes = Bytes::new(data);
    let choice = bytes.byte();
    let rest = bytes.rest();
    if choice & 1 == 0 {
        let bandwidth = Bandwidth::ALL[choice as usize / 2 % 6];
        // of any length: only one is right
        let bits = unpack(rest, if choice < 200 { Format0::bits(bandwidth) } else { rest.len() % 64 });
        let Ok(parsed) = Format0::parse(bandwidth, &bits) else { return false };
        let mut out = vec![0; Format0::bits(bandwidth)];
        parsed.emit(bandwidth, &mut out).expect("what was parsed can be emitted");
        assert_eq!(out, bits);
        if let Ok((start, len)) = parsed.allocation(bandwidth) {
            assert!(len > 0 && start + len <= bandwidth.prbs());
        }
        return true;
    }
    let subchannels = choice as usize / 2 % 32;
    let bits = unpack(rest, if choice < 200 { Format1::BITS } else { rest.len() % 64 });
    let Ok(parsed) = Format1::parse(subchannels, &bits) else { return false };
    let mut out = vec![0; Format1::BITS];
    parsed.emit(subchannels, &mut out).expect("what was parsed can be emitted");
    assert_eq!(out, bits);
    let _ = parsed.reservation_ms();
    if let Ok((start, len)) = parsed.allocation(subchannels) {
        assert!(len > 0 && start + len <= subchannels);
    }
    true
}

fn sci_seeds() -> Vec<Vec<u8>> {
    (0..12).map(|choice| vec![choice, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]).collect()
}

/// Payload bits of MIB-SL, MIB-SL-V2X, SCI formats 0 and 1, and coded bits that each is sent with.
const CONTROL: [(usize, usize); 4] = [(40, 1152), (48, 1008), (43, 288), (32, 480)];

fn control_llrs(data: &[u8]) -> bool {
    thread_local! {
        static CODERS: RefCell<Vec<(ControlDecoder, ControlEncoder)>> = RefCell::new(
            CONTROL.map(|(k, _)| (ControlDecoder::new(k + 16), ControlEncoder::new(k + 16))).into(),
        );
    }
    let mut bytes = Bytes::new(data);
    let choice = bytes.byte();
    let index = choice as usize % 4;
    let (k, coded) = CONTROL[index];
    let shift = choice as u32 / 4 % 9;
    let llrs: Vec<Llr> = bytes.rest().iter().map(|&b| Llr::from(b as i8) << shift).collect();
    let llrs = if choice & 128 == 0 { fit(llrs, coded) } else { llrs };
    let silent = llrs.iter().all(|&l| l == 0);
    CODERS.with_borrow_mut(|coders| {
        let (decoder, encoder) = &mut coders[index];
        let mut payload = vec![0; k];
        let Ok(decode) = decoder.decode(&llrs, &mut payload) else { return false };
        assert!(payload.iter().all(|&b| b < 2));
        assert!(decode.correlation.is_finite());
        if !decode.crc_ok {
            return false;
        }
        let mut codeword = vec![0; coded];
        let crc = encoder.encode(&payload, &mut codeword).expect("a payload of that size");
        assert_eq!(crc, decode.crc16);
        assert!(!silent || decode.correlation <= 0.0, "silence agrees with nothing");
        true
    })
}

fn fit(mut llrs: Vec<Llr>, len: usize) -> Vec<Llr> {
    llrs.resize(len, 0);
    llrs
}

fn control_llrs_seeds() -> Vec<Vec<u8>> {
    let seed = |(index, (k, coded)): (usize, (usize, usize))| {
        let payload: Vec<u8> = (0..k).map(|i| (i * i / 3 % 2) as u8).collect();
        let mut codeword = vec![0; coded];
        ControlEncoder::new(k + 16).encode(&payload, &mut codeword).expect("a payload of that size");
        let mut seed = vec![index as u8 + 4 * 2];
        seed.extend(codeword.iter().map(|&b| if b == 0 { 50 } else { -50i8 as u8 }));
        seed
    };
    CONTROL.into_iter().enumerate().map(seed).collect()
}

/// Sizes of transport blocks with different fillers and numbers of code blocks, and symbols that they are sent on.
const BLOCKS: [(usize, usize); 4] = [(232, 288), (504, 600), (6712, 1800), (12960, 3000)];

fn transport_llrs(data: &[u8]) -> bool {
    thread_local! {
        static CODER: RefCell<(TransportDecoder, SoftBuffer)> = RefCell::new((
            TransportDecoder::new(BLOCKS[3].0, DecoderConfig::default()),
            SoftBuffer::new(BLOCKS[3].0),
        ));
    }
    let mut bytes = Bytes::new(data);
    let choice = bytes.byte();
    let (size, symbols) = BLOCKS[choice as usize % 4];
    // some that break the rules of the coder among them
    let q_m = [2, 4, 6, 3][choice as usize / 4 % 4];
    let rv = bytes.byte() % 5;
    let llrs: Vec<Llr> =
        bytes.rest().chunks(2).map(|b| Llr::from_le_bytes([b[0], b.get(1).copied().unwrap_or(0)])).collect();
    let llrs = if choice & 64 == 0 { fit(llrs, symbols * q_m) } else { llrs };
    let silent = llrs.iter().all(|&l| l == 0);
    CODER.with_borrow_mut(|(decoder, soft)| {
        soft.reset(size).expect("a size that it was made for");
        let mut block = vec![0; size / 8];
        let mut decoded = false;
        // the same again: soft values add up
        for _ in 0..2 {
            if decoder.combine(soft, &llrs, q_m, rv).is_err() {
                return false;
            }
            let Ok(decode) = decoder.decode(soft, &mut block) else { return false };
            assert!(!silent || !decode.crc_ok, "silence is not a block");
            decoded |= decode.crc_ok;
        }
        decoded
    })
}

fn transport_llrs_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (index, (size, symbols)) in BLOCKS.into_iter().enumerate() {
        let block: Vec<u8> = (0..size / 8).map(|i| (i * 37 + 11) as u8).collect();
        let q_m = if index < 2 { 2 } else { 6 };
        let mut coded = vec![0; symbols * q_m];
        TransportEncoder::new(size).encode(&block, coded.len(), q_m, 0, &mut coded).expect("it fits");
        let mut seed = vec![index as u8 + if index < 2 { 0 } else { 8 }, 0];
        seed.extend(coded.iter().flat_map(|&b| Llr::to_le_bytes(if b == 0 { 90 } else { -90 })));
        seeds.push(seed);
    }
    seeds
}

/// The carrier of the grids.
fn numerology(extended: bool) -> Numerology {
    Numerology::standard(
        Bandwidth::Prb6,
        if extended { CyclicPrefix::Extended } else { CyclicPrefix::Normal },
    )
}

fn references() -> Arc<References> {
    Arc::new(References::new(6))
}

fn grid_of(numerology: Numerology, bytes: &[u8]) -> Grid {
    let mut grid = Grid::new(numerology);
    let mut pairs = bytes.chunks(2);
    for l in 0..grid.symbols() {
        for (x, pair) in grid.symbol_mut(l).iter_mut().zip(&mut pairs) {
            *x = sample(pair);
        }
    }
    grid
}

fn bytes_of(grid: &Grid) -> Vec<u8> {
    grid.values().iter().flat_map(|&x| quantise(x)).collect()
}

fn is_empty(grid: &Grid) -> bool {
    grid.values().iter().all(|x| *x == Sample::default())
}

/// Normal prefix, extended prefix, modes 3 and 4.
const KINDS: [(SidelinkMode, bool); 3] =
    [(SidelinkMode::D2d, false), (SidelinkMode::D2d, true), (SidelinkMode::V2x, false)];

fn run_psbch(data: &[u8]) -> bool {
    thread_local! {
        static DECODERS: RefCell<Vec<psbch::Decoder>> = RefCell::new(
            KINDS.map(|(sidelink, extended)| psbch::Decoder::new(numerology(extended), sidelink, references(), Antennas::ONE)).into(),
        );
    }
    let mut bytes = Bytes::new(data);
    let kind = bytes.byte() as usize % 3;
    let Some(id) = SlssId::new(bytes.u16() % 336) else { return false };
    let (sidelink, extended) = KINDS[kind];
    let grid = grid_of(numerology(extended), bytes.rest());
    DECODERS.with_borrow_mut(|decoders| {
        let mut mib = vec![0; psbch::payload_bits(sidelink)];
        let decoded = decoders[kind].decode(from_ref(&grid), id, &mut mib);
        assert!(decoded.is_none() || !is_empty(&grid), "silence is not a MIB");
        let _ = psbch::frame_time(&mib);
        decoded.is_some()
    })
}

fn psbch_seeds() -> Vec<Vec<u8>> {
    let seed = |(kind, (sidelink, extended)): (usize, (SidelinkMode, bool))| {
        let n = numerology(extended);
        let mut grid = Grid::new(n);
        let mib: Vec<u8> = (0..psbch::payload_bits(sidelink)).map(|i| (i % 3 % 2) as u8).collect();
        let id = SlssId::new(77).expect("in range");
        let mut encoder = psbch::Encoder::new(n, sidelink, references());
        encoder.encode(&mib, id, 1.0, &mut grid).expect("fits");
        [&[kind as u8, 77, 0][..], &bytes_of(&grid)].concat()
    };
    KINDS.into_iter().enumerate().map(seed).collect()
}

fn run_pscch(data: &[u8]) -> bool {
    thread_local! {
        static DECODERS: RefCell<Vec<pscch::Decoder>> = RefCell::new(
            KINDS.map(|(sidelink, extended)| pscch::Decoder::new(numerology(extended), sidelink, references(), Antennas::ONE)).into(),
        );
    }
    let mut bytes = Bytes::new(data);
    let kind = bytes.byte() as usize % 3;
    let (prb, n_cs) = (bytes.byte() as usize, bytes.byte() % 12);
    let (_, extended) = KINDS[kind];
    let grid = grid_of(numerology(extended), bytes.rest());
    DECODERS.with_borrow_mut(|decoders| {
        let mut bits = vec![0; decoders[kind].payload_bits()];
        let decoded = decoders[kind].decode(from_ref(&grid), prb, n_cs, Hertz(1500.0), &mut bits);
        assert!(decoded.is_none() || !is_empty(&grid), "silence is not control information");
        decoded.is_some()
    })
}

fn pscch_seeds() -> Vec<Vec<u8>> {
    let seed = |(kind, (sidelink, extended)): (usize, (SidelinkMode, bool))| {
        let n = numerology(extended);
        let mut grid = Grid::new(n);
        let bits: Vec<u8> = (0..pscch::sci_bits(sidelink, n)).map(|i| (i % 3 % 2) as u8).collect();
        let n_cs = match sidelink {
            SidelinkMode::V2x => 6,
            SidelinkMode::D2d => 0,
        };
        let mut encoder = pscch::Encoder::new(n, sidelink, references());
        encoder.encode(&bits, 2, n_cs, 1.0, &mut grid).expect("fits");
        [&[kind as u8, 2, n_cs][..], &bytes_of(&grid)].concat()
    };
    KINDS.into_iter().enumerate().map(seed).collect()
}

fn run_psdch(data: &[u8]) -> bool {
    thread_local! {
        static DECODERS: RefCell<Vec<(psdch::Decoder, psdch::Process)>> = RefCell::new(
            [false, true]
                .map(|extended| (psdch::Decoder::new(numerology(extended), references(), Antennas::ONE), psdch::Process::new()))
                .into(),
        );
    }
    let mut bytes = Bytes::new(data);
    let kind = bytes.byte() as usize % 2;
    let (prb, rv) = (bytes.byte() as usize, bytes.byte() % 5);
    let grid = grid_of(numerology(kind == 1), bytes.rest());
    DECODERS.with_borrow_mut(|decoders| {
        let (decoder, process) = &mut decoders[kind];
        process.reset();
        if decoder.receive(from_ref(&grid), prb, Hertz(0.0)).is_none() {
            return false;
        }
        decoder.combine(process, rv);
        let mut message = [0; psdch::MESSAGE_BYTES];
        let decoded = decoder.decode(process, &mut message);
        assert!(decoded.is_none() || !is_empty(&grid), "silence is not a message");
        decoded.is_some()
    })
}

fn psdch_seeds() -> Vec<Vec<u8>> {
    let seed = |extended: bool| {
        let n = numerology(extended);
        let mut grid = Grid::new(n);
        let message = std::array::from_fn(|i| 7 * i as u8);
        psdch::Encoder::new(n, references()).encode(&message, 0, 4, 1.0, &mut grid).expect("fits");
        [&[u8::from(extended), 4, 0][..], &bytes_of(&grid)].concat()
    };
    vec![seed(false), seed(true)]
}

/// A kind, the grant in eight bytes, a grid.
fn run_pssch(data: &[u8]) -> bool {
    thread_local! {
        static DECODERS: RefCell<Vec<(pssch::Decoder, pssch::Process)>> = RefCell::new(
            KINDS
                .map(|(sidelink, extended)| {
                    let mode = match sidelink { SidelinkMode::V2x => TransmissionMode::Tm4, SidelinkMode::D2d => TransmissionMode::Tm2 };
                    (pssch::Decoder::new(numerology(extended), mode, references(), Antennas::ONE), pssch::Process::new(6))
                })
                .into(),
        );
    }
    let mut bytes = Bytes::new(data);
    let kind = bytes.byte() as usize % 3;
    let (sidelink, extended) = KINDS[kind];
    let grant = Grant {
        prbs: PrbRange { start: bytes.byte() as usize, len: bytes.byte() as usize % 9 },
        mcs: bytes.byte() % 33,
        rv: bytes.byte() % 5,
        n_id: bytes.u16(),
        n_ssf: bytes.byte() % 11,
        transmission_format: bytes.byte() & 1 == 1,
    };
    let grid = grid_of(numerology(extended), bytes.rest());
    DECODERS.with_borrow_mut(|decoders| {
        let (decoder, process) = &mut decoders[kind];
        let Ok((_, size)) = grant.size(sidelink) else { return false };
        if process.start(size).is_err()
            || decoder.receive(from_ref(&grid), &grant, Hertz(0.0), process).is_err()
        {
            return false;
        }
        let mut block = vec![0; size / 8];
        let decoded = decoder.decode(process, &mut block);
        assert!(decoded.is_none() || !is_empty(&grid), "silence is not a block");
        decoded.is_some()
    })
}

fn pssch_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (kind, (sidelink, extended)) in KINDS.into_iter().enumerate() {
        for (start, len, mcs) in [(0, 6, 5), (1, 4, 14), (2, 1, 0)] {
            let n = numerology(extended);
            let mut grid = Grid::new(n);
            let grant = Grant {
                prbs: PrbRange { start, len },
                mcs,
                rv: 0,
                n_id: 0x1234,
                n_ssf: 3,
                transmission_format: false,
            };
            let mode = match sidelink {
                SidelinkMode::V2x => TransmissionMode::Tm4,
                SidelinkMode::D2d => TransmissionMode::Tm2,
            };
            let (_, size) = grant.size(sidelink).expect("defined");
            let block: Vec<u8> = (0..size / 8).map(|i| (i * 37 + 11) as u8).collect();
            let mut encoder = pssch::Encoder::new(n, mode, references());
            encoder.encode(&block, &grant, 1.0, &mut grid).expect("fits");
            let head = [kind as u8, start as u8, len as u8, mcs, 0, 0x34, 0x12, 3, 0];
            seeds.push([&head[..], &bytes_of(&grid)].concat());
        }
    }
    seeds
}
