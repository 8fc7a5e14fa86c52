//! Messages of the contract as bytes, good and bad: every member, with every
//! field absent, empty, huge or wrong. Written by hand, since no library would
//! encode most of them.

/// What the box has to do with a case, so that a test knows when it has done it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A message, whatever it means.
    Read,
    /// The very message that the tests mark the end of a case with.
    Mark,
    /// No message: the stream ends.
    Breaks,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub bytes: Vec<u8>,
    pub effect: Effect,
}

/// `Action{ToPhone}`: the core never says this, so the box counts it and does nothing.
pub const MARK: &[u8] = b"\x4a\x02\x0a\x00";
/// The counter of `MARK`.
pub const MARK_COUNTER: &str = "to-phone-unexpected";

/// More than the box reads in one message.
const TOO_LONG: usize = 64 * 1024 + 1;
/// Less, whatever stands around it.
const LONG: usize = 60_000;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A length-delimited field (protobuf encoding, wire type 2).
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

/// A varint field (wire type 0).
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A message with an Offer, as a good core says it.
pub fn offer(sdp: &str, msisdn: &str, call_id: &str) -> Vec<u8> {
    let number = field(2, &field(1, msisdn.as_bytes()));
    with_id(&field(1, &[field(1, sdp.as_bytes()), number].concat()), call_id)
}

/// A message with an Answer.
pub fn answer(sdp: &str, call_id: &str) -> Vec<u8> {
    with_id(&field(2, &field(1, sdp.as_bytes())), call_id)
}

/// The members without fields: 3 for Ringing, 4 for Bye, 5 for Idle.
pub fn plain(member: u64, call_id: &str) -> Vec<u8> {
    with_id(&field(member, b""), call_id)
}

fn with_id(body: &[u8], call_id: &str) -> Vec<u8> {
    if call_id.is_empty() { body.to_vec() } else { [body.to_vec(), field(10, call_id.as_bytes())].concat() }
}

type Named = (String, Vec<u8>, Effect);

fn read(name: &str, bytes: Vec<u8>) -> Named {
    (name.to_owned(), bytes, Effect::Read)
}

fn breaks(name: &str, bytes: Vec<u8>) -> Named {
    (name.to_owned(), bytes, Effect::Breaks)
}

/// The field `sdp = 1`; `good` is one that a call can come of.
fn descriptions(good: &str) -> Vec<Named> {
    let sdp = |text: &[u8]| field(1, text);
    let third = good.len() / 3;
    let filled = format!("{good}{}", "a=x-filler:abcdefghijklmnopqrstuvwxyz\r\n".repeat(1_400));
    let candidates = "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n".repeat(1_000);
    vec![
        read("no sdp", Vec::new()),
        read("empty sdp", sdp(b"")),
        read("good sdp", sdp(good.as_bytes())),
        read("cut sdp", sdp(&good.as_bytes()[..third])),
        read("sdp cut in its audio", sdp(&good.as_bytes()[..2 * third])),
        read("sdp without audio", sdp(good.replace("m=audio", "m=video").as_bytes())),
        read("sdp of another codec", sdp(good.replace("opus", "speex").replace("PCM", "PCX").as_bytes())),
        read("sdp without ICE", sdp(good.replace("a=ice-", "a=nice-").as_bytes())),
        read("sdp without a fingerprint", sdp(good.replace("a=fingerprint", "a=thumbprint").as_bytes())),
        read("sdp with wrong numbers", sdp(good.replace(' ', " 99999999999999999999 ").as_bytes())),
        read("sdp of line ends", sdp("\r\n".repeat(10_000).as_bytes())),
        read("sdp that is HTML", sdp(b"<html><body>502 Bad Gateway</body></html>")),
        read("sdp of zeros", sdp(&[0; 1_000])),
        read("sdp of other scripts", sdp("م=صوت \u{202e}\u{0}\u{1b}[2J".repeat(50).as_bytes())),
        read("long sdp", sdp(filled.as_bytes())),
        read("sdp of a thousand candidates", sdp(format!("{good}{candidates}").as_bytes())),
        read("sdp twice", [sdp(b"v=1"), sdp(b"v=2")].concat()),
        breaks("too long sdp", sdp(&vec![b'x'; TOO_LONG])),
        breaks("sdp of a megabyte", sdp(&vec![b'x'; 1 << 20])),
        breaks("sdp that is no UTF-8", sdp(b"v=0\r\n\xff\xfe")),
        breaks("sdp that is a number", number(1, 7)),
    ]
}

