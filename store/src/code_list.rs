//! Lists of changing identifiers in a file of their own: a million identities, which the key store is not made for.
//!
//! ```text
//! octets  0 .. 6     7   8   9         10 .. 11    12 .. 15     16 .. 19   from 20 on, 56 octets each
//!         "SLCODES"  1   0   variant   code bits   period, ms   count      ProSe ID 20 | Application Key 32 | valid until 4
//! ```
//!
//! All numbers are big endian; the variant is 0 (literal) or 1 (keyed), "valid until" the first second of UTC at which the
//! identity is no longer valid. An identity is named by its place in the list, from 0 on. The file has secrets: mode 0600.

use crate::entry::{Discovery, Keys, Protection, Secret, VariantName};
use crate::error::{Doing, Error, Fault};
use crate::material::{Followed, rotating};
use crate::{check_mode, create_private, fresh};
use sidelink_security::counter::UtcCounter;
use sidelink_security::discovery::Code;
use sidelink_security::discovery::ota::{OtaConfig, ProseId, Variant};
use sidelink_security::discovery::restricted::{Material, MicCheck};
use sidelink_security::discovery::rotation::RotationPeriod;
use sidelink_security::keys::ApplicationKey;
use sidelink_wire::pc5_discovery::MessageType;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The most identities of a list: with them a UE needs about a gigabyte.
pub const MOST_LISTED: usize = 1 << 22;

/// Exact restricted codes up to which each is followed by a filter, which accepts all of MAX_OFFSET as TS 33.303 has it.
/// More of them are computed ahead into a table, which accepts the present second and its neighbours within the uncertainty of the
/// clock alone: the cost of a message no longer grows with them.
pub const MOST_FILTERED: usize = 64;

const MAGIC: &[u8; 8] = b"SLCODES\x01";

const HEADER: usize = 20;

const ROW: usize = 20 + 32 + 4;

/// Identities that are made at a time.
const BATCH: usize = 4096;

/// A list of changing identifiers with one configuration.
#[derive(PartialEq)]
pub struct CodeList {
    name: String,
    config: OtaConfig,
    rows: Zeroizing<Vec<u8>>,
}

/// One identity of a list.
pub struct Listed {
    /// The identity.
    pub id: ProseId,
    /// Its key.
    pub key: ApplicationKey,
    /// First second at which it is no longer valid.
    pub valid_until: UtcCounter,
}

/// Parameters of a new list.
#[derive(Clone, Copy, Debug)]
pub struct NewCodeList {
    /// Number of identities.
    pub count: usize,
    /// The one-way function.
    pub variant: VariantName,
    /// Bits of a code; the most that fit without them.
    pub code_bits: Option<u16>,
    /// Rotation period in milliseconds.
    pub period_ms: u64,
    /// First second, UTC, at which they are no longer valid.
    pub valid_until: u32,
}

/// Fault of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeListFault {
    /// The file does not begin as a list does.
    Foreign,
    /// No such one-way function.
    Variant(u8),
    /// The number of octets is not that of the identities which the header counts.
    Octets {
        /// Octets of a file with this number of identities.
        wanted: u64,
        /// Octets of the file.
        have: u64,
    },
    /// No identity, or more than [`MOST_LISTED`].
    Count(usize),
    /// An identity has no validity.
    NeverValid,
    /// An identity has the ProSe ID of another, whose place this is.
    Doubled(usize),
    /// Another list has other parameters: one configuration is computed ahead.
    Differs(String),
    /// There is no identity of this number.
    NoSuchPlace(usize),
}

impl fmt::Display for CodeListFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("not a list of codes"),
            Self::Variant(octet) => write!(f, "a one-way function {octet}, which this program does not know"),
            Self::Octets { wanted, have } => {
                write!(f, "{have} octets in place of {wanted}: the list is cut off or damaged")
            }
            Self::Count(count) => write!(f, "{count} identities; a list has 1 to {MOST_LISTED}"),
            Self::NeverValid => f.write_str("it was never valid"),
            Self::Doubled(place) => write!(f, "it has the ProSe ID of identity {place}"),
            Self::Differs(other) => write!(f, "its function, bits or period differ from those of {other}"),
            Self::NoSuchPlace(place) => write!(f, "it has no identity {place}"),
        }
    }
}

impl CodeListFault {
    pub(crate) const fn remedy(&self) -> &'static str {
        match self {
            Self::Foreign | Self::Variant(_) | Self::Octets { .. } | Self::Count(_) => {
                "`sidelink keys new-codes` makes lists"
            }
            Self::NeverValid | Self::Doubled(_) => "take it out, and count one less in the header",
            Self::Differs(_) => "name lists with the same parameters, or run a monitor for each",
            Self::NoSuchPlace(_) => "its identities count from 0",
        }
    }
}

