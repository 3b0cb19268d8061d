//! Traits that the use cases need from the outside, with the types of their arguments and results.

pub mod mail;
