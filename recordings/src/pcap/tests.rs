use proptest::prelude::*;

use super::*;

const NOW: UtcMicros = UtcMicros(1_795_249_800_250_000);

fn written(write: impl FnOnce(&mut PcapWriter<Vec<u8>>) -> io::Result<()>) -> Vec<u8> {
    let mut pcap = PcapWriter::new(Vec::new()).unwrap();
    write(&mut pcap).unwrap();
    pcap.into_inner().unwrap()
}

#[test]
fn a_file_byte_by_byte() {
    let bytes = written(|pcap| pcap.sl_sch(NOW, 0x155, 6, &[0x30, 0x87]));
    let expected = [
        &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 252, 0, 0, 0][..],
        // 1795249800 s = 0x6b015688, 250000 us = 0x3d090, length 38 twice.
        &[0x88, 0x56, 0x01, 0x6b, 0x90, 0xd0, 0x03, 0x00, 38, 0, 0, 0, 38, 0, 0, 0],
        b"\x00\x0c\x00\x10mac-lte-framed\0\0\x00\x00\x00\x00",
        &[1, 0, 8, 2, 0, 1, 4, 0x15, 0x56, 7, 1, 1, 0x30, 0x87],
    ]
    .concat();
    assert_eq!(bytes, expected);
}

#[test]
fn each_pdu_names_its_dissector() {
    let name = |bytes: Vec<u8>| {
        let length = usize::from(u16::from_be_bytes([bytes[42], bytes[43]]));
        String::from_utf8(bytes[44..44 + length].to_vec()).unwrap().trim_end_matches('\0').to_owned()
    };
    assert_eq!(name(written(|p| p.mib_sl(NOW, Mib::Sl, &[0; 5]))), "lte-rrc.sbcch.sl.bch");
    assert_eq!(name(written(|p| p.mib_sl(NOW, Mib::SlV2x, &[0; 6]))), "lte-rrc.sbcch.sl.bch.v2x");
    assert_eq!(name(written(|p| p.discovery(NOW, &[0; 29]))), "sidelink-pc5-discovery");
    assert_eq!(name(written(|p| p.pdcp(NOW, PdcpHeader::OneToMany, &[0; 5]))), "sidelink-pdcp");
    assert_eq!(name(written(|p| p.pdcp(NOW, PdcpHeader::OneToOne, &[]))), "sidelink-pdcp-one-to-one");
    assert_eq!(
        name(written(|p| p.pdcp(NOW, PdcpHeader::OneToOneMacI, &[]))),
        "sidelink-pdcp-one-to-one-mac-i"
    );
}

#[test]
fn refused_arguments_write_nothing() {
    let mut pcap = PcapWriter::new(Vec::new()).unwrap();
    let refusals = [
        pcap.sl_sch(NOW, 1024, 0, &[]),
        pcap.sl_sch(NOW, 0, 10, &[]),
        pcap.mib_sl(NOW, Mib::Sl, &[0; 6]),
        pcap.mib_sl(NOW, Mib::SlV2x, &[0; 5]),
        pcap.sl_sch(UtcMicros((1 << 32) * 1_000_000), 0, 0, &[]),
        pcap.pdcp(NOW, PdcpHeader::OneToMany, &[0; MAX_PACKET]),
    ];
    for refusal in refusals {
        assert_eq!(refusal.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(pcap.into_inner().unwrap().len(), 24);
}

/// Counts the octets that reach the other end of the pipe.
struct Pipe {
    written: usize,
    flushed: usize,
}

impl Write for &mut Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flushed = self.written;
        Ok(())
    }
}

#[test]
fn a_live_viewer_sees_each_packet_at_once() {
    let mut pipe = Pipe { written: 0, flushed: 0 };
    let mut pcap = PcapWriter::new(&mut pipe).unwrap().flush_each(true).unwrap();
    assert_eq!(pcap.out.flushed, 24);
    pcap.discovery(NOW, &[0; 29]).unwrap();
    assert_eq!(pcap.out.flushed, pcap.out.written);

    let mut pipe = Pipe { written: 0, flushed: 0 };
    let mut pcap = PcapWriter::new(&mut pipe).unwrap();
    pcap.discovery(NOW, &[0; 29]).unwrap();
    assert_eq!(pcap.out.flushed, 0);
}

proptest! {
    /// A second, simpler reader finds every PDU again.
    #[test]
    fn lengths_hold(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5)) {
        let bytes = written(|pcap| blocks.iter().try_for_each(|block| pcap.pdcp(NOW, PdcpHeader::OneToOne, block)));
        let mut rest = &bytes[24..];
        for block in &blocks {
            let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
            prop_assert!(rest[16..16 + length].ends_with(block));
            prop_assert_eq!(length, 4 + 24 + 4 + block.len());
            rest = &rest[16 + length..];
        }
        prop_assert!(rest.is_empty());
    }
}
