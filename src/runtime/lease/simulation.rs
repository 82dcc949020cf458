//! Three processes, one Lease, and everything that can go wrong: never may two of them write at one instant.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::LeaseTiming;
use super::core::{Decision, Election, Observation, Record};

const PROCESSES: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// `kubectl delete lease`.
    Delete,
    /// `kubectl edit lease`: nobody holds it.
    ClearHolder,
    /// `kubectl edit lease`: somebody else holds it.
    OtherHolder,
    /// The process is stopped and goes on later, none the wiser.
    Pause(usize, u64),
    /// The process dies and is started again.
    Kill(usize),
    /// The process drains, releases the Lease and is started again.
    Drain(usize),
    /// No request reaches the API server.
    Outage(u64),
    /// Requests of one process do not reach the API server.
    Partition(usize, u64),
    /// Requests take up to this long, both ways.
    Slow(u64, u64),
}

#[derive(Clone, Debug)]
enum Request {
    Read,
    Create(String),
    Write(Record, String),
    Release(Record),
}

#[derive(Debug)]
enum Event {
    Fault(Fault),
    Arrive { process: usize, call: u64, sent: u64, request: Request },
    Deliver { process: usize, call: u64, observation: Observation },
}

struct Process {
    identity: String,
    election: Election,
    last: Option<Record>,
    valid_until: Option<Instant>,
    paused_until: u64,
    partitioned_until: u64,
    call: u64,
}

struct World {
    base: Instant,
    now: u64,
    sequence: u64,
    events: BTreeMap<(u64, u64), Event>,
    processes: Vec<Process>,
    lease: Option<Record>,
    outage_until: u64,
    slow: (u64, u64),
    random: StdRng,
    violations: Vec<String>,
}

fn process(identity: String, now: Instant, random: f64) -> Process {
    let election = Election::new(identity.clone(), LeaseTiming::default().jittered(random), now);
    Process {
        identity,
        election,
        last: None,
        valid_until: None,
        paused_until: 0,
        partitioned_until: 0,
        call: 0,
    }
}

impl World {
    fn new(seed: u64, script: &[(u64, Fault)]) -> Self {
        let mut world = Self {
            base: Instant::now(),
            now: 0,
            sequence: 0,
            events: BTreeMap::new(),
            processes: Vec::new(),
            lease: None,
            outage_until: 0,
            slow: (0, 0),
            random: StdRng::seed_from_u64(seed),
            violations: Vec::new(),
        };
        for index in 0..PROCESSES {
            let random = world.random.random();
            world.processes.push(process(format!("p{index}"), world.base, random));
            world.deliver(index, 0, 1, Observation::Tick);
        }
        let mut at = 0;
        for (gap, fault) in script {
            at += gap;
            world.push(at, Event::Fault(*fault));
        }
        world
    }

    fn instant(&self, at: u64) -> Instant {
        self.base + Duration::from_millis(at)
    }

    fn push(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((at, self.sequence), event);
    }

    fn deliver(&mut self, process: usize, call: u64, at: u64, observation: Observation) {
        self.push(at, Event::Deliver { process, call, observation });
    }

