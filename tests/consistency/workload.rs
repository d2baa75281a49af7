//! What clients do: requests drawn from a seed, over few resources, so that they get into each other's way.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::check::Invariant;
use super::recorder::{Recorder, content};
use super::seen::{Content, Filter, Key, Kind, Order, Scope, Search, Write};

const PATIENTS: u64 = 6;
const OBSERVATIONS: u64 = 10;
/// Deleted by transactions only.
const TRANSACTED: u64 = 3;
const ACCOUNTS: u64 = 5;
const PAGED: u64 = 60;
const GROUPS: u64 = 5;
/// Groups of the resources that are there for one purpose.
const BANK: u32 = 100;
const ON_CALL: u32 = 101;
const PAGES: u32 = 102;
/// Groups of the resources that come and stay: a new one from time to time, so that none gets large.
const CREATED: u32 = 1_000;
const CONDITIONAL: u32 = 1_000_000;

/// What transactions keep: money is only moved, and one of two is always on call.
pub const INVARIANTS: [Invariant; 2] =
    [Invariant::Sum { group: BANK, sum: 500 }, Invariant::AtLeast { group: ON_CALL, sum: 1 }];

/// What a run must have seen: what was hardly used was hardly checked.
pub const WANTED: [&str; 7] =
    ["reads", "version reads", "changes", "transactions", "refused changes", "searches", "histories"];

/// What all clients know.
#[derive(Debug)]
pub struct Shared {
    /// Whether it is time to stop.
    pub stop: AtomicBool,
    marks: AtomicU64,
    /// Counts conditional requests: neighbours want the same.
    business: AtomicU64,
    /// The last changes that were answered, and their marks.
    recent: Mutex<VecDeque<(Key, u64)>>,
    created: Mutex<VecDeque<Key>>,
    /// What some client has seen.
    seen: Mutex<BTreeSet<&'static str>>,
}

impl Shared {
    /// At the beginning.
    pub fn new() -> Self {
        Self {
            stop: AtomicBool::new(false),
            marks: AtomicU64::new(1),
            business: AtomicU64::new(0),
            recent: Mutex::default(),
            created: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Whether everything that a run must have seen was seen.
    pub fn has_seen_all(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        WANTED.iter().all(|what| seen.contains(what))
    }

    fn mark(&self) -> u64 {
        self.marks.fetch_add(1, Ordering::Relaxed)
    }
}

/// A client.
pub struct Worker<'a> {
    /// What it writes down.
    pub recorder: Recorder,
    shared: &'a Shared,
    nodes: usize,
    state: u64,
    known: HashMap<Key, u64>,
}

impl<'a> Worker<'a> {
    /// A client with a seed.
    pub fn new(recorder: Recorder, shared: &'a Shared, nodes: usize, seed: u64) -> Self {
        Self { recorder, shared, nodes, state: seed, known: HashMap::new() }
    }

