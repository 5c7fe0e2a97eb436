//! Plain loops over complex samples, compiled for every instruction set.
//!
//! All stop at the end of the shortest slice.

use crate::Sample;

/// Partial sums of a long sum: one addition need not wait for the one before.
const LANES: usize = 8;

/// Subcarriers of a PRB.
const PRB: usize = 12;

super::compile_loops! {
    /// `out = x y`.
    fn product(x: &[Sample], y: &[Sample], out: &mut [Sample]);
    /// `x = x factor`.
    fn scale(x: &mut [Sample], factor: Sample);
    /// `x = x conj(y)`.
    fn turn_back(x: &mut [Sample], y: &[Sample]);
    /// `sum = sum + x weight`.
    fn add_weighted(sum: &mut [Sample], x: &[Sample], weight: f32);
    /// `out = received conj(base turns)`, with the turns of a PRB repeated; whole PRBs.
    fn strip(received: &[Sample], base: &[Sample], turns: &[Sample; PRB], out: &mut [Sample]);
    /// Sums over groups of six.
    fn sixes(x: &[Sample], sums: &mut [Sample]);
    /// Sum of the squared magnitudes.
    fn power(x: &[Sample]) -> f32;
    /// Sum of the squared distances.
    fn distance(x: &[Sample], y: &[Sample]) -> f32;
    /// `conj(h ramp) / (|h|^2 + noise)` in the place of `h`; the sum of `|h|^2 / (|h|^2 + noise)`.
    fn equalise(h: &mut [Sample], ramp: &[Sample], noise: f32) -> f32;
}

#[inline(always)]
fn product(x: &[Sample], y: &[Sample], out: &mut [Sample]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = x * y;
    }
}

#[inline(always)]
fn scale(x: &mut [Sample], factor: Sample) {
    for x in x {
        *x *= factor;
    }
}

#[inline(always)]
fn turn_back(x: &mut [Sample], y: &[Sample]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x *= y.conj();
    }
}

#[inline(always)]
fn add_weighted(sum: &mut [Sample], x: &[Sample], weight: f32) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += x * weight;
    }
}

#[inline(always)]
fn strip(received: &[Sample], base: &[Sample], turns: &[Sample; PRB], out: &mut [Sample]) {
    let prbs = out.as_chunks_mut::<PRB>().0.iter_mut();
    let prbs = prbs.zip(received.as_chunks::<PRB>().0).zip(base.as_chunks::<PRB>().0);
    for ((out, received), base) in prbs {
        for n in 0..PRB {
            out[n] = received[n] * (base[n] * turns[n]).conj();
        }
    }
}

#[inline(always)]
fn sixes(x: &[Sample], sums: &mut [Sample]) {
    for (sum, x) in sums.iter_mut().zip(x.as_chunks::<6>().0) {
        *sum = x.iter().sum();
    }
}

#[inline(always)]
fn power(x: &[Sample]) -> f32 {
    let mut sums = [0.0; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for (s, x) in sums.iter_mut().zip(x) {
            *s += x.norm_sqr();
        }
    }
    for (s, x) in sums.iter_mut().zip(rest) {
        *s += x.norm_sqr();
    }
    sums.iter().sum()
}

#[inline(always)]
fn distance(x: &[Sample], y: &[Sample]) -> f32 {
    let n = x.len().min(y.len());
    let mut sums = [0.0; LANES];
    let ((xs, x), (ys, y)) = (x[..n].as_chunks::<LANES>(), y[..n].as_chunks::<LANES>());
    for (x, y) in xs.iter().zip(ys) {
        for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
            *s += (x - y).norm_sqr();
        }
    }
    for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
        *s += (x - y).norm_sqr();
    }
    sums.iter().sum()
}

#[inline(always)]
fn equalise(h: &mut [Sample], ramp: &[Sample], noise: f32) -> f32 {
    let mut sums = [0.0; LANES];
    let one = |s: &mut f32, h: &mut Sample, r: &Sample| {
        let power = h.norm_sqr();
        let inverse = 1.0 / (power + noise);
        *s += power * inverse;
        *h = (*h * r).conj() * inverse;
    };
    let n = h.len().min(ramp.len());
    let ((hs, h), (rs, r)) = (h[..n].as_chunks_mut::<LANES>(), ramp[..n].as_chunks::<LANES>());
    for (h, r) in hs.iter_mut().zip(rs) {
        for ((s, h), r) in sums.iter_mut().zip(h).zip(r) {
            one(s, h, r);
        }
    }
    for ((s, h), r) in sums.iter_mut().zip(h).zip(r) {
        one(s, h, r);
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Backend;
    use proptest::prelude::*;

    fn samples(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Sample>> {
        let part = prop_oneof![8 => -10.0f32..10.0, 1 => any::<f32>()];
        proptest::collection::vec((part.clone(), part).prop_map(|(re, im)| Sample::new(re, im)), count)
    }

    fn bits(x: &[Sample]) -> Vec<[u32; 2]> {
        // a NaN is as good as another
        let of = |x: f32| if x.is_nan() { u32::MAX } else { x.to_bits() };
        x.iter().map(|x| [of(x.re), of(x.im)]).collect()
    }

    proptest! {
        #[test]
        fn backends_give_the_bits_of_plain_loops(x in samples(0..200), y in samples(200..201), weight in -2.0f32..2.0) {
            let turns = std::array::from_fn(|i| y[i]);
            for loops in Backend::ALL.into_iter().filter(|b| b.is_available()).map(loops) {
                let run = |new: &dyn Fn(&mut [Sample]) -> f32, plain: &dyn Fn(&mut [Sample]) -> f32| {
                    let (mut a, mut b) = (x.clone(), x.clone());
                    let (p, q) = (new(&mut a), plain(&mut b));
                    (bits(&a), bits(&[Sample::new(p, 0.0)])) == (bits(&b), bits(&[Sample::new(q, 0.0)]))
                };
                let none = |()| 0.0;
                prop_assert!(run(&|out| none((loops.product)(&x, &y, out)), &|out| none(product(&x, &y, out))));
                prop_assert!(run(&|out| none((loops.scale)(out, y[0])), &|out| none(scale(out, y[0]))));
                prop_assert!(run(&|out| none((loops.turn_back)(out, &y)), &|out| none(turn_back(out, &y))));
                prop_assert!(run(&|out| none((loops.add_weighted)(out, &y, weight)), &|out| none(add_weighted(out, &y, weight))));
                prop_assert!(run(&|out| none((loops.strip)(&x, &y, &turns, out)), &|out| none(strip(&x, &y, &turns, out))));
                prop_assert!(run(&|out| none((loops.sixes)(&y, out)), &|out| none(sixes(&y, out))));
                prop_assert!(run(&|out| (loops.power)(out), &|out| power(out)));
                prop_assert!(run(&|out| (loops.distance)(out, &y), &|out| distance(out, &y)));
                prop_assert!(run(&|out| (loops.equalise)(out, &y, 0.1), &|out| equalise(out, &y, 0.1)));
            }
        }
    }
}
