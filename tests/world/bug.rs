//! Bugs planted by hand, one at least for each rule.

use super::rule::Rule;

macro_rules! bugs {
    ($($(#[doc = $doc:literal])+ $name:ident breaks $rule:ident)*) => {
        /// A bug planted by hand between the box and the world.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bug {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Bug {
            pub const ALL: &[Bug] = &[$(Bug::$name,)*];

            /// The rule that finds it.
            pub fn breaks(self) -> Rule {
                match self {
                    $(Bug::$name => Rule::$rule,)*
                }
            }
        }
    };
}

bugs! {
    /// Every fifth Connect is sent twice.
    TwoConnects breaks OneConnect
    /// An Offer goes out the moment the stream is lost.
    OfferWhileOffline breaks RegisteredToSend
    /// Every fifth request is not answered.
    NoReply breaks OneReply
    /// The strike opens when a call is answered.
    StrikeOnAnswer breaks NoStrike
    /// Every fourth peer connection gets the name of the first.
    PeerNameAgain breaks FreshPeers
    /// Every tenth Close of a peer connection is sent twice.
    ClosesTwice breaks OpenPeers
    /// Every tenth Close of a peer connection is forgotten.
    DroppedClose breaks PeersClose
    /// Every fifth Offer of the box gets a second call beside it.
    SecondCall breaks OneCall
    /// The id of a call that both can talk in is not known.
    CallWithoutId breaks CallHasId
    /// The microphone stays connected when a call ends.
    OpenMicrophone breaks Microphone
    /// Every digit accepts a call.
    AnyDigitWillDo breaks Accepted
    /// The lamp of the open microphone stays dark.
    DarkLamp breaks MicrophoneLamp
    /// A mute outlives its call.
    MuteStays breaks MuteEnds
    /// Every tenth push of a button is lost.
    DeafButton breaks PressFelt
    /// Every twentieth lamp command is forgotten.
    ForgottenLamp breaks LampsAgree
    /// The lamp "online" stays lit, and the status says the same.
    LyingLamp breaks LampsTrue
    /// A lamp that shows trouble does so for ever, and the status says the same.
    LastingTrouble breaks TroubleShort
    /// Every tenth end of a tone is forgotten.
    EndlessTone breaks ToneFits
    /// A stuck button is not noticed.
    DeafToStuckButton breaks StuckFault
    /// From the tenth stream on, its end is not noticed.
    DeafToEnd breaks SessionTrue
    /// An interruption of media is not noticed.
    DeafToInterruption breaks StateLeft
    /// The wait to connect again grows to ten minutes.
    Oversleeps breaks SessionMoves
    /// The ring time-out outlives its ringing.
    LeakedTimer breaks TimerFits
    /// Every fiftieth deadline is not obeyed.
    MissedDeadline breaks TimerGone
    /// After a while the box wants to be woken up every millisecond.
    RestlessTimer breaks TimerStorm
    /// After a while the box does not want to be woken up any more.
    NoTimer breaks TimerNext
    /// A call ends when the clock is set.
    ClockHangsUp breaks ClockHarmless
    /// The clock is not listened to.
    DeafToClock breaks ClockSaid
    /// The pace of keep-alive never changes.
    SlowPings breaks PingsInTime
    /// The core's word that PINGs are too many is taken for a broken connection.
    HammersWithPings breaks PingsSlower
    /// Refused credentials are tried again after seconds.
    HammersTokenServer breaks TokenPause
    /// From the tenth stream on, nothing but its end is noticed.
    DeafToCore breaks Registered
    /// A request to hang up is answered, but not carried out.
    IgnoresHangUp breaks HungUpIdle
    /// From the twentieth on, no Offer leaves the box.
    LostOffers breaks PressOffers
    /// The process does not end.
    NeverExits breaks Exits
    /// Lamps stay lit when the box is switched off.
    GlowsWhenOff breaks DarkWhenOff
    /// The hundredth event is one too many.
    Panics breaks NoPanic
}
