//! Files of DF_ProSe, which hold what an operator configures a UE with. TS 31.102 §4.4.8.
//!
//! The radio parameters of EF_PROSE_RADIO_COM and EF_PROSE_RADIO_ANN are SL-Preconfiguration in packed encoding; here they are
//! frequency in Hz (8 octets), power in dBm (1) and resource blocks (1). None of these files has a version or an end: what is there
//! counts until it is replaced.

use core::net::IpAddr;

use crate::configuration::{
    Bandwidth, Content, Hertz, Latitude, Longitude, Place, Polygon, Power, RadioParameters,
    RadioParametersOfArea,
};
use crate::pc3::Plmn;

/// DF_ProSe under ADF_USIM. From memory, and tshark's list.
pub const DF_PROSE: u16 = 0x5f90;

/// A file of DF_ProSe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProseFile {
    /// EF_PROSEFUNC: where the ProSe Function is. §4.4.8.4.
    Function,
    /// EF_PROSE_RADIO_COM: communication where no E-UTRAN serves. §4.4.8.5.
    Communication,
    /// EF_PROSE_RADIO_ANN: announcing where no E-UTRAN serves. §4.4.8.7.
    Announcing,
    /// EF_PROSE_PLMN: where one-to-many communication is allowed, served by E-UTRAN; a record a PLMN. §4.4.8.9.
    Plmns,
    /// EF_PST: which of these there are. §4.4.8.11.
    Services,
}

impl ProseFile {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Function, Self::Communication, Self::Announcing, Self::Plmns, Self::Services];

    /// Its identifier.
    pub const fn id(self) -> u16 {
        match self {
            Self::Function => 0x4f03,
            Self::Communication => 0x4f04,
            Self::Announcing => 0x4f06,
            Self::Plmns => 0x4f08,
            Self::Services => 0x4f10,
        }
    }

    /// Octets that it may have here.
    pub const fn room(self) -> usize {
        match self {
            Self::Communication | Self::Announcing => 2048,
            Self::Plmns => 16 * RECORD,
            Self::Function => 32,
            Self::Services => 1,
        }
    }

    /// Octets of a record, of a file that has some.
    pub const fn record(self) -> Option<usize> {
        match self {
            Self::Plmns => Some(RECORD),
            Self::Function => Some(32),
            Self::Communication | Self::Announcing | Self::Services => None,
        }
    }

    pub(super) fn of(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.id() == id)
    }
}

/// Octets of a record of EF_PROSE_PLMN: A0, 80 with a PLMN, 81 with an octet.
const RECORD: usize = 10;

/// What these files say.
#[derive(Debug)]
pub struct ProseFiles {
    /// Where the ProSe Function is.
    pub function: Option<IpAddr>,
    /// Where one-to-many communication is allowed.
    pub plmns: Vec<Plmn>,
    /// Not served by E-UTRAN: one-to-many and one-to-one communication.
    pub communication_allowed: [bool; 2],
    /// With which radio parameters, and where.
    pub communication: Vec<RadioParametersOfArea>,
    /// Not served by E-UTRAN: announcing of model A.
    pub announcing_allowed: bool,
    /// With which radio parameters, and where.
    pub announcing: Vec<RadioParametersOfArea>,
}

/// Why a file says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileError {
    /// The card does not give it.
    Card(ProseFile, [u8; 2]),
    /// Its content is none.
    Content(ProseFile),
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Card(file, [a, b]) => write!(f, "the card does not give {file:?}: status {a:02x}{b:02x}"),
            Self::Content(file) => {
                write!(f, "{file:?} has a content that is none; let the operator write it again")
            }
        }
    }
}

impl std::error::Error for FileError {}

/// Appends an object with its length as of ISO/IEC 8825-1.
fn put(to: &mut Vec<u8>, tag: u8, value: &[u8]) {
    to.push(tag);
    match value.len() {
        length @ 0..=0x7f => to.push(length as u8),
        length @ 0x80..=0xff => to.extend([0x81, length as u8]),
        // No file has more than 65535 octets.
        length => {
            let [high, low] = (length.min(usize::from(u16::MAX)) as u16).to_be_bytes();
            to.extend([0x82, high, low]);
        }
    }
    to.extend(value);
}

/// Takes an object of this tag.
fn take<'a>(from: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (length, rest) = match **from {
        [found, ..] if found != tag => return None,
        [_, length @ 0..=0x7f, ref rest @ ..] => (usize::from(length), rest),
        [_, 0x81, length, ref rest @ ..] => (usize::from(length), rest),
        [_, 0x82, high, low, ref rest @ ..] => (usize::from(u16::from_be_bytes([high, low])), rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some(value)
}

/// Whether nothing more is there: unused octets are FF.
fn is_end(rest: &[u8]) -> bool {
    rest.iter().all(|octet| *octet == 0xff)
}

