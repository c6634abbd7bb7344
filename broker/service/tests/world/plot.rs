//! One world from its beginning to its end: people send, things break, everything is mended, and
//! then everything must have come where it belongs.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tierlink::current_config::CurrentConfig;
use tokio::time::Instant;

use crate::checks;
use crate::county::{EVERYBODY, org};
use crate::dice::Dice;
use crate::faults::Faults;
use crate::hospitals::Seen;
use crate::power::Mode;
use crate::process::{Ground, Process};
use crate::sabotage::Sabotage;
use crate::senders::{Processes, ReceivedVerdict, Senders};
use crate::store::Memory;

/// How long a mended world may take to bring everything where it belongs. A lease and a wait that
/// were taken while a clock was an hour ahead last for that hour.
const DRAIN_LASTS: Duration = Duration::from_mins(10);
const DRAIN_AFTER_JUMPS_LASTS: Duration = Duration::from_mins(75);

/// What a world shows at its end.
pub struct End {
    pub failures: Vec<String>,
    /// Deliveries that were promised.
    pub promised: usize,
    /// Verdicts that senders heard.
    pub heard: usize,
}

/// Plays the world of this seed on this thread.
pub fn play(seed: u64, current_config: &Arc<CurrentConfig>, sabotage: Option<Sabotage>) -> End {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { World::new(seed, Arc::clone(current_config), sabotage).play().await })
}

/// Plays a story in a world where nothing goes wrong by chance, and gives what failed at its end.
pub fn tell<F: Future<Output = World>>(story: impl FnOnce(World) -> F) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(0, Arc::new(CurrentConfig::new(crate::county::config())), None);
        world.ground.remembers = true;
        world.ground.faults.end();
        world.start_one();
        let world = story(world).await;
        let drained = world.drain().await;
        world.end(drained).failures
    })
}

pub struct World {
    pub ground: Ground,
    pub processes: Processes,
    heard: Arc<Mutex<Vec<ReceivedVerdict>>>,
    /// Whether clocks are set wrong in this world.
    jumps: bool,
}

impl World {
    fn new(seed: u64, current_config: Arc<CurrentConfig>, sabotage: Option<Sabotage>) -> Self {
        let dice = Dice::new(seed);
        // A third of the worlds are embedded: one process, and a bus that forgets.
        let remembers = !dice.percent(33);
        let ground = Ground {
            memory: Arc::new(Mutex::new(Memory::new(sabotage, dice.clone()))),
            lanes: Arc::default(),
            seen: Arc::new(Mutex::new(Seen::default())),
            faults: Faults::new(*dice.pick(&[0, 50, 100, 100, 200, 300])),
            begun: Instant::now(),
            current_config,
            remembers,
            sabotage,
            dice,
        };
        let jumps = ground.dice.percent(5);
        Self { ground, processes: Processes::default(), heard: Arc::default(), jumps }
    }

    async fn play(self) -> End {
        let dice = self.ground.dice.clone();
        let count = if self.ground.remembers { 1 + dice.below(3) } else { 1 };
        for _ in 0..count {
            self.start_one();
        }
        let senders = self.senders();
        let cases = 3 + dice.at(5);
        let telling: Vec<_> =
            (0..cases).map(|case| tokio::spawn(senders.clone().tell(case))).collect();
        let ends = Instant::now() + Duration::from_secs(10 + dice.below(15));
        while Instant::now() < ends {
            dice.wait_between(100, 1_500).await;
            self.break_something().await;
        }
        self.mend();
        for story in telling {
            story.await.unwrap();
        }
        self.replay(70);
        let drained = self.drain().await;
        self.end(drained)
    }

    pub fn senders(&self) -> Senders {
        Senders {
            processes: Arc::clone(&self.processes),
            dice: self.ground.dice.clone(),
            heard: Arc::clone(&self.heard),
        }
    }

    fn start_one(&self) {
        self.processes.lock().push(Arc::new(Process::start(&self.ground)));
    }

