//! What will happen to a box: a list of moves, drawn from the seed in advance
//! so that a failing list can be made shorter.

use std::time::Duration;

use callbox::appliance::action::Action;
use callbox::appliance::event::Clock;

use super::chance::Chance;
use super::clock::TODAY;
use super::house::{BUTTONS, call_to};

/// After [`What::Heal`] nothing goes wrong for this long.
pub const WELL: Duration = Duration::from_secs(240);

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub moves: Vec<Move>,
    pub end: Duration,
}

#[derive(Clone, Debug)]
pub struct Move {
    pub at: Duration,
    /// Its own chance, so that what a move leads to does not depend on how
    /// many others there were before.
    pub part: u64,
    pub what: What,
}

/// What may go wrong, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Nothing gets through, either way; what is sent comes when it is over.
    Partition,
    /// What the core sends is lost; nobody is told.
    HalfOpen,
    NoName,
    BadCertificate,
    CoreDown,
    /// The core refuses every token.
    TokensRefused,
    /// The core refuses this terminal.
    Forbidden,
    /// The core turns streams away with RESOURCE_EXHAUSTED.
    StreamsLimited,
    TokenServerDown,
    /// The token server refuses the secret.
    SecretRevoked,
    SecretUnreadable,
    /// Peer connections fail, are slow, or say nothing.
    MediaSick,
}

/// How the core answers the next Offer instead of ringing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whim {
    TryAgain,
    RateLimit,
    InvalidCallId,
    NotInCall,
    UnknownError,
    Silence,
}

/// A message that fits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    Answer,
    Ringing,
    Bye,
    Idle,
    InCall,
    InvalidCallId,
    TryAgain,
    NotInCall,
    RateLimit,
    /// Only terminals say so.
    ToPhone,
    Unknown,
}

#[derive(Clone, Debug)]
pub enum What {
    Press {
        button: &'static str,
        held: Duration,
        bounces: u64,
    },
    /// Dirt, or a wedged key.
    Wedged {
        button: &'static str,
        lasts: Duration,
    },
    /// A loose contact: so many edges at odd times.
    Chatter {
        button: &'static str,
        edges: u64,
        within: Duration,
    },
    Ask(Action),
    IncomingCall {
        from: Option<&'static str>,
    },
    CallElsewhere {
        lasts: Duration,
    },
    /// The core forgets every call and every stream.
    Restart {
        down: Duration,
    },
    /// The token's life is over; a new one would do.
    TokenExpires,
    Trouble {
        trouble: Trouble,
        lasts: Duration,
    },
    Whim(Whim),
    Stray(Stray),
    AddressesChanged,
    Clock(Clock),
    TooManyPings,
    Microphone {
        broken: bool,
    },
    /// Everything is well again, and the box must show that it is.
    Heal,
}

/// How much happens.
#[derive(Clone, Copy)]
pub struct Pace {
    pub length: Duration,
    /// The mean time between moves.
    pub gap: Duration,
    /// How often the world is healed and the box examined.
    pub heal_every: Duration,
}

pub fn plan(seed: u64, pace: Pace) -> Plan {
    let mut chance = Chance::new(seed, 2);
    let mut moves = Vec::new();
    let mut at = Duration::from_secs(1);
    let mut heal_at = pace.heal_every;
    while at < pace.length {
        if at >= heal_at {
            moves.push(Move { at, part: moves.len() as u64, what: What::Heal });
            at += WELL;
            heal_at = at + pace.heal_every;
            continue;
        }
        moves.push(Move { at, part: moves.len() as u64, what: what(&mut chance) });
        // In bursts: what crosses within a second is what breaks things.
        at += match chance.below(4) {
            0 => chance.ms(1, 400),
            1 => chance.ms(100, 15_000),
            2 | 3 => pace.gap.mul_f64(chance.below(4000) as f64 / 1000.0),
            other => unreachable!("{other} is not below 4"),
        };
    }
    moves.push(Move { at, part: moves.len() as u64, what: What::Heal });
    Plan { seed, moves, end: at + WELL }
}

