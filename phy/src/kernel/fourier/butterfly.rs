//! Short DFTs, in place and in natural order: `y[k] = sum x[n] exp(-j 2 pi n k / R)`.

use super::lanes::{Lanes, Pair};

/// cos 45 degrees.
const C8: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// cos and sin of 22.5 degrees.
const C16: f32 = 0.923_879_5;
const S16: f32 = 0.382_683_43;
/// sin 60 degrees.
const S3: f32 = 0.866_025_4;

/// The DFT of R values, R a product of 2, 3 and 4 up to 16 as listed.
///
/// # Safety
/// The machine must have the instruction set of `V`.
#[inline(always)]
pub(super) unsafe fn dft<V: Lanes<L>, const L: usize, const R: usize>(x: &mut [Pair<V>; R]) {
    // SAFETY: the caller has the instruction set. The indices are below R.
    unsafe {
        match R {
            2 => {
                let (a, b) = (x[0], x[1]);
                (x[0], x[1]) = (a.add(b), a.sub(b));
            }
            3 => {
                let y = dft3([x[0], x[1], x[2]]);
                x.copy_from_slice(&y);
            }
            4 => {
                let y = dft4([x[0], x[1], x[2], x[3]]);
                x.copy_from_slice(&y);
            }
            6 => dft6(x),
            8 => dft8(x),
            12 => dft12(x),
            16 => dft16(x),
            _ => {}
        }
    }
}

#[inline(always)]
unsafe fn dft3<V: Lanes<L>, const L: usize>(x: [Pair<V>; 3]) -> [Pair<V>; 3] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let (sum, difference) = (x[1].add(x[2]), x[1].sub(x[2]));
        let rest = x[0].sub_scaled(V::splat(0.5), sum);
        let (h, d) = (V::splat(S3), difference);
        // rest -+ j h d
        let first = Pair { re: d.im.mul_add(h, rest.re), im: d.re.neg_mul_add(h, rest.im) };
        let second = Pair { re: d.im.neg_mul_add(h, rest.re), im: d.re.mul_add(h, rest.im) };
        [x[0].add(sum), first, second]
    }
}

#[inline(always)]
unsafe fn dft4<V: Lanes<L>, const L: usize>(x: [Pair<V>; 4]) -> [Pair<V>; 4] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let (a, b) = (x[0].add(x[2]), x[0].sub(x[2]));
        let (c, d) = (x[1].add(x[3]), x[1].sub(x[3]));
        [a.add(c), b.sub_j(d), a.sub(c), b.add_j(d)]
    }
}

/// Good's way: 2 and 3 have no common factor, and no twiddles stand between them.
#[inline(always)]
unsafe fn dft6<V: Lanes<L>, const L: usize>(x: &mut [Pair<V>]) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let a = dft3([x[0], x[2], x[4]]);
        let b = dft3([x[3], x[5], x[1]]);
        for k in 0..6 {
            x[k] = if k % 2 == 0 { a[k % 3].add(b[k % 3]) } else { a[k % 3].sub(b[k % 3]) };
        }
    }
}

/// Good's way, with 3 and 4.
#[inline(always)]
unsafe fn dft12<V: Lanes<L>, const L: usize>(x: &mut [Pair<V>]) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let a = dft4([x[0], x[3], x[6], x[9]]);
        let b = dft4([x[4], x[7], x[10], x[1]]);
        let c = dft4([x[8], x[11], x[2], x[5]]);
        for k in 0..4 {
            let y = dft3([a[k], b[k], c[k]]);
            // the index that leaves k with 4 and i with 3
            for (i, y) in y.into_iter().enumerate() {
                x[(4 * i + 9 * k) % 12] = y;
            }
        }
    }
}

#[inline(always)]
unsafe fn dft8<V: Lanes<L>, const L: usize>(x: &mut [Pair<V>]) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let even = dft4([x[0], x[2], x[4], x[6]]);
        let odd = dft4([x[1], x[3], x[5], x[7]]);
        let c = V::splat(C8);
        // sqrt 2 times the odd ones, turned back by one and by three eighths
        let one = Pair { re: odd[1].re.add(odd[1].im), im: odd[1].im.sub(odd[1].re) };
        let three = Pair { re: odd[3].im.sub(odd[3].re), im: odd[3].re.add(odd[3].im) };
        (x[0], x[4]) = (even[0].add(odd[0]), even[0].sub(odd[0]));
        (x[1], x[5]) = (even[1].add_scaled(c, one), even[1].sub_scaled(c, one));
        (x[2], x[6]) = (even[2].sub_j(odd[2]), even[2].add_j(odd[2]));
        // three has its imaginary part with the opposite sign
        (x[3].re, x[7].re) = (three.re.mul_add(c, even[3].re), three.re.neg_mul_add(c, even[3].re));
        (x[3].im, x[7].im) = (three.im.neg_mul_add(c, even[3].im), three.im.mul_add(c, even[3].im));
    }
}

#[inline(always)]
unsafe fn dft16<V: Lanes<L>, const L: usize>(x: &mut [Pair<V>]) {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let c = V::splat(C8);
        let eighth = |y: Pair<V>| Pair { re: y.re.add(y.im).mul(c), im: y.im.sub(y.re).mul(c) };
        let three_eighths =
            |y: Pair<V>| Pair { re: y.im.sub(y.re).mul(c), im: y.re.add(y.im).mul(V::splat(-C8)) };
        let mut columns = [[x[0]; 4]; 4];
        for (i, column) in columns.iter_mut().enumerate() {
            *column = dft4([x[i], x[i + 4], x[i + 8], x[i + 12]]);
        }
        columns[1][1] = columns[1][1].mul(Pair::splat(C16, -S16));
        columns[1][2] = eighth(columns[1][2]);
        columns[1][3] = columns[1][3].mul(Pair::splat(S16, -C16));
        columns[2][1] = eighth(columns[2][1]);
        columns[2][3] = three_eighths(columns[2][3]);
        columns[3][1] = columns[3][1].mul(Pair::splat(S16, -C16));
        columns[3][2] = three_eighths(columns[3][2]);
        columns[3][3] = columns[3][3].mul(Pair::splat(-C16, S16));
        for k in 0..4 {
            // a quarter turn back for column 2 of row 2
            let y = if k == 2 {
                let (a, b) = (columns[0][2].sub_j(columns[2][2]), columns[0][2].add_j(columns[2][2]));
                let (c, d) = (columns[1][2].add(columns[3][2]), columns[1][2].sub(columns[3][2]));
                [a.add(c), b.sub_j(d), a.sub(c), b.add_j(d)]
            } else {
                dft4([columns[0][k], columns[1][k], columns[2][k], columns[3][k]])
            };
            for (i, y) in y.into_iter().enumerate() {
                x[k + 4 * i] = y;
            }
        }
    }
}
