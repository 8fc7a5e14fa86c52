//! Every rule that the world watches. `bug.rs` has a bug for each: a rule that
//! nothing breaks may be one that watches nothing.

use std::fmt;

macro_rules! rules {
    ($($name:ident $text:literal)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $($name,)*
        }

        impl Rule {
            pub const ALL: &[Rule] = &[$(Rule::$name,)*];

            fn text(self) -> &'static str {
                match self {
                    $(Rule::$name => $text,)*
                }
            }
        }
    };
}

rules! {
    OneConnect "one Connect at a time"
    RegisteredToSend "nothing is sent while not registered"
    OneReply "one reply to each request"
    NoStrike "no strike outside an authorised call"
    FreshPeers "peers are never used twice"
    OpenPeers "only open peers are told anything"
    PeersClose "no peer is left open"
    OneCall "at most one call lives"
    CallHasId "a live call has an id"
    Microphone "the microphone belongs to the answered call"
    Accepted "no microphone for who has not accepted the call, where that is asked for"
    MicrophoneLamp "no open microphone without its lamp"
    MuteEnds "a mute ends with its call, and is told as it is"
    PressFelt "a press is heard and seen within 200 ms"
    LampsAgree "lamps and status agree"
    LampsTrue "lamps show the state"
    TroubleShort "a lamp shows trouble when there is some, and not for long"
    ToneFits "a tone fits the state"
    StuckFault "a stuck button is a fault, and only as long as it is stuck"
    SessionTrue "status knows the session"
    StateLeft "every state is left in time"
    SessionMoves "the session is in no state for too long"
    TimerFits "a timer comes due only in the state that it is for"
    TimerGone "a deadline that is met is gone"
    TimerStorm "deadlines do not storm"
    TimerNext "there is always a next deadline"
    ClockHarmless "a clock that is set touches no call"
    ClockSaid "a clock that is not set is a fault, and only then"
    PingsInTime "keep-alive finds a dead connection in 5 s in a call, in 20 s without"
    PingsSlower "keep-alive slows down when the core says so"
    TokenPause "refused credentials are shown once a minute"
    Registered "registered within the bound once the world is well"
    HungUpIdle "a hung up box is idle"
    PressOffers "a press in a well world is an Offer"
    Exits "a shutdown exits once within 500 ms"
    DarkWhenOff "a box that is off is dark and quiet"
    NoPanic "the appliance does not panic"
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
