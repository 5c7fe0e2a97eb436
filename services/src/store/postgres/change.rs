//! Changes as statements with their values.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use sidelink_network::panf;
use sidelink_network::prose_function::Change;
use sidelink_network::sbi::pkmf as remote_keys;
use sidelink_security::counter::reserve::StreamId;
use tokio_postgres::Statement;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use zeroize::Zeroizing;

use super::session::Statements;
use crate::store::rows::{self, damaged, signed};
use crate::store::{StoreError, Write, Written};

/// A statement with its values.
pub(super) struct Step<'a> {
    pub(super) statement: &'a Statement,
    pub(super) values: Values,
    pub(super) rows: Rows,
}

/// Values of a statement.
type Values = Vec<Box<dyn ToSql + Sync>>;

/// What the number of changed rows means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// None: the change assumes something else.
    One,
    /// Any number is right.
    Any,
}

impl Step<'_> {
    pub(super) const fn written(&self, changed: u64) -> Written {
        match (self.rows, changed) {
            (Rows::Any, _) | (Rows::One, 1) => Written::Done,
            (Rows::One, _) => Written::Conflict,
        }
    }
}

/// A secret: the client logs values as they show themselves.
pub(super) struct Hidden<T>(pub(super) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hidden")
    }
}

impl ToSql for Hidden<Zeroizing<Vec<u8>>> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.as_slice().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&[u8] as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

impl ToSql for Hidden<Zeroizing<String>> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.0.as_str().to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <&str as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

pub(super) fn key(octets: &[u8]) -> Box<dyn ToSql + Sync> {
    Box::new(Hidden(Zeroizing::new(octets.to_vec())))
}

pub(super) fn text(text: &str) -> Box<dyn ToSql + Sync> {
    Box::new(text.to_owned())
}

fn secret(text: Zeroizing<String>) -> Box<dyn ToSql + Sync> {
    Box::new(Hidden(text))
}

pub(super) fn octets(octets: &[u8]) -> Box<dyn ToSql + Sync> {
    Box::new(octets.to_vec())
}

fn optional(text: Option<String>) -> Box<dyn ToSql + Sync> {
    Box::new(text)
}

pub(super) fn number(number: i64) -> Box<dyn ToSql + Sync> {
    Box::new(number)
}

/// The statement of a change. Nothing that can fail is left for later.
pub(super) fn step<'a>(of: &'a Statements, change: &Write) -> Result<Step<'a>, StoreError> {
    let (statement, values, rows) = match change {
        Write::Raise { stream, from, to } => return raise(of, *stream, *from, *to),
        Write::AddSubscriber(subscriber) => {
            let values = vec![
                text(subscriber.imsi.digits()),
                text(subscriber.impi.as_str()),
                key(&subscriber.credentials.k[..]),
                key(&subscriber.credentials.opc[..]),
                optional(rows::subscription_text(subscriber.subscription.as_ref())?),
            ];
            (&of.add, values, Rows::One)
        }
        Write::Subscription(imsi, subscription) => {
            let prose = rows::subscription_text(subscription.as_ref())?;
            (&of.subscription, vec![text(imsi.digits()), optional(prose)], Rows::One)
        }
        Write::PutKey(record) => {
            let values = vec![
                text(record.impi.as_str()),
                text(record.b_tid.as_str()),
                octets(&record.rand.0),
                key(&record.ks.as_bytes()[..]),
                number(signed("bootstrapped", record.created.millis())?),
                number(signed("bootstrapped", record.expires.millis())?),
            ];
            (&of.put_key, values, Rows::One)
        }
        Write::ForgetKey(impi) => (&of.forget_key, vec![text(impi.as_str())], Rows::Any),
        Write::PutCpPruk(record) => (&of.put_cp_pruk, cp_pruk(record), Rows::One),
        Write::PutUpPruk(record) => (&of.put_up_pruk, up_pruk(record)?, Rows::One),
        Write::Entry(Change::Put(record)) => {
            let values = vec![
                text(&rows::ue_text(record.ue)),
                number(i64::from(record.entry.value())),
                number(signed("entry", record.valid_until.millis())?),
                number(signed("entry", record.kept_until.millis())?),
                secret(rows::content_text(&record.content)?),
            ];
            (&of.put_entry, values, Rows::One)
        }
        Write::Entry(Change::Remove(ue, entry)) => {
            let values = vec![text(&rows::ue_text(*ue)), number(i64::from(entry.value()))];
            (&of.remove_entry, values, Rows::Any)
        }
        Write::PublicKey(change) => return super::public_keys::step(&of.public_keys, change),
        Write::Refusal { ue, until, now } => {
            let times = [until, now].map(|time| signed("refusal", time.millis()));
            let [until, now] = times;
            (&of.refuse, vec![text(&rows::ue_text(*ue)), number(until?), number(now?)], Rows::One)
        }
    };
    Ok(Step { statement, values, rows })
}

fn cp_pruk(record: &panf::Record) -> Values {
    vec![
        text(record.imsi.digits()),
        number(rows::service(record.relay_service_code)),
        text(&record.id),
        key(&record.cp_pruk.as_bytes()[..]),
    ]
}

fn up_pruk(record: &remote_keys::Record) -> Result<Values, StoreError> {
    Ok(vec![
        text(record.imsi.digits()),
        number(rows::slot(record.slot)),
        text(&record.id),
        key(&record.up_pruk.as_bytes()[..]),
        number(signed("up_pruk", record.expires.millis())?),
    ])
}

/// The statement that raises the number of a stream.
pub(super) fn raise(of: &Statements, stream: StreamId, from: u64, to: u64) -> Result<Step<'_>, StoreError> {
    let (from, to) = (signed("counter", from)?, signed("counter", to)?);
    if to < from {
        return Err(damaged("counter", "a number would go back"));
    }
    let statement = if from == 0 { &of.raise_new } else { &of.raise };
    Ok(Step { statement, values: vec![octets(&stream.0), number(from), number(to)], rows: Rows::One })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_show_itself_to_a_log() {
        assert_eq!(format!("{:?}", key(&[0xab; 16])), "hidden");
        assert_eq!(format!("{:?}", secret(Zeroizing::new("ab".to_owned()))), "hidden");
    }
}
