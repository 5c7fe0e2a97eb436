//! Damaged samples: whatever an antenna gives, nothing panics, and every reported value is a number.

use super::super::{CommunicationPlace, Config, DiscoveryPlace, Event, Receiver};
use super::antennas::{stream, views};
use super::collisions::{
    CARRIER, CP, Encoders, STRONG, WEAK, communication, discovery, format_0, format_1, numerology,
};
use crate::Sample;
use crate::channel::psdch;
use crate::channel::pssch::{Grant, REDUNDANCY_VERSIONS};
use crate::numerology::Numerology;
use crate::pool::V2xPool;
use crate::receive::stream::StreamReceiver;
use crate::sci::{Format0, Format1};
use crate::units::{Antennas, Bandwidth, DfnSubframe, PrbRange, SidelinkMode, TransmissionMode};
use proptest::prelude::*;

/// Damage to some samples of an antenna: the values, the first and the number of samples as parts of all.
#[derive(Clone, Copy, Debug)]
struct Damage {
    antenna: usize,
    kind: Kind,
    start: f64,
    length: f64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Set(f32, f32),
    Scale(f32),
    /// Copies from another place.
    Move,
}

impl Damage {
    fn apply(self, antennas: &mut [Vec<Sample>]) {
        let count = antennas.len();
        let samples = &mut antennas[self.antenna % count];
        let len = samples.len();
        let start = (self.start * len as f64) as usize;
        // short ones more often than long ones
        let end = (start + 1 + (self.length.powi(4) * len as f64) as usize).min(len);
        match self.kind {
            Kind::Set(re, im) => samples[start..end].fill(Sample::new(re, im)),
            Kind::Scale(by) => samples[start..end].iter_mut().for_each(|x| *x *= by),
            Kind::Move => samples.copy_within(0..end - start, start),
        }
    }
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let values = [0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e20, -1e12, 1e-30, 1.0];
    let value = proptest::sample::select(values.to_vec());
    let kind = prop_oneof![
        4 => (value.clone(), value).prop_map(|(re, im)| Kind::Set(re, im)),
        1 => proptest::sample::select(vec![0.0, 1e-20, 1e6, -1e18]).prop_map(Kind::Scale),
        1 => Just(Kind::Move),
    ];
    let one = (0..2usize, kind, 0.0..1.0, 0.0..1.0);
    let one = one.prop_map(|(antenna, kind, start, length)| Damage { antenna, kind, start, length });
    proptest::collection::vec(one, 1..6)
}

