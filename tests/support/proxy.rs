//! A TCP relay whose other end can be changed while the box runs: a broken
//! server first, then a good one at the same address.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running relay. Lives until the test ends.
pub struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Listens; with no target every connection is closed at once.
    pub fn start(target: Option<SocketAddr>) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), target)
    }

    /// The same at a given address.
    pub fn start_at(address: SocketAddr, target: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().unwrap();
        let target = Arc::new(Mutex::new(target));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (to, kept) = (Arc::clone(&target), Arc::clone(&open));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let to = *to.lock().unwrap();
                let _ = to.map(|to| relay(&stream, to, &kept));
            }
        });
        Self { address, target, open }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends later connections there and breaks the present ones.
    pub fn point_at(&self, target: SocketAddr) {
        *self.target.lock().unwrap() = Some(target);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn relay(from: &TcpStream, to: SocketAddr, kept: &Mutex<Vec<TcpStream>>) -> io::Result<()> {
    let to = TcpStream::connect(to)?;
    to.set_nodelay(true)?;
    from.set_nodelay(true)?;
    kept.lock().unwrap().push(from.try_clone()?);
    let (back_from, back_to) = (to.try_clone()?, from.try_clone()?);
    let there = from.try_clone()?;
    thread::spawn(move || copy(there, to));
    thread::spawn(move || copy(back_from, back_to));
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
