//! Every backend against portable arithmetic: single operations at the edges of their bounds, and whole calls.

use proptest::prelude::*;

use super::*;
use crate::identity::kernel::{Batch, Row};
use crate::identity::sakke::field::{Field, Lanes};

/// Skips where the machine has no such instructions: the portable tests cover the rest.
pub(super) fn ifma() -> bool {
    let available = Backend::Ifma.is_available();
    if !available {
        eprintln!("SKIPPED: no AVX-512 IFMA (run on a machine that has it)");
    }
    available
}

/// 0, 1, p - 1, powers of two, limbs full of ones, and what a seed gives.
fn numbers(seed: u8) -> Vec<Residue> {
    let modulus = Residue::MODULUS;
    let minus_1 = modulus.as_ref().wrapping_sub(&U1024::ONE);
    let mut all = vec![Residue::ZERO, Residue::ONE, Residue::new(&minus_1)];
    all.extend([51, 52, 53, 519, 520, 1022].map(|bit| Residue::new(&U1024::ONE.wrapping_shl_vartime(bit))));
    // In these the kernel's own form (times 2^1040) has long runs of ones and zeros.
    let factor = (0..16).fold(Residue::ONE, |factor, _| factor.double());
    let back = factor.invert().unwrap();
    for shift in [1, 52, 100, 600] {
        let ones = U1024::MAX.wrapping_shr_vartime(shift);
        all.push(Residue::from_montgomery(ones).mul(&back));
        all.push(
            Residue::from_montgomery(ones.wrapping_shl_vartime(shift / 2).wrapping_shr_vartime(1)).mul(&back),
        );
    }
    all.extend((0..6_u8).map(|i| Residue::new(&hash_below_q(&[&[seed, i]]))));
    all
}

/// Adds a number to itself until its bound is 2^doublings.
fn raised<F: Field>(number: &F, doublings: u32) -> F {
    (0..doublings).fold(*number, |number, _| number.double())
}

fn times_power(number: &Residue, power: u32) -> Residue {
    (0..power).fold(*number, |number, _| number.double())
}

/// Compares each operation of a kernel with the truth, in every lane.
fn compare<F: Field>(numbers: &[Residue]) {
    let count = numbers.len();
    for start in 0..count {
        let at = |offset: usize| move |lane: usize| numbers[(start * 7 + lane * offset + offset) % count];
        let (x, y) = (at(1), at(3));
        let (a, b) = (F::pack(x), F::pack(y));
        // the largest bounds that Field allows
        let (a8, b9, b7, b5) = (raised(&a, 8), raised(&b, 9), raised(&b, 7), raised(&b, 5));
        let [first, second, third, fourth] = F::mul_each([[&a, &b], [&a8, &b7], [&b, &b], [&b5, &a]]);
        let six = F::mul_each([[&a, &a], [&a, &b], [&b, &a8], [&b, &b], [&b, &b7], [&a, &b5]]);
        let turned = a.rotate(3);
        let mut chosen = a;
        chosen.assign_where(&b, Lanes(0b1010_0101));
        for lane in 0..F::LANES {
            let (x, y) = (x(lane), y(lane));
            assert_eq!(a.unpack(lane), x);
            assert_eq!(a.mul(&b).unpack(lane), x.mul(&y));
            assert_eq!(first.unpack(lane), x.mul(&y));
            assert_eq!(second.unpack(lane), times_power(&x.mul(&y), 15));
            assert_eq!(third.unpack(lane), y.square());
            assert_eq!(fourth.unpack(lane), times_power(&x.mul(&y), 5));
            assert_eq!(a.square().unpack(lane), x.square());
            let powers = [(x, x, 0), (x, y, 0), (y, x, 8), (y, y, 0), (y, y, 7), (x, y, 5)];
            for (product, (x, y, power)) in six.iter().zip(powers) {
                assert_eq!(product.unpack(lane), times_power(&x.mul(&y), power));
            }
            assert_eq!(a.add(&b).unpack(lane), x.add(&y));
            assert_eq!(a.neg().unpack(lane), x.neg());
            assert_eq!(a.sub(&b5).unpack(lane), x.sub(&times_power(&y, 5)));
            assert_eq!(a.sub_far(&b7).unpack(lane), x.sub(&times_power(&y, 7)));
            assert_eq!(a.sub_farther(&b9).unpack(lane), x.sub(&times_power(&y, 9)));
            assert_eq!(a.unpack_all()[lane], x);
            assert_eq!(raised(&a, 14).sub(&b5).unpack(lane), times_power(&x, 14).sub(&times_power(&y, 5)));
            assert_eq!(turned.unpack(lane), a.unpack((lane + 3) % F::LANES));
            let expected = if 0b1010_0101 >> lane & 1 == 1 { y } else { x };
            assert_eq!(chosen.unpack(lane), expected);
        }
    }
}

