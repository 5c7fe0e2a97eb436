use super::plot::{Panel, check_name, draw};
use super::*;
use crate::Sample;
use crate::outputs::Place;
use crate::scenario::{Generator, Scenario};
use sidelink_phy::units::Bandwidth;
use sidelink_recordings::{OpenOptions, Recording, Writer, WriterOptions};
use tempfile::{TempDir, tempdir};

fn scan_of(folder: &TempDir, samples: &[Sample], rate: f64, bands: Bands) -> Scan {
    let path = folder.path().join("x.cf32");
    let mut writer = Writer::create(&path, WriterOptions::new(rate)).unwrap();
    writer.write(samples).unwrap();
    writer.finish().unwrap();
    let mut recording = Recording::open(&path, &OpenOptions::default()).unwrap();
    scan(&mut recording, rate, bands, &mut |_| {}).unwrap().remove(0)
}

fn generated(text: &str) -> (Vec<Sample>, f64) {
    let scenario = Scenario::from_toml(text, "t").unwrap();
    let mut generator = Generator::new(&scenario).unwrap();
    let rate = generator.numerology().sample_rate().0;
    let mut samples = vec![Sample::default(); scenario.duration as usize * generator.subframe_samples()];
    for subframe in samples.chunks_exact_mut(generator.subframe_samples()) {
        generator.next_subframe(subframe);
    }
    (samples, rate)
}

const BURSTS: &str = "duration = 60\nSNR\n[radio]\nprb = 25\ntm = 4\nv2x = { size = 5, num = 5 }\n\
    [[ue]]\nv2x = [{ subchannel = 1, length = 1, mcs = 2, interval = 20 }]";

#[test]
fn occupied_prbs_are_found_with_and_without_noise() {
    let folder = tempdir().unwrap();
    for snr in ["snr = 20", ""] {
        let (samples, rate) = generated(&BURSTS.replace("SNR", snr));
        let s = scan_of(&folder, &samples, rate, Bands::prbs(Bandwidth::Prb25));
        assert_eq!((s.blocks, s.samples, s.rows.len()), (60, samples.len() as u64, 60));
        for (prb, share) in s.occupancy.share.iter().enumerate() {
            // without noise the edges of SC-FDMA are visible
            if snr.is_empty() && (prb == 4 || prb == 10) {
                continue;
            }
            let used = (5..10).contains(&prb);
            let expected = if used { 3.0 / 60.0 } else { 0.0 };
            assert!((share - expected).abs() < 1e-9, "{snr}: PRB {prb}: {share}");
        }
        assert!(s.rows[20].peaks[6] > s.occupancy.threshold && s.rows[21].peaks[6] < s.occupancy.threshold);
    }
}

#[test]
fn noise_alone_occupies_nothing_and_silence_is_named() {
    let folder = tempdir().unwrap();
    let (samples, rate) = generated("duration = 100\nsnr = 0\n[radio]\nprb = 50\n");
    let s = scan_of(&folder, &samples, rate, Bands::prbs(Bandwidth::Prb50));
    assert!(s.occupancy.share.iter().all(|x| *x == 0.0));
    assert!(text(&s).contains("nothing stands out"));
    let s = scan_of(&folder, &vec![Sample::default(); 20_000], 1.92e6, Bands::prbs(Bandwidth::Prb6));
    assert!(text(&s).contains("silence"), "{}", text(&s));
    assert_eq!(s.silent_blocks, s.blocks);
    let s = scan_of(&folder, &samples[..100], 15.36e6, Bands::prbs(Bandwidth::Prb50));
    assert!(text(&s).contains("too short for a spectrum: 100"), "{}", text(&s));
}

