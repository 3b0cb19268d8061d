//! Arguments that name an account: a positional address, or `--email`.

/// Email address of an account, as an argument or as an option.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct AccountName {
    /// Email address of the account
    #[arg(value_name = "EMAIL")]
    address: Option<String>,
    /// Email address of the account
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
}

impl AccountName {
    pub(super) fn email(&self) -> &str {
        let typed = self.address.as_ref().or(self.email.as_ref());
        typed.map_or("", String::as_str)
    }
}
