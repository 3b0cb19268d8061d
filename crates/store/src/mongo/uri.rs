//! Validation of connection strings.

use mongodb::options::ConnectionString;

/// Checks the form of a URI. The returned message contains nothing of its user and password.
pub(super) fn check_uri(uri: &str) -> Result<(), String> {
    if ConnectionString::parse(uri).is_ok() {
        return Ok(());
    }
    // The driver quotes the part that it cannot parse, which may be a part of the password. So the options are parsed by
    // themselves, and of the hosts only the success of parsing is used.
    let (scheme, rest) = uri.split_once("://").unwrap_or(("mongodb", uri));
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let user_and_hosts = place.rsplit_once('@');
    let are_options = options.split('&').all(|option| option.contains('='));
    if are_options
        && !options.contains('@')
        && let Err(error) = ConnectionString::parse(format!("{scheme}://localhost/?{options}"))
    {
        return Err(error.kind.to_string());
    }
    if let Some((_, hosts)) = user_and_hosts
        && ConnectionString::parse(format!("{scheme}://user:password@{hosts}")).is_ok()
    {
        return Err(
            "percent-encode special characters in the user and the password, such as %40 for @"
                .to_owned(),
        );
    }
    Err("expected USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS, with special characters in user and password percent-encoded, and several hosts separated by commas".to_owned())
}
