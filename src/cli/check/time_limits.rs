//! Time limits of the checks.

use std::time::Duration;

/// Maximum run time of the command.
const TOTAL: Duration = Duration::from_secs(10);
/// Time limit of the session with the mail server. Dovecot answers a wrong password after 2 seconds, and some servers
/// delay their greeting for longer.
pub(super) const MAIL_SERVER: Duration = Duration::from_secs(8);
/// Time limit of the checks of the database that do not depend on its size.
pub(super) const DATABASE: Duration = Duration::from_secs(5);
/// Time limit of reading all accounts, from the start of the command.
pub(super) const ACCOUNTS: Duration = Duration::from_secs(8);
/// Time limit of the request to the public URL.
pub(super) const PUBLIC_URL: Duration = Duration::from_secs(5);
// A session ends with QUIT, whose reply is awaited for one second.
const _: () = assert!(
    MAIL_SERVER.as_secs() + 1 < TOTAL.as_secs()
        && DATABASE.as_secs() < ACCOUNTS.as_secs()
        && ACCOUNTS.as_secs() < TOTAL.as_secs()
        && PUBLIC_URL.as_secs() < TOTAL.as_secs()
);
