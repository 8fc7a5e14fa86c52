//! What a terminal has to do, written from the wire contract and not from the
//! box: plain lists, no timers, nothing clever.

#[path = "model/hear.rs"]
mod hear;

pub const RING: u64 = 45_000;
pub const MEDIA: u64 = 10_000;
pub const MEDIA_LOST: u64 = 30_000;
pub const PAUSE: u64 = 30_000;
/// A Bye for a call that ended while there was no session is worth sending so
/// long: with one pipe, where no id tells which call it ends, and with many.
const BYE_LIFE: [u64; 2] = [30_000, 600_000];
/// With one pipe a late Bye waits so long for the core to say which call there is.
const FIRST_WORD: u64 = 2_000;
/// A message that crossed our Bye is here within this time.
const CROSSING: u64 = 3_000;
/// How many of those that ended are remembered.
const FORMER: usize = 8;
/// TRY_AGAIN: the Offer goes out again within this time.
const RETRY: (u64, u64) = (1_000, 3_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipes {
    One,
    Many,
}

/// What the box says to the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// `?` for an id that the box makes up.
    pub id: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Offer(Option<String>),
    Answer,
    Ringing,
    Bye,
    ToPhone,
}

/// What the core says to the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Offer { bad: bool },
    Answer { bad: bool },
    Ringing,
    Bye,
    Idle,
    InCall,
    ToPhone,
    NotInCall,
    TryAgain,
    InvalidCallId,
    RateLimitHit,
    Unknown,
}

/// The call as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    NoCall,
    Outgoing,
    Ringing,
    Incoming,
    Connecting,
    InCall,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Out { rung: bool, early: bool, until: u64 },
    In { until: u64 },
    Wait { until: u64 },
    Talk { lost: Option<u64> },
}

#[derive(Clone, Debug)]
pub struct Call {
    pub id: String,
    state: State,
    taken_over: bool,
    moving: bool,
    /// Between when the Offer is repeated.
    retry: Option<(u64, u64)>,
}

pub struct Model {
    pipes: Pipes,
    pub now: u64,
    pub registered: bool,
    pub calls: Vec<Call>,
    /// Calls of the number elsewhere, the newest last.
    pub busy: Vec<String>,
    /// The last calls that ended, and when.
    let_go: Vec<(String, u64)>,
    unsent: Vec<(String, u64)>,
    /// When they are sent if the core says nothing.
    unsent_due: Option<u64>,
    paused_until: u64,
    /// Whom to try next.
    rest: Vec<String>,
    says: Vec<Say>,
}

impl Model {
    pub fn new(pipes: Pipes) -> Self {
        Self {
            pipes,
            now: 0,
            registered: true,
            calls: Vec::new(),
            busy: Vec::new(),
            let_go: Vec::new(),
            unsent: Vec::new(),
            unsent_due: None,
            paused_until: 0,
            rest: Vec::new(),
            says: Vec::new(),
        }
    }

    /// What must have been said since the last time.
    pub fn says(&mut self) -> Vec<Say> {
        std::mem::take(&mut self.says)
    }

    /// Of several calls that are being made, one that rings shows.
    pub fn at_box(&self) -> Option<&Call> {
        let rings = |call: &&Call| matches!(call.state, State::Out { rung: true, .. });
        self.calls.iter().find(rings).or(self.calls.first())
    }

    fn at_box_mut(&mut self) -> Option<&mut Call> {
        let id = self.at_box()?.id.clone();
        self.calls.iter_mut().find(|call| call.id == id)
    }

    pub fn shown(&self) -> Shown {
        match self.at_box().map(|call| &call.state) {
            None => Shown::NoCall,
            Some(State::Out { rung: false, .. }) => Shown::Outgoing,
            Some(State::Out { rung: true, .. }) => Shown::Ringing,
            Some(State::In { .. }) => Shown::Incoming,
            Some(State::Wait { .. }) => Shown::Connecting,
            Some(State::Talk { .. }) => Shown::InCall,
        }
    }

    pub fn former(&self) -> Option<&str> {
        self.let_go.last().map(|(id, _)| id.as_str())
    }