/// The entry of each lane's choice is taken, the first one without a choice.
fn compare_select<F: Field>(numbers: &[Residue]) {
    let entry =
        |at: usize, column: usize| F::pack(|lane| numbers[(at * 5 + column * 3 + lane) % numbers.len()]);
    let entries: Vec<[F; 2]> = (0..16).map(|at| [0, 1].map(|column| entry(at, column))).collect();
    for shift in 0..16 {
        let index = |lane: usize| (lane * 3 + shift) % 16;
        let chosen =
            |at: usize| Lanes((0..F::LANES).fold(0, |all, lane| all | u8::from(index(lane) == at) << lane));
        let taken = F::select(&entries, chosen);
        for lane in 0..F::LANES {
            for column in 0..2 {
                let expected = entries[index(lane)][column].unpack(lane);
                assert_eq!(taken[column].unpack(lane), expected, "{shift} {lane} {column}");
            }
        }
        for of_lane in 0..F::LANES {
            for column in 0..2 {
                let taken = F::select_of_lane(&entries, column, of_lane, chosen);
                for lane in 0..F::LANES {
                    let expected = entries[index(lane)][column].unpack(of_lane);
                    assert_eq!(taken.unpack(lane), expected, "{shift} {of_lane} {lane} {column}");
                }
            }
        }
    }
}

#[test]
fn kernels_compute_as_portable_code_does() {
    compare::<Residue>(&numbers(0));
    compare_select::<Residue>(&numbers(0));
    if ifma() {
        compare::<Batch>(&numbers(0));
        compare_select::<Batch>(&numbers(0));
        compare::<Row>(&numbers(0));
        compare_select::<Row>(&numbers(0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn kernels_compute_random_numbers_as_portable_code_does(seed: u8, octets in any::<[u8; 32]>()) {
        let mut numbers = numbers(seed);
        numbers.extend((0..4_u8).map(|i| Residue::new(&hash_below_q(&[&octets, &[i]]))));
        if ifma() {
            compare::<Batch>(&numbers);
            compare::<Row>(&numbers);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn backends_give_the_same_octets(ssv: [u8; 16], identifier in "[a-z]{1,40}") {
        let (kms, _) = user();
        let data = encapsulate(kms.public_key(), identifier.as_bytes(), &ssv).unwrap();
        let rsk = kms.issue(identifier.as_bytes()).unwrap().to_octets();
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            let encapsulator = Encapsulator::with_backend(kms.public_key(), backend);
            prop_assert_eq!(encapsulator.encapsulate(identifier.as_bytes(), &ssv), Ok(data));
            let key =
                ReceiverKey::with_backend(kms.public_key(), identifier.as_bytes(), &*rsk, backend).unwrap();
            prop_assert_eq!(*key.decapsulate(&data).unwrap(), ssv);
        }
    }
}

#[test]
fn backends_refuse_alike() {
    let (kms, key) = user();
    let good = encapsulate(kms.public_key(), b"user", &[7; 16]).unwrap();
    let zero = Affine { x: Residue::ZERO, y: Residue::ZERO };
    let mut bad: Vec<_> = [zero, order_4()].map(|point| [&point.to_octets()[..], &[0; 16]].concat()).into();
    bad.extend([0, 1, 200, 272].map(|at| {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        bad
    }));
    for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
        let key = ReceiverKey::with_backend(kms.public_key(), b"user", &*key.to_octets(), backend).unwrap();
        for bad in &bad {
            assert_eq!(refusal(key.decapsulate(bad)), Error::Decapsulation, "{backend:?}");
        }
        assert_eq!(*key.decapsulate(&good).unwrap(), [7; 16]);
    }
}

/// Batches that fill no lanes, some, all, and all more than once.
#[test]
fn a_batch_gives_what_single_calls_give() {
    let (kms, _) = user();
    let names: Vec<String> = (0..18).map(|i| format!("member {i}")).collect();
    let ssvs: Vec<[u8; 16]> = (0..18).map(|i| [i; 16]).collect();
    let recipients: Vec<_> = names.iter().map(|name| name.as_bytes()).zip(&ssvs).collect();
    for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
        let encapsulator = Encapsulator::with_backend(kms.public_key(), backend);
        let each: Vec<_> =
            recipients.iter().map(|(id, ssv)| encapsulator.encapsulate(id, ssv).unwrap()).collect();
        for count in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 18] {
            let all = encapsulator.encapsulate_batch(&recipients[..count]).unwrap();
            assert!(all == each[..count], "{backend:?} {count}");
        }
        let with_bad = [recipients[0], (&[1], &ssvs[0])];
        assert_eq!(encapsulator.encapsulate_batch(&with_bad), Err(Error::Identifier));
    }
}
