use super::*;
use proptest::prelude::*;

/// Sizes of all sample rates.
const SIZES: [usize; 8] = [128, 256, 384, 512, 768, 1024, 1536, 2048];

/// Portable passes of the same number of lanes.
fn portable(lanes: usize) -> Kernel {
    fn of<const L: usize>() -> Kernel {
        Kernel {
            lanes: L,
            // SAFETY: portable code.
            forward: |job| unsafe { passes::forward::<[f32; L], L>(job) },
            // SAFETY: portable code.
            inverse: |job| unsafe { passes::inverse::<[f32; L], L>(job) },
        }
    }
    if lanes == 16 { of::<16>() } else { of::<8>() }
}

/// Every kernel of this machine for a size, and portable ones.
fn kernels(n: usize) -> Vec<Kernel> {
    let mut all: Vec<Kernel> = Backend::ALL
        .into_iter()
        .filter(|backend| backend.is_available())
        .filter_map(|backend| kernel(backend, n))
        .collect();
    all.extend([8, 16].into_iter().filter(|&lanes| Tables::suit(n, lanes)).map(portable));
    all
}

fn draw(seed: u64, count: usize) -> Vec<Sample> {
    let mut rng = crate::impair::rng::Rng::new(seed);
    (0..count).map(|_| rng.complex_gaussian()).collect()
}

/// The definition in double precision, for some subcarriers: the window is turned by the half subcarrier and by the
/// offset, with phase 0 at the end of the prefix, and `k` counts from the middle of the carrier.
fn subcarrier(samples: &[Sample], end: usize, advance: usize, n: usize, offset: f64, k: f64) -> Complex64 {
    let time = |i: usize| i as f64 - advance as f64;
    let window = samples[end - advance..][..n].iter().enumerate();
    window
        .map(|(i, x)| {
            Complex64::new(x.re.into(), x.im.into()) * polar((offset - (k + 0.5) / n as f64) * time(i))
        })
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    // TS 36.211 §9.9 (1)
    fn subcarriers_are_those_of_the_definition(
        seed in any::<u64>(),
        size in 0usize..8,
        advance in 0usize..200,
        offset in prop_oneof![Just(0.0), -1e-3..1e-3],
        phase in -3.0..3.0,
        occupied in 1usize..100,
    ) {
        let n = SIZES[size];
        let (advance, occupied) = (advance % (n / 4 + 1), 2 * (n * occupied / 200).max(1));
        let samples = draw(seed, n + n / 4 + 7);
        let end = n / 4 + 3;
        for kernel in kernels(n) {
            let mut analysis = Analysis::with_kernel(kernel, n, advance, 0.5);
            analysis.set_offset(offset);
            let mut out = vec![Sample::default(); occupied];
            analysis.run(&samples, end, phase, &mut out);
            for at in [0, 1, occupied / 2 - 1, occupied / 2, occupied - 1, seed as usize % occupied] {
                let k = at as f64 - (occupied / 2) as f64;
                let exact = subcarrier(&samples, end, advance, n, offset, k) * polar(phase) * 0.5;
                let off = (Complex64::new(out[at].re.into(), out[at].im.into()) - exact).norm();
                prop_assert!(off < 2e-6 * (n as f64).sqrt(), "{} lanes, {n}, {at}: {off}", kernel.lanes);
            }
        }
    }

    /// A kernel gives the bits of portable passes of as many lanes, for values of any size.
    #[test]
    fn kernels_give_the_bits_of_portable_code(
        seed in any::<u64>(),
        size in 0usize..8,
        advance in 0usize..200,
        offset in prop_oneof![Just(0.0), -1e-3..1e-3],
        scale in -100i32..100,
    ) {
        let n = SIZES[size];
        let advance = advance % (n / 4 + 1);
        let mut samples = draw(seed, n + n / 4);
        samples.iter_mut().for_each(|x| *x *= 2f32.powi(scale));
        for kernel in kernels(n) {
            let run = |kernel: Kernel| {
                let mut analysis = Analysis::with_kernel(kernel, n, advance, 0.5);
                analysis.set_offset(offset);
                let mut out = vec![Sample::default(); n / 2 + 2];
                analysis.run(&samples, n / 4, 0.3, &mut out);
                let mut sent = vec![Sample::default(); n];
                Synthesis::with_kernel(kernel, n, 0.7).run(&samples[..n / 2], &mut sent);
                out.extend(sent);
                out.into_iter().map(|x| [x.re.to_bits(), x.im.to_bits()]).collect::<Vec<_>>()
            };
            prop_assert_eq!(run(kernel), run(portable(kernel.lanes)), "{} lanes, {}", kernel.lanes, n);
        }
    }

    #[test]
    // TS 36.211 §9.9 (1)
    fn samples_are_those_of_the_definition(seed in any::<u64>(), size in 0usize..8, occupied in 1usize..100) {
        let n = SIZES[size];
        let occupied = 2 * (n * occupied / 200).max(1);
        let subcarriers = draw(seed, occupied);
        for kernel in kernels(n) {
            let mut out = vec![Sample::default(); n];
            let mut synthesis = Synthesis::with_kernel(kernel, n, 0.25);
            for _ in 0..2 {
                synthesis.run(&subcarriers, &mut out);
            }
            for at in [0, 1, n / 2, n - 1, seed as usize % n] {
                let exact: Complex64 = subcarriers.iter().enumerate().map(|(i, x)| {
                    let k = i as f64 - (occupied / 2) as f64 + 0.5;
                    Complex64::new(x.re.into(), x.im.into()) * polar(k * at as f64 / n as f64) * 0.25
                }).sum();
                let off = (Complex64::new(out[at].re.into(), out[at].im.into()) - exact).norm();
                prop_assert!(off < 2e-6 * (n as f64).sqrt(), "{} lanes, {n}, {at}: {off}", kernel.lanes);
            }
        }
    }
}

/// NaN and infinite samples spoil a symbol, and nothing else.
#[test]
fn bad_samples_do_no_harm() {
    for n in SIZES {
        for kernel in kernels(n) {
            let mut analysis = Analysis::with_kernel(kernel, n, 5, 1.0);
            let mut out = vec![Sample::default(); n / 2];
            let good = draw(1, n + 8);
            let mut bad = good.clone();
            bad[n / 2].re = f32::NAN;
            bad[n / 3].im = f32::INFINITY;
            analysis.run(&bad, 6, 0.0, &mut out);
            analysis.run(&good, 6, 0.0, &mut out);
            assert!(out.iter().all(|x| x.re.is_finite() && x.im.is_finite()));
        }
    }
}

#[test]
fn every_size_has_passes_where_the_machine_has_vectors() {
    for n in SIZES {
        for backend in [Backend::Avx2, Backend::Avx512] {
            assert_eq!(kernel(backend, n).is_some(), backend.is_available(), "{n}");
        }
        assert!(kernel(Backend::Scalar, n).is_none());
    }
    assert!([0, 1, 64, 100, 1000, 8192].into_iter().all(|n| kernel(Backend::detect(), n).is_none()));
}
