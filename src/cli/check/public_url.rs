//! Check of the public URL, the start of all links in mails.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde_json::Value;
use tokio::time::timeout;

use super::time_limits::PUBLIC_URL;
use super::verdict::Check;
use crate::config::Settings;
use crate::failure::without_error_numbers;

const NAME: &str = "public URL";

/// Requests `/healthz` of the public URL. Also returns the time in the response, if it has one.
pub(super) async fn check(settings: &Settings) -> (Check, Option<Timestamp>) {
    let base = settings.public_url(settings.http.bind.port());
    let base = base.as_str().to_owned();
    let is_chosen = settings.public_url.is_some();
    let request = tokio::task::spawn_blocking({
        let base = base.clone();
        move || request_health(&base)
    });
    // Resolving a name may exceed the time limit of the request.
    match timeout(PUBLIC_URL, request).await {
        Ok(Ok(Ok(response))) => (response.verdict(&base), response.time),
        Ok(Ok(Err(why))) => (no_response(&base, is_chosen, &why), None),
        Ok(Err(_)) | Err(_) => (no_response(&base, is_chosen, "no answer in time"), None),
    }
}

/// Response to the request.
struct HealthResponse {
    status: u16,
    is_movie_bag: bool,
    /// Target of a redirect.
    location: Option<String>,
    time: Option<Timestamp>,
}

fn request_health(base: &str) -> Result<HealthResponse, String> {
    const MAX_BODY: u64 = 64 * 1024;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(PUBLIC_URL))
        .build()
        .into();
    let sent = agent.get(format!("{base}/healthz")).call();
    let mut response = sent.map_err(|error| match error {
        ureq::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    })?;
    let header = |name: &str| {
        response
            .headers()
            .get(name)?
            .to_str()
            .ok()
            .map(str::to_owned)
    };
    let (location, date) = (header("location"), header("date"));
    let status = response.status().as_u16();
    let body: Option<Value> = response
        .body_mut()
        .with_config()
        .limit(MAX_BODY)
        .read_json()
        .ok();
    Ok(HealthResponse {
        status,
        is_movie_bag: status == 200 && body.is_some_and(|body| body["status"] == "ok"),
        location,
        time: date
            .and_then(|date| rfc2822::parse(&date).ok())
            .map(|date| date.timestamp()),
    })
}

impl HealthResponse {
    fn verdict(&self, base: &str) -> Check {
        if self.is_movie_bag {
            return Check::ok(NAME, format!("movie-bag answers at {base}"));
        }
        match &self.location {
            Some(location) => Check::warning(
                NAME,
                format!("{base} redirects to {location}"),
                "set MOVIE_BAG_PUBLIC_URL to that address, so that links need no redirect"
                    .to_owned(),
            ),
            None => Check::warning(
                NAME,
                format!(
                    "a program other than movie-bag answers at {base}: status {} for /healthz",
                    self.status
                ),
                "correct MOVIE_BAG_PUBLIC_URL or the proxy, unless your own front end serves /reset/TOKEN"
                    .to_owned(),
            ),
        }
    }
}

/// Returns the verdict if there is no response. Without a configured URL, this is a developer's machine on which no server runs
/// at the moment.
fn no_response(base: &str, is_chosen: bool, why: &str) -> Check {
    if is_chosen {
        return Check::warning(
            NAME,
            without_error_numbers(&format!(
                "links in mails point to {base}, where no server answers: {why}"
            )),
            "start \"movie-bag serve\", or correct MOVIE_BAG_PUBLIC_URL, the proxy or the DNS entry; a public name may be unreachable from inside its own network".to_owned(),
        );
    }
    Check::ok(
        NAME,
        format!("links in mails point to {base}, where no server runs at the moment"),
    )
}