fn text(scan: &Scan) -> String {
    let mut out = Vec::new();
    show(scan, false, 100, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn levels_tell_dc_and_clipping() {
    let folder = tempdir().unwrap();
    let s = scan_of(&folder, &vec![Sample::new(0.3, 0.1); 20_000], 1.92e6, Bands::prbs(Bandwidth::Prb6));
    assert!(text(&s).contains("mostly DC") && !text(&s).contains("not finite"));
    let (mut samples, rate) = generated("duration = 20\nsnr = 0\n[radio]\nprb = 6\n");
    let s = scan_of(&folder, &samples, rate, Bands::prbs(Bandwidth::Prb6));
    assert!(text(&s).contains("not clipped"));
    for x in &mut samples {
        *x = Sample::new(x.re.clamp(-0.7, 0.7), x.im.clamp(-0.7, 0.7));
    }
    let s = scan_of(&folder, &samples, rate, Bands::prbs(Bandwidth::Prb6));
    assert!(text(&s).contains("clipped: ") && text(&s).contains("0.7000"), "{}", text(&s));
}

#[test]
fn memory_does_not_grow_with_the_length() {
    let folder = tempdir().unwrap();
    let (samples, rate) = generated("duration = 1000\nsnr = 0\n[radio]\nprb = 6\n");
    let s = scan_of(&folder, &samples, rate, Bands::slices(rate, 48));
    assert!(s.rows.len() <= scan::MAX_ROWS && s.rows.len() > scan::MAX_ROWS / 2, "{}", s.rows.len());
    // every row shows the same of white noise, the last and shorter one too
    let power = |r: &Row| r.spectrum.iter().sum::<f32>() / s.levels.power() as f32;
    assert!(s.rows.iter().all(|r| (power(r) - 1.0).abs() < 0.2));
}

#[test]
fn every_line_of_the_text_fits_the_width() {
    let folder = tempdir().unwrap();
    let (samples, rate) = generated(&BURSTS.replace("SNR", "snr = 20"));
    let s = scan_of(&folder, &samples, rate, Bands::prbs(Bandwidth::Prb25));
    for width in [40, 80, 200] {
        let mut out = Vec::new();
        show(&s, false, width, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let picture = text.lines().filter(|l| l.contains('·') || l.contains("in use"));
        assert!(picture.clone().count() > 5 && picture.clone().all(|l| l.chars().count() <= width), "{text}");
        assert!(text.lines().filter(|l| l.contains('█')).count() >= 3, "{text}");
    }
}

#[test]
fn pictures_of_every_panel_are_written() {
    let folder = tempdir().unwrap();
    let (samples, rate) = generated(&BURSTS.replace("SNR", "snr = 20"));
    let s = scan_of(&folder, &samples, rate, Bands::prbs(Bandwidth::Prb25));
    let curve =
        vec![("a".to_owned(), vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)]), ("b".to_owned(), vec![])];
    let panels = [
        Panel::Spectrogram(&s),
        Panel::Spectrum(&s),
        Panel::Power(&s),
        Panel::Scatter { title: "points".to_owned(), points: &samples[..500] },
        Panel::Curves {
            title: "curves".to_owned(),
            x: "x".to_owned(),
            y: "y".to_owned(),
            least_span: 0.0,
            curves: curve,
        },
    ];
    for (name, head) in [("p.png", &b"\x89PNG"[..]), ("p.svg", b"<svg")] {
        let path = folder.path().join(name);
        draw(&Place::File(path.clone()), "title", &panels).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(head) && bytes.len() > 10_000, "{name}: {} bytes", bytes.len());
    }
    let svg = std::fs::read_to_string(folder.path().join("p.svg")).unwrap();
    for label in ["Spectrogram", "dBFS in 15 kHz", "Power over time", "quadrature"] {
        assert!(svg.contains(label), "{label}");
    }
    assert!(check_name("x.pdf".as_ref()).unwrap_err().to_string().contains("OUT.png"));
    assert!(draw(&Place::File(folder.path().join("no/such/folder.png")), "", &panels[..1]).is_err());
    let names =
        std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains("part")));
}

/// Text from a recording does not control the terminal.
#[test]
fn descriptions_and_channels_are_shown_plain() {
    let folder = tempdir().unwrap();
    let meta = r#"{"global": {"core:datatype": "cf32_le", "core:version": "1.2.6", "core:sample_rate": 1920000,
        "core:description": "a\u001b]0;mine\u0007b"}, "captures": [{"core:sample_start": 0}],
        "annotations": [{"core:sample_start": 0, "sidelink:channel": "\u001b[2J"}]}"#;
    std::fs::write(folder.path().join("x.sigmf-meta"), meta).unwrap();
    std::fs::write(folder.path().join("x.sigmf-data"), [0; 8 * 64]).unwrap();
    let input =
        crate::input::open(&folder.path().join("x.sigmf-meta"), &crate::args::RadioArgs::default()).unwrap();
    let mut out = Vec::new();
    describe(&input, false, &mut out).unwrap();
    let said = String::from_utf8(out).unwrap();
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
    assert!(said.contains(r"description: a\u{1b}]0;mine\u{7}b"), "{said}");
    assert!(said.contains(r"annotations: 1 \u{1b}[2J"), "{said}");
}

/// A channel that is flat but for a thousandth of a dB is drawn flat, and no number reaches the name of its axis.
#[test]
fn what_is_flat_is_drawn_flat() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("flat.svg");
    let points = (0..100).map(|i| (f64::from(i), -42.0005 + 1e-5 * f64::from(i))).collect();
    let flat = Panel::Curves {
        title: "flat".to_owned(),
        x: "x".to_owned(),
        y: "dB".to_owned(),
        least_span: 1.0,
        curves: vec![("|h|".to_owned(), points)],
    };
    draw(&Place::File(path.clone()), "title", &[flat]).unwrap();
    let svg = std::fs::read_to_string(&path).unwrap();
    let texts: Vec<&str> = svg.split("<text").skip(1).collect();
    let words = |text: &str| text.split(['<', '>']).nth(1).map_or(String::new(), |w| w.trim().to_owned());
    let number = |text: &str, name: &str| -> f64 {
        let value = text.split(&format!(" {name}=\"")).nth(1).and_then(|v| v.split('"').next());
        value.unwrap_or_else(|| panic!("no {name}: {text}")).parse().unwrap()
    };
    // the name of the axis stands upright, a line wide
    let name = texts.iter().find(|text| words(text) == "dB").unwrap();
    let edge = number(name, "x") + number(name, "font-size");
    let ticks: Vec<f64> = texts
        .iter()
        .filter(|text| text.contains("text-anchor=\"end\""))
        .map(|text| {
            // widths of DejaVu Sans in em
            let width = |c| if c == '.' || c == '-' { 0.36 } else { 0.64 };
            let width: f64 = words(text).chars().map(width).sum::<f64>() * number(text, "font-size");
            let left = number(text, "x") - width;
            assert!(left > edge, "{} begins at {left:.0}, the name ends at {edge:.0}", words(text));
            words(text).parse().unwrap()
        })
        .collect();
    let span = ticks.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b))
        - ticks.iter().fold(f64::INFINITY, |a, b| a.min(*b));
    assert!((0.5..1.5).contains(&span), "{ticks:?}");
}
