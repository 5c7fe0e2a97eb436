//! Channel interleaver of the sidelink: TS 36.212 §5.2.2.7 and §5.2.2.8 without control information.
//!
//! Groups of Q_m bits are written row by row into a matrix of `c_mux` columns and read column by column, so that
//! column `c` becomes what SC-FDMA symbol `c` of the mapping carries.

use super::{CodingError, expect_len};
use crate::Llr;

/// Interleaves coded bits in groups of `qm`.
///
/// # Errors
/// [`CodingError::ModulationOrder`], [`CodingError::SliceLength`] if the slices differ in length, and
/// [`CodingError::CodedLength`] if they do not fill whole rows of `c_mux` groups.
// TS 36.212 §5.4.2 (2)
pub fn interleave_bits(qm: usize, c_mux: usize, input: &[u8], output: &mut [u8]) -> Result<(), CodingError> {
    check(qm, c_mux, input.len(), output.len())?;
    match qm {
        2 => read_columns::<2, u8>(c_mux, input, output),
        4 => read_columns::<4, u8>(c_mux, input, output),
        _ => read_columns::<6, u8>(c_mux, input, output),
    }
    Ok(())
}

/// Undoes [`interleave_bits`] on soft values.
///
/// # Errors
/// Those of [`interleave_bits`].
pub fn deinterleave_llrs(
    qm: usize,
    c_mux: usize,
    input: &[Llr],
    output: &mut [Llr],
) -> Result<(), CodingError> {
    check(qm, c_mux, input.len(), output.len())?;
    match qm {
        2 => write_columns::<2, Llr>(c_mux, input, output),
        4 => write_columns::<4, Llr>(c_mux, input, output),
        _ => write_columns::<6, Llr>(c_mux, input, output),
    }
    Ok(())
}

fn check(qm: usize, c_mux: usize, input: usize, output: usize) -> Result<(), CodingError> {
    if !matches!(qm, 2 | 4 | 6) {
        return Err(CodingError::ModulationOrder { qm });
    }
    expect_len(output, input)?;
    if c_mux == 0 || !input.is_multiple_of(qm.saturating_mul(c_mux)) {
        return Err(CodingError::CodedLength { bits: input });
    }
    Ok(())
}

fn read_columns<const Q: usize, T: Copy>(c_mux: usize, input: &[T], output: &mut [T]) {
    let (input, output) = (input.as_chunks::<Q>().0, output.as_chunks_mut::<Q>().0);
    if output.is_empty() {
        return;
    }
    for (c, column) in output.chunks_exact_mut(input.len() / c_mux).enumerate() {
        for (group, row) in column.iter_mut().zip(input.chunks_exact(c_mux)) {
            *group = row[c];
        }
    }
}

fn write_columns<const Q: usize, T: Copy>(c_mux: usize, input: &[T], output: &mut [T]) {
    let (input, output) = (input.as_chunks::<Q>().0, output.as_chunks_mut::<Q>().0);
    let rows = input.len() / c_mux;
    if rows == 0 {
        return;
    }
    for (c, column) in input.chunks_exact(rows).enumerate() {
        for (row, &group) in output.chunks_exact_mut(c_mux).zip(column) {
            row[c] = group;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_rows_of_three_columns() {
        let input: Vec<u8> = (0..12).collect();
        let mut output = [0; 12];
        interleave_bits(2, 3, &input, &mut output).unwrap();
        assert_eq!(output, [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
    }

    proptest! {
        #[test]
        // TS 36.212 §5.4.2 (2)
        fn groups_land_where_the_formula_says(rows in 0usize..40, c_mux in 1usize..14, qm in 1usize..4) {
            let qm = 2 * qm;
            let input: Vec<Llr> = (0..(rows * c_mux * qm) as Llr).collect();
            let bytes: Vec<u8> = input.iter().map(|&x| x as u8).collect();
            let (mut mixed, mut back) = (vec![0u8; input.len()], vec![0; input.len()]);
            interleave_bits(qm, c_mux, &bytes, &mut mixed).unwrap();
            for j in 0..rows * c_mux {
                let (c, r) = (j / rows, j % rows);
                let i = r * c_mux + c;
                prop_assert_eq!(&mixed[j * qm..(j + 1) * qm], &bytes[i * qm..(i + 1) * qm]);
            }
            let mixed: Vec<Llr> = mixed.iter().map(|&x| Llr::from(x)).collect();
            deinterleave_llrs(qm, c_mux, &mixed, &mut back).unwrap();
            prop_assert!(back.iter().zip(&bytes).all(|(&a, &b)| a == Llr::from(b)));
        }

        #[test]
        fn broken_sizes_are_errors(len in 0usize..100, qm in 0usize..8, c_mux in 0usize..8) {
            let good = matches!(qm, 2 | 4 | 6) && c_mux > 0 && len % (qm * c_mux) == 0;
            prop_assert_eq!(interleave_bits(qm, c_mux, &vec![0; len], &mut vec![0; len]).is_ok(), good);
            prop_assert_eq!(deinterleave_llrs(qm, c_mux, &vec![0; len], &mut vec![0; len]).is_ok(), good);
            prop_assert!(deinterleave_llrs(qm, c_mux, &vec![0; len], &mut vec![0; len + 1]).is_err());
        }
    }
}
