use proptest::prelude::*;

use super::*;
use crate::testing::Folder;
use crate::{HashCheck, OpenOptions, Recording, Sample};

const META: &str =
    r#"{"global": {"core:datatype": "cf32_le", "core:version": "1.2.6"}, "captures": [], "annotations": []}"#;

/// Returns a header block with a checksum; `kind` is the type flag.
fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_entry_type(EntryType::new(kind));
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn member(name: &str, kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, kind, contents.len() as u64);
    bytes.extend_from_slice(contents);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn tar(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 1024]].concat()
}

fn open(folder: &Folder, bytes: &[u8]) -> Result<Recording, Error> {
    Recording::open(&folder.put("x.sigmf", bytes), &OpenOptions::default())
}

fn message(folder: &Folder, bytes: &[u8]) -> String {
    open(folder, bytes).unwrap_err().to_string()
}

/// Returns two samples, (1, 0) and (0, 1).
fn data() -> Vec<u8> {
    [1.0_f32, 0.0, 0.0, 1.0].into_iter().flat_map(f32::to_le_bytes).collect()
}

fn read(mut recording: Recording) -> Vec<Sample> {
    let mut out = [Sample::default(); 8];
    let count = recording.read(&mut out).unwrap();
    out[..count].to_vec()
}

#[test]
fn folders_links_and_strangers_are_passed_by() {
    let folder = Folder::new();
    let bytes = tar(&[
        member("x/", b'5', b""),
        member("g", b'g', b"20 comment=whatever\n"),
        member("x/README", b'0', b"text"),
        member("x/x.sigmf-meta", b'0', META.as_bytes()),
        member("link", b'2', b""),
        member("x/x.sigmf-data", 0, &data()),
    ]);
    let mut recording = open(&folder, &bytes).unwrap();
    assert_eq!(recording.verify_hash().unwrap(), HashCheck::Absent);
    assert_eq!(read(recording), [Sample::new(1.0, 0.0), Sample::new(0.0, 1.0)]);
}

#[test]
fn extended_headers_give_name_and_size() {
    let folder = Folder::new();
    let long = "n".repeat(150);
    let pax = |key: &str, value: &str| {
        // The length counts its own three digits.
        let length = 3 + 1 + key.len() + 1 + value.len() + 1;
        format!("{length:03} {key}={value}\n")
    };
    let records = pax("mtime", &"1.5".repeat(40)) + &pax("path", &format!("{long}.sigmf-meta"));
    let size = "0".repeat(100) + "16";
    let mut data_member = header("short", b'0', 0);
    data_member.extend(data());
    data_member.resize(1024, 0);
    let bytes = tar(&[
        member("PaxHeaders/x", b'x', records.as_bytes()),
        member("short", b'0', META.as_bytes()),
        member("././@LongLink", b'L', format!("{long}.sigmf-data\0").as_bytes()),
        member("PaxHeaders/x", b'x', pax("size", &size).as_bytes()),
        data_member,
    ]);
    assert_eq!(read(open(&folder, &bytes).unwrap()).len(), 2);
}

#[test]
fn data_beyond_the_octal_sizes_of_tar() {
    use std::io::Write;
    let folder = Folder::new();
    // 16 GiB that take no room, then the metadata.
    let size = 16 << 30;
    let path = folder.path("x.sigmf");
    let mut file = File::create(&path).unwrap();
    file.write_all(&header("x/x.sigmf-data", b'0', size)).unwrap();
    file.seek(SeekFrom::Start(BLOCK + size)).unwrap();
    file.write_all(&tar(&[member("x/x.sigmf-meta", b'0', META.as_bytes())])).unwrap();
    drop(file);
    let recording = Recording::open(&path, &OpenOptions::default()).unwrap();
    assert_eq!(recording.info().length, size / 8);
    assert_eq!(recording.warnings(), []);
}

#[test]
fn a_data_file_of_another_name() {
    let folder = Folder::new();
    let meta = META.replace("\"core:version\"", "\"core:dataset\": \"y.iq\", \"core:version\"");
    let bytes = tar(&[member("x/x.sigmf-meta", b'0', meta.as_bytes()), member("x/y.iq", b'0', &data())]);
    assert_eq!(read(open(&folder, &bytes).unwrap()).len(), 2);
}

