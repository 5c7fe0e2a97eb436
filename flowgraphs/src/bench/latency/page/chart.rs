//! Curves and bars as SVG.

use std::fmt::Write;

/// A curve: (powers of ten from 100 %, µs).
pub(super) struct Curve {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

/// A bar.
pub(super) struct Bar {
    pub name: String,
    pub value: f64,
    /// Drawn red.
    pub bad: bool,
}

/// Colours that stay apart for people who see few of them.
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#222222", "#7f3c8d"];

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 20.0;
const HEIGHT: f64 = 400.0;
const BOTTOM: f64 = 46.0;

fn open(height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" width={WIDTH} height={height} font-family=\"system-ui,sans-serif\" font-size=13>"
    )
}

/// Time over percentile, both logarithmic, with the millisecond of a subframe.
pub(super) fn percentiles(curves: &[Curve]) -> String {
    let axes = Axes::of(curves);
    let mut svg = open(HEIGHT);
    axes.draw_times(&mut svg);
    axes.draw_shares(&mut svg);
    axes.draw_subframe(&mut svg);
    for (curve, i) in curves.iter().zip(0..) {
        axes.draw_curve(&mut svg, curve, i);
    }
    svg.push_str("</svg>");
    svg
}

/// Where on the page a percentile and a time stand.
struct Axes {
    /// Powers of ten from 100 % at the right edge.
    right: f64,
    /// Powers of ten of the lowest and the highest time in µs.
    low: f64,
    high: f64,
}

impl Axes {
    const BOTTOM_EDGE: f64 = HEIGHT - BOTTOM;

    /// Wide enough for all of `curves`, and for the millisecond.
    fn of(curves: &[Curve]) -> Self {
        let points = || curves.iter().flat_map(|c| &c.points);
        let low = points().fold(1e3_f64, |w, p| w.min(p.1.max(0.1))).log10().floor();
        Self {
            right: points().fold(1.0_f64, |w, p| w.max(p.0)),
            low,
            high: points().fold(1e3_f64, |w, p| w.max(p.1)).log10().ceil().max(low + 1.0),
        }
    }

    fn x(&self, nines: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * nines / self.right
    }

    fn y(&self, us: f64) -> f64 {
        let share = (us.max(0.1).log10() - self.low) / (self.high - self.low);
        Self::BOTTOM_EDGE - (Self::BOTTOM_EDGE - TOP) * share
    }

    fn right_edge(&self) -> f64 {
        self.x(self.right)
    }

    /// Lines of the powers of ten.
    fn draw_times(&self, svg: &mut String) {
        let (x0, x1) = (self.x(0.0), self.right_edge());
        for power in self.low as i32..=self.high as i32 {
            let us = 10f64.powi(power);
            let label = if us >= 1e3 { format!("{} ms", us / 1e3) } else { format!("{us} µs") };
            let at = self.y(us);
            let _ = write!(
                svg,
                "<path d=\"M{x0:.0} {at:.1}H{x1:.0}\" stroke=\"#ddd\"/><text x={:.0} y={:.1} text-anchor=end>{label}</text>",
                x0 - 8.0,
                at + 4.0
            );
        }
    }

    /// Lines of the percentiles that there are.
    fn draw_shares(&self, svg: &mut String) {
        let bottom = Self::BOTTOM_EDGE;
        for (nines, label) in [
            (0.0, "0 %"),
            (std::f64::consts::LOG10_2, "50 %"),
            (1.0, "90 %"),
            (2.0, "99 %"),
            (3.0, "99.9 %"),
            (4.0, "99.99 %"),
            (5.0, "99.999 %"),
        ] {
            if nines <= self.right {
                let at = self.x(nines);
                let _ = write!(
                    svg,
                    "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/><text x={at:.1} y={:.0} text-anchor=middle>{label}</text>",
                    bottom + 18.0
                );
            }
        }
    }

    /// The millisecond of a subframe, and the name of the other axis.
    fn draw_subframe(&self, svg: &mut String) {
        let (x0, x1, at) = (self.x(0.0), self.right_edge(), self.y(1e3));
        let _ = write!(
            svg,
            "<path d=\"M{x0:.0} {at:.1}H{x1:.0}\" stroke=\"#b00020\" stroke-dasharray=\"6 4\"/>\
             <text x={:.0} y={:.0} fill=\"#555\" text-anchor=middle>share of subframes</text>",
            (x0 + x1) / 2.0,
            Self::BOTTOM_EDGE + 38.0
        );
    }

    /// Curve number `i` with its line of the legend.
    fn draw_curve(&self, svg: &mut String, curve: &Curve, i: usize) {
        let colour = COLOURS[i % COLOURS.len()];
        let point = |p: &(f64, f64)| format!("{:.1} {:.1}", self.x(p.0), self.y(p.1));
        let path: Vec<String> = curve.points.iter().map(point).collect();
        let (x1, legend) = (self.right_edge(), TOP + 14.0 + 22.0 * i as f64);
        let _ = write!(
            svg,
            "<path d=\"M{}\" fill=none stroke=\"{colour}\" stroke-width=2 />\
             <path d=\"M{:.0} {:.0}h22\" stroke=\"{colour}\" stroke-width=3 /><text x={:.0} y={legend:.0}>{}</text>",
            path.join("L"),
            x1 + 18.0,
            legend - 4.0,
            x1 + 46.0,
            curve.name
        );
    }
}

/// One bar a name, from 0 on.
pub(super) fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    const ROW: f64 = 22.0;
    const NAMES: f64 = 170.0;
    const VALUES: f64 = 110.0;
    let height = 40.0 + ROW * bars.len() as f64;
    let longest = bars.iter().fold(0.0_f64, |w, b| w.max(b.value));
    let mut svg = open(height);
    let _ = write!(svg, "<text x=0 y=20 font-size=16 font-weight=600>{title}, {unit}</text>");
    for (i, bar) in bars.iter().enumerate() {
        let (y, share) = (34.0 + ROW * i as f64, if longest > 0.0 { bar.value / longest } else { 0.0 });
        let width = (WIDTH - NAMES - VALUES) * share;
        let colour = if bar.bad { "#b00020" } else { "#0072b2" };
        let value = if bar.value == 0.0 { "0".to_owned() } else { format!("{:.3}", bar.value) };
        let _ = write!(
            svg,
            "<text x={:.0} y={:.0} text-anchor=end>{}</text>\
             <rect x={NAMES} y={y:.0} width={width:.1} height=16 fill=\"{colour}\"/><text x={:.0} y={:.0}>{value}</text>",
            NAMES - 10.0,
            y + 13.0,
            bar.name,
            NAMES + width + 8.0,
            y + 13.0
        );
    }
    svg.push_str("</svg>");
    svg
}