    /// A number below `end` (splitmix64).
    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn often(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn node(&mut self) -> usize {
        usize::try_from(self.below(self.nodes as u64)).unwrap()
    }

    /// Everything that is there at the beginning, in one transaction.
    pub fn set_up(&mut self) {
        let mut writes = Vec::new();
        let mut put = |key: Key, content: Content| {
            writes.push(Write::Put { key, content, if_match: None, only_new: false });
        };
        for n in 0..PATIENTS {
            let (key, content) = (shared_key(Kind::Patient, n), self.content(Kind::Patient));
            put(key, content);
        }
        for n in 0..OBSERVATIONS {
            let (key, content) = (shared_key(Kind::Observation, n), self.content(Kind::Observation));
            put(key, content);
        }
        for n in 0..ACCOUNTS {
            put(account(n), Content { group: BANK, amount: 100, subject: None, ..self.content(Kind::Observation) });
        }
        for n in 0..2 {
            put(on_call(n), Content { group: ON_CALL, amount: 1, subject: None, ..self.content(Kind::Observation) });
        }
        for n in 0..PAGED {
            put(paged(n), Content { group: PAGES, ..self.content(Kind::Observation) });
        }
        assert!(self.recorder.transaction(0, writes, Vec::new()).is_some(), "nothing is set up");
    }

    /// Does one thing after another until it is time to stop.
    pub fn work(&mut self) {
        while !self.shared.stop.load(Ordering::Relaxed) {
            let before = self.recorder.seen.len();
            self.step();
            let seen = self.recorder.seen[before..].iter().map(|operation| operation.what.name());
            self.shared.seen.lock().unwrap().extend(seen);
        }
    }

    /// Reads everything that has a name, on every node.
    pub fn look_at_all(&mut self) {
        for node in 0..self.nodes {
            let keys = (0..PATIENTS).map(|n| shared_key(Kind::Patient, n));
            let keys = keys.chain((0..OBSERVATIONS).map(|n| shared_key(Kind::Observation, n)));
            for key in keys.chain((0..TRANSACTED).map(transacted)).chain((0..ACCOUNTS).map(account)) {
                self.recorder.read(node, &key, None);
                self.recorder.history(node, Scope::Instance(key), 50, 40);
            }
            for group in [BANK, ON_CALL, PAGES, 0, 1, 2, 3, 4] {
                let filter = Filter::Group(group);
                let search = Search { kind: Kind::Observation, filter, order: Order::Id, count: 7, include: true };
                self.recorder.search(node, search, 100, |_| node);
            }
        }
    }

    fn step(&mut self) {
        let node = self.node();
        match self.below(100) {
            0..18 => {
                let key = self.key();
                self.read(node, &key);
            }
            18..22 => {
                let key = self.key();
                let version = 1 + self.below(self.known.get(&key).map_or(2, |version| version + 1));
                self.recorder.read(node, &key, Some(version));
            }
            22..40 => self.change(node),
            40..46 => self.create(node),
            46..54 => self.transfer(node),
            54..59 => self.take_call(node),
            59..66 => self.transact(node),
            66..72 => self.turn_pages_over(node),
            72..88 => self.search(node),
            88..94 => self.follow_pages(node),
            _ => self.look_back(node),
        }
    }

    /// A resource that many touch, or one that somebody has just written.
    fn key(&mut self) -> Key {
        if self.often(30) {
            let recent = self.shared.recent.lock().unwrap();
            if let Some((key, _)) = recent.back() {
                return key.clone();
            }
        }
        self.shared_key()
    }

    fn shared_key(&mut self) -> Key {
        match self.below(10) {
            0..4 => shared_key(Kind::Patient, self.below(PATIENTS)),
            _ => shared_key(Kind::Observation, self.below(OBSERVATIONS)),
        }
    }

    fn content(&mut self, kind: Kind) -> Content {
        let subject =
            (kind == Kind::Observation && self.often(80)).then(|| shared_key(Kind::Patient, self.below(PATIENTS)));
        let (group, amount) = (u32::try_from(self.below(GROUPS)).unwrap(), self.below(1000).cast_signed());
        Content { mark: self.shared.mark(), group, amount, subject, business: None }
    }

    /// A version to insist on: mostly the last one that this client knows.
    fn if_match(&mut self, key: &Key) -> Option<u64> {
        let known = self.known.get(key).copied()?;
        match self.below(10) {
            0..4 => Some(known),
            4 => Some(known + 1),
            _ => None,
        }
    }

    fn read(&mut self, node: usize, key: &Key) -> Option<(u64, Content)> {
        let seen = self.recorder.read(node, key, None)?;
        let (version, content) = content(&seen)?;
        self.known.insert(key.clone(), version);
        Some((version, content.clone()))
    }

    fn one(&mut self, node: usize, write: Write) {
        let mark = write.mark();
        let Some((key, version)) = self.recorder.change(node, write).and_then(|written| written.at) else { return };
        self.known.insert(key.clone(), version);
        self.tell(key, mark);
    }

    /// Tells the others what was answered.
    fn tell(&self, key: Key, mark: Option<u64>) {
        let mut recent = self.shared.recent.lock().unwrap();
        recent.push_back((key, mark.unwrap_or(0)));
        let over = recent.len().saturating_sub(8);
        recent.drain(..over);
    }

    fn put(&mut self, key: Key) -> Write {
        let if_match = self.if_match(&key);
        let only_new = if_match.is_none() && self.often(8);
        Write::Put { content: self.content(key.kind), if_match, only_new, key }
    }

    fn patch(&mut self, key: Key) -> Write {
        let group = u32::try_from(self.below(GROUPS)).unwrap();
        Write::Patch { mark: self.shared.mark(), group, if_match: self.if_match(&key), key }
    }

    fn change(&mut self, node: usize) {
        let key = self.shared_key();
        let write = match self.below(10) {
            0..5 => self.put(key),
            5..8 => self.patch(key),
            _ => Write::Delete { if_match: self.if_match(&key), key },
        };
        self.one(node, write);
    }

    fn create(&mut self, node: usize) {
        let kind = if self.often(50) { Kind::Patient } else { Kind::Observation };
        let content = Content { subject: None, ..self.content(kind) };
        let write = match self.below(10) {
            0..3 => {
                let group = CREATED + u32::try_from(content.mark / 200).unwrap();
                Write::Create { kind, content: Content { group, ..content } }
            }
            3 => {
                let created = self.shared.created.lock().unwrap().pop_front();
                let Some(key) = created else { return };
                Write::Delete { key, if_match: None }
            }
            n => {
                // Some twelve requests in a row want the same one.
                let business = self.shared.business.fetch_add(1, Ordering::Relaxed) / 12;
                let group = CONDITIONAL + u32::try_from(business / 20).unwrap();
                let content = Content { business: Some(business), group, ..content };
                let kind = kind_of(business);
                if n < 8 { Write::CreateOn { kind, content } } else { Write::PutOn { kind, content } }
            }
        };
        let created = matches!(write, Write::Create { .. });
        self.one(node, write);
        if created && let Some((key, _)) = self.shared.recent.lock().unwrap().back() {
            self.shared.created.lock().unwrap().push_back(key.clone());
        }
    }

    /// Moves an amount from one account to another.
    fn transfer(&mut self, node: usize) {
        let from = self.below(ACCOUNTS);
        let to = (from + 1 + self.below(ACCOUNTS - 1)) % ACCOUNTS;
        let (from, to) = (account(from), account(to));
        let other = self.node();
        let (Some(first), Some(second)) = (self.read(node, &from), self.read(other, &to)) else { return };
        let amount = 1 + self.below(20).cast_signed();
        let moved = |key: Key, (version, content): (u64, Content), amount: i64, mark: u64| {
            let content = Content { mark, amount: content.amount + amount, ..content };
            Write::Put { key, content, if_match: Some(version), only_new: false }
        };
        let marks = (self.shared.mark(), self.shared.mark());
        let writes = vec![moved(from, first, -amount, marks.0), moved(to, second, amount, marks.1)];
        self.recorder.transaction(node, writes, Vec::new());
    }

    /// Goes off call if the other one is on, which the transaction depends on; else on again.
    fn take_call(&mut self, node: usize) {
        let own = self.below(2);
        let (own, other) = (on_call(own), on_call(1 - own));
        let (Some((version, mine)), Some((theirs, their))) = (self.read(node, &own), self.read(node, &other)) else {
            return;
        };
        let amount = i64::from(mine.amount == 0);
        if amount == 0 && their.amount == 0 {
            return;
        }
        let content = Content { mark: self.shared.mark(), amount, ..mine };
        let writes = vec![
            Write::Put { key: own, content, if_match: Some(version), only_new: false },
            Write::Keep { key: other, content: their, if_match: theirs },
        ];
        self.recorder.transaction(node, writes, Vec::new());
    }

    /// A transaction of several changes, and reads of some of them.
    fn transact(&mut self, node: usize) {
        let mut writes = Vec::new();
        let gone = transacted(self.below(TRANSACTED));
        if self.often(40) {
            writes.push(Write::Delete { key: gone, if_match: None });
        } else {
            writes.push(Write::Put { content: self.content(gone.kind), key: gone, if_match: None, only_new: false });
        }
        let first = self.below(OBSERVATIONS);
        for n in 0..1 + self.below(3) {
            let key = shared_key(Kind::Observation, (first + n) % OBSERVATIONS);
            let content = self.content(key.kind);
            writes.push(Write::Put { key, content, if_match: None, only_new: false });
        }
        if self.often(40) {
            let patient = shared_key(Kind::Patient, self.below(PATIENTS));
            let write = if self.often(50) { self.patch(patient) } else { self.put(patient) };
            writes.push(write);
        }
        let reads = if self.often(40) { vec![shared_key(Kind::Observation, first)] } else { Vec::new() };
        let marks: Vec<Option<u64>> = writes.iter().map(Write::mark).collect();
        let Some(written) = self.recorder.transaction(node, writes, reads) else { return };
        for (answer, mark) in written.into_iter().zip(marks) {
            let Some((key, version)) = answer.at else { continue };
            self.known.insert(key.clone(), version);
            self.tell(key, mark);
        }
    }

    /// Changes what others turn the pages of.
    fn turn_pages_over(&mut self, node: usize) {
        let key = paged(self.below(PAGED));
        let content = Content { group: PAGES, ..self.content(Kind::Observation) };
        let write = match self.below(10) {
            0..3 => Write::Patch { key, mark: content.mark, group: PAGES, if_match: None },
            3..6 => Write::Delete { key, if_match: None },
            _ => Write::Put { key, content, if_match: None, only_new: false },
        };
        self.one(node, write);
    }

    fn order(&mut self) -> Order {
        [Order::Usual, Order::Id, Order::IdDown, Order::Newest][usize::try_from(self.below(4)).unwrap()]
    }

    fn search(&mut self, node: usize) {
        let kind = if self.often(40) { Kind::Patient } else { Kind::Observation };
        let group = u32::try_from(self.below(GROUPS)).unwrap();
        let recent = self.shared.recent.lock().unwrap().back().cloned();
        let (kind, filter) = match (self.below(12), recent) {
            (0..3, _) => (kind, Filter::Group(group)),
            (3..5, _) => (Kind::Observation, Filter::Group(BANK)),
            (5, _) => (Kind::Observation, Filter::SubjectGroup(group)),
            (6, _) => (Kind::Observation, Filter::Subject(shared_key(Kind::Patient, self.below(PATIENTS)))),
            (7, _) => (Kind::Observation, Filter::Group(ON_CALL)),
            (8, Some((key, mark))) if mark > 0 => (key.kind, Filter::Mark(mark)),
            (9, _) => {
                let now = self.shared.business.load(Ordering::Relaxed) / 12;
                let business = now.saturating_sub(self.below(3));
                (kind_of(business), Filter::Business(business))
            }
            (10, _) => (kind, Filter::All),
            _ => {
                let now = u32::try_from(self.shared.marks.load(Ordering::Relaxed) / 200).unwrap();
                (kind, Filter::Group(CREATED + now))
            }
        };
        let count = if filter == Filter::All { 0 } else { 1000 };
        let search = Search { kind, order: self.order(), count, include: count > 0 && self.often(50), filter };
        self.recorder.search(node, search, 1, |_| node);
    }

    /// Follows pages while others write, on any node, sometimes slowly.
    fn follow_pages(&mut self, node: usize) {
        let count = 5 + usize::try_from(self.below(20)).unwrap();
        let (filter, order, include) = (Filter::Group(PAGES), self.order(), self.often(50));
        let search = Search { kind: Kind::Observation, filter, order, count, include };
        let slowly = self.often(30).then(|| Duration::from_millis(self.below(60)));
        let (mut turn, nodes) = (self.below(1000), self.nodes as u64);
        self.recorder.search(node, search, 40, |_| {
            slowly.iter().for_each(|time| std::thread::sleep(*time));
            turn = turn * 5 + 3;
            usize::try_from((turn / 8) % nodes).unwrap()
        });
    }

    fn look_back(&mut self, node: usize) {
        let (count, pages) =
            (1 + usize::try_from(self.below(10)).unwrap(), 1 + usize::try_from(self.below(4)).unwrap());
        let scope = match self.below(6) {
            0 => Scope::System,
            1 => Scope::Type(if self.often(50) { Kind::Patient } else { Kind::Observation }),
            _ => Scope::Instance(self.key()),
        };
        self.recorder.history(node, scope, count, pages);
    }
}

fn shared_key(kind: Kind, n: u64) -> Key {
    Key::new(kind, format!("{}{n}", if kind == Kind::Patient { "p" } else { "o" }))
}

/// The type of a business identifier: of one, so that one number is one resource.
fn kind_of(business: u64) -> Kind {
    if business.is_multiple_of(2) { Kind::Patient } else { Kind::Observation }
}

fn transacted(n: u64) -> Key {
    Key::new(Kind::Observation, format!("t{n}"))
}

fn account(n: u64) -> Key {
    Key::new(Kind::Observation, format!("bank{n}"))
}

fn on_call(n: u64) -> Key {
    Key::new(Kind::Observation, format!("call{n}"))
}

fn paged(n: u64) -> Key {
    Key::new(Kind::Observation, format!("x{n:02}"))
}
