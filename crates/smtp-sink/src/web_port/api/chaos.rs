//! `/api/v1/chaos`: random refusals of the SMTP server.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::faults::{Chaos, Trigger};
use crate::web_port::responses::bad_request;
use crate::web_port::state::WebState;

/// Trigger in JSON. A missing field has its initial value.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TriggerBody {
    error_code: i64,
    probability: i64,
}

impl Default for TriggerBody {
    fn default() -> TriggerBody {
        TriggerBody::from(Trigger::default())
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ChaosBody {
    sender: TriggerBody,
    recipient: TriggerBody,
    authentication: TriggerBody,
}

impl From<Trigger> for TriggerBody {
    fn from(trigger: Trigger) -> TriggerBody {
        TriggerBody {
            error_code: i64::from(trigger.code),
            probability: i64::from(trigger.percent),
        }
    }
}

impl TryFrom<TriggerBody> for Trigger {
    type Error = String;

    fn try_from(body: TriggerBody) -> Result<Trigger, String> {
        // Mailpit treats 0 as a missing field.
        let code = match body.error_code {
            0 => Trigger::default().code,
            code => u16::try_from(code)
                .ok()
                .filter(|code| (400..600).contains(code))
                .ok_or("the error code must be between 400 and 599")?,
        };
        let percent = u8::try_from(body.probability)
            .ok()
            .filter(|percent| *percent <= 100);
        Ok(Trigger {
            code,
            percent: percent.ok_or("the probability must be between 0 and 100")?,
        })
    }
}

impl TryFrom<ChaosBody> for Chaos {
    type Error = String;

    fn try_from(body: ChaosBody) -> Result<Chaos, String> {
        Ok(Chaos {
            sender: body.sender.try_into()?,
            recipient: body.recipient.try_into()?,
            authentication: body.authentication.try_into()?,
        })
    }
}

/// `GET /api/v1/chaos`.
pub(crate) async fn show(State(state): State<WebState>) -> Response {
    let chaos = state.faults.chaos();
    Json(ChaosBody {
        sender: chaos.sender.into(),
        recipient: chaos.recipient.into(),
        authentication: chaos.authentication.into(),
    })
    .into_response()
}

/// `PUT /api/v1/chaos`. A missing trigger is reset, so that it refuses nothing.
pub(crate) async fn set(State(state): State<WebState>, body: Bytes) -> Response {
    let body = serde_json::from_slice::<ChaosBody>(&body).map_err(|error| error.to_string());
    match body.and_then(Chaos::try_from) {
        Ok(chaos) => state.faults.set_chaos(chaos),
        Err(error) => return bad_request(format!("Error: {error}")),
    }
    show(State(state)).await
}