    /// The id that the box made up.
    pub fn learn(&mut self, id: &str) {
        let new = self.calls.iter_mut().find(|call| call.id == "?");
        new.into_iter().for_each(|call| id.clone_into(&mut call.id));
    }

    /// The Offer came again, as the core asked.
    pub fn retried(&mut self, id: &str) -> bool {
        let now = self.now;
        let due = |(from, to): &(u64, u64)| (*from..=*to).contains(&now);
        self.calls.iter_mut().any(|call| call.id == id && call.retry.take_if(|window| due(window)).is_some())
    }

    fn say(&mut self, id: &str, what: What) {
        self.says.push(Say { id: id.to_owned(), what });
    }

    /// Whether the core asked for no Offer for now.
    pub fn is_paused(&self) -> bool {
        self.now < self.paused_until
    }

    // What people do; true if it can be done.

    pub fn press(&mut self, to: &[&str]) -> bool {
        match self.calls.first().map(|call| &call.state) {
            Some(State::In { .. }) => self.answer(),
            Some(_) => false,
            None if !self.may_offer() => false,
            None => {
                self.rest = to.iter().rev().map(|number| (*number).to_owned()).collect();
                let first = self.rest.pop().unwrap();
                self.dial("?", Some(first));
                true
            }
        }
    }

    /// All at once.
    pub fn press_all(&mut self, to: &[&str]) -> bool {
        if self.pipes == Pipes::One && !matches!(self.shown(), Shown::Incoming) {
            return false;
        }
        match self.shown() {
            Shown::Incoming => self.answer(),
            Shown::NoCall if self.may_offer() => {
                self.rest.clear();
                to.iter().for_each(|number| self.dial("?", Some((*number).to_owned())));
                true
            }
            Shown::NoCall | Shown::Outgoing | Shown::Ringing | Shown::Connecting | Shown::InCall => false,
        }
    }

    fn may_offer(&self) -> bool {
        self.calls.is_empty() && self.registered && self.now >= self.paused_until
    }

    /// A late Bye could end what begins now.
    fn a_call_begins(&mut self) {
        if self.pipes == Pipes::One {
            (self.unsent, self.unsent_due) = (Vec::new(), None);
        }
    }

    fn dial(&mut self, id: &str, number: Option<String>) {
        self.a_call_begins();
        let state = State::Out { rung: false, early: false, until: self.now + RING };
        let taken_over = number.is_none();
        self.calls.push(Call { id: id.to_owned(), state, taken_over, moving: false, retry: None });
        self.say(id, What::Offer(number));
    }

    pub fn answer(&mut self) -> bool {
        let Some(at) = self.find(|call| matches!(call.state, State::In { .. })) else { return false };
        self.calls[at].state = State::Wait { until: self.now + MEDIA };
        let id = self.calls[at].id.clone();
        self.say(&id, What::Answer);
        true
    }

    pub fn hang_up(&mut self) -> bool {
        let up = !self.calls.is_empty();
        while !self.calls.is_empty() {
            self.end(0, true);
        }
        self.rest.clear();
        up
    }

    pub fn send_to_phone(&mut self) -> bool {
        let Some(call) = self.calls.first_mut() else { return false };
        if !self.registered || !matches!(call.state, State::Wait { .. } | State::Talk { .. }) {
            return false;
        }
        call.moving = true;
        let id = call.id.clone();
        self.say(&id, What::ToPhone);
        true
    }

    pub fn take_over(&mut self) -> bool {
        let Some(id) = self.busy.last().cloned().filter(|_| self.may_offer()) else { return false };
        self.rest.clear();
        self.dial(&id, None);
        true
    }

    // The session and media.

    pub fn session_ends(&mut self) {
        self.registered = false;
        self.busy.clear();
        while let Some(at) = self.find(|call| matches!(call.state, State::In { .. } | State::Out { .. })) {
            if matches!(self.calls[at].state, State::In { .. }) {
                // It may ring again later: the core is not told.
                self.calls.remove(at);
            } else {
                self.end(at, true);
            }
        }
    }

    pub fn session_is_back(&mut self) {
        self.registered = true;
        match self.pipes {
            Pipes::One if self.unsent.is_empty() => {}
            Pipes::One => self.unsent_due = Some(self.now + FIRST_WORD),
            Pipes::Many => self.say_unsent(),
        }
    }

