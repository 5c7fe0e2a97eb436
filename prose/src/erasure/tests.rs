use super::*;
use proptest::prelude::*;

fn fragments(code: Code, data: &[u8]) -> Vec<Vec<u8>> {
    (0..code.total() as u8).map(|index| code.fragment(data, index).unwrap()).collect()
}

fn message(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at * 37 + at / 7 + 5) as u8).collect()
}

#[test]
fn the_tables_are_those_of_the_field() {
    for a in 0..=255 {
        for b in 0..=255 {
            assert_eq!(multiply(a, b), multiply_slowly(a, b), "{a} {b}");
        }
        assert_eq!(multiply(a, inverse(a)), u8::from(a != 0), "{a}");
    }
    // In AES's field, another polynomial, it is 1.
    assert_ne!(multiply(0x53, 0xca), 1);
    assert_eq!(multiply(0x80, 2), 0x1d);
}

/// Parity by its definition, octet by octet.
#[test]
fn parity_is_the_sum_of_quotients() {
    let (code, data) = (Code::new(3, 2).unwrap(), message(6));
    for row in 3..5_u8 {
        let parity = code.fragment(&data, row).unwrap();
        for at in 0..2 {
            let quotient = |column: u8| {
                let dividend = data[usize::from(column) * 2 + at];
                (0..=255).find(|q| multiply_slowly(*q, row ^ column) == dividend).unwrap()
            };
            assert_eq!(parity[at], quotient(0) ^ quotient(1) ^ quotient(2));
        }
    }
}

/// Every choice of K of the N fragments, for codes as discovery needs them: 25 octets, K up to 8.
#[test]
fn any_k_fragments_rebuild() {
    for (data, parity) in [(1, 0), (1, 5), (2, 3), (4, 4), (5, 5), (7, 4), (8, 4)] {
        let code = Code::new(data, parity).unwrap();
        let message = message(25 * data);
        let all = fragments(code, &message);
        let mut choices = 0;
        for choice in 0..1_u32 << code.total() {
            if choice.count_ones() as usize != data {
                continue;
            }
            let chosen = (0..code.total()).filter(|at| choice >> at & 1 != 0);
            let chosen: Vec<(u8, &[u8])> = chosen.rev().map(|at| (at as u8, &all[at][..])).collect();
            assert_eq!(code.rebuild(&chosen).unwrap(), message, "{choice:b}");
            choices += 1;
        }
        assert!(choices > 0);
    }
}

#[test]
fn parity_does_not_depend_on_how_much_there_is() {
    let data = message(40);
    let (few, many) = (Code::new(4, 1).unwrap(), Code::new(4, 251).unwrap());
    assert_eq!(few.fragment(&data, 4), many.fragment(&data, 4));
    assert_eq!(few.fragment(&data, 5), Err(Error::Index(5)));
}

#[test]
fn what_is_no_code_and_no_set() {
    for (data, parity) in [(0, 3), (256, 0), (200, 56), (1, usize::MAX), (usize::MAX, 1)] {
        assert_eq!(Code::new(data, parity), Err(Error::Shape { data, parity }));
    }
    assert!(Code::new(200, 55).is_ok());
    let (code, data) = (Code::new(2, 2).unwrap(), message(8));
    let all = fragments(code, &data);
    let part = |at: usize| (at as u8, &all[at][..]);
    assert_eq!(code.rebuild(&[part(0)]), Err(Error::Count { needed: 2, have: 1 }));
    assert_eq!(code.rebuild(&[part(0), part(1), part(2)]), Err(Error::Count { needed: 2, have: 3 }));
    assert_eq!(code.rebuild(&[part(3), part(3)]), Err(Error::Index(3)));
    assert_eq!(code.rebuild(&[part(3), (4, &all[3])]), Err(Error::Index(4)));
    assert_eq!(code.rebuild(&[part(3), (1, &all[1][..3])]), Err(Error::Size { first: 4, have: 3 }));
    assert_eq!(code.rebuild(&[(0, &[]), (1, &[])]), Err(Error::Size { first: 0, have: 0 }));
    assert!(code.fragment(&data[..7], 0).is_err() && code.fragment(&[], 0).is_err());
}

/// What it is not for: one wrong fragment gives a wrong message.
#[test]
fn a_wrong_fragment_is_not_noticed() {
    let (code, data) = (Code::new(3, 3).unwrap(), message(9));
    let mut all = fragments(code, &data);
    all[4][0] ^= 1;
    let chosen = [(0, &all[0][..]), (4, &all[4][..]), (2, &all[2][..])];
    assert_ne!(code.rebuild(&chosen).unwrap(), data);
}

proptest! {
    #[test]
    fn large_codes_rebuild(data in 1_usize..=255, parity in 0_usize..=254, size in 1_usize..=9, order: u64) {
        prop_assume!(data + parity <= MAX_FRAGMENTS);
        let code = Code::new(data, parity).unwrap();
        let message = message(size * data);
        let mut indexes: Vec<u8> = (0..code.total() as u8).collect();
        // Any order of the fragments; the first K arrive.
        let mut state = order | 1;
        for at in (1..indexes.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            indexes.swap(at, (state >> 33) as usize % (at + 1));
        }
        let arrived: Vec<(u8, Vec<u8>)> =
            indexes[..data].iter().map(|&index| (index, code.fragment(&message, index).unwrap())).collect();
        let arrived: Vec<(u8, &[u8])> = arrived.iter().map(|(index, octets)| (*index, &octets[..])).collect();
        prop_assert_eq!(code.rebuild(&arrived).unwrap(), message);
    }
}

/// Prints, and asserts no time: `cargo test --release -p sidelink-prose -- --ignored --nocapture what_the_code_costs`.
#[test]
#[ignore = "prints times"]
#[allow(clippy::disallowed_methods)]
fn what_the_code_costs() {
    for (data, parity, size) in [(5, 3, 25), (12, 2, 75), (12, 6, 75), (100, 20, 80), (127, 127, 63)] {
        let code = Code::new(data, parity).unwrap();
        let message = message(data * size);
        let started = std::time::Instant::now();
        let all = fragments(code, &message);
        let encode = started.elapsed();
        let last: Vec<(u8, &[u8])> = (parity..data + parity).map(|at| (at as u8, &all[at][..])).collect();
        let started = std::time::Instant::now();
        let rebuilt = code.rebuild(&last).unwrap();
        let rebuild = started.elapsed();
        assert_eq!(rebuilt, message);
        eprintln!(
            "K {data}, parity {parity}, {size} octets: encode {encode:?}, rebuild {parity} missing {rebuild:?}"
        );
    }
}
