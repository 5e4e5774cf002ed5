//! The real engine behind real sockets, with connections that break where a test says.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use chat_core::{
    Answer, ChatEngine, CloseReason, Command, Connect, Frame, Greeting, Outbox, OutboxLimits,
    Request, Welcome, command,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    accept_async,
    tungstenite::{Message, protocol::CloseFrame},
};

/// Decides, step by step, whether the connection breaks now.
pub(crate) type Faults = Box<dyn FnMut() -> bool + Send>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(engine: ChatEngine, faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::new(Mutex::new(faults));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (engine, faults) = (engine.clone(), Arc::clone(&faults));
                tokio::spawn(async move {
                    // `None`: it broke, and the socket is dropped as it is.
                    let _ = serve(stream, engine, &faults).await;
                });
            }
        });
        Self { address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(stream: TcpStream, engine: ChatEngine, faults: &Mutex<Faults>) -> Option<()> {
    let step = || {
        let breaks = (faults.lock().unwrap())();
        (!breaks).then_some(())
    };
    step()?;
    let mut socket = accept_async(stream).await.ok()?;
    let hello = loop {
        if let Message::Text(text) = socket.next().await?.ok()? {
            break serde_json::from_str::<Request>(&text).ok()?;
        }
    };
    step()?;
    let Command::Hello(command::Hello { token, cursors }) = hello.command else {
        return None;
    };
    let Ok(user) = token.parse() else {
        close(&mut socket, CloseReason::Unauthenticated).await;
        return None;
    };
    let outbox = Outbox::new(OutboxLimits::default());
    let (id, name) = (hello.id, chat_core::UserId::clone(&user));
    let greeting = Greeting::new(move |session| {
        let user = name;
        let welcome = Welcome {
            user,
            session,
            expires_at: None,
        };
        Answer::new(id, Ok(welcome.into())).into()
    });
    let connect = Connect {
        cursors,
        greeting: Some(greeting),
        ..Connect::new(user)
    };
    let session = match engine.connect_with(connect, Arc::clone(&outbox) as _).await {
        Ok(session) => session,
        Err(error) => {
            let answer = Answer::Error {
                id: Some(hello.id),
                error: (&error).into(),
            };
            let text = Frame::from(answer).json().to_string();
            let _ = socket.send(Message::text(text)).await;
            return None;
        }
    };
    let mut frames = Vec::new();
    loop {
        tokio::select! {
            message = socket.next() => match message?.ok()? {
                Message::Text(text) => {
                    step()?;
                    session.dispatch(serde_json::from_str(&text).ok()?).await;
                    step()?;
                }
                Message::Close(_) => return Some(()),
                _ => {}
            },
            closed = outbox.recv_many(&mut frames, 1) => {
                for frame in frames.drain(..) {
                    step()?;
                    socket.send(Message::text(frame.json().to_string())).await.ok()?;
                    step()?;
                }
                if let Some(reason) = closed {
                    close(&mut socket, reason).await;
                    return None;
                }
            }
        }
    }
}

async fn close(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>, reason: CloseReason) {
    let frame = CloseFrame {
        code: reason.code().into(),
        reason: reason.name().into(),
    };
    let _ = socket.close(Some(frame)).await;
    while let Some(Ok(_)) = socket.next().await {}
}
