//! Phones and raw messages as they are written in a script, and the
//! contradictions that a script may not have.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::script::{Numbered, Phone, PickUp, Raw, RawSend, Sound, Time};
use crate::appliance::id::PhoneNumber;
use crate::media::Codec;

/// A phone as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PhoneTable {
    number: Option<PhoneNumber>,
    ring_after: Option<Time>,
    #[serde(default)]
    no_ringing: bool,
    answer_after: Option<Time>,
    reject_after: Option<Time>,
    #[serde(default)]
    reject: bool,
    #[serde(default)]
    silent: bool,
    #[serde(default)]
    manual: bool,
    hang_up_after: Option<Time>,
    give_up_after: Option<Time>,
    media: Option<Media>,
    tone: Option<f64>,
    prompt: Option<PathBuf>,
    #[serde(default)]
    prompt_once: bool,
    answer_sdp: Option<String>,
    record: Option<PathBuf>,
    codecs: Option<Vec<Codec>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Media {
    Echo,
    Quiet,
    Browser,
    BrowserOrEcho,
}

/// What a phone can say and a person can hear.
pub(super) fn check_tone(hz: f64) -> Result<(), String> {
    if (20.0..=20_000.0).contains(&hz) {
        Ok(())
    } else {
        Err(format!("a tone of {hz} Hz is out of range: 20 to 20000 Hz"))
    }
}

/// The one that is given, or none; two contradict each other.
fn at_most_one<T, const N: usize>(of: [Option<T>; N], names: &str) -> Result<Option<T>, String> {
    let mut given = of.into_iter().flatten();
    let first = given.next();
    if given.next().is_some() { Err(format!("give only one of {names}")) } else { Ok(first) }
}

impl PhoneTable {
    fn phone(self) -> Result<Phone, String> {
        let usual = Phone::default();
        let pick_up = at_most_one(
            [
                self.answer_after.map(|Time(after)| PickUp::Answer { after }),
                self.reject_after.map(|Time(after)| PickUp::Reject { after }),
                self.reject.then_some(PickUp::Reject { after: Duration::ZERO }),
                self.silent.then_some(PickUp::Never),
                self.manual.then_some(PickUp::Manual),
            ],
            "answer-after, reject-after, reject, silent and manual",
        )?;
        let once = self.prompt_once;
        if once && self.prompt.is_none() {
            return Err("prompt-once needs prompt = FILE".to_owned());
        }
        self.tone.map(check_tone).transpose()?;
        let sound = at_most_one(
            [
                self.media.map(|media| match media {
                    Media::Echo => Sound::Echo,
                    Media::Quiet => Sound::Quiet,
                    Media::Browser => Sound::Browser,
                    Media::BrowserOrEcho => Sound::BrowserOrEcho,
                }),
                self.tone.map(Sound::Tone),
                self.prompt.map(|file| Sound::Prompt { file, once }),
                self.answer_sdp.map(Sound::Sdp),
            ],
            "media, tone, prompt and answer-sdp",
        )?;
        let ring_after = at_most_one(
            [self.ring_after.map(|Time(after)| Some(after)), self.no_ringing.then_some(None)],
            "ring-after and no-ringing",
        )?;
        if self.codecs.as_ref().is_some_and(Vec::is_empty) {
            return Err("codecs is empty: name one of opus, pcmu, pcma".to_owned());
        }
        Ok(Phone {
            ring_after: ring_after.unwrap_or(usual.ring_after),
            pick_up: pick_up.unwrap_or(usual.pick_up),
            hang_up_after: self.hang_up_after.map(|time| time.0),
            give_up_after: self.give_up_after.map(|time| time.0),
            sound: sound.unwrap_or(usual.sound),
            record: self.record,
            codecs: self.codecs.unwrap_or(usual.codecs),
        })
    }
}

impl TryFrom<PhoneTable> for Phone {
    type Error = String;

    fn try_from(table: PhoneTable) -> Result<Self, Self::Error> {
        if table.number.is_some() {
            return Err("the default phone has every number: write [[phone]] for one number".to_owned());
        }
        table.phone()
    }
}

impl TryFrom<PhoneTable> for Numbered {
    type Error = String;

    fn try_from(mut table: PhoneTable) -> Result<Self, Self::Error> {
        let number = table.number.take().ok_or("a [[phone]] needs its number, such as \"+4700000001\"")?;
        Ok(Self { number, phone: table.phone()? })
    }
}

/// A raw message as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawTable {
    after: Option<Time>,
    #[serde(default)]
    call_id: String,
    #[serde(default)]
    empty: bool,
    error: Option<i32>,
    offer_sdp: Option<String>,
    from: Option<String>,
    answer_sdp: Option<String>,
    #[serde(default)]
    ringing: bool,
    #[serde(default)]
    bye: bool,
    #[serde(default)]
    idle: bool,
    in_call: Option<String>,
}

impl TryFrom<RawTable> for RawSend {
    type Error = String;

    fn try_from(table: RawTable) -> Result<Self, Self::Error> {
        let names = "empty, error, offer-sdp, answer-sdp, ringing, bye, idle and in-call";
        let from = table.from;
        if from.is_some() && table.offer_sdp.is_none() {
            return Err("from needs offer-sdp".to_owned());
        }
        let raw = at_most_one(
            [
                table.empty.then_some(Raw::Empty),
                table.error.map(Raw::Error),
                table.offer_sdp.map(|sdp| Raw::Offer { sdp, from }),
                table.answer_sdp.map(Raw::Answer),
                table.ringing.then_some(Raw::Ringing),
                table.bye.then_some(Raw::Bye),
                table.idle.then_some(Raw::Idle),
                table.in_call.map(Raw::InCall),
            ],
            names,
        )?
        .ok_or_else(|| format!("nothing to send: give one of {names}"))?;
        let after = table.after.map_or(Duration::ZERO, |time| time.0);
        Ok(Self { after, call_id: table.call_id, raw })
    }
}
