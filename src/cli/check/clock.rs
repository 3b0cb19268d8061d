//! Check of this machine's clock: tokens and limits depend on it.

use jiff::{SignedDuration, Timestamp};
use movie_bag_core::app::system::SystemClock;
use movie_bag_core::domain::clock::Clock as _;
use movie_bag_core::ports::store::Inspection;

use super::verdict::Check;

const NAME: &str = "clock";
/// Clock difference above which there is a warning: longer than the requests take.
const APART: SignedDuration = SignedDuration::from_secs(5);
/// Clock difference above which there is an error.
const FAR_APART: SignedDuration = SignedDuration::from_mins(1);

/// Compares this machine's clock with those of the database server and the public URL.
pub(super) fn check(inspection: Option<&Inspection>, public: Option<Timestamp>) -> Check {
    let now = SystemClock.now();
    let database = inspection.and_then(|inspection| inspection.server_time);
    let others = [
        ("the database server's clock", database),
        ("the public URL's clock", public),
    ];
    let furthest = others
        .into_iter()
        .filter_map(|(clock, at)| Some((clock, now.duration_since(at?))))
        .max_by_key(|(_, ahead)| ahead.abs());
    let hint = || {
        Some("synchronize the clocks of all machines with NTP: links, sessions and limits depend on them".to_owned())
    };
    let shown = now.strftime("%Y-%m-%d %H:%M:%S UTC");
    if let Some((clock, ahead)) = furthest
        && ahead.abs() > APART
    {
        let direction = if ahead.is_positive() {
            "ahead of"
        } else {
            "behind"
        };
        let message = format!(
            "this machine's clock is {} s {direction} {clock}: it shows {shown}",
            ahead.abs().as_secs()
        );
        return if ahead.abs() > FAR_APART {
            Check::error(NAME, message, hint())
        } else {
            Check::warning(NAME, message, hint())
        };
    }
    let newest = inspection.and_then(|inspection| inspection.newest_event);
    if let Some(at) = newest.filter(|at| at.duration_since(now) > APART) {
        let at = at.strftime("%Y-%m-%d %H:%M:%S UTC");
        return Check::error(
            NAME,
            format!(
                "this machine's clock shows {shown}, but the newest entry in the database is from {at}, in the future"
            ),
            hint(),
        );
    }
    match furthest {
        Some((clock, _)) => Check::ok(NAME, format!("{shown}, in agreement with {clock}")),
        None => Check::ok(NAME, shown.to_string()),
    }
}
