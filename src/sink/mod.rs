//! The debugging SMTP server.
