//! Address of the client: the peer of the connection or, if that is a trusted proxy, the address that the proxy reports.
//!
//! tower-http has nothing for this, and extractors such as those of axum-client-ip trust one fixed entry or header, without a list of
//! trusted networks.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use ipnet::IpNet;
use movie_bag_core::app::AppError;
use movie_bag_core::domain::event::Origin;

use super::error::ApiError;
use super::state::HttpState;

/// Extractor for the address of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client(pub(crate) IpAddr);

impl Client {
    /// Returns the origin that is recorded in the history of an account.
    pub(crate) fn origin(self) -> Origin {
        Origin::Client(self.0)
    }
}

impl FromRequestParts<HttpState> for Client {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, ApiError> {
        let ConnectInfo(peer) = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .ok_or_else(|| AppError::Internal("the server did not say who the peer is".into()))?;
        Ok(Self(client_address(
            peer.ip(),
            &parts.headers,
            &http.options.trusted_proxies,
        )))
    }
}

/// Returns the address of the client. Reads `X-Forwarded-For` from the right, where the nearest proxy appends, up to the
/// first address that is not a trusted proxy. Entries further left can be forged by the client.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    let mut hops = headers
        .get_all("x-forwarded-for")
        .iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    while trusted.iter().any(|network| network.contains(&client)) {
        match hops.next().and_then(hop_address) {
            Some(address) => client = address,
            None => break,
        }
    }
    client
}

/// Parses one entry. Some proxies append the port to the address.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| bare.unwrap_or(hop).parse())
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<_> = trusted
            .iter()
            .map(|network| network.parse().unwrap())
            .collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_header_from_an_untrusted_peer_is_ignored() {
        assert_eq!(client("192.0.2.1", &["10.0.0.1"], &[]), "192.0.2.1");
        assert_eq!(
            client("192.0.2.1", &["10.0.0.1"], &["192.0.2.2/32"]),
            "192.0.2.1"
        );
    }

    #[test]
    fn the_nearest_address_outside_the_trusted_proxies_is_the_client() {
        let trusted = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"];
        for (peer, forwarded, expected) in [
            ("127.0.0.1", vec!["203.0.113.9"], "203.0.113.9"),
            ("::ffff:127.0.0.1", vec!["203.0.113.9"], "203.0.113.9"),
            (
                "127.0.0.1",
                vec!["6.6.6.6, 203.0.113.9, 10.1.2.3"],
                "203.0.113.9",
            ),
            (
                "127.0.0.1",
                vec!["6.6.6.6", "203.0.113.9", "10.1.2.3"],
                "203.0.113.9",
            ),
            ("fd00::1", vec!["[2001:db8::9]:443"], "2001:db8::9"),
            ("127.0.0.1", vec!["203.0.113.9:1234"], "203.0.113.9"),
            ("127.0.0.1", vec!["[2001:db8::9]"], "2001:db8::9"),
            ("127.0.0.1", vec![], "127.0.0.1"),
            ("127.0.0.1", vec!["10.0.0.2"], "10.0.0.2"),
            ("127.0.0.1", vec!["6.6.6.6, unknown, 10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", vec![""], "127.0.0.1"),
        ] {
            assert_eq!(
                client(peer, &forwarded, &trusted),
                expected,
                "{forwarded:?}"
            );
        }
    }

    #[test]
    fn networks_of_any_prefix_length_are_accepted() {
        assert_eq!(client("192.0.2.1", &["6.6.6.6"], &["0.0.0.0/0"]), "6.6.6.6");
        assert_eq!(
            client("2001:db8::1", &["2001:db8::2"], &["::/0"]),
            "2001:db8::2"
        );
        assert_eq!(client("192.0.2.1", &["6.6.6.6"], &["::/0"]), "192.0.2.1");
        assert_eq!(
            client("10.1.0.0", &["6.6.6.6"], &["10.0.0.0/16"]),
            "10.1.0.0"
        );
    }
}
