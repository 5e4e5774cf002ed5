//! Redis servers and clusters of a test's own.

use std::{
    ffi::OsString,
    io::{Read as _, Write as _},
    net::TcpStream,
    ops::{Deref, DerefMut},
};

use crate::{Daemon, free_port, service, until};

/// A Redis of a test's own, which keeps nothing when it is killed.
#[derive(Debug)]
pub struct Redis(Daemon);

impl Redis {
    /// Starts one and waits until it answers; `None` when the tests with servers of their own are left out.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with more options of `redis-server`. One of them may demand a password: then only that
    /// it does is waited for.
    pub async fn start_with(options: &[&str]) -> Option<Self> {
        let redis = Self::spawn(options)?;
        redis.ready().await;
        Some(redis)
    }

    fn spawn(options: &[&str]) -> Option<Self> {
        let program = service("REDIS_SERVER")?;
        Some(Self(Daemon::start(program, |port, _| {
            let port = port.to_string();
            let own = ["--bind", "127.0.0.1", "--port", &port, "--save", ""];
            let own = own.iter().chain(&["--appendonly", "no"]);
            own.chain(options).map(OsString::from).collect()
        })))
    }

    /// Its URL for a `chat-server`, without a login.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Waits until it answers, after [`restart`](Daemon::restart) say.
    pub async fn ready(&self) {
        let answers = ["+PONG", "-NOAUTH Authentication required."];
        self.answers("PING", |answer| answers.contains(&answer))
            .await;
    }

    /// Runs a command, as one writes it in `redis-cli`, and gives the answer as it is on the wire; of a
    /// text, without its length.
    pub fn command(&self, command: &str) -> String {
        self.ask(command).expect("redis answers")
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address()).ok()?;
        write!(stream, "{command}\r\nQUIT\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let mut answer = answer.strip_suffix("+OK\r\n")?;
        if answer.starts_with('$') {
            answer = answer.split_once('\n')?.1;
        }
        Some(answer.trim().to_owned())
    }

    /// Repeats a command until the answer is the right one.
    async fn answers(&self, command: &str, right: impl Fn(&str) -> bool) {
        let answers = async || self.ask(command).is_some_and(|answer| right(&answer));
        until(&format!("redis answers {command} as it should"), answers).await;
    }
}

impl Deref for Redis {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

impl DerefMut for Redis {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.0
    }
}

/// A Redis Cluster of three masters, of a test's own. While a master is down, only its slots are missing.
#[derive(Debug)]
pub struct RedisCluster {
    /// The masters, in the order of their slots.
    pub masters: [Redis; 3],
}

impl RedisCluster {
    const SLOTS: u16 = 16_384;

    /// Starts one and waits until it serves all slots; `None` when the tests with servers of their own are
    /// left out.
    pub async fn start() -> Option<Self> {
        let links = [(); 3].map(|()| free_port());
        let master = |link: u16| {
            let options = "--cluster-enabled yes --cluster-require-full-coverage no \
                --cluster-node-timeout 1000 --cluster-port";
            let link = link.to_string();
            let mut options: Vec<_> = options.split_whitespace().collect();
            options.push(&link);
            Redis::spawn(&options)
        };
        let [a, b, c] = links;
        let masters = [master(a)?, master(b)?, master(c)?];
        let (first_port, first_link) = (masters[0].port(), a);
        for (at, master) in (0..).zip(&masters) {
            master.ready().await;
            let first = Self::SLOTS.div_ceil(3) * at;
            let last = (first + Self::SLOTS.div_ceil(3)).min(Self::SLOTS) - 1;
            let taken = master.command(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            assert_eq!(taken, "+OK");
            let meet = format!("CLUSTER MEET 127.0.0.1 {first_port} {first_link}");
            assert_eq!(master.command(&meet), "+OK");
        }
        for master in &masters {
            let whole = |info: &str| {
                info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
            };
            master.answers("CLUSTER INFO", whole).await;
        }
        Some(Self { masters })
    }

    /// Its URL for a `chat-server`.
    pub fn url(&self) -> String {
        let [a, b, c] = self.masters.each_ref().map(|master| master.port());
        format!("redis-cluster://127.0.0.1:{a}?node=127.0.0.1:{b}&node=127.0.0.1:{c}")
    }

    /// Which master had the slot of a key at first.
    pub fn home(&self, key: &str) -> usize {
        usize::from(self.slot(key) / Self::SLOTS.div_ceil(3))
    }

    fn slot(&self, key: &str) -> u16 {
        let slot = self.masters[0].command(&format!("CLUSTER KEYSLOT {key}"));
        slot.trim_start_matches(':').parse().unwrap()
    }

    /// Gives the slot of a key, which holds nothing, to the next master.
    pub fn move_slot(&self, key: &str) {
        let (slot, home) = (self.slot(key), self.home(key));
        let (from, to) = (&self.masters[home], &self.masters[(home + 1) % 3]);
        let [from_id, to_id] = [from, to].map(|master| master.command("CLUSTER MYID"));
        for (master, step) in [
            (to, format!("IMPORTING {from_id}")),
            (from, format!("MIGRATING {to_id}")),
            (to, format!("NODE {to_id}")),
            (from, format!("NODE {to_id}")),
        ] {
            let done = master.command(&format!("CLUSTER SETSLOT {slot} {step}"));
            assert_eq!(done, "+OK", "{step}");
        }
    }
}
