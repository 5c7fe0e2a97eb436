//! Probability that a message arrives, by closed formulas, where each transport block is lost independently.

use super::Way;

/// Returns the probability that a message arrives that fills `blocks` transport blocks when it is sent whole, and of
/// whose blocks each is lost with the probability `loss`. Of coded fragments each fills a block, and `blocks` is K.
///
/// - whole: (1 - p)^n
/// - t times: 1 - (1 - (1 - p)^n)^t; parts of different copies do not complete each other
/// - coded: the sum over i = K .. N of C(N, i) (1 - p)^i p^(N - i)
pub fn probability(way: Way, blocks: u32, loss: f64) -> f64 {
    let whole = (1.0 - loss).powf(f64::from(blocks));
    match way {
        Way::Whole => whole,
        Way::Repeated { times } => 1.0 - (1.0 - whole).powi(i32::from(times)),
        Way::Coded { parity, .. } => {
            let total = blocks + u32::from(parity);
            (blocks..=total).map(|arrived| binomial(total, arrived, 1.0 - loss)).sum()
        }
    }
}

/// Returns the probability of `successes` of `total` tries, each with the probability `p`.
fn binomial(total: u32, successes: u32, p: f64) -> f64 {
    let failures = total - successes;
    // As a product of small factors: no factorial is beyond the range of numbers.
    let choose = |(at, product): (u32, f64)| product * f64::from(successes + at) / f64::from(at);
    let ways = (1..=failures).fold(1.0, |product, at| choose((at, product)));
    ways * p.powf(f64::from(successes)) * (1.0 - p).powf(f64::from(failures))
}
