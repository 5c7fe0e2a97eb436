//! Key information of methods whose networks know a link by a connection ID: the method, the ID, a cookie.

use sidelink_wire::direct_keying::ConnectionId;

/// Takes the first connection ID out of random octets; zeros name none.
pub(super) fn connection(octets: &[u8; 32]) -> Option<ConnectionId> {
    octets.as_chunks().0.iter().find_map(|octets| ConnectionId::new(*octets))
}

/// Returns key information.
pub(super) fn emit(method: u8, connection: ConnectionId, cookie: Option<[u8; 16]>) -> Vec<u8> {
    let mut info = [&[method][..], &connection.octets()].concat();
    info.extend(cookie.into_iter().flatten());
    info
}

/// Returns connection ID and cookie of key information of a method.
pub(super) fn parse(method: u8, info: &[u8]) -> Option<(ConnectionId, Option<[u8; 16]>)> {
    let (connection, cookie) = info.strip_prefix(&[method])?.split_first_chunk()?;
    let cookie = match cookie {
        [] => None,
        cookie => Some(cookie.try_into().ok()?),
    };
    Some((ConnectionId::new(*connection)?, cookie))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_information_comes_back_and_is_of_its_method() {
        let id = connection(&[7; 32]).unwrap();
        for cookie in [None, Some([3; 16])] {
            let info = emit(4, id, cookie);
            assert_eq!(parse(4, &info), Some((id, cookie)));
            assert_eq!(parse(6, &info), None, "of another method");
            assert_eq!(parse(4, &info[..info.len() - 1]), None);
            assert_eq!(parse(4, &[&info[..], &[0]].concat()), None);
        }
    }

    #[test]
    fn zeros_name_no_connection() {
        assert_eq!(connection(&[0; 32]), None);
        let mut info = emit(4, connection(&[7; 32]).unwrap(), None);
        info[1..].fill(0);
        assert_eq!(parse(4, &info), None);
    }
}
