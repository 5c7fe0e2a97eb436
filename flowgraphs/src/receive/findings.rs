//! Findings about a recording for the operator, beside its events.

use sidelink_phy::numerology::SUBCARRIER_SPACING;
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::receive::stream::{Spectrum, StreamReceiver};
use sidelink_phy::receive::sync::PREPARED;
use sidelink_phy::units::Hertz;
use sidelink_ue::mapping::parse_mib_sl;

/// Bandwidth of a PRB.
const PRB: Hertz = Hertz(12.0 * SUBCARRIER_SPACING.0);

/// Collects findings from the events.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// Bandwidth in PRB by the last MIB, and the number of MIBs in a row that agree.
    mib: Option<(u16, u32)>,
}

impl Findings {
    pub(super) fn note(&mut self, event: &Event<'_>) {
        let Event::Mib { bits, .. } = event else { return };
        let Some(mib) = parse_mib_sl(bits) else { return };
        let prb = mib.bandwidth.prbs();
        self.mib = match self.mib {
            Some((before, count)) if before == prb => Some((prb, count + 1)),
            _ => Some((prb, 1)),
        };
    }

    /// Returns the bandwidth in PRB by the MIBs.
    pub(super) fn mib_prbs(&self) -> Option<u16> {
        self.mib.map(|(prb, _)| prb)
    }

    /// Returns the findings as text, with remedies.
    pub(super) fn warnings(&self, receiver: &StreamReceiver, centre: Option<f64>) -> Vec<String> {
        let mut all = Vec::new();
        if receiver.spectrum() == Spectrum::Inverted {
            all.push(
                "the spectrum is inverted, or I and Q are exchanged: it was turned round before decoding"
                    .to_owned(),
            );
        }
        let cfo = receiver.receiver().common_cfo();
        // no radio is that far off: 15 ppm at 5.9 GHz are less
        if cfo.abs() > PREPARED {
            let prbs = (cfo / PRB).round();
            let side = if cfo > Hertz(0.0) { "above" } else { "below" };
            let rest = cfo - Hertz(prbs * PRB.0);
            all.push(format!(
                "the carrier is {:.1} kHz {side} the centre of the recording ({} PRB and {rest:.0}): correct its \
                 frequency, or it was tuned beside the carrier",
                cfo.abs().0 / 1e3,
                prbs.abs()
            ));
        } else if cfo.abs() >= Hertz(1000.0) {
            let ppm = centre
                .filter(|c| *c > 0.0)
                .map_or(String::new(), |c| format!(" ({:.2} ppm)", 1e6 * cfo.0 / c));
            all.push(format!("carrier offset {cfo:.0}{ppm}"));
        }
        let prbs = receiver.receiver().config().numerology.bandwidth().prbs();
        if let Some((mib, count)) = self.mib
            && usize::from(mib) != prbs
        {
            all.push(format!(
                "{count} MIBs in a row say {mib} PRB, received as {prbs} PRB: give --prb {mib} if blocks are missing"
            ));
        }
        all
    }
}
