//! Sums of many affine points against one addition after the other.

use super::backends::ifma;
use super::*;
use crate::identity::kernel::Batch;
use crate::identity::sakke::field::Field;
use crate::identity::sakke::sum::{sum_by_lane, sum_of_all};

/// Multiples of P that are not in order, so that neither are their sums.
fn points(count: usize) -> Vec<Affine> {
    let mut multiple = Jacobian::from(Affine::GENERATOR).double();
    let multiples = (0..count).map(|_| {
        multiple = multiple.double().add_affine(&Affine::GENERATOR);
        multiple.to_affine().unwrap()
    });
    multiples.collect()
}

fn added<'a>(points: impl IntoIterator<Item = &'a Affine>) -> Affine {
    let mut points = points.into_iter();
    let first = Jacobian::from(*points.next().unwrap());
    points.fold(first, |sum, point| sum.add_affine(point)).to_affine().unwrap()
}

fn packed<F: Field>(points: &[Affine]) -> Zeroizing<Vec<[F; 2]>> {
    let pack = |points: &[Affine]| [F::pack(|lane| points[lane].x), F::pack(|lane| points[lane].y)];
    Zeroizing::new(points.chunks(F::LANES).map(pack).collect())
}

/// Numbers of points with all, some and none of the halvings, and with a point left over in each of them.
fn compare<F: Field>() {
    let all = points(417 * F::LANES);
    for count in [1, 2, 3, 26, 52, 63, 64, 65, 130, 131, 257, 259, 416, 417] {
        let points = &all[..count * F::LANES];
        let by_lane: Vec<_> = sum_by_lane(packed::<F>(points)).lanes().collect();
        for (lane, sum) in by_lane.iter().enumerate() {
            let expected = added(points.iter().skip(lane).step_by(F::LANES));
            assert!(sum.to_affine() == Some(expected), "{count} {lane}");
        }
        if count < 66 {
            assert!(sum_of_all(packed::<F>(points)).lane(0).to_affine() == Some(added(points)), "{count}");
        }
    }
}

/// An affine sum of equal or opposite points divides by 0: the result is no point, not a wrong one.
fn refuse<F: Field>() {
    let mut points = points(416 * F::LANES);
    let last = points.len() - 1;
    let beside = points[last - F::LANES];
    for twin in [beside, Affine { x: beside.x, y: beside.y.neg() }] {
        points[last] = twin;
        let sums: Vec<_> = sum_by_lane(packed::<F>(&points)).lanes().collect();
        assert!(sums[F::LANES - 1].to_affine().is_none());
        assert!(sum_of_all(packed::<F>(&points)).lane(0).to_affine().is_none());
    }
}

#[test]
fn sums_are_those_of_single_additions() {
    compare::<Residue>();
    refuse::<Residue>();
    if ifma() {
        compare::<Batch>();
        refuse::<Batch>();
    }
}
