//! What the box has said and shown.

use callbox::appliance::command::{AudioCommand, Command, MediaCommand, SessionCommand};
use callbox::appliance::event::{Body, Message};
use callbox::appliance::id::{CallId, PeerId, PhoneNumber};
use callbox::appliance::indicator::Pattern;
use callbox::appliance::status::{CallStatus, SessionStatus};
use callbox::appliance::tone::Tone;

use super::Bench;

impl Bench {
    /// Messages sent since the last `take`.
    pub fn sent(&self) -> Vec<Message> {
        self.commands
            .iter()
            .filter_map(|command| match command {
                Command::Session(SessionCommand::Send(message)) => Some(message.clone()),
                _ => None,
            })
            .collect()
    }

    pub fn sent_offer(&self) -> Option<(CallId, Option<PhoneNumber>, String)> {
        self.sent().into_iter().find_map(|message| match message.body {
            Body::Offer { sdp, msisdn } => Some((message.call_id, msisdn, sdp)),
            _ => None,
        })
    }

    pub fn sent_byes(&self) -> Vec<String> {
        let byes = self.sent().into_iter().filter(|message| message.body == Body::Bye);
        byes.map(|message| message.call_id.0).collect()
    }

    pub fn connects(&self) -> Vec<bool> {
        self.commands
            .iter()
            .filter_map(|command| match command {
                Command::Session(SessionCommand::Connect { renew_token }) => Some(*renew_token),
                _ => None,
            })
            .collect()
    }

    pub fn tones(&self) -> Vec<Option<Tone>> {
        self.commands
            .iter()
            .filter_map(|command| match command {
                Command::Audio(AudioCommand::Tone(tone)) => Some(*tone),
                _ => None,
            })
            .collect()
    }

    /// The peer that got the last command for which `wanted` is true.
    pub fn peer_told(&self, wanted: fn(&MediaCommand) -> bool) -> Option<PeerId> {
        self.commands.iter().rev().find_map(|command| match command {
            Command::Media { peer, command } if wanted(command) => Some(*peer),
            _ => None,
        })
    }

    pub fn call(&self) -> CallStatus {
        self.box_.status().call
    }

    pub fn session_status(&self) -> SessionStatus {
        self.box_.status().session
    }

    pub fn counter(&self, name: &str) -> u64 {
        self.box_.status().counters.get(name).copied().unwrap_or(0)
    }

    pub fn lamp(&self, name: &str) -> Pattern {
        self.lamps[name]
    }

    /// The `step`s of the log, in order.
    pub fn steps(&self) -> Vec<String> {
        let steps = self.kinds.iter().filter_map(|kind| kind.get("step"));
        steps.map(|step| step.as_str().unwrap().to_owned()).collect()
    }

    /// The peer that made an Offer.
    pub fn peer_of(&self, sdp: &str) -> PeerId {
        self.offers[sdp]
    }
}