    fn run(&mut self, end: u64) {
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end {
                break;
            }
            self.now = at;
            match event {
                Event::Fault(fault) => self.fault(fault),
                Event::Arrive { process, call, sent, request } => self.arrive(process, call, sent, &request),
                Event::Deliver { process, call, observation } => self.step(process, call, observation),
            }
        }
    }

    fn step(&mut self, index: usize, call: u64, observation: Observation) {
        let process = &mut self.processes[index];
        if process.call != call {
            return;
        }
        if process.paused_until > self.now {
            let at = process.paused_until;
            return self.deliver(index, call, at, observation);
        }
        match &observation {
            Observation::Read(record) => process.last.clone_from(record),
            Observation::Written { record, .. } => process.last = Some(record.clone()),
            _ => {}
        }
        let now = self.base + Duration::from_millis(self.now);
        let decision = process.election.step(observation, now);
        let until = process.election.valid_until(now);
        if until.is_some() {
            process.valid_until = until;
            self.check(index, now);
        }
        self.act(index, &decision, now);
    }

    fn check(&mut self, index: usize, now: Instant) {
        for (other, process) in self.processes.iter().enumerate() {
            if other != index && process.valid_until.is_some_and(|until| until > now) {
                self.violations.push(format!("{} ms: {index} and {other} may both write", self.now));
            }
        }
    }

    fn act(&mut self, index: usize, decision: &Decision, now: Instant) {
        self.processes[index].call += 1;
        let process = &self.processes[index];
        let (call, identity) = (process.call, process.identity.clone());
        let request = match decision {
            Decision::Wait(until) => {
                let at = u64::try_from((*until - self.base).as_millis()).unwrap() + 1;
                return self.deliver(index, call, at.max(self.now + 1), Observation::Tick);
            }
            Decision::Stop(_) => return self.restart(index),
            Decision::Read => Request::Read,
            Decision::Create => Request::Create(identity),
            Decision::Write => Request::Write(process.last.clone().unwrap(), identity),
        };
        let patience = u64::try_from(process.election.patience(now).as_millis()).unwrap();
        self.deliver(index, call, self.now + patience + 1, Observation::Failed);
        self.send(index, call, request);
    }

    fn delay(&mut self) -> u64 {
        let (until, most) = self.slow;
        let most = if self.now < until { most } else { 200 };
        self.random.random_range(1..=most.max(1))
    }

    fn send(&mut self, process: usize, call: u64, request: Request) {
        let (sent, at) = (self.now, self.now + self.delay());
        self.push(at, Event::Arrive { process, call, sent, request });
    }

    fn arrive(&mut self, process: usize, call: u64, sent: u64, request: &Request) {
        if self.now < self.outage_until.max(self.processes[process].partitioned_until) {
            return;
        }
        let observation = self.serve(request, self.instant(sent));
        let at = self.now + self.delay();
        if at >= self.outage_until {
            self.deliver(process, call, at, observation);
        }
    }

    fn serve(&mut self, request: &Request, sent: Instant) -> Observation {
        let same = |lease: &Option<Record>, seen: &Record| {
            lease.as_ref().is_some_and(|l| l.uid == seen.uid && l.resource_version == seen.resource_version)
        };
        let (uid, holder, released) = match request {
            Request::Read => return Observation::Read(self.lease.clone()),
            Request::Create(_) if self.lease.is_some() => return Observation::Conflict,
            Request::Create(identity) => (format!("uid-{}", self.sequence), Some(identity.clone()), false),
            Request::Write(seen, _) | Request::Release(seen) if !same(&self.lease, seen) => {
                return Observation::Conflict;
            }
            Request::Write(seen, identity) => (seen.uid.clone(), Some(identity.clone()), false),
            Request::Release(seen) => (seen.uid.clone(), None, true),
        };
        let record = Record { uid, resource_version: self.version(), holder, released };
        self.lease = Some(record.clone());
        Observation::Written { record, sent }
    }

    fn version(&mut self) -> String {
        self.sequence += 1;
        self.sequence.to_string()
    }

    fn edit(&mut self, holder: Option<String>) {
        let resource_version = self.version();
        if let Some(lease) = &mut self.lease {
            (lease.holder, lease.released, lease.resource_version) = (holder, false, resource_version);
        }
    }

    fn restart(&mut self, index: usize) {
        let (now, random) = (self.instant(self.now), self.random.random());
        let call = self.processes[index].call + 1;
        let identity = format!("p{index}-{}", self.sequence);
        self.processes[index] = Process { call, ..process(identity, now, random) };
        let at = self.now + self.random.random_range(1..5000);
        self.deliver(index, call, at, Observation::Tick);
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Delete => self.lease = None,
            Fault::ClearHolder => self.edit(None),
            Fault::OtherHolder => self.edit(Some("somebody".to_owned())),
            Fault::Pause(index, time) => self.processes[index].paused_until = self.now + time,
            Fault::Kill(index) => self.restart(index),
            Fault::Drain(index) => self.drain(index),
            Fault::Outage(time) => self.outage_until = self.now + time,
            Fault::Partition(index, time) => self.processes[index].partitioned_until = self.now + time,
            Fault::Slow(time, most) => self.slow = (self.now + time, most),
        }
    }

    fn drain(&mut self, index: usize) {
        let now = self.instant(self.now);
        let process = &self.processes[index];
        if process.paused_until > self.now {
            return;
        }
        let entitled = process.election.valid_until(now).is_some_and(|until| until > now);
        let release =
            process.last.clone().filter(|last| entitled && last.holder.as_ref() == Some(&process.identity));
        self.restart(index);
        if let Some(last) = release {
            self.send(index, u64::MAX, Request::Release(last));
        }
    }

    fn writers(&self) -> usize {
        let now = self.instant(self.now);
        self.processes.iter().filter(|p| p.valid_until.is_some_and(|until| until > now)).count()
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    let process = 0..PROCESSES;
    prop_oneof![
        4 => Just(Fault::Delete),
        1 => Just(Fault::ClearHolder),
        1 => Just(Fault::OtherHolder),
        2 => (process.clone(), 1_000..90_000_u64).prop_map(|(p, t)| Fault::Pause(p, t)),
        2 => process.clone().prop_map(Fault::Kill),
        3 => process.clone().prop_map(Fault::Drain),
        2 => (1_000..60_000_u64).prop_map(Fault::Outage),
        2 => (process, 1_000..60_000_u64).prop_map(|(p, t)| Fault::Partition(p, t)),
        2 => (1_000..60_000_u64, 1..40_000_u64).prop_map(|(t, d)| Fault::Slow(t, d)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn never_two_writers_and_in_the_end_one(
        seed: u64,
        script in prop::collection::vec((0..40_000_u64, fault()), 0..25),
    ) {
        let mut world = World::new(seed, &script);
        let last: u64 = script.iter().map(|(gap, _)| gap).sum();
        world.run(last + 400_000);
        prop_assert!(world.violations.is_empty(), "{:?}", world.violations);
        prop_assert_eq!(world.writers(), 1);
    }
}
