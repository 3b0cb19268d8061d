//! Ids: 12 bytes, written as 24 hex digits. This is the format of MongoDB's ObjectId, so that ids stay the same when data
//! is copied between the databases.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// Error for a text that is not 24 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of 24 hex digits")]
pub struct InvalidId;

/// Returns 12 bytes in the layout of an ObjectId: 4 bytes of seconds, then 8 random ones. Ids therefore sort by the second
/// of their creation.
fn object_id(at: Timestamp, random: [u8; 8]) -> [u8; 12] {
    // The field is 32 bits wide by definition and wraps in 2106.
    let seconds = (at.as_second() & 0xffff_ffff) as u32;
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    bytes[4..].copy_from_slice(&random);
    bytes
}

fn parse_hex(text: &str) -> Result<[u8; 12], InvalidId> {
    let text = text.as_bytes();
    if text.len() != 24 {
        return Err(InvalidId);
    }
    let digit = |c: u8| (c as char).to_digit(16).ok_or(InvalidId);
    let mut bytes = [0; 12];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Ok(bytes)
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 12]);

        impl $name {
            /// Creates an id from the time and 8 random bytes.
            pub fn new(at: Timestamp, random: [u8; 8]) -> Self {
                Self(object_id(at, random))
            }

            /// Returns the time of its creation in seconds, from its first four bytes.
            pub fn made_at(&self) -> Timestamp {
                let [a, b, c, d, ..] = self.0;
                // Every 32-bit number of seconds is within a timestamp's range.
                Timestamp::from_second(u32::from_be_bytes([a, b, c, d]).into()).unwrap_or_default()
            }

            /// Takes the 12 bytes as they are stored.
            pub fn from_bytes(bytes: [u8; 12]) -> Self {
                Self(bytes)
            }

            /// Returns the 12 bytes as they are stored.
            pub fn as_bytes(&self) -> &[u8; 12] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let [a, b, c, d, random @ ..] = self.0;
                let (seconds, random) = (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes(random));
                write!(f, "{seconds:08x}{random:016x}")
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id_type! {
    /// Id of an account.
    AccountId
}
id_type! {
    /// Id of a movie.
    MovieId
}
id_type! {
    /// Id of an outbox entry.
    EntryId
}
id_type! {
    /// Id of one lease.
    LeaseId
}

id_type! {
    /// Id of one revocation.
    RevocationId
}

id_type! {
    /// Id of a pending change.
    PendingId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_parsed_from_its_hex_digits() {
        let id = AccountId::new(Timestamp::from_second(1_700_000_000).unwrap(), [7; 8]);
        assert_eq!(id.to_string(), "6553f1000707070707070707");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("6553F1000707070707070707".parse(), Ok(id));
    }

    #[test]
    fn text_other_than_24_hex_digits_is_refused() {
        for text in [
            "",
            "6553f10007070707070707",
            "6553f100070707070707070g",
            "+553f1000707070707070707",
            "ä553f100070707070707070",
        ] {
            assert_eq!(text.parse::<MovieId>(), Err(InvalidId), "{text}");
        }
    }
}
