//! The extension namespace `sidelink`: the radio configuration that a decoder needs. `README.md` has its table.

use serde_json::Value;

use super::fields::{FieldError, Fields};
use super::{Object, put};

/// The name in `core:extensions`, and the prefix of the keys.
pub const EXTENSION_NAME: &str = "sidelink";
/// The version of the namespace that is written.
pub const EXTENSION_VERSION: &str = "1.0.0";

/// The channel bandwidths in physical resource blocks: sl-Bandwidth n6..n100 (TS 36.331 §6.5.2, from memory).
pub const PRB_VALUES: [u16; 6] = [6, 15, 25, 50, 75, 100];

/// The `sidelink:` keys of the global object. All are optional.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RadioConfig {
    /// `sidelink:prb`: the channel bandwidth, one of [`PRB_VALUES`].
    pub prb: Option<u16>,
    /// `sidelink:transmission_mode`: 1 or 2 (ProSe communication), 3 or 4 (V2X).
    pub transmission_mode: Option<u8>,
    /// `sidelink:cyclic_prefix`: normal or extended.
    pub cyclic_prefix: Option<CyclicPrefix>,
    /// `sidelink:pools`: the resource pools, in the caller's own form.
    pub pools: Option<Object>,
}

/// Length of the cyclic prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CyclicPrefix {
    /// `"normal"`: 14 symbols per subframe.
    Normal,
    /// `"extended"`: 12 symbols per subframe.
    Extended,
}

impl CyclicPrefix {
    const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Extended => "extended",
        }
    }
}

impl RadioConfig {
    pub(super) fn parse(fields: &mut Fields) -> Result<Self, FieldError> {
        let prb = fields.count("sidelink:prb")?.map(|count| {
            PRB_VALUES.into_iter().find(|prb| u64::from(*prb) == count).ok_or_else(|| {
                fields.error("sidelink:prb", format!("{count} is none of 6, 15, 25, 50, 75, 100"))
            })
        });
        let mode = fields.count("sidelink:transmission_mode")?.map(|mode| match mode {
            1..=4 => Ok(mode as u8),
            _ => Err(fields.error("sidelink:transmission_mode", format!("{mode} is not from 1 to 4"))),
        });
        let cyclic_prefix = fields.text("sidelink:cyclic_prefix")?.map(|name| match name.as_str() {
            "normal" => Ok(CyclicPrefix::Normal),
            "extended" => Ok(CyclicPrefix::Extended),
            _ => Err(fields.error("sidelink:cyclic_prefix", "is neither \"normal\" nor \"extended\"")),
        });
        Ok(Self {
            prb: prb.transpose()?,
            transmission_mode: mode.transpose()?,
            cyclic_prefix: cyclic_prefix.transpose()?,
            pools: fields.object("sidelink:pools")?,
        })
    }

    pub(super) fn emit(&self, object: &mut Object) {
        put(object, "sidelink:prb", self.prb);
        put(object, "sidelink:transmission_mode", self.transmission_mode);
        put(object, "sidelink:cyclic_prefix", self.cyclic_prefix.map(CyclicPrefix::name));
        put(object, "sidelink:pools", self.pools.clone().map(Value::Object));
    }
}
