use super::*;
use crate::impair::rng::Rng;

fn samples(rng: &mut Rng, count: usize) -> Vec<Sample> {
    (0..count).map(|_| rng.complex_gaussian()).collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Everything that the loops of a backend compute from the same input, as bits.
fn all(backend: Backend, count: usize) -> Vec<Vec<u32>> {
    let loops = loops(backend);
    let mut rng = Rng::new(count as u64);
    let (x, y) = (samples(&mut rng, count), samples(&mut rng, count));
    let mut out = Vec::new();
    let mut cells = vec![7.0; count / 32 + 1];
    (loops.energy)(&x, &mut cells);
    out.push(bits(&cells));
    let mut product = vec![Sample::default(); count];
    (loops.product)(&x, &y, &mut product);
    out.push(bits(components(&product)));
    let mut powers = vec![0.0; count];
    (loops.powers)(&x, 0.3, &mut powers);
    (loops.add_powers)(&y, 0.7, &mut powers);
    out.push(bits(&powers));
    out.push(bits(&[(loops.maximum)(&powers)]));
    let mut pairs = vec![0.0; count / 2];
    (loops.pairs)(&powers, &powers[count / 3..], &powers[count / 4..], &mut pairs);
    out.push(bits(&pairs));
    let template = samples(&mut rng, count / 8 * 8);
    out.push(bits(components(&[(loops.correlation)(&x, &template)])));
    let rows: Vec<[f32; GROUP]> =
        (0..62).map(|_| core::array::from_fn(|_| if rng.below(2) == 0 { 1.0 } else { -1.0 })).collect();
    let mut scores = [0.0; GROUP];
    (loops.scores)(&x, &rows, &mut scores);
    out.push(bits(&scores));
    let (mut even, mut odd) = (vec![[0.0; 2]; count / 2], vec![[0.0; 2]; count / 2]);
    (loops.split)(as_pairs(&x), &mut even, &mut odd);
    out.extend([bits(even.as_flattened()), bits(odd.as_flattened())]);
    if count < 10 {
        return out;
    }
    let mut filtered = vec![[0.0; 2]; count - 10];
    (loops.halfband_2)(&[0.3, -0.1], as_pairs(&x), as_pairs(&y), &mut filtered);
    out.push(bits(filtered.as_flattened()));
    (loops.halfband_3)(&[0.3, -0.1, 0.4], as_pairs(&x), as_pairs(&y), &mut filtered);
    out.push(bits(filtered.as_flattened()));
    (loops.halfband_5)(&[0.3, -0.1, 0.4, 0.2, 0.01], as_pairs(&x), as_pairs(&y), &mut filtered);
    out.push(bits(filtered.as_flattened()));
    out
}

#[test]
fn all_backends_give_the_same_bits() {
    for count in [0, 1, 7, 8, 15, 31, 32, 64, 100, 128, 517] {
        let expected = all(Backend::Scalar, count);
        for backend in Backend::ALL.into_iter().filter(|backend| backend.is_available()) {
            assert_eq!(all(backend, count), expected, "{backend:?}, {count}");
        }
    }
}

/// Every loop against its definition, with the best backend.
#[test]
fn loops_are_what_they_are_called() {
    let loops = loops(Backend::detect());
    let mut rng = Rng::new(5);
    let (x, y) = (samples(&mut rng, 128), samples(&mut rng, 128));
    let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} {b}");
    let mut cells = [0.0; 5];
    (loops.energy)(&x, &mut cells);
    for (cell, x) in cells.iter().zip(x.chunks(32)) {
        near(*cell, x.iter().map(|x| x.norm_sqr()).sum());
    }
    assert_eq!(cells[4], 0.0);
    let mut product = vec![Sample::default(); 128];
    (loops.product)(&x, &y, &mut product);
    let sum: Sample = x.iter().zip(&y).map(|(x, y)| x * y.conj()).sum();
    let made = (loops.correlation)(&x, &y);
    near(made.re, sum.re);
    near(made.im, sum.im);
    let mut powers = [0.0; 128];
    (loops.powers)(&x, 2.0, &mut powers);
    (loops.add_powers)(&y, 1.0, &mut powers);
    for i in 0..128 {
        near(product[i].re, (x[i] * y[i]).re);
        near(product[i].im, (x[i] * y[i]).im);
        near(powers[i], 2.0 * x[i].norm_sqr() + y[i].norm_sqr());
    }
    let mut pairs = [0.0; 100];
    (loops.pairs)(&powers, &powers[20..], &powers[21..], &mut pairs);
    for i in 0..100 {
        assert_eq!(pairs[i], powers[i] + powers[i + 20].max(powers[i + 21]));
    }
    powers[70] = f32::NAN;
    let most = powers.iter().copied().fold(0.0, f32::max);
    assert_eq!((loops.maximum)(&powers), most);
    assert_eq!(((loops.maximum)(&[-1.0; 40]), (loops.maximum)(&[])), (0.0, 0.0));
    for at in [0, 15, 16, 31, 33] {
        let mut x = [1.0; 35];
        x[at] = 2.0;
        x[34] = 2.0;
        assert_eq!((loops.find)(&x, 2.0), Some(at));
        assert_eq!((loops.find)(&x, 3.0), None);
    }
    let rows: Vec<[f32; GROUP]> =
        (0..62).map(|k| core::array::from_fn(|i| if (k * i) % 5 < 2 { 1.0 } else { -1.0 })).collect();
    let mut scores = [0.0; GROUP];
    (loops.scores)(&x, &rows, &mut scores);
    for (i, score) in scores.into_iter().enumerate() {
        near(score, x.iter().zip(&rows).map(|(x, row)| x * row[i]).sum::<Sample>().norm_sqr());
    }
}
