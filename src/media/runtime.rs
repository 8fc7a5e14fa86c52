//! The tokio runtime as the library sees it, with three things added: a panic
//! in one of the library's own tasks is reported instead of lost, ICE checks
//! slow down after the first second, and strangers' datagrams stay outside.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use super::LegStats;
use super::pacing::PacedSocket;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A runtime for one peer connection.
#[derive(Debug)]
pub(super) struct GuardedRuntime {
    inner: TokioRuntime,
    panicked: Arc<Notify>,
    stats: Arc<LegStats>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl GuardedRuntime {
    /// `panicked` is notified when a task of this runtime panics; `stats` counts what was refused.
    pub(super) fn new(panicked: Arc<Notify>, stats: Arc<LegStats>) -> Self {
        Self { inner: TokioRuntime, panicked, stats, tasks: Mutex::new(Vec::new()) }
    }

    /// Spawns with the guard; the task ends at the latest at [`Self::abort_all`].
    pub(super) fn guard(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let panicked = Arc::clone(&self.panicked);
        let handle = tokio::spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                panicked.notify_one();
            }
        });
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(handle.abort_handle());
        handle
    }

    /// Ends every task. Dropping a peer connection does not end its driver.
    pub(super) fn abort_all(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

struct GuardedHandle(tokio::task::JoinHandle<()>);

impl JoinHandle for GuardedHandle {
    fn detach(&self) {}

    fn abort(&self) {
        self.0.abort();
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Runtime for GuardedRuntime {
    fn spawn(&self, future: Task) -> Box<dyn JoinHandle> {
        Box::new(GuardedHandle(self.guard(future)))
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        Ok(Arc::new(PacedSocket::new(self.inner.wrap_udp_socket(socket)?, Arc::clone(&self.stats))))
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.inner.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(
        &'a self,
        remote: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = io::Result<Arc<dyn AsyncTcpStream>>> + Send + 'a>> {
        self.inner.connect_tcp(remote)
    }

    fn resolve_host<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        self.inner.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        self.inner.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.inner.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.inner.block_on(future);
    }
}

impl Drop for GuardedRuntime {
    fn drop(&mut self) {
        self.abort_all();
    }
}
