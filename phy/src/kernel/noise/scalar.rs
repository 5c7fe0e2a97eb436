//! Portable code.

use super::{Generators, LANES, Lanes, add_lanes};
use crate::Sample;

pub(super) fn add(generators: &mut Generators, scale: f32, out: &mut [Sample]) {
    // SAFETY: these lanes need no instruction set.
    unsafe { add_lanes::<[u32; LANES]>(generators, scale, out) }
}

fn float(a: [u32; LANES], b: [u32; LANES], f: impl Fn(f32, f32) -> f32) -> [u32; LANES] {
    core::array::from_fn(|i| f(f32::from_bits(a[i]), f32::from_bits(b[i])).to_bits())
}

impl Lanes for [u32; LANES] {
    unsafe fn load(from: &[u32; LANES]) -> Self {
        *from
    }

    unsafe fn store(self, to: &mut [u32; LANES]) {
        *to = self;
    }

    unsafe fn splat(x: u32) -> Self {
        [x; LANES]
    }

    unsafe fn add(self, other: Self) -> Self {
        core::array::from_fn(|i| self[i].wrapping_add(other[i]))
    }

    unsafe fn xor(self, other: Self) -> Self {
        core::array::from_fn(|i| self[i] ^ other[i])
    }

    unsafe fn select(self, mask: u32, bits: u32) -> Self {
        self.map(|x| x & mask | bits)
    }

    unsafe fn shift_left<const N: u32>(self) -> Self {
        self.map(|x| x << N)
    }

    unsafe fn rotate_left<const N: u32>(self) -> Self {
        self.map(|x| x.rotate_left(N))
    }

    unsafe fn float(self) -> Self {
        self.map(|x| (x as i32 as f32).to_bits())
    }

    unsafe fn float_add(self, other: Self) -> Self {
        float(self, other, |a, b| a + b)
    }

    unsafe fn float_sub(self, other: Self) -> Self {
        float(self, other, |a, b| a - b)
    }

    unsafe fn float_mul(self, other: Self) -> Self {
        float(self, other, |a, b| a * b)
    }

    unsafe fn float_add_to(self, to: &mut [Sample; LANES / 2]) {
        for (s, [re, im]) in to.iter_mut().zip(self.as_chunks::<2>().0) {
            s.re += f32::from_bits(*re);
            s.im += f32::from_bits(*im);
        }
    }
}