fn plmn_octets(plmn: Plmn) -> [u8; 3] {
    let digit = |text: &str, at: usize| text.as_bytes().get(at).map_or(0xf, |digit| digit & 0xf);
    let (mcc, mnc) = (plmn.mcc(), plmn.mnc());
    let pair = |low: u8, high: u8| high << 4 | low;
    [
        pair(digit(&mcc, 0), digit(&mcc, 1)),
        pair(digit(&mcc, 2), digit(&mnc, 2)),
        pair(digit(&mnc, 0), digit(&mnc, 1)),
    ]
}

fn plmn_of(octets: &[u8]) -> Option<Plmn> {
    let [a, b, c] = *<&[u8; 3]>::try_from(octets).ok()?;
    let text = |digits: &[u8]| -> Option<String> {
        digits.iter().map(|digit| char::from_digit(u32::from(*digit), 10)).collect()
    };
    let third = b >> 4;
    let mnc = if third == 0xf { vec![c & 15, c >> 4] } else { vec![c & 15, c >> 4, third] };
    Plmn::new(&text(&[a & 15, a >> 4, b & 15])?, &text(&mnc)?).ok()
}

fn put_radio(to: &mut Vec<u8>, of: &RadioParametersOfArea) {
    let mut inner = Vec::new();
    for area in &of.area {
        let points = area.points.iter();
        let octets: Vec<u8> =
            points.flat_map(|point| [point.latitude.octets(), point.longitude.octets()].concat()).collect();
        put(&mut inner, 0x80, &octets);
    }
    let RadioParameters { carrier, max_power, bandwidth } = &of.contents;
    let power = max_power.value().cast_unsigned();
    put(&mut inner, 0x81, &[&carrier.value().to_be_bytes()[..], &[power, bandwidth.value()]].concat());
    put(to, 0xa0, &inner);
}

fn radio_of(mut inner: &[u8]) -> Option<RadioParametersOfArea> {
    let mut area = Vec::new();
    while let Some(octets) = take(&mut inner, 0x80) {
        let (points, []) = octets.as_chunks::<6>() else { return None };
        let place = |[a, b, c, d, e, f]: [u8; 6]| Place {
            latitude: Latitude::new([a, b, c]),
            longitude: Longitude::new([d, e, f]),
        };
        let points: Vec<Place> = points.iter().map(|octets| place(*octets)).collect();
        if points.len() < 3 {
            return None;
        }
        area.push(Polygon { points });
    }
    let (carrier, rest) = take(&mut inner, 0x81)?.split_first_chunk::<8>()?;
    let [power, bandwidth] = *<&[u8; 2]>::try_from(rest).ok()?;
    let contents = RadioParameters {
        carrier: Hertz::new(u64::from_be_bytes(*carrier))?,
        max_power: Power::new(power.cast_signed())?,
        bandwidth: Bandwidth::new(bandwidth)?,
    };
    (inner.is_empty() && !area.is_empty()).then_some(RadioParametersOfArea { contents, area })
}

fn radios(file: &[u8]) -> Option<(u8, Vec<RadioParametersOfArea>)> {
    let (flags, mut rest) = file.split_first()?;
    let mut all = Vec::new();
    while let Some(inner) = take(&mut rest, 0xa0) {
        all.push(radio_of(inner)?);
    }
    is_end(rest).then_some((*flags, all))
}

/// Contents of the files for what an operator says, and for the address of its ProSe Function.
pub fn files_of(content: &Content, function: Option<IpAddr>) -> Vec<(ProseFile, Vec<u8>)> {
    let policy = content.not_in_eutran.as_ref();
    let flag = |is_set: Option<bool>| u8::from(is_set == Some(true));
    let mut communication = vec![policy.map_or(0, |p| flag(p.one_to_many) | flag(p.one_to_one) << 1)];
    let mut announcing = vec![policy.map_or(0, |p| flag(p.announcing))];
    if let Some(policy) = policy {
        policy.communication.iter().for_each(|of| put_radio(&mut communication, of));
        policy.discovery.iter().for_each(|of| put_radio(&mut announcing, of));
    }
    let mut plmns = Vec::new();
    for policy in &content.communication {
        let mut inner = Vec::new();
        put(&mut inner, 0x80, &plmn_octets(policy.plmn));
        put(&mut inner, 0x81, &[1]);
        put(&mut plmns, 0xa0, &inner);
    }
    let mut address = Vec::new();
    match function {
        Some(IpAddr::V4(ip)) => put(&mut address, 0x80, &[&[1], &ip.octets()[..]].concat()),
        Some(IpAddr::V6(ip)) => put(&mut address, 0x80, &[&[2], &ip.octets()[..]].concat()),
        None => {}
    }
    address.resize(ProseFile::Function.room(), 0xff);
    // Services 2, 3 and 5: EF_PROSEFUNC; EF_PROSE_RADIO_COM and EF_PROSE_PLMN; EF_PROSE_RADIO_ANN.
    let services = u8::from(function.is_some()) << 1 | 1 << 2 | 1 << 4;
    vec![
        (ProseFile::Function, address),
        (ProseFile::Communication, communication),
        (ProseFile::Announcing, announcing),
        (ProseFile::Plmns, plmns),
        (ProseFile::Services, vec![services]),
    ]
}

