//! Values that are the same in all mails and pages of a server.

use movie_bag_core::domain::mail::{Content, Variable};
use movie_bag_core::domain::product_name::ProductName;

const PRODUCT: &str = "product";
const LOGIN_URL: &str = "login_url";

/// Name and addresses of the application that the accounts belong to. Every template has them as variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branding {
    pub product: ProductName,
    /// Address of the page where people log in.
    pub login_url: Option<String>,
}

impl Branding {
    /// Returns the variables with these values.
    pub(super) fn variables() -> [Variable; 2] {
        [
            Variable {
                name: PRODUCT,
                meaning: "name of the product, from `MOVIE_BAG_NAME`".to_owned(),
                // Its characters are escaped in HTML, like those of user input, and the filter `safe` is refused.
                content: Content::UserInput,
                sample: ProductName::DEFAULT.to_string(),
            },
            Variable {
                name: LOGIN_URL,
                meaning:
                    "address of the page where people log in, from `MOVIE_BAG_LOGIN_URL`, or empty"
                        .to_owned(),
                content: Content::Internal,
                sample: "https://movies.example/login".to_owned(),
            },
        ]
    }

    /// Returns the value of a variable; `None` if the variable belongs to single templates. Without an address, its variable is
    /// empty, so that a template can test for it.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        match name {
            PRODUCT => Some(self.product.as_str()),
            LOGIN_URL => Some(self.login_url.as_deref().unwrap_or_default()),
            _ => None,
        }
    }
}
