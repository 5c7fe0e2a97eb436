//! TOML: radio configurations and scenarios. What is taken can be built.

use super::Target;
use sidelink_flowgraphs::config::{RadioConfig, from_sigmf, to_sigmf};
use sidelink_flowgraphs::scenario::{EXAMPLE_D2D, EXAMPLE_V2X, Generator, Scenario};
use sidelink_phy::Sample;
use sidelink_recordings::sigmf::{Global, Metadata};

/// A radio configuration.
pub const RADIO: Target = Target { name: "config_radio", run: radio, seeds };
/// A scenario.
pub const SCENARIO: Target = Target { name: "config_scenario", run: scenario, seeds };

/// A configuration goes through the metadata of a recording and comes back.
fn radio(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let config = match RadioConfig::from_toml(text, "fuzz.toml") {
        Ok(config) => config,
        Err(e) => {
            assert!(e.to_string().contains("fuzz.toml"), "{e}");
            return false;
        }
    };
    let radio = match config.resolve() {
        Ok(radio) => radio,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            return false;
        }
    };
    let carrier = radio.bandwidth.map_or(100, |b| b.prbs());
    for place in &radio.communication {
        let (data, control) = (place.pool.data_subframes(), place.pool.control_subframes());
        assert!(data.iter().chain(&control).all(|&s| s < place.pool.period));
        let _ = place.pool.control_resource(carrier, 0);
    }
    for place in &radio.discovery {
        assert!(place.pool.subframes().iter().all(|&s| s < place.pool.period));
        let _ = place.pool.type1(carrier, 0);
    }
    if let Some(pool) = &radio.v2x {
        assert_eq!(pool.subframe_indices().len(), 10_240);
    }
    let metadata = Metadata {
        global: Global { radio: to_sigmf(&config), sample_rate: config.sample_rate(), ..Global::default() },
        ..Metadata::default()
    };
    let text = metadata.emit();
    let again = Metadata::parse(text.as_bytes()).expect("what was emitted");
    let again =
        from_sigmf(&again).expect("what was written can be read").resolve().expect("what was checked");
    assert_eq!(
        (again.communication, again.discovery, again.v2x),
        (radio.communication, radio.discovery, radio.v2x)
    );
    true
}

/// A scenario that is taken makes its first subframes.
fn scenario(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let scenario = match Scenario::from_toml(text, "fuzz.toml") {
        Ok(scenario) => scenario,
        Err(e) => {
            assert!(e.to_string().contains("fuzz.toml"), "{e}");
            return false;
        }
    };
    // every UE has its own transmitter: a thousand of them are legitimate, and slow
    if scenario.ue.len() > 4 {
        return false;
    }
    let mut generator = match Generator::new(&scenario) {
        Ok(generator) => generator,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            return false;
        }
    };
    let mut subframe = vec![Sample::default(); generator.subframe_samples()];
    for _ in 0..2 {
        let _ = generator.next_subframe(&mut subframe);
        assert!(subframe.iter().all(|x| x.is_finite()));
    }
    true
}

/// Examples in both: a scenario serves as a configuration.
fn seeds() -> Vec<Vec<u8>> {
    [EXAMPLE_D2D, EXAMPLE_V2X].map(|text| text.as_bytes().to_vec()).into()
}
