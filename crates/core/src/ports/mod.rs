//! Interfaces to the outside of the use cases: the database, the mail server and the metrics. The use cases in [`crate::app`] depend on
//! these traits; the binary chooses the implementations.
//!
//! The traits for time and randomness are in [`crate::domain::clock`], since values of the domain take them as parameters.

pub mod error_detail;
pub mod mail;
pub mod metrics;
pub mod store;
