//! Recordings meet the programs that read them: SigMF's own Python package and tshark.
//!
//! Each test is skipped, loudly, where the program is not installed. `SIDELINK_PYTHON` and `SIDELINK_TSHARK` name the
//! programs to use; what is named must work, or the test fails.
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use sidelink_recordings::pcap::{Mib, PcapWriter, PdcpHeader};
use sidelink_recordings::sigmf::{Annotation, CyclicPrefix, RadioConfig};
use sidelink_recordings::{
    Channels, Container, HashCheck, OpenOptions, Recording, Sample, SampleFormat, UtcMicros, Warning, Writer,
    WriterOptions,
};
use sidelink_tests::command::Folder;
use sidelink_tests::program::program;

const NOW: UtcMicros = UtcMicros(1_795_249_800_250_000);

fn in_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn succeed(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("Lua"), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

// ---- SigMF and its Python package

fn python() -> Option<String> {
    program("SIDELINK_PYTHON", ["sigmf of Python", "python3"], &["-c", "import sigmf, jsonschema, numpy"])
}

fn run_python(python: &str, arguments: &[&Path]) -> String {
    let command = arguments[0];
    let script = in_project("tests/python/check_sigmf.py");
    succeed(Command::new(python).arg(script).arg(command).args(&arguments[1..]).output().unwrap())
}

fn samples() -> Vec<Sample> {
    (0..5000).map(|n| Sample::new((n % 128) as f32 / 128.0, -((n % 77) as f32) / 256.0)).collect()
}

fn write_ours(path: &Path, format: SampleFormat) {
    let options = WriterOptions {
        format,
        frequency: Some(5.92e9),
        start: Some(NOW),
        hw: Some("virtual air".to_owned()),
        author: Some("A. U. Thor".to_owned()),
        description: Some("made by a test".to_owned()),
        license: Some("https://spdx.org/licenses/CC0-1.0.html".to_owned()),
        radio: RadioConfig {
            prb: Some(50),
            transmission_mode: Some(4),
            cyclic_prefix: Some(CyclicPrefix::Normal),
            pools: json!({"v2x": {"subchannels": 3}}).as_object().cloned(),
        },
        ..WriterOptions::new(15.36e6)
    };
    let mut writer = Writer::create(path, options).unwrap();
    writer.write(&samples()).unwrap();
    for sample_start in [3000, 1000] {
        let annotated = writer.annotate(Annotation {
            sample_start,
            sample_count: Some(500),
            frequency_edges: Some((5.915e9, 5.925e9)),
            channel: Some("PSSCH".to_owned()),
            comment: Some("a transport block".to_owned()),
            subframe: Some(6),
            fields: json!({"mcs": 4, "tb": "30aa"}).as_object().cloned().unwrap(),
            ..Annotation::default()
        });
        annotated.unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn the_python_package_validates_and_reads_what_we_write() {
    let Some(python) = python() else { return };
    let folder = Folder::new("sigmf-out");
    let mut paths = Vec::new();
    for (name, format) in [
        ("ours.sigmf-meta", SampleFormat::CF32_LE),
        ("ours16.sigmf-meta", SampleFormat::CI16_LE),
        ("archive.sigmf", SampleFormat::CF32_LE),
        ("an_archive_with_a_name_that_takes_both_fields_of_the_header_5.92e9Hz.sigmf", SampleFormat::CI16_LE),
    ] {
        paths.push(folder.path(name));
        write_ours(paths.last().unwrap(), format);
    }
    let mut arguments = vec![Path::new("check")];
    arguments.extend(paths.iter().map(PathBuf::as_path));
    let answers = run_python(&python, &arguments);
    assert_eq!(answers.lines().count(), paths.len());
    for (path, answer) in paths.iter().zip(answers.lines()) {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let name = path.display();
        assert_eq!(answer["count"], 5000, "{name}");
        assert_eq!(answer["rate"], 15.36e6, "{name}");
        assert_eq!(answer["captures"][0]["core:frequency"], 5.92e9, "{name}");
        assert_eq!(answer["captures"][0]["core:datetime"], "2026-11-21T08:30:00.250000Z", "{name}");
        let annotation = &answer["annotations"][0];
        assert_eq!(annotation["core:sample_start"], 1000, "{name}");
        assert_eq!(
            (&annotation["core:label"], &annotation["core:comment"]),
            (&json!("PSSCH"), &json!("a transport block"))
        );
        assert_eq!(annotation["sidelink:fields"]["tb"], "30aa", "{name}");
        // Both take 32768 for full scale, so that also the integers agree to the bit.
        let theirs: Vec<[f64; 2]> = serde_json::from_value(answer["samples"].clone()).unwrap();
        assert_eq!(theirs.len(), 100);
        for (theirs, ours) in theirs.iter().zip(samples()) {
            assert_eq!(*theirs, [f64::from(ours.re), f64::from(ours.im)], "{name}");
        }
    }
}

#[test]
fn the_python_package_and_we_agree_on_channels() {
    let Some(python) = python() else { return };
    let folder = Folder::new("sigmf-channels");
    let path = folder.path("two.sigmf-meta");
    let options = WriterOptions { channels: 2, ..WriterOptions::new(15.36e6) };
    let mut writer = Writer::create(&path, options).unwrap();
    let first = samples();
    let second: Vec<Sample> = first.iter().map(|s| s * 0.5).collect();
    writer.write_channels(&[&first, &second]).unwrap();
    writer
        .annotate(Annotation { sample_start: 4999, sample_count: Some(1), ..Annotation::default() })
        .unwrap();
    writer.finish().unwrap();
    let answer: Value = serde_json::from_str(&run_python(&python, &[Path::new("check"), &path])).unwrap();
    assert_eq!(answer["count"], 5000);
    let theirs: Vec<[f32; 2]> = serde_json::from_value(answer["samples"].clone()).unwrap();
    let ours = first.iter().zip(&second).flat_map(|(a, b)| [[a.re, a.im], [b.re, b.im]]);
    assert_eq!(theirs, ours.take(200).collect::<Vec<_>>());

    run_python(&python, &[Path::new("make"), folder.as_path()]);
    let options = OpenOptions { channels: Channels::All, ..OpenOptions::default() };
    let mut recording = Recording::open(&folder.path("theirs-two"), &options).unwrap();
    assert_eq!(recording.warnings(), []);
    assert_eq!((recording.info().channels, recording.info().length), (2, 1000));
    let [mut first, mut second] = [[Sample::default(); 1001]; 2];
    assert_eq!(recording.read_channels(&mut [&mut first, &mut second]).unwrap(), 1000);
    for n in 0..1000 {
        let sample = Sample::new(n as f32, -(n as f32));
        assert_eq!([first[n], second[n]], [sample, sample + 1000.0]);
    }
}

#[test]
fn the_validation_can_fail() {
    let Some(python) = python() else { return };
    let folder = Folder::new("sigmf-bad");
    let path = folder.path("x.sigmf-meta");
    write_ours(&path, SampleFormat::CF32_LE);
    let text = std::fs::read_to_string(&path).unwrap();
    let script = in_project("tests/python/check_sigmf.py");
    for (from, to) in [
        ("\"core:version\": \"1.2.6\"", "\"core:version\": 1"),
        ("\"name\": \"sidelink\"", "\"name\": \"other\""),
        ("\"core:sha512\": \"", "\"core:sha512\": \"00"),
        ("\"core:sample_start\":1000", "\"core:sample_start\":-1"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        std::fs::write(&path, changed).unwrap();
        let output = Command::new(&python).arg(&script).arg("check").arg(&path).output().unwrap();
        assert!(!output.status.success(), "{to} went unnoticed");
    }
}

fn annotations_of(recording: &Recording) -> Vec<Annotation> {
    let mut annotations = Vec::new();
    recording.annotations(&mut |annotation| annotations.push(annotation)).unwrap();
    annotations
}

#[test]
fn we_read_what_the_python_package_writes() {
    let Some(python) = python() else { return };
    let folder = Folder::new("sigmf-in");
    run_python(&python, &[Path::new("make"), folder.as_path()]);
    for (name, container) in [
        ("theirs", Container::SigmfPair),
        ("theirs.sigmf-data", Container::SigmfPair),
        ("theirs-archive.sigmf", Container::SigmfArchive),
    ] {
        let mut recording = Recording::open(&folder.path(name), &OpenOptions::default()).unwrap();
        assert_eq!(recording.warnings(), [], "{name}");
        assert_eq!(recording.verify_hash().unwrap(), HashCheck::Match, "{name}");
        let info = recording.info();
        assert_eq!((info.container, info.length), (container, 1000), "{name}");
        assert_eq!(
            (info.rate, info.frequency, info.start),
            (Some(15.36e6), Some(5.92e9), Some(NOW)),
            "{name}"
        );
        assert_eq!(annotations_of(&recording)[0].label.as_deref(), Some("a label"), "{name}");
        let mut out = vec![Sample::default(); 1001];
        assert_eq!(recording.read(&mut out).unwrap(), 1000, "{name}");
        for (n, sample) in out[..1000].iter().enumerate() {
            assert_eq!(*sample, Sample::new(n as f32, -(n as f32)), "{name}");
        }
    }
}

// ---- recordings of other makers

#[test]
fn captures_open_without_a_warning_and_a_mistaken_format_is_noticed() {
    let mut seen = 0;
    for folder in ["captures", "reference"] {
        let folder = in_project("../shared/recordings").join(folder);
        let Ok(entries) = std::fs::read_dir(&folder) else {
            eprintln!("SKIPPED: no ../shared ({})", folder.display());
            continue;
        };
        for path in entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "cf32"))
        {
            let mut recording = Recording::open(&path, &OpenOptions::default()).unwrap();
            assert_eq!(recording.warnings(), [], "{}", path.display());
            let mut out = vec![Sample::default(); recording.info().length as usize];
            assert_eq!(recording.read(&mut out).unwrap(), out.len());
            assert!(recording.damage().is_empty(), "{}", path.display());

            let mistaken = OpenOptions { format: Some(SampleFormat::CI16_LE), ..OpenOptions::default() };
            let warnings = Recording::open(&path, &mistaken).unwrap().warnings().to_vec();
            assert!(matches!(warnings[..], [Warning::LooksLike { .. }]), "{}: {warnings:?}", path.display());
            seen += 1;
        }
    }
    eprintln!("{seen} recordings opened");
}

// ---- pcap and tshark

fn tshark() -> Option<String> {
    program("SIDELINK_TSHARK", ["tshark"; 2], &["--version"])
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn write_pcap(path: &Path, write: impl FnOnce(&mut PcapWriter<std::fs::File>) -> std::io::Result<()>) {
    let mut pcap = PcapWriter::new(std::fs::File::create(path).unwrap()).unwrap();
    write(&mut pcap).unwrap();
    pcap.into_inner().unwrap();
}

/// The fields of each packet, one string per field; several values of one field are joined by commas.
fn fields(tshark: &str, pcap: &Path, options: &[&str], names: &[&str]) -> Vec<Vec<String>> {
    let names = names.iter().flat_map(|name| ["-e", name]);
    let mut command = Command::new(tshark);
    command.arg("-r").arg(pcap).args(options).args(["-T", "fields"]).args(names);
    let text = succeed(command.output().unwrap());
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The options that load our dissector.
fn with_lua() -> String {
    format!("lua_script:{}", in_project("recordings/wireshark/sidelink.lua").display())
}

#[test]
fn tshark_reads_mib_sl_without_a_preference() {
    let Some(tshark) = tshark() else { return };
    let folder = Folder::new("pcap-mib");
    let path = folder.path("x.pcap");
    write_pcap(&path, |pcap| {
        // 50 PRB, FDD, DFN 0x155, subframe 6, in coverage.
        pcap.mib_sl(NOW, Mib::Sl, &hex("61 55 68 00 00"))?;
        pcap.mib_sl(NOW, Mib::SlV2x, &hex("61 55 68 00 00 00"))
    });
    for (row, release) in [(0, "r12"), (1, "r14")] {
        // TDD-ConfigSL-r12 is part of both.
        let names = ["sl_Bandwidth", "directFrameNumber", "directSubframeNumber", "inCoverage"]
            .map(|name| format!("lte-rrc.{name}_{release}"));
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.extend(["lte-rrc.subframeAssignmentSL_r12", "frame.time_epoch"]);
        let rows = fields(&tshark, &path, &[], &names);
        // n50 is the fourth bandwidth; the frame number 0b01_0101_0101 stands at the left of its two octets.
        assert_eq!(rows[row], ["3", "5540", "6", "1", "0", "1795249800.250000000"]);
    }
}

#[test]
fn tshark_reads_sl_sch_without_a_preference() {
    let Some(tshark) = tshark() else { return };
    let folder = Folder::new("pcap-sch");
    let path = folder.path("x.pcap");
    write_pcap(&path, |pcap| {
        pcap.sl_sch(NOW, 1023, 9, &hex("10 0b8b03 cafe 03 1f aa"))?;
        pcap.sl_sch(NOW, 0, 0, &hex("20 0b8b03 cafe 21 02 03 1faa 1fbb"))?;
        pcap.sl_sch(NOW, 341, 6, &hex("30 009c40 00c350 21 02 1f 0c 60 0000"))
    });
    let names =
        ["version", "src-l2-id", "dst-l2-id", "lcid", "sdu"].map(|name| format!("mac-lte.slsch.{name}"));
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.extend(["mac-lte.sfn", "mac-lte.subframe", "mac-lte.crc-status"]);
    let rows = fields(&tshark, &path, &[], &names);
    assert_eq!(rows[0], ["1", "0x0b8b03", "0xcafe", "0x03", "1faa", "1023", "9", "1"]);
    assert_eq!(rows[1], ["2", "0x0b8b03", "0xcafe", "0x01,0x03", "1faa,1fbb", "0", "0", "1"]);
    assert_eq!(rows[2], ["3", "0x009c40", "0x00c350", "0x01,0x1f", "0c60", "341", "6", "1"]);
}

const RLC_AND_PDCP: [&str; 11] = [
    "sidelink.lcid",
    "sidelink.rlc.fi",
    "sidelink.rlc.sn",
    "sidelink.rlc.li",
    "sidelink.rlc.data",
    "sidelink.pdcp.sdu_type",
    "sidelink.pdcp.pgk_index",
    "sidelink.pdcp.ptk_id",
    "sidelink.pdcp.kd_sess_id",
    "sidelink.pdcp.sn",
    "sidelink.pdcp.data",
];

/// An IPv4 header from 1.2.3.4 to 5.6.7.8 without payload.
const IP: &str = "45000014000000004011000001020304 05060708";

#[test]
fn the_lua_dissector_reads_the_sdus_of_sl_sch() {
    let Some(tshark) = tshark() else { return };
    let folder = Folder::new("lua-sch");
    let path = folder.path("x.pcap");
    write_pcap(&path, |pcap| {
        let mut sl_sch = |text: &str| pcap.sl_sch(NOW, 0, 0, &hex(text));
        // LCID 1, RLC SN 12, non-IP, no key; then padding. As V2X devices send it.
        sl_sch("30 009c40 00c350  21 08 1f  0c 60 0000 0000 aabb  00 00")?;
        // Ciphered IP: PGK index 5, PTK identity 0x1234, SN 7.
        sl_sch("10 0b8b03 cafe  03  1f 05 1234 0007 aabbcc")?;
        // IP without a key.
        sl_sch(&format!("10 0b8b03 cafe  03  1f 00 0000 0000 {IP}"))?;
        // Three data elements: FI 11, E 1, SN 1, LI 2 and 6: the tail of one SDU, a whole one, the head of a third.
        sl_sch("30 0b8b03 000102  01  e1 802 006  eeff  60 0000 0001 aa  60 0000 0002 bb")?;
        // One length indicator and four bits of padding.
        sl_sch("30 0b8b03 000102  01  20 006 0  60 0000 0003 aa  60 0000 0004 bb")?;
        // One to one: signalling without protection (keepalive, sequence 0x0203), and user data with KD-sess ID 0x0102.
        sl_sch("20 0b8b03 cafe  3c 0d  02  00 40 0000 0000 04 0203 00000001  01 00 0102 0005 aabb")?;
        // One-octet padding comes first.
        sl_sch("30 0b8b03 000102  3f 01  1f 60 0000 0000 cc")?;
        // A security mode command: a MAC-I, but never ciphered; then a ciphered message.
        sl_sch("20 0b8b03 cafe  1d  00 40 0102 0001 0c 0001 aa deadbeef")?;
        sl_sch("20 0b8b03 cafe  1e  00 40 0102 0002 0d 0002 deadbeef")
    });
    let rows = fields(&tshark, &path, &["-X", &with_lua()], &RLC_AND_PDCP);
    let row = |n: usize| rows[n].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(row(0), ["1", "0", "12", "", "", "3", "0", "0x0000", "", "0", "aabb"]);
    assert_eq!(row(1), ["3", "0", "31", "", "", "0", "5", "0x1234", "", "7", "aabbcc"]);
    assert_eq!(row(2), ["3", "0", "31", "", "", "0", "0", "0x0000", "", "0", ""]);
    assert_eq!(row(3), ["1", "3", "1", "2,6", "eeff", "3,3", "0,0", "0x0000,0x0000", "", "1,2", "aa,bb"]);
    assert_eq!(row(4), ["1", "0", "0", "6", "", "3,3", "0,0", "0x0000,0x0000", "", "3,4", "aa,bb"]);
    assert_eq!(row(5), ["28,2", "0,0", "0,1", "", "", "2,0", "", "", "0x0000,0x0102", "0,5", "aabb"]);
    assert_eq!(row(6), ["1", "0", "31", "", "", "3", "0", "0x0000", "", "0", "cc"]);

    let rows = fields(
        &tshark,
        &path,
        &["-X", &with_lua()],
        &["ip.dst", "sidelink.pc5s.type", "sidelink.pc5s.sequence"],
    );
    assert_eq!(rows[1], ["", "", ""], "ciphered data are no IP packet");
    assert_eq!(rows[2], ["5.6.7.8", "", ""]);
    assert_eq!(rows[5], ["", "4", "515"]);
    assert_eq!(rows[7], ["", "12", "1"]);
    assert_eq!(rows[8], ["", "", ""], "ciphered signalling stays closed");
    let rows = fields(&tshark, &path, &["-X", &with_lua()], &["sidelink.pdcp.mac_i", "sidelink.pc5s.body"]);
    assert_eq!(rows[5], ["", "00000001"]);
    assert_eq!(rows[7], ["0xdeadbeef", "aa"]);
    let ciphered = ["-X", &with_lua(), "-o", "sidelink.null_ciphering:TRUE"];
    write_pcap(&path, |pcap| {
        pcap.sl_sch(NOW, 0, 0, &hex(&format!("10 0b8b03 cafe 03 1f 05 1234 0007 {IP}")))
    });
    assert_eq!(fields(&tshark, &path, &ciphered, &["ip.dst"]), [["5.6.7.8"]]);
}

#[test]
fn the_lua_dissector_reads_pdcp_in_the_clear() {
    let Some(tshark) = tshark() else { return };
    let folder = Folder::new("lua-pdcp");
    let path = folder.path("x.pcap");
    write_pcap(&path, |pcap| {
        pcap.pdcp(NOW, PdcpHeader::OneToMany, &hex(&format!("05 1234 0007 {IP}")))?;
        pcap.pdcp(NOW, PdcpHeader::OneToOne, &hex(&format!("00 0102 0008 {IP}")))?;
        pcap.pdcp(NOW, PdcpHeader::OneToOneMacI, &hex("40 0102 0009 0d 0001 deadbeef"))?;
        pcap.pdcp(NOW, PdcpHeader::OneToMany, &hex("60 0000 000a 0102"))
    });
    let names = [
        "sidelink.pdcp.ptk_id",
        "sidelink.pdcp.kd_sess_id",
        "sidelink.pdcp.sn",
        "ip.src",
        "sidelink.pc5s.type",
        "sidelink.pdcp.mac_i",
        "sidelink.pdcp.data",
    ];
    let rows = fields(&tshark, &path, &["-X", &with_lua()], &names);
    assert_eq!(rows[0], ["0x1234", "", "7", "1.2.3.4", "", "", ""]);
    assert_eq!(rows[1], ["", "0x0102", "8", "1.2.3.4", "", "", ""]);
    assert_eq!(rows[2], ["", "0x0102", "9", "", "13", "0xdeadbeef", ""]);
    assert_eq!(rows[3], ["0x0000", "", "10", "", "", "", "0102"]);
}

#[test]
fn the_lua_dissector_reads_discovery_messages() {
    let Some(tshark) = tshark() else { return };
    let folder = Folder::new("lua-disc");
    let path = folder.path("x.pcap");
    let message = |type_octet: &str, content: &str| -> [u8; 29] {
        let mut content = hex(content);
        content.resize(23, 0);
        [hex(type_octet), content, hex("deadbeef a5")].concat().try_into().unwrap()
    };
    write_pcap(&path, |pcap| {
        // Scope PLMN (11), spare 0, E 1, MCC 262 (0100000110), MNC 1 (0000000001): 1101 0100 0001 1000 0000 0001.
        pcap.discovery(NOW, &message("41", "d41801 0102030405060708090a0b0c0d0e0f1011121314"))?;
        pcap.discovery(NOW, &message("86", "aabb"))?;
        pcap.discovery(NOW, &message("91", "010203 0a0b0c0d0e0f 040506 80"))?;
        pcap.discovery(NOW, &message("96", "010203 0a0b0c0d0e0f 80 040506"))?;
        pcap.discovery(NOW, &message("99", "010203 0a0b0c0d0e0f 040506"))?;
        pcap.discovery(NOW, &message("c1", "55"))?;
        pcap.discovery(NOW, &message("9e", "010203 0a0b0c0d0e0f 80 212223242526"))?;
        pcap.discovery(NOW, &message("9e", "010203 0a0b0c0d0e0f 40 313233"))?;
        pcap.discovery(NOW, &message("a1", "010203 040506 0a0b0c0d0e0f 40 62f21021436507"))?;
        pcap.discovery(NOW, &message("a1", "010203 040506 0a0b0c0d0e0f 80 41424362f210 515253"))
    });
    let names = [
        "discovery_type",
        "content_type",
        "model",
        "plmn_scope",
        "mcc",
        "mnc",
        "temporary_id",
        "service_code",
        "group_id",
        "info",
        "relay_id",
        "status",
        "composition",
        "mic",
        "utc_lsb",
    ]
    .map(|name| format!("sidelink.disc.{name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = fields(&tshark, &path, &["-X", &with_lua()], &names);
    let row = |n: usize| rows[n].iter().map(String::as_str).collect::<Vec<_>>();
    let (mic, utc, info) = ("0xdeadbeef", "165", "0a0b0c0d0e0f");
    let id = "0102030405060708090a0b0c0d0e0f1011121314";
    assert_eq!(row(0), ["1", "0", "1", "3", "262", "1", id, "", "", "", "", "", "", mic, utc]);
    assert_eq!(row(1), ["2", "1", "2", "", "", "", "", "", "", "", "", "", "", mic, utc]);
    assert_eq!(
        row(2),
        ["2", "4", "1", "", "", "", "", "0x010203", "", info, "0x040506", "0x80", "", mic, utc]
    );
    assert_eq!(
        row(3),
        ["2", "5", "2", "", "", "", "", "0x010203", "", info, "0x040506", "", "0x80", mic, utc]
    );
    assert_eq!(row(4), ["2", "6", "1", "", "", "", "", "", "0x010203", info, "", "", "", mic, utc]);
    assert_eq!(row(5), ["3", "0", "1", "", "", "", "", "", "", "", "", "", "", "", ""]);
    let infos = fields(&tshark, &path, &["-X", &with_lua()], &["_ws.col.Protocol", "_ws.col.Info"]);
    assert_eq!(infos[1], ["PC5-DISC", "restricted query"]);
    assert_eq!(infos[5], ["PC5-DISC", "experiment 0xc1"]);
    // TS 24.334 §11.2.5.1 tables 7, 8, 10.
    let names = ["info", "ue_id", "relay_id", "composition", "target_user", "target_group", "ecgi", "tmgi"]
        .map(|name| format!("sidelink.disc.{name}"));
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["sidelink.disc.mbms_group"]).collect();
    let rows = fields(&tshark, &path, &["-X", &with_lua()], &names);
    let row = |n: usize| rows[n].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(row(4), [info, "0x040506", "", "", "", "", "", "", ""]);
    assert_eq!(row(6), [info, "", "", "0x80", "212223242526", "", "", "", ""]);
    assert_eq!(row(7), [info, "", "", "0x40", "", "0x313233", "", "", ""]);
    assert_eq!(row(8), [info, "", "0x040506", "0x40", "", "", "62f21021436507", "", ""]);
    assert_eq!(row(9), [info, "", "0x040506", "0x80", "", "", "", "41424362f210", "0x515253"]);
}

#[test]
fn the_lua_dissector_survives_any_bytes() {
    use rand::{Rng, SeedableRng};
    let Some(tshark) = tshark() else { return };
    let folder = Folder::new("lua-any");
    let path = folder.path("x.pcap");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    write_pcap(&path, |pcap| {
        for n in 0..2000 {
            let length = random.random_range(0..40);
            let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
            match n % 5 {
                0 => pcap.pdcp(NOW, PdcpHeader::OneToMany, &bytes)?,
                1 => pcap.pdcp(NOW, PdcpHeader::OneToOne, &bytes)?,
                2 => pcap.pdcp(NOW, PdcpHeader::OneToOneMacI, &bytes)?,
                3 => pcap.discovery(NOW, &std::array::from_fn(|_| random.random()))?,
                _ => {
                    let version = random.random_range(1..=3_u8) << 4;
                    let lcid = [1, 3, 28, 29, 30, 0x21, 0x3c][random.random_range(0..7)];
                    let head = if version == 0x30 { 6 } else { 5 };
                    let block = [&[version][..], &[7; 6][..head], &[lcid], &bytes].concat();
                    pcap.sl_sch(NOW, 0, 0, &block)?;
                }
            }
        }
        Ok(())
    });
    // `succeed` looks for Lua errors on stderr; in the tree they are texts.
    let text =
        succeed(Command::new(&tshark).args(["-X", &with_lua(), "-V", "-r"]).arg(&path).output().unwrap());
    let errors: Vec<&str> = text.lines().filter(|line| line.contains("Lua Error")).collect();
    assert!(errors.is_empty(), "{} of them: {:?}", errors.len(), errors.iter().take(3).collect::<Vec<_>>());
    assert!(text.contains("The length indicators do not fit the PDU"), "some of these must be malformed");
}