/// The field `msisdn` of this number.
fn numbers(at: u64) -> Vec<Named> {
    let msisdn = |text: &[u8]| field(at, &field(1, text));
    vec![
        read("no number", Vec::new()),
        read("empty msisdn", field(at, b"")),
        read("empty number", msisdn(b"")),
        read("good number", msisdn(b"+4799999999")),
        read("number without a plus", msisdn(b"4799999999")),
        read("number that is a plus", msisdn(b"+")),
        read("number of letters", msisdn(b"anonymous")),
        read("number of ten thousand digits", msisdn(format!("+{}", "4".repeat(10_000)).as_bytes())),
        read("msisdn with unknown fields", field(at, &[field(7, b"x"), number(9, 1)].concat())),
        breaks("number that is no UTF-8", msisdn(b"+47\xff")),
        breaks("msisdn that is a number", number(at, 7)),
        breaks("msisdn that ends too soon", field(at, b"\x0a\x20+47")),
    ]
}

/// All members of the oneof, and none.
fn bodies(good: &str) -> Vec<Named> {
    let mut all = Vec::new();
    let mut add = |member: &str, at: u64, inner: Vec<Named>| {
        let wrap = |(name, bytes, effect): Named| (format!("{member}, {name}"), field(at, &bytes), effect);
        all.extend(inner.into_iter().map(wrap));
    };
    let and_sdp = |(name, bytes, effect): Named| {
        (format!("good sdp, {name}"), [field(1, good.as_bytes()), bytes].concat(), effect)
    };
    add("Offer", 1, descriptions(good));
    add("Offer", 1, numbers(2).into_iter().map(and_sdp).collect());
    add("Answer", 2, descriptions(good));
    for (member, at) in [("Ringing", 3), ("Bye", 4), ("Idle", 5)] {
        add(
            member,
            at,
            vec![
                read("empty", Vec::new()),
                read("with a number", field(1, &field(1, b"+4712"))),
                read("with unknown fields", [number(3, 1), field(200, b"x")].concat()),
                read("with a long unknown field", field(5, &vec![b'x'; LONG])),
                breaks("with a field that ends too soon", b"\x0a\x7fx".to_vec()),
            ],
        );
    }
    add("InCall", 6, numbers(1));
    let errors = [0, 1, 2, 3, 4, 5, 99, u64::from(u32::MAX), u64::MAX];
    add("Error", 7, vec![read("empty", Vec::new()), breaks("code that is a text", field(1, b"TRY_AGAIN"))]);
    add("Error", 7, errors.map(|code| read(&format!("code {code}"), number(1, code))).into());
    add(
        "Action",
        9,
        vec![
            read("empty", Vec::new()),
            ("ToPhone".to_owned(), field(1, b""), Effect::Mark),
            ("ToPhone with a number".to_owned(), field(1, &number(1, 1)), Effect::Mark),
            read("unknown member", field(2, b"")),
            breaks("ToPhone that is a number", number(1, 1)),
        ],
    );
    all.push(read("nothing", Vec::new()));
    all.push(read("field 8", field(8, b"x")));
    all.push(read("field 11", field(11, b"\x0a\x00")));
    all.push(read("a long unknown field", field(4_000, &vec![b'x'; LONG])));
    all.push(read("Ringing and InCall", [field(3, b""), field(6, b"")].concat()));
    all.push(read("Idle three times", field(5, b"").repeat(3)));
    all.push(breaks("a tag alone", vec![0x0a]));
    all.push(breaks("a group that never ends", vec![0x0b, 0x0b, 0x0b]));
    all.push(breaks("a wire type that is none", vec![0x0f]));
    all.push(breaks("a varint without an end", vec![0xff; 11]));
    all.push(breaks("a length far beyond the end", b"\x0a\xff\xff\xff\x7f".to_vec()));
    all
}

/// Every body with every call id; `right` is the id of the call that is up.
/// What breaks the stream does so with any id, so it comes with one only.
pub fn cases(good: &str, right: &str) -> Vec<Case> {
    let id = |text: &[u8]| field(10, text);
    let ids = [
        ("right id", id(right.as_bytes())),
        ("no id", Vec::new()),
        ("empty id", id(b"")),
        ("id of another call", id(b"0d7a4a33-8f6e-4b0e-a3a1-2b6d1f0c9b11")),
        ("id that is no UUID", id("../../etc/passwd \u{1b}[31m".as_bytes())),
        ("long id", id(&vec![b'x'; 3_000])),
    ];
    let mut cases = Vec::new();
    for (name, body, effect) in bodies(good) {
        let breaking = effect == Effect::Breaks;
        for (of, id) in ids.iter().take(if breaking { 1 } else { ids.len() }) {
            // With an id that is longer than any, nothing is obeyed.
            let unheard = effect == Effect::Mark && *of == "long id";
            cases.push(Case {
                name: format!("{name}; {of}"),
                bytes: [body.clone(), id.clone()].concat(),
                effect: if unheard { Effect::Read } else { effect },
            });
        }
    }
    cases.push(Case {
        name: "Bye; id that is no UTF-8".to_owned(),
        bytes: [field(4, b""), id(b"\xff\xff")].concat(),
        effect: Effect::Breaks,
    });
    cases.push(Case {
        name: "Bye; id of a megabyte".to_owned(),
        bytes: [field(4, b""), id(&vec![b'x'; 1 << 20])].concat(),
        effect: Effect::Breaks,
    });
    cases
}
