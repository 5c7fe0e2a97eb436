//! The trellis of the constituent code, a row at a time.
//!
//! State s = 4 s1 + 2 s2 + s3, with s1 the youngest register; input u and parity z = u + s1 + s2 lead to state
//! (u + s2 + s3, s1, s2). A branch with u = 1 costs x, one with z = 1 costs y. TS 36.212 §5.1.3.2.1

use super::Lanes;

/// States of the constituent code.
pub(super) const STATES: usize = 8;

/// Returns the metrics after a row from those before.
#[inline(always)]
pub(super) unsafe fn forward<V: Lanes, const CORRECT: bool>(a: [V; STATES], c: V, x: V, y: V) -> [V; STATES] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let xy = x.add(y);
        let [m0, m4] = butterfly::<V, CORRECT>([a[0], a[1].sub(xy)], [a[0].sub(xy), a[1]], c);
        let [m1, m5] = butterfly::<V, CORRECT>([a[2].sub(x), a[3].sub(y)], [a[2].sub(y), a[3].sub(x)], c);
        let [m2, m6] = butterfly::<V, CORRECT>([a[4].sub(y), a[5].sub(x)], [a[4].sub(x), a[5].sub(y)], c);
        let [m3, m7] = butterfly::<V, CORRECT>([a[6].sub(xy), a[7]], [a[6], a[7].sub(xy)], c);
        [m0, m1, m2, m3, m4, m5, m6, m7]
    }
}

/// Returns the metrics before a row from those after.
#[inline(always)]
pub(super) unsafe fn backward<V: Lanes, const CORRECT: bool>(
    b: [V; STATES],
    c: V,
    x: V,
    y: V,
) -> [V; STATES] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let xy = x.add(y);
        let [m0, m1] = butterfly::<V, CORRECT>([b[0], b[4].sub(xy)], [b[4], b[0].sub(xy)], c);
        let [m2, m3] = butterfly::<V, CORRECT>([b[5].sub(y), b[1].sub(x)], [b[1].sub(y), b[5].sub(x)], c);
        let [m4, m5] = butterfly::<V, CORRECT>([b[2].sub(y), b[6].sub(x)], [b[6].sub(y), b[2].sub(x)], c);
        let [m6, m7] = butterfly::<V, CORRECT>([b[7], b[3].sub(xy)], [b[3], b[7].sub(xy)], c);
        [m0, m1, m2, m3, m4, m5, m6, m7]
    }
}

/// Returns the extrinsic value of the bit of a row: the paths with u = 0 against those with u = 1, without the known
/// values of that bit.
#[inline(always)]
pub(super) unsafe fn extrinsic_value<V: Lanes, const CORRECT: bool>(
    a: [V; STATES],
    b: [V; STATES],
    c: V,
    y: V,
) -> V {
    // SAFETY: the caller has the instruction set.
    unsafe {
        // By (u, z), of two states each.
        let [u0z0, u1z1] = pair::<V, CORRECT>([a[0], a[1]], [b[0], b[4]], c);
        let [v0z0, v1z1] = pair::<V, CORRECT>([a[6], a[7]], [b[7], b[3]], c);
        let [u0z1, u1z0] = pair::<V, CORRECT>([a[2], a[3]], [b[5], b[1]], c);
        let [v0z1, v1z0] = pair::<V, CORRECT>([a[4], a[5]], [b[2], b[6]], c);
        let u0z0 = best::<V, CORRECT>(u0z0, v0z0, c);
        let u0z1 = best::<V, CORRECT>(u0z1, v0z1, c);
        let u1z1 = best::<V, CORRECT>(u1z1, v1z1, c);
        let u1z0 = best::<V, CORRECT>(u1z0, v1z0, c);
        let (u0, u1) = (best::<V, CORRECT>(u0z0, u0z1.sub(y), c), best::<V, CORRECT>(u1z0, u1z1.sub(y), c));
        u0.sub(u1)
    }
}

/// Returns the better of the two paths from the states `a` to `b`, straight on and crossed.
#[inline(always)]
unsafe fn pair<V: Lanes, const CORRECT: bool>(a: [V; 2], b: [V; 2], c: V) -> [V; 2] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let straight = [a[0].add(b[0]), a[1].add(b[1])];
        butterfly::<V, CORRECT>(straight, [a[0].add(b[1]), a[1].add(b[0])], c)
    }
}

/// Returns what [`best`] makes of two pairs with the same sum, and therefore the same average.
#[inline(always)]
unsafe fn butterfly<V: Lanes, const CORRECT: bool>(p: [V; 2], q: [V; 2], c: V) -> [V; 2] {
    // SAFETY: the caller has the instruction set.
    unsafe {
        let (p0, q0) = (p[0].max(p[1]), q[0].max(q[1]));
        if CORRECT {
            let middle = p[0].average(p[1]).add(c);
            [p0.max(middle), q0.max(middle)]
        } else {
            [p0, q0]
        }
    }
}

/// Returns the larger one, or with a correction `c` the logarithm of the sum of the exponentials by three straight lines.
#[inline(always)]
unsafe fn best<V: Lanes, const CORRECT: bool>(a: V, b: V, c: V) -> V {
    // SAFETY: the caller has the instruction set.
    unsafe { if CORRECT { a.max(b).max(a.average(b).add(c)) } else { a.max(b) } }
}
