//! The arithmetic against its definition: digits, tables, products of points.

use proptest::prelude::*;

use super::*;
use crate::identity::sakke::scalar::{DIGITS, identifier};

/// Sums the digits of k modulo q.
fn value(digits: &Digits) -> params::Exponent {
    let mut sum = params::Exponent::ZERO;
    for at in (0..DIGITS).rev() {
        sum = (0..5).fold(sum, |sum, _| sum.double());
        let magnitude = params::Exponent::new(&U1024::from_u8(2 * digits.index(at) + 1));
        sum = if digits.is_negative(at) == 1 { sum.sub(&magnitude) } else { sum.add(&magnitude) };
    }
    sum
}

fn below_q(octets: &[u8]) -> U1024 {
    *hash_below_q(&[octets])
}

fn double_and_add(k: &U1024) -> Affine {
    let mut sum: Option<Jacobian<Residue>> = None;
    for bit in (0..1024).rev() {
        sum = sum.map(|sum| sum.double());
        if bool::from(k.bit(bit)) {
            let one = Jacobian::from(Affine::GENERATOR);
            sum = Some(sum.map_or(one, |sum| sum.add_affine(&Affine::GENERATOR)));
        }
    }
    sum.unwrap().to_affine().unwrap()
}

#[test]
fn digits_make_the_integer() {
    let q = params::order();
    let edges = [U1024::ZERO, U1024::ONE, U1024::from_u8(2), q.wrapping_sub(&U1024::ONE)];
    let random = (0..50_u8).map(|i| below_q(&[i]));
    for k in edges.into_iter().chain(random) {
        assert_eq!(value(&Digits::new(&k)), params::Exponent::new(&k));
    }
}

#[test]
fn a_table_multiplies_as_double_and_add_does() {
    let minus_1 = params::order().wrapping_sub(&U1024::ONE);
    let edges = [U1024::ONE, U1024::from_u8(2), U1024::from_u8(3), minus_1];
    for k in edges.into_iter().chain((0..4_u8).map(|i| below_q(&[i]))) {
        let expected = double_and_add(&k);
        assert!(multiply_generator(&k).to_affine() == Some(expected));
        let without = table::multiply::<Residue>(&Affine::GENERATOR, &Digits::new(&k)).unwrap();
        assert!(without.to_affine() == Some(expected));
        assert!(bool::from(without.is(&expected)));
        assert!(!bool::from(without.is(&Affine { x: expected.x, y: expected.y.neg() })));
    }
    let nowhere = Jacobian { x: Residue::ZERO, y: Residue::ZERO, z: Residue::ZERO };
    assert!(!bool::from(nowhere.is(&Affine::GENERATOR)), "the point at infinity is none of these");
    assert!(multiply_generator(&U1024::ZERO).to_affine().is_none());
}

/// <[a]P, [b]P> = g^(a b), whichever argument has the lines.
#[test]
fn the_pairing_is_bilinear_and_symmetric() {
    for i in 0..3_u8 {
        let (a, b) = (below_q(&[i, 0]), below_q(&[i, 1]));
        let [x, y] = [a, b].map(|k| multiply_generator(&k).to_affine().unwrap());
        let power = Backend::Portable.power(&Digits::new(&scalar::product(&a, &b)));
        let expected = *represent(&power);
        assert_eq!(*represent(&Pairing::new(Backend::detect(), &x).pair(&y)), expected);
        assert_eq!(*represent(&Pairing::new(Backend::detect(), &y).pair(&x)), expected);
    }
}

#[test]
fn one_zero_makes_all_inverses_zero_and_none_is_wrong() {
    let two = Residue::ONE.double();
    let mut numbers = [two, two.double(), Residue::ONE];
    field::invert_all(&mut numbers);
    assert_eq!(numbers.map(|n| n.mul(&two).mul(&two)), [two, Residue::ONE, two.double()]);
    let mut numbers = [two, Residue::ZERO];
    field::invert_all(&mut numbers);
    assert_eq!(numbers, [Residue::ZERO; 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any octets as an identifier, a key or data: no panic.
    #[test]
    fn any_octets_are_read(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = identifier(&octets);
        prop_assert!(PublicKey::from_octets(&octets).is_err());
        prop_assert!(crate::identity::eccsi::PublicAuthenticationKey::from_octets(&octets).is_err());
    }
}