#[test]
fn what_is_no_archive() {
    let folder = Folder::new();
    let meta = || member("x.sigmf-meta", b'0', META.as_bytes());
    let data = || member("x.sigmf-data", b'0', &data());
    assert!(message(&folder, b"").contains("empty"));
    assert!(message(&folder, &[7; 100]).contains("at byte 0: the archive ends within a tar header"));
    assert!(
        message(&folder, &[7; 2000]).contains("at byte 0: not a tar header: a .sigmf file is a tar archive")
    );
    assert!(message(&folder, b"\x1f\x8b and so on").contains(
        "is compressed (gzip), and samples are read in place: unpack it first, with `gunzip -k x.sigmf`"
    ));
    assert!(message(&folder, &tar(&[])).contains("ends without a .sigmf-meta"));
    assert!(message(&folder, &tar(&[meta()])).contains("ends without \"x.sigmf-data\""));
    assert!(
        message(&folder, &tar(&[meta(), data(), member("y.sigmf-meta", b'0', b"")]))
            .contains("holds 2 recordings")
    );
    assert!(message(&folder, &tar(&[meta(), member("x.sigmf-data", b'0', b"")])).contains("empty"));
    assert!(message(&folder, &tar(&[member("x.sigmf-data", b'S', b"")])).contains("a sparse member"));

    let mut damaged = tar(&[meta(), data()]);
    damaged[1024 + 3] ^= 1;
    assert!(
        message(&folder, &damaged).contains("at byte 1024: not a tar header: the archive is damaged here")
    );
    let huge = header("x.sigmf-data", b'0', u64::MAX / 2);
    assert!(message(&folder, &tar(&[huge])).contains("beyond 2^63"));
    let long_name = [header("L", b'L', 1 << 21), vec![b'a'; 1 << 21]].concat();
    assert!(message(&folder, &long_name).contains("more than 1 MiB"));
}

#[test]
fn data_that_end_early_are_read_as_far_as_they_go() {
    let folder = Folder::new();
    let mut bytes = member("x.sigmf-meta", b'0', META.as_bytes());
    bytes.extend(header("x.sigmf-data", b'0', 80));
    bytes.extend(data());
    let recording = open(&folder, &bytes).unwrap();
    assert_eq!(recording.warnings(), [crate::Warning::MemberCutShort { announced: 80, present: 16 }]);
    assert_eq!(read(recording).len(), 2);
}

proptest! {
    #[test]
    fn any_bytes_as_tar(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let folder = Folder::new();
        let _ = open(&folder, &bytes);
    }

    /// Complete headers with any type, any size and any content reach the code behind the checksum.
    #[test]
    fn any_members(
        members in prop::collection::vec(
            ("[a-z./]{1,20}", any::<u8>(), prop_oneof![0..2048_u64, any::<u64>()], prop::collection::vec(any::<u8>(), 0..700)),
            0..6,
        ),
    ) {
        let folder = Folder::new();
        let mut bytes = member("x.sigmf-meta", b'0', META.as_bytes());
        for (name, kind, size, contents) in members {
            let mut header = Header::new_ustar();
            let _ = header.set_path(name);
            header.set_size(size);
            header.set_entry_type(EntryType::new(kind));
            header.set_cksum();
            bytes.extend(header.as_bytes());
            bytes.extend(contents);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        if let Ok(recording) = open(&folder, &bytes) {
            read(recording);
        }
    }

    #[test]
    fn a_changed_byte(at: prop::sample::Index, byte: u8) {
        let folder = Folder::new();
        let mut bytes = tar(&[member("x.sigmf-meta", b'0', META.as_bytes()), member("x.sigmf-data", b'0', &data())]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(recording) = open(&folder, &bytes) {
            read(recording);
        }
    }
}

/// Names are held in memory while an archive is searched: their sum is bounded, for any number of members.
#[test]
fn the_names_of_members_have_a_limit() {
    let folder = Folder::new();
    let name = "n".repeat((1 << 20) - 1);
    let long = |count: usize| {
        let members: Vec<_> = (0..count)
            .flat_map(|_| [member("././@LongLink", b'L', name.as_bytes()), member("short", b'0', b"")])
            .collect();
        message(&folder, &tar(&members))
    };
    assert!(long(8).contains("without a .sigmf-meta"), "{}", long(8));
    assert!(long(9).contains("too long names"), "{}", long(9));
}

/// Characters that control a terminal are escaped in names of members and of data.
#[test]
fn names_do_not_command_the_terminal() {
    let folder = Folder::new();
    let two = tar(&[
        member("a\u{1b}[2J.sigmf-meta", b'0', META.as_bytes()),
        member("b\u{1b}]0;mine\u{7}.sigmf-meta", b'0', META.as_bytes()),
    ]);
    let meta = META.replace("cf32_le\"", "cf32_le\", \"core:dataset\": \"\\u001b[2Jx\"");
    let elsewhere = tar(&[member("x.sigmf-meta", b'0', meta.as_bytes())]);
    let wrong = META.replace("[], \"ann", "[{\"core:sample_start\": \"\\u001b[2J\"}], \"ann");
    let wrong = tar(&[member("x.sigmf-meta", b'0', wrong.as_bytes())]);
    for bytes in [two, elsewhere, wrong] {
        let said = message(&folder, &bytes);
        assert!(said.contains(r"\u{1b}[2J") && !said.contains('\u{1b}'), "{said:?}");
    }
}
