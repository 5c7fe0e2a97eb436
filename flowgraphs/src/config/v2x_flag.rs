//! `--v2x-pool size=10,num=5,start=0,adjacent=yes`.

use super::{Bitmap, ConfigError, OneOrMany, V2xConfig};
use sidelink_radio::text::nearest;
use std::str::FromStr;

/// Written form of a pool, for messages.
const SHAPE: &str = "write size=10,num=5,start=0,adjacent=yes";

const KEYS: [&str; 7] = ["size", "num", "start", "adjacent", "pscch-start", "bitmap", "sync-offset"];

impl FromStr for V2xConfig {
    type Err = ConfigError;

    /// Parses `key=value` with commas between them; `size` and `num` are required.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let (mut size, mut num) = (None, None);
        let mut pool = Self {
            size: 0,
            num: 0,
            start: 0,
            adjacent: true,
            pscch_start: None,
            bitmap: None,
            sync_offset: None,
        };
        let mut seen = Vec::new();
        for part in text.split(',').map(str::trim) {
            let Some((key, value)) = part.split_once('=') else {
                return Err(ConfigError::new(format!("{part:?} is no key=value"), "", SHAPE));
            };
            let (key, value) = (key.trim(), value.trim());
            if seen.contains(&key) {
                return Err(ConfigError::new(format!("{key} is said twice"), "", "keep one"));
            }
            seen.push(key);
            let wrong = |what: &str| ConfigError::new(format!("{key}={value}: {what}"), "", "");
            let number =
                || value.parse::<u32>().map_err(|_| wrong(&format!("{value:?} is no number of PRBs")));
            match key {
                "size" => size = Some(number()?),
                "num" => num = Some(number()?),
                "start" => pool.start = number()?,
                "adjacent" => pool.adjacent = yes_or_no(key, value)?,
                "pscch-start" => pool.pscch_start = Some(number()?),
                "bitmap" => pool.bitmap = Some(value.parse::<Bitmap>()?),
                "sync-offset" => {
                    let offsets = value.split('+').map(|offset| offset.trim().parse());
                    let offsets: Vec<u32> = offsets
                        .collect::<Result<_, _>>()
                        .map_err(|_| wrong("subframes, 0 to 159, with + between them"))?;
                    pool.sync_offset = Some(match offsets[..] {
                        [one] => OneOrMany::One(one),
                        _ => OneOrMany::Many(offsets),
                    });
                }
                _ => {
                    let hint = match nearest(key, &KEYS) {
                        Some(near) => format!("did you mean {near:?}?"),
                        None => format!("known: {}", KEYS.join(", ")),
                    };
                    return Err(ConfigError::new(format!("unknown key {key:?}"), "", hint));
                }
            }
        }
        let missing = |key: &str| ConfigError::new(format!("{key} is missing"), "", SHAPE);
        pool.size = size.ok_or_else(|| missing("size"))?;
        pool.num = num.ok_or_else(|| missing("num"))?;
        Ok(pool)
    }
}

fn yes_or_no(key: &str, value: &str) -> Result<bool, ConfigError> {
    match value {
        "yes" | "true" | "1" | "on" => Ok(true),
        "no" | "false" | "0" | "off" => Ok(false),
        _ => Err(ConfigError::new(format!("{key}={value}: yes or no"), "", "")),
    }
}
