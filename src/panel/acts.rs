//! What a person may do with the box from the page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer::{Body, Refused, done};
use super::site::Site;
use crate::appliance::action::Action;
use crate::appliance::id::ButtonName;

/// A button that nobody lets go is let go after this: the browser may be gone.
const LONGEST_PRESS: Duration = Duration::from_secs(30);

/// `POST /api/act`: any action that a button could have.
pub async fn act(State(site): State<Arc<Site>>, Body(action): Body<Action>) -> Result<Response, Refused> {
    if touches_door(&action) && !site.permissions.door {
        return Err(Refused::without("allow-door"));
    }
    match site.handle.act(action).await {
        Ok(()) => Ok(done()),
        Err(refusal) => Err(Refused::new(StatusCode::CONFLICT, refusal.to_string())),
    }
}

/// Whether an action opens the door or ends its alarm, which needs a permission of its own.
pub fn touches_door(action: &Action) -> bool {
    match action {
        Action::Call { .. }
        | Action::Answer
        | Action::HangUp
        | Action::Swap
        | Action::Merge
        | Action::ToPhone
        | Action::TakeOver
        | Action::Dtmf { .. }
        | Action::Mute { .. }
        | Action::Talk { .. }
        | Action::Volume { .. }
        | Action::SelfTest => false,
        Action::OpenDoor { .. } | Action::ResetTamper => true,
    }
}

/// The last press or release of each button, so that the end of one press
/// does not let go of the next.
#[derive(Default)]
pub struct Presses {
    turns: Mutex<BTreeMap<ButtonName, u64>>,
}

impl Presses {
    fn next(&self, button: &ButtonName) -> u64 {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(button.clone()).or_default();
        *turn += 1;
        *turn
    }

    fn is_latest(&self, button: &ButtonName, turn: u64) -> bool {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).get(button) == Some(&turn)
    }
}

/// The body of a press.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Press {
    /// Let it go by itself after this many milliseconds.
    for_ms: Option<u64>,
}

/// `POST /api/buttons/{button}/press`: a finger on the button, until `release`.
pub async fn press(
    State(site): State<Arc<Site>>,
    Path(button): Path<String>,
    Body(Press { for_ms }): Body<Press>,
) -> Result<Response, Refused> {
    let longest = u64::try_from(LONGEST_PRESS.as_millis()).unwrap_or(u64::MAX);
    let for_ms = for_ms.unwrap_or(longest);
    if !(1..=longest).contains(&for_ms) {
        let why = format!("for_ms is out of range: write 1 to {longest}");
        return Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let button = pressable(&site, button)?;
    let turn = site.presses.next(&button);
    finger(&site, &button, true).await?;
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(for_ms)).await;
        if site.presses.is_latest(&button, turn)
            && let Err(error) = finger(&site, &button, false).await
        {
            tracing::debug!(?error, %button, "button not let go");
        }
    });
    Ok(done())
}

/// `POST /api/buttons/{button}/release`.
pub async fn release(State(site): State<Arc<Site>>, Path(button): Path<String>) -> Result<Response, Refused> {
    let button = pressable(&site, button)?;
    site.presses.next(&button);
    finger(&site, &button, false).await?;
    Ok(done())
}

fn pressable(site: &Site, button: String) -> Result<ButtonName, Refused> {
    if !site.permissions.test {
        return Err(Refused::without("allow-test"));
    }
    let button = ButtonName(button);
    let Some(does) = site.front.gestures(&button) else {
        return Err(Refused::new(StatusCode::NOT_FOUND, "the board has no such button"));
    };
    if does.into_iter().flatten().any(touches_door) && !site.permissions.door {
        return Err(Refused::without("allow-door"));
    }
    Ok(button)
}

async fn finger(site: &Site, button: &ButtonName, pressed: bool) -> Result<(), Refused> {
    let moved = site.handle.finger(button, pressed).await;
    moved.map_err(|refusal| Refused::new(StatusCode::CONFLICT, refusal.to_string()))
}
