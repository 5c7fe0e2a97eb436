//! `--v2x-pool size=10,num=5,start=0,adjacent=yes`.

use super::text::nearest;
use super::{Bitmap, V2xConfig};
use std::str::FromStr;

const KEYS: [&str; 7] = ["size", "num", "start", "adjacent", "pscch-start", "bitmap", "sync-offset"];

impl FromStr for V2xConfig {
    type Err = String;

    /// `key=value` with commas between them; `size` and `num` must be there.
    fn from_str(text: &str) -> Result<Self, String> {
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
                return Err(format!("{part:?} is no key=value; write size=10,num=5,start=0,adjacent=yes"));
            };
            let (key, value) = (key.trim(), value.trim());
            if seen.contains(&key) {
                return Err(format!("{key} is said twice; keep one"));
            }
            seen.push(key);
            let number =
                || value.parse::<u32>().map_err(|_| format!("{key}={value}: {value:?} is no number of PRBs"));
            match key {
                "size" => size = Some(number()?),
                "num" => num = Some(number()?),
                "start" => pool.start = number()?,
                "adjacent" => pool.adjacent = yes_or_no(key, value)?,
                "pscch-start" => pool.pscch_start = Some(number()?),
                "bitmap" => pool.bitmap = Some(value.parse::<Bitmap>()?),
                "sync-offset" => {
                    let offset =
                        value.parse().map_err(|_| format!("sync-offset={value}: a subframe, 0 to 159"))?;
                    pool.sync_offset = Some(offset);
                }
                _ => {
                    let hint = match nearest(key, &KEYS) {
                        Some(near) => format!("did you mean {near:?}?"),
                        None => format!("known: {}", KEYS.join(", ")),
                    };
                    return Err(format!("unknown key {key:?}; {hint}"));
                }
            }
        }
        let missing = |key| format!("{key} is missing; write size=10,num=5,start=0,adjacent=yes");
        pool.size = size.ok_or_else(|| missing("size"))?;
        pool.num = num.ok_or_else(|| missing("num"))?;
        Ok(pool)
    }
}

fn yes_or_no(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "yes" | "true" | "1" | "on" => Ok(true),
        "no" | "false" | "0" | "off" => Ok(false),
        _ => Err(format!("{key}={value}: yes or no")),
    }
}
