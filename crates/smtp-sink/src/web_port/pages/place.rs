//! Position in the list of messages, as pages carry it in their URLs.

use axum::http::Uri;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::search::{Query, QueryError};
use crate::web_port::request::parameter;

/// Position in the list: the search, and the number of messages before the first one shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    /// Text of the search; empty for all messages.
    pub(super) query: String,
    pub(super) start: usize,
}

impl Place {
    /// Reads the position from a request. The default is the start of the list of all messages.
    pub(super) fn from_uri(uri: &Uri) -> Place {
        Place {
            query: parameter(uri, "query")
                .map(|query| query.trim().to_owned())
                .unwrap_or_default(),
            start: parameter(uri, "start")
                .and_then(|start| start.parse().ok())
                .unwrap_or(0),
        }
    }

    /// Returns the search, or `None` if it is empty. Times without a zone are in the zone of this machine.
    pub(super) fn search(&self) -> Result<Option<Query>, QueryError> {
        match self.query.as_str() {
            "" => Ok(None),
            query => Query::parse(query, &TimeZone::system()).map(Some),
        }
    }

    /// Returns the position of another page of the same list.
    pub(super) fn with_start(&self, start: usize) -> Place {
        Place {
            query: self.query.clone(),
            start,
        }
    }

    /// Returns the URL of a page at this position, with further parameters.
    pub(super) fn url(&self, path: &str, extra: &[(&str, &str)]) -> String {
        let start = self.start.to_string();
        let place = [("query", self.query.as_str()), ("start", start.as_str())];
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(
            place
                .into_iter()
                .filter(|(_, value)| !value.is_empty() && *value != "0")
                .chain(extra.iter().copied()),
        );
        match pairs.finish() {
            pairs if pairs.is_empty() => path.to_owned(),
            pairs => format!("{path}?{pairs}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_can_be_read_back_from_its_url() {
        for (query, start, url) in [
            ("", 0, "/"),
            ("", 100, "/?start=100"),
            ("a&b=\"c d\"", 0, "/?query=a%26b%3D%22c+d%22"),
            ("from:ä", 200, "/?query=from%3A%C3%A4&start=200"),
        ] {
            let place = Place {
                query: query.to_owned(),
                start,
            };
            assert_eq!(place.url("/", &[]), url);
            assert_eq!(Place::from_uri(&url.parse().unwrap()), place);
        }
        assert_eq!(
            Place::from_uri(&"/?start=-1&query=+".parse().unwrap()),
            Place::default()
        );
    }
}