    fn say_unsent(&mut self) {
        for (id, until) in std::mem::take(&mut self.unsent) {
            if self.now <= until {
                self.say(&id, What::Bye);
            }
        }
    }

    pub fn media_up(&mut self) {
        let Some(call) = self.at_box_mut() else { return };
        match &mut call.state {
            State::Out { early, .. } => *early = true,
            State::In { .. } => {}
            state @ (State::Wait { .. } | State::Talk { .. }) => *state = State::Talk { lost: None },
        }
    }

    pub fn media_gone(&mut self) {
        let until = self.now + MEDIA_LOST;
        let Some(call) = self.at_box_mut() else { return };
        match &mut call.state {
            State::Out { early, .. } => *early = false,
            State::Talk { lost } => _ = lost.get_or_insert(until),
            State::In { .. } | State::Wait { .. } => {}
        }
    }

    pub fn media_fails(&mut self) {
        let id = self.at_box().map(|call| call.id.clone());
        if let Some(at) = self.find(|call| Some(&call.id) == id.as_ref()) {
            self.end(at, true);
        }
    }

    // Time.

    /// When something is due next.
    pub fn next(&self) -> Option<u64> {
        self.calls.iter().filter_map(Call::due).chain(self.unsent_due).min()
    }

    /// Does what is due by now.
    pub fn time(&mut self, now: u64) {
        self.now = now;
        if self.unsent_due.take_if(|due| *due <= now).is_some() && self.registered {
            self.say_unsent();
        }
        while let Some(at) = self.find(|call| call.due().is_some_and(|due| due <= now)) {
            self.no_luck(at, true);
        }
    }

    /// Whether the box owes an Offer that was to be repeated.
    pub fn retry_is_late(&self) -> bool {
        self.calls.iter().any(|call| call.retry.is_some_and(|(_, to)| to < self.now))
    }

    // Parts of the above.

    fn find(&self, holds: impl Fn(&Call) -> bool) -> Option<usize> {
        self.calls.iter().position(holds)
    }

    fn state(&mut self, call: Option<usize>) -> Option<(&mut State, usize)> {
        call.map(|at| (&mut self.calls[at].state, at))
    }

    fn about(&self, id: &str) -> Option<usize> {
        match self.pipes {
            Pipes::One if self.is_former(id) => None,
            Pipes::One => (!self.calls.is_empty()).then_some(0),
            Pipes::Many => self.find(|call| call.id == id),
        }
    }

    fn is_former(&self, id: &str) -> bool {
        self.find(|call| call.id == id).is_none()
            && self.let_go.iter().any(|(former, at)| former == id && self.now - at < CROSSING)
    }

    /// Nobody answered, or the far end says no: the next number may do better.
    fn no_luck(&mut self, at: usize, bye: bool) {
        let waits = matches!(self.calls[at].state, State::Out { .. });
        self.end(at, bye);
        if !self.calls.is_empty() {
            // Others still ring.
        } else if let Some(next) = self.rest.pop().filter(|_| waits && self.now >= self.paused_until) {
            self.dial("?", Some(next));
        } else {
            self.rest.clear();
        }
    }

    fn end(&mut self, at: usize, bye: bool) {
        let call = self.calls.remove(at);
        if !call.id.is_empty() {
            if matches!(call.state, State::Wait { .. } | State::Talk { .. }) {
                self.busy.retain(|known| *known != call.id);
            }
            // A caller whose Offer was refused may send a better one under the same id.
            if self.pipes == Pipes::One || !matches!(call.state, State::In { .. }) {
                self.let_go.retain(|(known, _)| *known != call.id);
                self.let_go.push((call.id.clone(), self.now));
                if self.let_go.len() > FORMER {
                    self.let_go.remove(0);
                }
            }
        }
        if bye && self.registered {
            self.say(&call.id, What::Bye);
        } else if bye {
            let life = BYE_LIFE[usize::from(self.pipes == Pipes::Many)];
            self.unsent.push((call.id, self.now + life));
        }
    }
}

impl Call {
    fn due(&self) -> Option<u64> {
        match self.state {
            State::Out { until, .. } | State::In { until } | State::Wait { until } => Some(until),
            State::Talk { lost } => lost,
        }
    }
}
