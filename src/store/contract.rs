//! The suite that every database is put under, promise by promise.