impl fmt::Debug for CodeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeList({:?}, {} identities)", self.name, self.len())
    }
}

impl CodeList {
    /// Reads a list. Identities whose validity is over stay in it: nobody is found by them.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it is no list; the place is the file and the identity.
    pub fn read(path: &Path) -> Result<Self, Error> {
        check_mode(path)?;
        let io = |e| Error::io(path, Doing::Read, &e);
        let mut file = File::open(path).map_err(io)?;
        let have = file.metadata().map_err(io)?.len();
        let mut header = [0; HEADER];
        let start = have.min(HEADER as u64) as usize;
        file.read_exact(&mut header[..start]).map_err(io)?;
        let place = path.display().to_string();
        let name = path.file_stem().map_or_else(|| place.clone(), |stem| stem.to_string_lossy().into_owned());
        let (config, count) = parse_header(&header[..start], &place)?;
        let wanted = (HEADER + count * ROW) as u64;
        if have != wanted {
            return Err(fault(&place, CodeListFault::Octets { wanted, have }));
        }
        let mut rows = Zeroizing::new(vec![0; count * ROW]);
        file.read_exact(&mut rows).map_err(io)?;
        let list = Self { name, config, rows };
        list.check(&place)?;
        Ok(list)
    }

    /// Makes a file with fresh identities.
    ///
    /// # Errors
    /// The file exists or cannot be written, or the parameters do not fit.
    pub fn create(path: &Path, new: &NewCodeList) -> Result<(), Error> {
        let place = path.display().to_string();
        if !(1..=MOST_LISTED).contains(&new.count) {
            return Err(fault(&place, CodeListFault::Count(new.count)));
        }
        let config = rotating(new.variant, new.code_bits, 0, new.period_ms, &place)?;
        let io = |e| Error::io(path, Doing::Write, &e);
        let mut file = create_private(path)?;
        file.write_all(&header(&config, new.count)).map_err(io)?;
        let mut rows = Zeroizing::new(Vec::with_capacity(BATCH * ROW));
        let mut left = new.count;
        while left > 0 {
            let n = left.min(BATCH);
            rows.clear();
            for secrets in fresh::random(n * (ROW - 4))?.as_bytes().chunks_exact(ROW - 4) {
                rows.extend_from_slice(secrets);
                rows.extend_from_slice(&new.valid_until.to_be_bytes());
            }
            file.write_all(&rows).map_err(io)?;
            left -= n;
        }
        file.sync_all().map_err(io)
    }

    /// Returns its name: that of the file, without folder and ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the configuration of its codes.
    pub const fn config(&self) -> OtaConfig {
        self.config
    }

    /// Returns the number of identities.
    pub fn len(&self) -> usize {
        self.rows.len() / ROW
    }

    /// Whether it has no identity; no list that was read is empty.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the identities in their order.
    pub fn identities(&self) -> impl Iterator<Item = Listed> {
        self.rows.as_chunks::<ROW>().0.iter().map(listed)
    }

    /// Returns the number of identities whose validity is over.
    pub fn expired(&self, now: u32) -> usize {
        self.rows.as_chunks::<ROW>().0.iter().filter(|row| valid_until(row) <= now).count()
    }

    /// Returns the entry under which `ue` announces an identity of the list.
    ///
    /// # Errors
    /// There is no such identity.
    pub fn entry(&self, place: usize, ue: &str) -> Result<Discovery, Error> {
        let row = self.rows.as_chunks::<ROW>().0.get(place);
        let row = row.ok_or_else(|| fault(&self.name, CodeListFault::NoSuchPlace(place)))?;
        let mut entry = Discovery::new(&name_of(&self.name, place), Protection::Rotating, valid_until(row));
        entry.announcer = Some(ue.to_owned());
        entry.prose_id = Some(Secret::new(row[..20].to_vec()));
        entry.application_key = Some(Secret::new(row[20..52].to_vec()));
        entry.variant = Some(match self.config.variant() {
            Variant::Literal => VariantName::Literal,
            Variant::Keyed => VariantName::Keyed,
        });
        entry.code_bits = Some(self.config.code_bits());
        entry.period_ms = Some(self.config.period().millis());
        Ok(entry)
    }

