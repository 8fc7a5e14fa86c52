//! A card's own volume controls, by alsa-lib's simple mixer. Opened for each
//! change: a card that was plugged in again has forgotten what it was set to,
//! and one that is gone must not be held on to.

use alsa::Round;
use alsa::mixer::{MilliBel, Mixer, Selem, SelemId};

use super::super::volume::perceived_db;

/// Sets the loudspeaker's control to this volume, on all channels, and unmutes it.
///
/// # Errors
/// What the card has instead, for people.
pub fn set_playback(pcm: &str, control: &str, percent: u8) -> Result<(), String> {
    with_control(
        pcm,
        control,
        |control| control.has_playback_volume(),
        |control| {
            if control.has_playback_switch() {
                control.set_playback_switch_all(i32::from(percent > 0))?;
            }
            let (MilliBel(low), MilliBel(high)) = control.get_playback_db_range();
            match decibels(low, high, percent) {
                Some(level) => control.set_playback_db_all(level, Round::Floor),
                None => {
                    let (low, high) = control.get_playback_volume_range();
                    control.set_playback_volume_all(share(low, high, percent))
                }
            }
        },
    )
}

/// Sets the microphone's control, in percent of its range, on all channels.
///
/// # Errors
/// What the card has instead, for people.
pub fn set_capture(pcm: &str, control: &str, percent: u8) -> Result<(), String> {
    with_control(
        pcm,
        control,
        |control| control.has_capture_volume(),
        |control| {
            if control.has_capture_switch() {
                control.set_capture_switch_all(1)?;
            }
            let (low, high) = control.get_capture_volume_range();
            control.set_capture_volume_all(share(low, high, percent))
        },
    )
}

fn with_control(
    pcm: &str,
    name: &str,
    fits: impl Fn(&Selem<'_>) -> bool,
    set: impl FnOnce(&Selem<'_>) -> alsa::Result<()>,
) -> Result<(), String> {
    let card = card_of(pcm);
    let mixer = Mixer::new(&card, true).map_err(|error| format!("{card} has no mixer: {error}"))?;
    let Some(control) = mixer.find_selem(&SelemId::new(name, 0)).filter(&fits) else {
        let names: Vec<String> = mixer
            .iter()
            .filter_map(Selem::new)
            .filter(&fits)
            .filter_map(|control| control.get_id().get_name().map(str::to_owned).ok())
            .collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(format!("{card} has no control {name:?}; it has {known}"));
    };
    set(&control).map_err(|error| format!("{name:?} of {card} cannot be set: {error}"))
}

/// The card of a PCM: `plughw:CARD=Device,DEV=0` plays on `hw:Device`. Names without a card are as a rule
/// names of a control, too (`default`).
fn card_of(pcm: &str) -> String {
    let Some((_, arguments)) = pcm.split_once(':') else { return pcm.to_owned() };
    let first = arguments.split(',').next().unwrap_or_default();
    format!("hw:{}", first.strip_prefix("CARD=").unwrap_or(first))
}

/// The control's level for a volume, in decibels below its full level, if it knows decibels.
fn decibels(low: i64, high: i64, percent: u8) -> Option<MilliBel> {
    if low >= high {
        return None;
    }
    let below = perceived_db(percent).map_or(i64::MIN, |db| (f64::from(db) * 100.0).round() as i64);
    Some(MilliBel(high.saturating_add(below).max(low)))
}

fn share(low: i64, high: i64, percent: u8) -> i64 {
    low + (high - low) * i64::from(percent.min(100)) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_is_found_behind_the_name_of_its_pcm() {
        for (pcm, card) in [
            ("plughw:CARD=Device,DEV=0", "hw:Device"),
            ("sysdefault:CARD=vc4hdmi", "hw:vc4hdmi"),
            ("hw:1,0", "hw:1"),
            ("default", "default"),
            ("dut_spk", "dut_spk"),
        ] {
            assert_eq!(card_of(pcm), card);
        }
    }

    #[test]
    fn half_the_volume_is_ten_decibels_below_full_whatever_full_is() {
        let level = |low, high, percent| decibels(low, high, percent).map(|level| level.0);
        assert_eq!(level(-6400, 0, 100), Some(0));
        assert_eq!(level(-6400, 400, 50), Some(400 - 1003));
        assert_eq!(level(-6400, 0, 0), Some(-6400));
        assert_eq!(level(-500, 0, 10), Some(-500), "not below what it has");
        assert_eq!(level(0, 0, 50), None);
        assert_eq!([0, 50, 100, 200].map(|percent| share(-4, 60, percent)), [-4, 28, 60, 60]);
    }
}
