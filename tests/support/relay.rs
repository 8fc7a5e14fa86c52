//! A network that misbehaves on demand, put between two ends by rewriting
//! their candidates.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::UdpSocket;

/// What the network does, both ways.
#[derive(Default)]
pub struct Weather {
    pub cut: AtomicBool,
    /// Of a hundred packets so many are lost.
    pub loss: AtomicU32,
    /// Packets are late by up to so many ms, each by itself.
    pub jitter: AtomicU32,
}

/// Replaces the only candidate's address in a description.
pub fn redirect(sdp: &str, to: SocketAddr) -> (String, SocketAddr) {
    let mut from = None;
    let lines = sdp.lines().map(|line| {
        if !line.starts_with("a=candidate:") {
            return format!("{line}\r\n");
        }
        let mut words: Vec<String> = line.split(' ').map(ToOwned::to_owned).collect();
        from = Some(format!("{}:{}", words[4], words[5]).parse().unwrap());
        (words[4], words[5]) = (to.ip().to_string(), to.port().to_string());
        format!("{}\r\n", words.join(" "))
    });
    let text = lines.collect();
    (text, from.expect("no candidate"))
}

/// Two sockets: what comes in at one goes out of the other.
pub struct Relay {
    pub weather: Arc<Weather>,
    one: Arc<UdpSocket>,
    other: Arc<UdpSocket>,
    seed: u64,
}

impl Relay {
    pub async fn new(seed: u64) -> Self {
        Self::at(seed, IpAddr::V4(Ipv4Addr::LOCALHOST)).await
    }

    /// With both its sockets at this address of the machine.
    pub async fn at(seed: u64, address: IpAddr) -> Self {
        let socket = || async { Arc::new(UdpSocket::bind((address, 0)).await.unwrap()) };
        Self { weather: Arc::default(), one: socket().await, other: socket().await, seed }
    }

    /// The offer as the answerer shall see it, and the offerer's true address.
    pub fn offer(&self, sdp: &str) -> (String, SocketAddr) {
        redirect(sdp, self.other.local_addr().unwrap())
    }

    /// The answer as the offerer shall see it; packets flow from now on.
    pub fn answer(&self, sdp: &str, offerer: SocketAddr) -> String {
        let (sdp, answerer) = redirect(sdp, self.one.local_addr().unwrap());
        for (from, to, address, seed) in
            [(&self.one, &self.other, answerer, self.seed), (&self.other, &self.one, offerer, self.seed + 1)]
        {
            let pump = pump(Arc::clone(from), Arc::clone(to), address, Arc::clone(&self.weather), seed);
            tokio::spawn(pump);
        }
        sdp
    }
}

async fn pump(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    address: SocketAddr,
    weather: Arc<Weather>,
    seed: u64,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut packet = [0; 2048];
    while let Ok((length, _)) = from.recv_from(&mut packet).await {
        let lost = random.random_range(0..100) < weather.loss.load(Ordering::Relaxed);
        if lost || weather.cut.load(Ordering::Relaxed) {
            continue;
        }
        let late = weather.jitter.load(Ordering::Relaxed);
        let wait = Duration::from_millis(u64::from(random.random_range(0..=late)));
        let (to, packet) = (Arc::clone(&to), packet[..length].to_vec());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let _ = to.send_to(&packet, address).await;
        });
    }
}
