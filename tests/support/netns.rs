//! Two network namespaces joined by a cable that can be pulled: the box is at
//! one end, everything else at the other. The cable may also be in two parts,
//! for a program in the middle to carry packets across. As root, or as anybody
//! where user namespaces are allowed.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::{Process, run};
use super::wait_for;

/// The box's address.
pub const BOX: &str = "10.78.0.1";
/// The address at the other end.
pub const FAR: &str = "10.78.0.2";

/// The two ends; both are gone when this is dropped.
pub struct Network {
    near: Process,
    far: Process,
    middle: Option<Process>,
    _folder: TempDir,
}

/// An end of the cable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// Where the box is: its own interface is off, its routes are gone.
    Near,
    /// The other one: the box only sees that nothing carries.
    Far,
}

impl Network {
    /// Makes the namespaces and joins them.
    pub fn start() -> Self {
        Self::make(false)
    }

    /// The same with nothing between the ends but what a program inside `middle`
    /// carries from its interface `near` to `far` and back.
    pub fn start_apart() -> Self {
        Self::make(true)
    }

    fn make(apart: bool) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut unshare = Command::new("unshare");
        if !is_root() {
            unshare.arg("--map-root-user");
        }
        unshare.args(["--net", "sleep", "infinity"]);
        let mut near = Process::start("near", unshare, folder.path());
        wait_inside(&mut near);
        let another = |name| {
            let mut other = command(&enter(&near));
            other.args(["unshare", "--net", "sleep", "infinity"]);
            let mut other = Process::start(name, other, folder.path());
            wait_inside(&mut other);
            other
        };
        let far = another("far");
        let middle = apart.then(|| another("middle"));
        let network = Self { near, far, middle, _folder: folder };
        match &network.middle {
            None => network.cable(End::Near, "cable", &network.far),
            Some(middle) => {
                network.cable(End::Near, "near", middle);
                network.cable(End::Far, "far", middle);
                for name in ["near", "far"] {
                    network.run(&network.inside_middle(), &["ip", "link", "set", name, "up"]);
                }
                // Whoever carries packets across sees no checksums that a card would fill in.
                for end in [End::Near, End::Far] {
                    network.run(&network.inside(end), &["ethtool", "-K", "cable", "tx", "off"]);
                }
            }
        }
        for (end, address) in [(End::Near, BOX), (End::Far, FAR)] {
            network.ip(end, &["link", "set", "lo", "up"]);
            network.ip(end, &["address", "add", &format!("{address}/24"), "dev", "cable"]);
            network.plug(end);
        }
        network
    }

    /// What to put before a command so that it runs there.
    pub fn inside(&self, end: End) -> Vec<String> {
        match end {
            End::Near => enter(&self.near),
            End::Far => enter(&self.far),
        }
    }

    /// The same for the middle of a cable in two parts.
    pub fn inside_middle(&self) -> Vec<String> {
        enter(self.middle.as_ref().expect("a cable in two parts"))
    }

    /// Pulls the cable at this end.
    pub fn pull(&self, end: End) {
        self.ip(end, &["link", "set", "cable", "down"]);
    }

    /// Plugs it in; as a DHCP client does, sets the default route, which went
    /// with the interface. Without one the WebRTC library prepares no call.
    pub fn plug(&self, end: End) {
        self.ip(end, &["link", "set", "cable", "up"]);
        self.ip(end, &["route", "replace", "default", "dev", "cable"]);
    }

    /// Gives the box another address in the place of this one, and its default route.
    pub fn readdress(&self, from: &str, to: &str) {
        // In this order: the second address of a network goes with the first.
        self.ip(End::Near, &["address", "del", &format!("{from}/24"), "dev", "cable"]);
        self.ip(End::Near, &["address", "add", &format!("{to}/24"), "dev", "cable"]);
        self.ip(End::Near, &["route", "replace", "default", "dev", "cable"]);
    }

    fn cable(&self, end: End, name: &str, to: &Process) {
        let there = to.id().to_string();
        self.ip(end, &["link", "add", "cable", "type", "veth", "peer", "name", name, "netns", &there]);
    }

    fn ip(&self, end: End, arguments: &[&str]) {
        let words: Vec<&str> = std::iter::once("ip").chain(arguments.iter().copied()).collect();
        self.run(&self.inside(end), &words);
    }

    fn run(&self, inside: &[String], words: &[&str]) {
        run(command(inside).args(words)).unwrap_or_else(|e| panic!("{e}"));
    }
}

fn command(inside: &[String]) -> Command {
    let mut command = Command::new(&inside[0]);
    command.args(&inside[1..]);
    command
}

fn enter(there: &Process) -> Vec<String> {
    let user: &[&str] = if is_root() { &[] } else { &["--user", "--preserve-credentials"] };
    let target = there.id().to_string();
    let all = ["nsenter", "--target", &target, "--net"].into_iter().chain(user.iter().copied()).chain(["--"]);
    all.map(ToOwned::to_owned).collect()
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Waits until the process is in a namespace of its own.
fn wait_inside(process: &mut Process) {
    let id = process.id();
    wait_for(Duration::from_secs(10), "network namespace", || {
        if process.exited().is_some() {
            let cure = "run as root with CAP_SYS_ADMIN (docker run --privileged), or allow user namespaces: \
                        sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0";
            panic!("no network namespace can be made here: {}; {cure}", process.log());
        }
        let net = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/net")).map_err(|e| e.to_string());
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).map_err(|e| e.to_string())?;
        if name.trim() == "sleep" && net(&id.to_string())? != net("self")? { Ok(()) } else { Err(name) }
    });
}
