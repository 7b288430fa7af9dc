//! The remote domain as those meet it who connect to it: it believes everybody, and tells what it is told.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use loadgen::plan::Transport;
use ringgate::tls::Store;
use ringgate_proto::gate::Listener;

use crate::stage::{HEADER, LOCAL, REMOTE, SASL, TLS};
use crate::wire::{Wire, attribute};

/// No server of the tests needs so long to open a stream.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    messages: Receiver<String>,
}

impl Remote {
    pub(crate) fn listen(transport: Transport, store: Store) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, messages) = mpsc::channel();
        // Ends with the process: no connection ends it.
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (wire, store, sender) = (Wire::new(socket.unwrap()), store.clone(), sender.clone());
                thread::spawn(move || serve(wire, transport, &store, &sender));
            }
        });
        Self { address, messages }
    }

    /// The next message, on whatever stream.
    pub(crate) fn message(&self) -> String {
        self.messages.recv_timeout(PATIENCE).expect("a message comes in time")
    }
}

fn serve(mut wire: Wire, transport: Transport, store: &Store, messages: &Sender<String>) {
    let (mut secure, mut authenticated) = (false, false);
    if transport.direct_tls {
        wire.secure(store.server(Listener::Public, None));
        secure = true;
    }
    const ENDS: &[&str] = &["<stream:stream", "<starttls", "</auth>", "</db:result>", "</db:verify>", "</message>"];
    while let Some(text) = wire.hear_any(ENDS) {
        match ENDS.iter().find(|end| text.ends_with(**end)) {
            Some(&"<stream:stream") => {
                let header = wire.hear(">");
                assert_eq!((attribute(&header, "from"), attribute(&header, "to")), (LOCAL, REMOTE));
                let offer = if authenticated { String::new() } else { offer(secure, transport.dialback) };
                let answer = format!("{HEADER} id='outbound' from='{REMOTE}' to='{LOCAL}'>");
                wire.say(&format!("<?xml version='1.0'?>{answer}<stream:features>{offer}</stream:features>"));
            }
            Some(&"<starttls") => {
                wire.hear("/>");
                wire.say(&format!("<proceed xmlns='{TLS}'/>"));
                wire.secure(store.server(Listener::Public, None));
                secure = true;
            }
            Some(&"</auth>") => {
                assert!(text.contains("EXTERNAL"), "{text}");
                wire.say(&format!("<success xmlns='{SASL}'/>"));
                authenticated = true;
            }
            Some(&"</db:result>") => wire.say(&format!("<db:result from='{REMOTE}' to='{LOCAL}' type='valid'/>")),
            Some(&"</db:verify>") => {
                assert!(text.ends_with(">key</db:verify>"), "{text}");
                let id = attribute(&text[text.find("<db:verify").unwrap()..], "id").to_owned();
                wire.say(&format!("<db:verify from='{REMOTE}' to='{LOCAL}' id='{id}' type='valid'/>"));
            }
            // Nobody waits for it any more when the test is over.
            _ => drop(messages.send(text)),
        }
    }
}

/// What is offered before authentication.
fn offer(secure: bool, dialback: bool) -> String {
    match (secure, dialback) {
        (false, _) => format!("<starttls xmlns='{TLS}'><required/></starttls>"),
        (true, true) => "<dialback xmlns='urn:xmpp:features:dialback'/>".to_owned(),
        (true, false) => format!("<mechanisms xmlns='{SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"),
    }
}