    fn check(&self, place: &str) -> Result<(), Error> {
        let rows = self.rows.as_chunks::<ROW>().0;
        let at = |i: usize, what| fault(&format!("{place} identity {i}"), what);
        if let Some(i) = rows.iter().position(|row| valid_until(row) == 0) {
            return Err(at(i, CodeListFault::NeverValid));
        }
        let mut sorted: Vec<u32> = (0..rows.len() as u32).collect();
        let id = |i: &u32| &rows[*i as usize][..20];
        sorted.sort_unstable_by(|a, b| id(a).cmp(id(b)).then(a.cmp(b)));
        match sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| id(a) == id(b)) {
            Some((a, b)) => Err(at(*b as usize, CodeListFault::Doubled(*a as usize))),
            None => Ok(()),
        }
    }
}

impl Keys {
    /// Returns the keys with the lists of codes in these files; themselves when there is none.
    ///
    /// # Errors
    /// As [`Self::add_code_lists`].
    pub fn with_code_lists(&self, paths: &[PathBuf], read: &[Arc<CodeList>]) -> Result<Cow<'_, Self>, Error> {
        if paths.is_empty() && read.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let mut keys = self.clone();
        keys.codes.extend_from_slice(read);
        keys.add_code_lists(paths)?;
        Ok(Cow::Owned(keys))
    }

    /// Adds the lists of codes in these files.
    ///
    /// # Errors
    /// As [`CodeList::read`]; or the lists have different parameters.
    pub fn add_code_lists(&mut self, paths: &[PathBuf]) -> Result<(), Error> {
        for path in paths {
            let list = CodeList::read(path)?;
            if let Some(other) = self.codes.iter().find(|other| other.config != list.config) {
                let differs = CodeListFault::Differs(other.name.clone());
                return Err(fault(&path.display().to_string(), differs));
            }
            self.codes.push(Arc::new(list));
        }
        Ok(())
    }
}

impl Discovery {
    /// Whether it is one restricted code as a whole, whose MIC the UE checks: it can be computed ahead.
    pub fn is_exact(&self) -> bool {
        let whole = self.code_mask.as_ref().is_none_or(|mask| mask.0.iter().all(|octet| *octet == 0xff));
        self.protection == Protection::Restricted
            && !self.revoked
            && self.question.is_none()
            && self.duik.is_some()
            && whole
            && self.mic_check() == MicCheck::Local
    }
}

impl Followed {
    /// Returns the restricted code with its material, of an entry that [`Discovery::is_exact`].
    pub const fn exact(&self) -> Option<(MessageType, Code, &Material)> {
        match self {
            Self::Restricted(message_type, filter, material, MicCheck::Local) => {
                Some((*message_type, filter.code, material))
            }
            _ => None,
        }
    }
}

/// Returns the name of an identity of a list.
pub fn name_of(list: &str, place: usize) -> String {
    format!("{list}-{place}")
}

fn listed(row: &[u8; ROW]) -> Listed {
    let (mut id, mut key) = ([0; 20], Zeroizing::new([0; 32]));
    id.copy_from_slice(&row[..20]);
    key.copy_from_slice(&row[20..52]);
    Listed { id, key: ApplicationKey::from(*key), valid_until: UtcCounter::new(valid_until(row)) }
}

fn valid_until(row: &[u8; ROW]) -> u32 {
    row.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets))
}

fn fault(place: &str, fault: CodeListFault) -> Error {
    Error::entry(place, Fault::CodeList(fault))
}

fn header(config: &OtaConfig, count: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[9] = match config.variant() {
        Variant::Literal => 0,
        Variant::Keyed => 1,
    };
    header[10..12].copy_from_slice(&config.code_bits().to_be_bytes());
    header[12..16].copy_from_slice(&(config.period().millis() as u32).to_be_bytes());
    header[16..].copy_from_slice(&(count as u32).to_be_bytes());
    header
}

fn parse_header(octets: &[u8], place: &str) -> Result<(OtaConfig, usize), Error> {
    let Ok(header) = <&[u8; HEADER]>::try_from(octets) else {
        return Err(fault(place, CodeListFault::Foreign));
    };
    if header[..8] != MAGIC[..] || header[8] != 0 {
        return Err(fault(place, CodeListFault::Foreign));
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let variant = match header[9] {
        0 => Variant::Literal,
        1 => Variant::Keyed,
        other => return Err(fault(place, CodeListFault::Variant(other))),
    };
    let unfit = |why: String| Error::entry(place, Fault::Rotation(why));
    let period = RotationPeriod::from_millis(u64::from(number(12))).map_err(|e| unfit(e.to_string()))?;
    let bits = u16::from_be_bytes([header[10], header[11]]);
    let config = OtaConfig::new(variant, bits, 0, period).map_err(|e| unfit(e.to_string()))?;
    let count = number(16) as usize;
    if !(1..=MOST_LISTED).contains(&count) {
        return Err(fault(place, CodeListFault::Count(count)));
    }
    Ok((config, count))
}

#[cfg(test)]
mod tests;