impl ProseFiles {
    /// Reads the files of a card by SELECT, READ BINARY and READ RECORD, as a terminal does: `card` answers a command.
    ///
    /// # Errors
    /// The card does not give a file that its service table has, or a content is none.
    pub fn read(mut card: impl FnMut(&[u8]) -> Vec<u8>) -> Result<Self, FileError> {
        let services = transparent(&mut card, ProseFile::Services)?;
        let has = |service: u8| services.first().is_some_and(|octet| octet >> (service - 1) & 1 == 1);
        let mut files = Self {
            function: None,
            plmns: Vec::new(),
            communication_allowed: [false; 2],
            communication: Vec::new(),
            announcing_allowed: false,
            announcing: Vec::new(),
        };
        let wrong = FileError::Content;
        if has(2) {
            let record = records(&mut card, ProseFile::Function)?.into_iter().next();
            let file = wrong(ProseFile::Function);
            files.function = Some(address(&record.ok_or(file)?).ok_or(file)?);
        }
        if has(3) {
            let file = transparent(&mut card, ProseFile::Communication)?;
            let (flags, radios) = radios(&file).ok_or(wrong(ProseFile::Communication))?;
            files.communication_allowed = [flags & 1 != 0, flags & 2 != 0];
            files.communication = radios;
            for record in records(&mut card, ProseFile::Plmns)?.iter().filter(|record| !is_end(record)) {
                files.plmns.push(plmn_record(record).ok_or(wrong(ProseFile::Plmns))?);
            }
        }
        if has(5) {
            let file = transparent(&mut card, ProseFile::Announcing)?;
            let (flags, radios) = radios(&file).ok_or(wrong(ProseFile::Announcing))?;
            files.announcing_allowed = flags & 1 != 0;
            files.announcing = radios;
        }
        Ok(files)
    }
}

fn address(record: &[u8]) -> Option<IpAddr> {
    let mut rest = record;
    match take(&mut rest, 0x80)?.split_first()? {
        (1, octets) => Some(IpAddr::from(<[u8; 4]>::try_from(octets).ok()?)),
        (2, octets) => Some(IpAddr::from(<[u8; 16]>::try_from(octets).ok()?)),
        _ => None,
    }
}

fn plmn_record(record: &[u8]) -> Option<Plmn> {
    let mut rest = record;
    let mut inner = take(&mut rest, 0xa0)?;
    plmn_of(take(&mut inner, 0x80)?)
}

/// Sends a command; its data where the card says 9000.
fn send(
    card: &mut impl FnMut(&[u8]) -> Vec<u8>,
    file: ProseFile,
    command: &[u8],
) -> Result<Vec<u8>, FileError> {
    let mut answer = card(command);
    let status = answer.split_off(answer.len().saturating_sub(2));
    match status[..] {
        [0x90, 0] => Ok(answer),
        [a, b] => Err(FileError::Card(file, [a, b])),
        _ => Err(FileError::Card(file, [0, 0])),
    }
}

fn select(card: &mut impl FnMut(&[u8]) -> Vec<u8>, file: ProseFile) -> Result<(), FileError> {
    for id in [DF_PROSE, file.id()] {
        let [high, low] = id.to_be_bytes();
        send(card, file, &[0, 0xa4, 0, 4, 2, high, low])?;
    }
    Ok(())
}

fn transparent(card: &mut impl FnMut(&[u8]) -> Vec<u8>, file: ProseFile) -> Result<Vec<u8>, FileError> {
    select(card, file)?;
    let mut content = Vec::new();
    while content.len() < file.room() {
        // An offset has 15 bits, and no file here more than 2048 octets.
        let [high, low] = (content.len() as u16).to_be_bytes();
        let part = send(card, file, &[0, 0xb0, high, low, 0xff])?;
        content.extend(&part);
        if part.len() < 0xff {
            break;
        }
    }
    Ok(content)
}

fn records(card: &mut impl FnMut(&[u8]) -> Vec<u8>, file: ProseFile) -> Result<Vec<Vec<u8>>, FileError> {
    select(card, file)?;
    let mut records = Vec::new();
    for number in 1..=0xfe {
        match send(card, file, &[0, 0xb2, number, 4, 0]) {
            Ok(record) => records.push(record),
            // Record not found: that was the last.
            Err(FileError::Card(_, [0x6a, 0x83])) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}
