//! A way to Redis that can be cut as a cable is: nothing comes through, and nobody is told.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cut: watch::Sender<bool>,
    _running: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (cut, is_cut) = watch::channel(false);
        let address = listener.local_addr().unwrap();
        let mut running = JoinSet::new();
        running.spawn(accept(listener, target, is_cut));
        Self {
            address,
            cut,
            _running: running,
        }
    }

    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// What was on its way arrives after all, as it does on TCP.
    pub(crate) fn heal(&self) {
        self.cut.send_replace(false);
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, cut: watch::Receiver<bool>) {
    let mut links = JoinSet::new();
    loop {
        whole(&mut cut.clone()).await;
        let Ok((from, _)) = listener.accept().await else {
            return;
        };
        let cut = cut.clone();
        links.spawn(async move {
            whole(&mut cut.clone()).await;
            let Ok(to) = TcpStream::connect(target).await else {
                return;
            };
            from.set_nodelay(true).ok();
            to.set_nodelay(true).ok();
            let (from, to) = (from.into_split(), to.into_split());
            // One end closes both.
            tokio::select! {
                () = forward(from.0, to.1, cut.clone()) => {}
                () = forward(to.0, from.1, cut) => {}
            }
        });
    }
}

async fn whole(cut: &mut watch::Receiver<bool>) {
    cut.wait_for(|cut| !cut).await.ok();
}

async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut cut: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        whole(&mut cut).await;
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