/// Fails for an event with a value that is not a number.
fn check(event: &Event<'_>) {
    let numbers = |values: &[f32]| values.iter().all(|x| x.is_finite());
    if let Some(m) = event.measurement() {
        let common =
            [m.cfo.to_f32(), m.offset.to_f32(), m.doppler.to_f32(), m.delay, m.signal, m.noise, m.ratio()];
        assert!(
            numbers(&common) && numbers(m.antennas.signals()) && numbers(m.antennas.noises()),
            "{event:?}"
        );
        assert!(m.noise >= 0.0 && m.signal >= 0.0, "{event:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// A stream at two antennas.
    #[test]
    fn a_damaged_stream(damages in damages(), piece in 1usize..4000) {
        let mut streams = stream();
        damages.iter().for_each(|damage| damage.apply(&mut streams));
        let mut config = Config::new(Numerology::standard(Bandwidth::Prb6, CP), TransmissionMode::Tm4);
        config.antennas = Antennas::new(2).unwrap();
        let mut receiver = StreamReceiver::new(config);
        let len = streams[0].len();
        for start in (0..len).step_by(piece) {
            let pieces = streams.iter().map(|s| &s[start..(start + piece).min(len)]).collect::<Vec<_>>();
            receiver.push_antennas(&pieces, &mut |event, _| check(&event));
        }
        receiver.finish(&mut |event, _| check(&event));
        prop_assert!(receiver.receiver().common_cfo().0.is_finite());
        prop_assert!(receiver.subframes() <= 61);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Two UEs at one place, at one antenna or two: QPSK and 16QAM, paths within the window and beyond it.
    #[test]
    fn damaged_collisions(
        damages in damages(),
        count in 1usize..3,
        mcs in (0u8..8, 11u8..20),
        delays in (0usize..40, 0usize..40),
        seed in any::<u64>(),
    ) {
        let pool = V2xPool::simple(8, 3);
        let mut ue = Encoders::new(TransmissionMode::Tm4, seed);
        let mut antennas = vec![vec![Sample::default(); numerology().subframe_samples()]; count];
        let mut blocks = [Vec::new(), Vec::new()];
        for air in &mut antennas {
            let ues = [(mcs.1, STRONG.1, 0.0, delays.0), (mcs.0, WEAK.1, -4.0, delays.1)];
            for (i, (mcs, cfo, level, delay)) in ues.into_iter().enumerate() {
                let sci = Format1 { mcs, ..format_1(&pool, 0, 1, i as u8) };
                ue.v2x(&pool, &sci, 1, 3, 0, &mut blocks[i]);
                ue.send((level, cfo, delay), air);
            }
            ue.noise(25.0, air);
        }
        damages.iter().for_each(|damage| damage.apply(&mut antennas));
        for told in [true, false] {
            let mut config = Config::new(numerology(), TransmissionMode::Tm4);
            config.v2x = told.then(|| pool.clone());
            config.antennas = Antennas::new(count).unwrap();
            let mut receiver = Receiver::new(config);
            receiver.set_time(0, DfnSubframe::from_count(0));
            receiver.process_antennas(0, &views(&antennas), &mut |event| check(&event));
            receiver.process_antennas(1, &views(&antennas), &mut |event| check(&event));
        }
    }

    /// The same of modes 1 and 2: SCIs, then blocks, and discovery messages beside them.
    #[test]
    fn damaged_collisions_of_mode_2(
        damages in damages(),
        count in 1usize..3,
        mcs in 0u8..20,
        delay in 0usize..40,
        seed in any::<u64>(),
    ) {
        let pool = communication();
        let mut ue = Encoders::new(TransmissionMode::Tm2, seed);
        let mut config = Config::new(numerology(), TransmissionMode::Tm2);
        config.communication = vec![CommunicationPlace { pool: pool.clone(), control_cp: CP, data_cp: CP }];
        let everywhere = discovery(320, vec![true; 8], 1);
        config.discovery = vec![DiscoveryPlace { pool: everywhere, cp: CP }];
        config.antennas = Antennas::new(count).unwrap();
        let mut receiver = Receiver::new(config);
        receiver.set_time(0, DfnSubframe::from_count(0));
        let control = pool.control_resource(CARRIER, 4).unwrap()[0];
        let data = pool.pattern_subframes(10)[0];
        for (k, is_data) in [(control.0, false), (data.0, true)] {
            let mut antennas = vec![vec![Sample::default(); numerology().subframe_samples()]; count];
            for (i, path) in [STRONG, (-4.0, WEAK.1, delay)].into_iter().enumerate() {
                let sci = format_0([3, 80][i], mcs);
                if is_data {
                    let grant = Grant {
                        prbs: PrbRange { start: 3, len: 6 },
                        mcs,
                        rv: REDUNDANCY_VERSIONS[0],
                        n_id: [3, 80][i],
                        n_ssf: (data.1 % 10) as u8,
                        transmission_format: false,
                    };
                    let block = ue.octets(grant.size(SidelinkMode::D2d).unwrap().1 / 8);
                    ue.shared.encode(&block, &grant, 1.0, &mut ue.grid).unwrap();
                } else {
                    let mut bits = vec![0; Format0::bits(Bandwidth::Prb25)];
                    sci.emit(Bandwidth::Prb25, &mut bits).unwrap();
                    ue.control.encode(&bits, control.1, 0, 1.0, &mut ue.grid).unwrap();
                    let message = <[u8; psdch::MESSAGE_BYTES]>::try_from(ue.octets(29)).unwrap();
                    ue.discovery.encode(&message, 0, 14, 1.0, &mut ue.grid).unwrap();
                }
                // every antenna has a phase of its own
                let grid = ue.grid.clone();
                for air in &mut antennas {
                    ue.grid.copy_from(&grid);
                    ue.send(path, air);
                }
            }
            antennas.iter_mut().for_each(|air| ue.noise(25.0, air));
            if is_data {
                damages.iter().for_each(|damage| damage.apply(&mut antennas));
            }
            receiver.process_antennas(k.into(), &views(&antennas), &mut |event| check(&event));
        }
    }
}