fn what(chance: &mut Chance) -> What {
    match chance.below(100) {
        0..=26 => What::Press {
            button: chance.pick(&BUTTONS),
            held: match chance.below(20) {
                0 => chance.ms(20_000, 59_000),
                1..=4 => chance.ms(800, 3000),
                _ => chance.ms(5, 400),
            },
            bounces: chance.below(4),
        },
        27 => What::Wedged { button: chance.pick(&BUTTONS), lasts: chance.ms(60_000, 600_000) },
        28..=29 => What::Chatter {
            button: chance.pick(&BUTTONS),
            edges: 2 * (5 + chance.below(40)),
            within: chance.ms(50, 5000),
        },
        30..=37 => What::Ask(action(chance)),
        38..=53 => What::IncomingCall {
            from: chance.pick(&[
                Some(super::house::FAMILY),
                Some(super::house::FAMILY),
                Some(super::house::STRANGER),
                None,
            ]),
        },
        54..=58 => What::CallElsewhere { lasts: chance.ms(500, 300_000) },
        59..=62 => What::Restart { down: chance.ms(0, 60_000) },
        63..=64 => What::TokenExpires,
        65..=78 => What::Trouble {
            trouble: trouble(chance),
            lasts: chance.any_scale(Duration::from_millis(500), Duration::from_secs(1200)),
        },
        79..=86 => What::Whim(chance.pick(&[
            Whim::TryAgain,
            Whim::TryAgain,
            Whim::RateLimit,
            Whim::InvalidCallId,
            Whim::NotInCall,
            Whim::UnknownError,
            Whim::Silence,
        ])),
        87..=93 => What::Stray(chance.pick(&[
            Stray::Answer,
            Stray::Ringing,
            Stray::Bye,
            Stray::Idle,
            Stray::InCall,
            Stray::InvalidCallId,
            Stray::TryAgain,
            Stray::NotInCall,
            Stray::RateLimit,
            Stray::ToPhone,
            Stray::Unknown,
        ])),
        94 => What::AddressesChanged,
        95 => What::Clock(clock(chance)),
        96 => What::TooManyPings,
        _ => What::Microphone { broken: chance.percent(50) },
    }
}

/// Days ahead, days back, or not set at all.
fn clock(chance: &mut Chance) -> Clock {
    let days = Duration::from_secs(86_400) * chance.below(40) as u32;
    match chance.below(4) {
        0 => Clock { unix: Duration::ZERO, known: false },
        1 => Clock { unix: TODAY - days, known: true },
        _ => Clock { unix: TODAY + days, known: true },
    }
}

fn trouble(chance: &mut Chance) -> Trouble {
    chance.pick(&[
        Trouble::Partition,
        Trouble::Partition,
        Trouble::Partition,
        Trouble::HalfOpen,
        Trouble::HalfOpen,
        Trouble::NoName,
        Trouble::BadCertificate,
        Trouble::CoreDown,
        Trouble::TokensRefused,
        Trouble::TokensRefused,
        Trouble::Forbidden,
        Trouble::StreamsLimited,
        Trouble::TokenServerDown,
        Trouble::SecretRevoked,
        Trouble::SecretRevoked,
        Trouble::SecretUnreadable,
        Trouble::MediaSick,
        Trouble::MediaSick,
    ])
}

fn action(chance: &mut Chance) -> Action {
    match chance.below(12) {
        0 | 1 => call_to(&["family"]),
        2 => call_to(&["nobody"]),
        3 | 4 => Action::Answer,
        9 | 10 => Action::Swap,
        11 => Action::Merge,
        5 => Action::HangUp,
        6 => Action::ToPhone,
        7 => Action::Dtmf { digits: "12#".to_owned() },
        _ => Action::Mute { on: None },
    }
}