    pub fn some_process(&self) -> Option<Arc<Process>> {
        let processes = self.processes.lock();
        (!processes.is_empty()).then(|| Arc::clone(self.ground.dice.pick(&processes)))
    }

    async fn break_something(&self) {
        let dice = &self.ground.dice;
        let Some(process) = self.some_process() else { return self.start_one() };
        match dice.below(10) {
            0 | 1 => self.kill(&process).await,
            2 => self.restart_in_good_order(process).await,
            3 => {
                let forgotten = dice.percent(50);
                process.power.set(Mode::Stopped { forgotten });
                dice.wait(8_000).await;
                process.power.set(Mode::On);
            }
            4 => {
                let code = org(dice.pick::<&str>(&EVERYBODY));
                self.ground.seen.lock().out.insert(code.clone());
                dice.wait(6_000).await;
                self.ground.seen.lock().out.remove(&code);
            }
            5 if self.ground.remembers => self.delete_lane(dice.pick::<&str>(&EVERYBODY)).await,
            6 => {
                self.ground.lanes.lock().blocked = true;
                dice.wait(4_000).await;
                self.ground.lanes.lock().blocked = false;
            }
            7 => {
                let lane = org(dice.pick::<&str>(&EVERYBODY)).into();
                let memory = &self.ground.memory;
                let paused = dice.percent(60);
                memory.lock().pause_lane(&lane, paused);
            }
            8 if self.jumps => process.clock.set_wrong(*dice.pick(&[-3_600, 0, 3_600])),
            _ => self.replay(40),
        }
    }

    /// `kill -9`, and another process takes its place.
    pub async fn kill(&self, process: &Arc<Process>) {
        process.power.set(Mode::Off);
        self.processes.lock().retain(|other| !Arc::ptr_eq(other, process));
        if !self.ground.remembers {
            self.ground.lanes.lock().forget();
        }
        self.ground.dice.wait(3_000).await;
        self.start_one();
    }

    async fn restart_in_good_order(&self, process: Arc<Process>) {
        process.stop.cancel();
        self.ground.dice.wait(2_000).await;
        self.kill(&process).await;
    }

    pub async fn delete_lane(&self, code: &str) {
        let name = tierlink_bus::Lane::new(code).unwrap();
        let lane = self.ground.lanes.lock().delete(&name);
        if let Some(lane) = lane {
            tierlink_bus::Bus::close(&lane).await;
        }
    }

    /// A person looks at what is parked and clears up some of it.
    fn replay(&self, percent: u64) {
        let mut memory = self.ground.memory.lock();
        for id in memory.parked() {
            if self.ground.dice.percent(percent) {
                self.ground.seen.lock().refused.remove(&id);
                memory.replay(&id);
            }
        }
    }

    /// Everything that can be mended is mended.
    fn mend(&self) {
        self.ground.faults.end();
        self.ground.lanes.lock().blocked = false;
        self.ground.seen.lock().out.clear();
        for code in EVERYBODY {
            self.ground.memory.lock().pause_lane(&org(code).into(), false);
        }
        if self.processes.lock().is_empty() {
            self.start_one();
        }
        for process in &*self.processes.lock() {
            process.clock.set_wrong(0);
            process.power.set(Mode::On);
        }
    }

    /// Waits until nobody has anything in hand.
    async fn drain(&self) -> bool {
        let lasts = if self.jumps { DRAIN_AFTER_JUMPS_LASTS } else { DRAIN_LASTS };
        let ends = Instant::now() + lasts;
        while Instant::now() < ends {
            if self.ground.memory.lock().in_hand().is_empty() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        false
    }

    fn end(&self, drained: bool) -> End {
        let memory = self.ground.memory.lock();
        let seen = self.ground.seen.lock();
        let heard = self.heard.lock();
        let mut failures = checks::all(&memory, &seen, &heard);
        if !drained && failures.is_empty() {
            failures.push("it did not come to rest".to_owned());
        }
        End { failures, promised: memory.diary.promises.len(), heard: heard.len() }
    }
}
