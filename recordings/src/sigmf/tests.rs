use proptest::prelude::*;
use serde_json::json;

use super::*;

fn refused(text: &str) -> String {
    Metadata::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn places_are_named() {
    let whole = |global: &str, rest: &str| {
        refused(&format!(r#"{{"global": {{"core:datatype": "cf32_le" {global}}} {rest}}}"#))
    };
    for (found, expected) in [
        (refused(""), "line 1 column 0: not JSON"),
        (refused("{\"global\":\n nonsense"), "line 2 column 3: not JSON"),
        (refused("[]"), "the file: expected an object, found a list"),
        (refused("{}"), "global: is missing"),
        (refused(r#"{"global": 7}"#), "global: expected an object, found 7"),
        (whole("", r#", "captures": 7"#), "captures: expected a list, found 7"),
        (whole("", r#", "captures": {}"#), "captures: expected a list, found an object"),
        (whole("", r#", "captures": [{}]"#), "captures[0].core:sample_start: is missing"),
        (
            whole("", r#", "annotations": [{"core:sample_start": 1}, {"core:sample_start": "a"}]"#),
            "annotations[1].core:sample_start: expected a whole number from 0 to 2^63 - 1, found \"a\"",
        ),
        (whole("", r#", "annotations": [{"core:sample_start": -1}]"#), "found -1"),
        (whole("", r#", "annotations": [{"core:sample_start": 1.5}]"#), "found 1.5"),
        (
            whole("", r#", "annotations": [{"core:sample_start": 9223372036854775808}]"#),
            "found 9223372036854775808",
        ),
        (
            whole("", r#", "annotations": [{"core:sample_start": 1, "core:freq_lower_edge": 1}]"#),
            "annotations[0].core:freq_lower_edge: comes with",
        ),
        (whole(r#", "core:num_channels": "two""#, ""), "global.core:num_channels: expected a whole number"),
        (whole(r#", "sidelink:prb": 51"#, ""), "global.sidelink:prb: 51 is none of 6, 15, 25, 50, 75, 100"),
        (
            whole(r#", "sidelink:transmission_mode": 5"#, ""),
            "global.sidelink:transmission_mode: 5 is not from 1 to 4",
        ),
        (whole(r#", "sidelink:cyclic_prefix": "long""#, ""), "global.sidelink:cyclic_prefix: is neither"),
        (whole(r#", "sidelink:pools": []"#, ""), "global.sidelink:pools: expected an object"),
    ] {
        assert!(found.starts_with(expected) || found.contains(expected), "{found:?} is not {expected:?}");
    }
}

#[test]
fn nesting_without_end_is_refused() {
    let text = format!(r#"{{"global": {}"#, "[".repeat(100_000));
    assert!(refused(&text).contains("recursion limit"));
}

/// Programs write these, and decoding needs none of them.
#[test]
fn what_decoding_does_not_need_is_noted_and_kept() {
    for (global, note) in [
        (
            r#""core:extensions": {"antenna": "v0.9.0"}"#,
            "global.core:extensions: expected a list, found an object",
        ),
        (r#""core:extensions": [{}]"#, "global.core:extensions[0].name: is missing"),
        (r#""core:sample_rate": 0"#, "global.core:sample_rate: must be above 0, and is 0"),
        (r#""core:sample_rate": "fast""#, "global.core:sample_rate: expected a number, found \"fast\""),
        (r#""core:hw": 7"#, "global.core:hw: expected a string, found 7"),
    ] {
        let text = format!(r#"{{"global": {{"core:datatype": "cf32_le", {global}}}, "captures": []}}"#);
        let metadata = Metadata::parse(text.as_bytes()).unwrap();
        let notes: Vec<String> = metadata.notes.iter().map(FieldError::to_string).collect();
        assert_eq!(notes, [note]);
        assert!(metadata.global.sample_rate.is_none() && metadata.global.hw.is_none());
    }
    let text =
        r#"{"global": {"core:hw": 7}, "captures": [{"core:sample_start": 0, "core:frequency": "high"}]}"#;
    let metadata = Metadata::parse(text.as_bytes()).unwrap();
    assert_eq!((metadata.notes.len(), metadata.global.datatype.as_str()), (2, ""));
    assert!(metadata.emit().contains(r#""core:hw": 7"#));
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let text = Metadata::default().emit();
    let marked = [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
    assert_eq!(Metadata::parse(&marked).unwrap(), Metadata::parse(text.as_bytes()).unwrap());
    assert!(Metadata::parse(b"\xef\xbb\xbf").is_err());
    assert!(Metadata::parse(b"\xef\xbb").is_err());
}

/// An endless list of annotations, generated while it is read.
struct Endless {
    pending: Vec<u8>,
    element: Vec<u8>,
    left: usize,
}

impl std::io::Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.pending.is_empty() && self.left > 0 {
            self.left -= 1;
            self.pending.clone_from(&self.element);
        }
        let count = buffer.len().min(self.pending.len());
        buffer[..count].copy_from_slice(&self.pending[..count]);
        self.pending.drain(..count);
        Ok(count)
    }
}

#[test]
fn annotations_pass_by_and_everything_else_is_bounded() {
    let head = |text: &str| text.as_bytes().to_vec();
    let read = |pending: Vec<u8>, element: String, left: usize| {
        let (mut count, mut last) = (0_u64, 0);
        let input = Endless { pending, element: element.into_bytes(), left };
        let result = Metadata::read(input, &mut |annotation| {
            count += 1;
            last = annotation.unwrap().sample_start;
        });
        (result.map(|m| m.global.datatype).map_err(|e| e.to_string()), count, last)
    };
    // 100 MB of them, before the global object; the text ends among them.
    let element = format!(r#"{{"core:sample_start": 7, "core:comment": "{}"}}, "#, "x".repeat(1 << 20));
    let (result, count, last) = read(head(r#"{"annotations": ["#), element, 100);
    assert_eq!((count, last), (100, 7));
    assert!(result.unwrap_err().contains("not JSON"));
    // The same amount of anything else is refused.
    for start in [r#"{"other": ["#, r#"{"captures": [{"core:sample_start": 0}, "#, r#"{"annotations": [["#] {
        let (result, ..) = read(head(start), format!("[\"{}\"], ", "x".repeat(1 << 20)), 65);
        let message = result.unwrap_err();
        assert!(message.contains("MiB of memory") || message.contains("captures[1]"), "{message}");
    }
}

/// Values that are short as JSON and large in memory are refused by their size in memory; 90 000 captures are accepted.
#[test]
fn small_values_are_reckoned_by_their_memory() {
    let most = |element: &str, per: u64| {
        let few = stream::MAX_HELD / per;
        assert!(few < 500_000, "{few} of {element}");
        let read = |left: u64| {
            let pending = br#"{"other": ["#.to_vec();
            let input = Endless { pending, element: element.as_bytes().to_vec(), left: left as usize };
            Metadata::read(input, &mut |_| {}).unwrap_err().to_string()
        };
        assert!(read(few + 9).contains("MiB of memory"), "{element}");
        assert!(read(few - 9).contains("not JSON"), "{element}");
    };
    most(r#"{"":0},"#, 704 + 160 + 5 * 2);
    most("[0],", 160 + 160 + 2 * 2);
    let captures = |count: usize| {
        let captures: String =
            (0..count).map(|n| format!(r#"{{"core:sample_start": {n}, "core:frequency": 1e9}},"#)).collect();
        let text = format!(
            r#"{{"global": {{"core:datatype": "cf32_le", "core:version": "1.2.6"}}, "captures": [{}]}}"#,
            captures.trim_end_matches(',')
        );
        Metadata::parse(text.as_bytes()).map(|metadata| metadata.captures.len())
    };
    assert_eq!(captures(90_000).unwrap(), 90_000);
}

#[test]
fn unknown_keys_and_integral_floats_survive() {
    let text = json!({
        "global": {
            "core:datatype": "ci16_le", "core:version": "1.0.0", "core:sample_rate": 15360000,
            "core:geolocation": {"type": "Point", "coordinates": [1.5, 2.5]},
            "core:extensions": [{"name": "ham", "version": "0.1.0", "optional": true}],
            "ham:x": [1, {"y": null}],
        },
        "captures": [{"core:sample_start": 1e3, "ham:gain": -3}],
        "annotations": [{"core:sample_start": 5, "core:sample_count": 2.0, "ham:z": "q", "sidelink:subframe": 10239}],
        "stray": true,
    });
    let metadata = Metadata::parse(text.to_string().as_bytes()).unwrap();
    assert_eq!(metadata.captures[0].sample_start, 1000);
    assert_eq!(metadata.annotations[0].sample_end(), Some(7));
    assert_eq!(metadata.global.sample_rate, Some(15.36e6));
    let again: Value = serde_json::from_str(&metadata.emit()).unwrap();
    assert_eq!(again["global"]["ham:x"], text["global"]["ham:x"]);
    assert_eq!(again["global"]["core:geolocation"], text["global"]["core:geolocation"]);
    assert_eq!(again["captures"][0]["ham:gain"], json!(-3));
    assert_eq!(again["annotations"][0]["ham:z"], json!("q"));
    assert_eq!(again["stray"], json!(true));
    let own = json!({"name": "sidelink", "version": "1.0.0", "optional": true});
    assert_eq!(again["global"]["core:extensions"], json!([text["global"]["core:extensions"][0], own]));
}

#[test]
fn the_extension_is_declared_once() {
    let once = Metadata::default();
    let twice = Metadata::parse(Metadata::parse(once.emit().as_bytes()).unwrap().emit().as_bytes()).unwrap();
    assert_eq!(twice.global.extensions.len(), 1);
}

#[test]
fn what_is_no_json_number_is_left_out() {
    let mut metadata = Metadata::default();
    metadata.global.sample_rate = Some(f64::NAN);
    assert!(!metadata.emit().contains("sample_rate"));
}

fn any_annotation() -> impl Strategy<Value = Annotation> {
    (
        0..=i64::MAX as u64,
        any::<Option<u32>>(),
        any::<Option<(i32, i32)>>(),
        any::<Option<String>>(),
        any::<Option<u16>>(),
    )
        .prop_map(|(sample_start, count, edges, text, subframe)| Annotation {
            sample_start,
            sample_count: count.map(u64::from),
            frequency_edges: edges.map(|(lower, upper)| (lower.into(), upper.into())),
            label: text.clone(),
            channel: text,
            subframe: subframe.map(u64::from),
            ..Annotation::default()
        })
}

proptest! {
    #[test]
    fn metadata_round_trip(
        mut annotations in prop::collection::vec(any_annotation(), 0..8),
        prb in prop::option::of(prop::sample::select(PRB_VALUES.to_vec())),
        mode in prop::option::of(1_u8..=4),
        description: Option<String>,
    ) {
        annotations.sort_by_key(|annotation| annotation.sample_start);
        let mut metadata = Metadata { annotations, ..Metadata::default() };
        metadata.global.radio.prb = prb;
        metadata.global.radio.transmission_mode = mode;
        metadata.global.description = description;
        let mut back = Metadata::parse(metadata.emit().as_bytes()).unwrap();
        back.global.extensions.clear();
        prop_assert_eq!(back.notes.len(), 0);
        prop_assert_eq!(back, metadata);
    }

    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        let _ = Metadata::parse(&bytes);
    }

    #[test]
    fn a_changed_byte_is_judged(at: prop::sample::Index, byte: u8) {
        let mut metadata = Metadata::default();
        metadata.annotations.push(Annotation { label: Some("a".to_owned()), ..Annotation::default() });
        metadata.captures.push(Capture { frequency: Some(1.0), ..Capture::default() });
        let mut bytes = metadata.emit().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Metadata::parse(&bytes);
    }
}
