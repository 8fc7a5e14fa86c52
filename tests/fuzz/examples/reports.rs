//! The cases of docs/dependency-reports.md, reduced, on the bare library. Each
//! is a stranger's datagram to one end of a connection that is up.
//!
//!     cargo run --release --manifest-path tests/fuzz/Cargo.toml --example reports 2 3 4 5

use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use callbox_fuzz::datagram::{End, Stage, pair};

fn main() {
    for case in std::env::args().skip(1) {
        match case.as_str() {
            "2" => change_cipher_spec(),
            // As long a stack as threads of a runtime have.
            "3" => std::thread::spawn(fragments).join().unwrap(),
            "4" => sources(),
            "5" => next_epoch(),
            other => println!("there is no case {other}"),
        }
    }
}

fn stranger() -> SocketAddr {
    ([203, 0, 113, 66], 6_666).into()
}

fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

fn ends(stage: Stage) -> (End, End, Instant) {
    pair(stage, &mut Vec::new())
}

/// A ChangeCipherSpec of the epoch in use: a fatal alert goes to the true peer.
fn change_cipher_spec() {
    let (mut near, mut far, now) = ends(Stage::Up);
    near.sends(now);
    near.receive(&[20, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 2], stranger(), now);
    let said = near.sends(now);
    println!("2: one datagram of 14 bytes; the end says {} datagrams to its peer", said.len());
    for datagram in &said {
        println!("   type {}, epoch {}", datagram[0], u16::from_be_bytes([datagram[3], datagram[4]]));
        far.receive(datagram, near.address, now);
    }
    println!("   the peer is {:?}", far.state);
}

/// Fragments of one byte, from the last to the first: the stack of a thread overflows.
fn fragments() {
    let (mut near, _, now) = ends(Stage::Up);
    const FRAGMENTS: u32 = 25_000;
    // Behind the six messages of a client's handshake.
    let awaited = 6;
    let mut record = 0x1000_0000_u32;
    println!("3: {FRAGMENTS} fragments in {} datagrams", FRAGMENTS / 50);
    for datagram in (0..FRAGMENTS / 50).rev() {
        let fragments = (0..50).rev().flat_map(|n| {
            record += 1;
            let (number, at) = (record.to_be_bytes(), (datagram * 50 + n).to_be_bytes());
            let head = [&[22, 0xfe, 0xfd, 0, 0, 0, 0][..], &number, &[0, 13]].concat();
            let fragment = [11, 0, 0xff, 0xff, 0, awaited, at[1], at[2], at[3], 0, 0, 1, 7];
            [head.as_slice(), &fragment].concat()
        });
        let fragments: Vec<u8> = fragments.collect();
        near.receive(&fragments, stranger(), now);
    }
    println!("   still here");
}

/// Packets of ever new sources: memory that is never given back.
fn sources() {
    let (mut near, _, now) = ends(Stage::Up);
    let before = resident();
    const PACKETS: u32 = 500_000;
    for source in 0..PACKETS {
        let packet = [&[0x80, 0, 0, 1, 0, 0, 0, 1][..], &source.to_be_bytes(), &[7; 20]].concat();
        near.receive(&packet, stranger(), now);
    }
    let grown = resident() - before;
    println!(
        "4: {PACKETS} packets of 32 bytes leave {grown} bytes behind, {} each",
        grown / PACKETS as usize
    );
}

/// Records of an epoch that has not begun: kept until the handshake is over.
fn next_epoch() {
    let (mut near, _, now) = ends(Stage::Path);
    let before = resident();
    const RECORDS: u32 = 100_000;
    for n in 0..RECORDS {
        let n = n.to_be_bytes();
        let head = [23, 0xfe, 0xfd, 0, 1, 0, 0, n[0], n[1], n[2], n[3], 4, 0];
        near.receive(&[&head[..], &[0; 1_024]].concat(), stranger(), now);
    }
    println!("5: {RECORDS} records of 1 KiB leave {} bytes behind", resident() - before);
}
