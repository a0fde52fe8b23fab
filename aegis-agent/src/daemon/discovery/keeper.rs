//! One look: the cgroups there are, compared with the discovered agents there are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::questions::Question;
use crate::config::{AgentSpec, Becomes, ContainerPattern};
use crate::daemon::{Aegis, membership};
use crate::discovery::{Answer, Candidate, Container, Facts, Refused, Seen, all_fit, is_gone, scan};
use crate::identity::{Enrolled, Source};
use crate::kernel::AgentIndex;

/// The pauses between two questions for the same container, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Refusals of one look that get a line of their own.
const TOLD_AT_ONCE: usize = 8;

/// Knows what runtimes have answered, and what it complained of before.
pub struct Keeper {
    aegis: Arc<Aegis>,
    answers: HashMap<Question, Heard>,
    told: BTreeSet<(PathBuf, String)>,
    cut: bool,
    failed: bool,
}

/// What one runtime has said of one container.
enum Heard {
    /// Nothing yet.
    Nothing,
    Known(Container),
    /// Nothing that helps; asked again when the pause is over.
    Nowhere {
        why: String,
        since: Instant,
        pause: Duration,
    },
}

/// What a cgroup is to be.
enum Wanted {
    Nobody,
    /// Nobody knows yet.
    Unknown,
    /// No runtime can say.
    Unsaid(String),
    Agent(Box<AgentSpec>),
    Refused {
        agent: Option<String>,
        why: String,
    },
}

impl Keeper {
    pub fn new(aegis: Arc<Aegis>) -> Self {
        Self { aegis, answers: HashMap::new(), told: BTreeSet::new(), cut: false, failed: false }
    }

    /// Whether there are discovered agents, such as those of an earlier start.
    pub fn has_any(&self) -> bool {
        self.aegis.registry.list().iter().any(|agent| agent.source == Source::Discovered)
    }

    /// Notes an answer.
    pub fn take(&mut self, question: Question, answer: Answer) {
        let Some(heard) = self.answers.get_mut(&question) else { return };
        let pause = match heard {
            Heard::Nowhere { pause, .. } => (*pause * 2).min(LONGEST_PAUSE),
            Heard::Nothing | Heard::Known(_) => FIRST_PAUSE,
        };
        let nowhere = |why: String| Heard::Nowhere { why, since: Instant::now(), pause };
        *heard = match answer {
            Answer::Known(container) => Heard::Known(container),
            Answer::Unknown => {
                nowhere(format!("the runtime at {} does not know this container", question.socket.display()))
            }
            Answer::Failed(why) => nowhere(why),
        };
    }

    /// What runtimes are to be asked now.
    pub fn open_questions(&self, now: Instant) -> Vec<Question> {
        let due = |heard: &Heard| match heard {
            Heard::Nothing => true,
            Heard::Known(_) => false,
            Heard::Nowhere { since, pause, .. } => now.saturating_duration_since(*since) >= *pause,
        };
        self.answers.iter().filter(|(_, heard)| due(heard)).map(|(question, _)| question.clone()).collect()
    }

    /// When the next question is due that has to wait; none where there is none.
    pub fn next_question(&self, now: Instant) -> Option<Duration> {
        let left = |heard: &Heard| match heard {
            Heard::Nowhere { since, pause, .. } => Some(pause.saturating_sub(now.saturating_duration_since(*since))),
            Heard::Nothing | Heard::Known(_) => None,
        };
        self.answers.values().filter_map(left).filter(|left| !left.is_zero()).min()
    }

    /// Looks, and gives the directories in which others can appear. Blocks.
    pub fn look(&mut self) -> Vec<PathBuf> {
        let agents = self.aegis.registry.list();
        let (found, named): (Vec<_>, Vec<_>) = agents.into_iter().partition(|agent| agent.source == Source::Discovered);
        let mut named: HashSet<PathBuf> = named.iter().map(|agent| agent.cgroup.clone()).collect();
        named.extend(self.aegis.registry.left());
        let seen = scan(self.aegis.sockets.root(), &named);
        if seen.cut && !self.cut {
            tracing::error!(
                "there are more cgroups than are looked at: units and containers in the others stay denied"
            );
        }
        self.cut = seen.cut;
        if let Some(why) = seen.failed.as_ref().filter(|_| !self.failed) {
            tracing::error!("not all cgroups could be looked at, so nothing is taken for gone that is not: {why}");
        }
        self.failed = seen.failed.is_some();
        self.expect(&seen.candidates);
        let wanted: Vec<(&Candidate, Wanted)> =
            seen.candidates.iter().map(|candidate| (candidate, self.wanted(candidate))).collect();
        let live: HashMap<(&PathBuf, Option<u64>), &Arc<Enrolled>> =
            found.iter().map(|agent| ((&agent.cgroup, agent.cgroup_id), agent)).collect();
        let staying = wanted.iter().filter_map(|(candidate, wanted)| {
            let agent = live.get(&(&candidate.cgroup, Some(candidate.id)))?;
            wanted.keeps(agent).then_some(agent.index)
        });
        let staying: HashSet<AgentIndex> = staying.collect();
        let looked_at: HashSet<(&PathBuf, Option<u64>)> =
            seen.candidates.iter().map(|candidate| (&candidate.cgroup, Some(candidate.id))).collect();
        let ends = |agent: &&Arc<Enrolled>| {
            let known = seen.is_whole() || looked_at.contains(&(&agent.cgroup, agent.cgroup_id));
            !staying.contains(&agent.index) && (known || is_gone(&agent.cgroup, agent.cgroup_id))
        };
        // Who goes makes room first: for its name, too.
        found.iter().filter(ends).for_each(|agent| self.end(agent));
        let mut refused = Vec::new();
        for (candidate, wanted) in wanted {
            let known = live.get(&(&candidate.cgroup, Some(candidate.id)));
            let known = known.filter(|agent| staying.contains(&agent.index)).copied();
            self.bring_about(candidate, wanted, known, &mut refused);
        }
        let skipped = |(cgroup, why): (PathBuf, &'static str)| {
            let why = format!("not looked into: {why}");
            Refused { cgroup, agent: None, why }
        };
        refused.extend(seen.skipped.into_iter().map(skipped));
        self.complain(&refused);
        self.aegis.discovery.set(refused);
        seen.parents
    }

    /// Notes which runtimes have to be asked for which containers; forgets those of containers that are gone.
    fn expect(&mut self, candidates: &[Candidate]) {
        let mut before = std::mem::take(&mut self.answers);
        for candidate in candidates {
            let Seen::Container(id) = &candidate.seen else { continue };
            for pattern in &self.aegis.config.discovery.containers {
                let question = Question { socket: pattern.socket.clone(), container: id.clone(), cgroup: candidate.id };
                let heard = before.remove(&question);
                self.answers.entry(question).or_insert(heard.unwrap_or(Heard::Nothing));
            }
        }
    }

    fn wanted(&self, candidate: &Candidate) -> Wanted {
        match &candidate.seen {
            Seen::Unit(unit) => {
                let mut units = self.aegis.config.discovery.units.iter();
                let fits = units.find(|pattern| pattern.unit.fits(&unit.raw));
                fits.map_or(Wanted::Nobody, |pattern| becomes(&pattern.becomes, Facts::Unit(unit)))
            }
            Seen::Container(id) => self.wanted_container(id, candidate.id),
            Seen::Parent | Seen::Other => Wanted::Nobody,
        }
    }

    /// The first pattern that fits, of the runtime that knows the container: the first one that does, and no other has a say.
    fn wanted_container(&self, id: &str, cgroup: u64) -> Wanted {
        let mut unsaid = None;
        for pattern in &self.aegis.config.discovery.containers {
            let question = Question { socket: pattern.socket.clone(), container: id.to_owned(), cgroup };
            match self.answers.get(&question) {
                Some(Heard::Known(container)) => return self.of_runtime(&pattern.socket, id, container),
                Some(Heard::Nowhere { why, .. }) => {
                    unsaid.get_or_insert_with(|| why.clone());
                }
                // It may know it, and then it is the one.
                Some(Heard::Nothing) | None => return Wanted::Unknown,
            }
        }
        unsaid.map_or(Wanted::Nobody, Wanted::Unsaid)
    }

    fn of_runtime(&self, runtime: &Path, id: &str, container: &Container) -> Wanted {
        let mut patterns = self.aegis.config.discovery.containers.iter();
        let fits =
            |pattern: &&ContainerPattern| pattern.socket == runtime && all_fit(&pattern.labels, &container.labels);
        let found = patterns.find(fits);
        found.map_or(Wanted::Nobody, |pattern| becomes(&pattern.becomes, Facts::Container { id, container }))
    }

    fn bring_about(
        &self,
        candidate: &Candidate,
        wanted: Wanted,
        known: Option<&Arc<Enrolled>>,
        refused: &mut Vec<Refused>,
    ) {
        let cgroup = candidate.cgroup.clone();
        match wanted {
            Wanted::Nobody | Wanted::Unknown => {}
            Wanted::Unsaid(why) => refused.push(Refused { cgroup, agent: None, why }),
            Wanted::Refused { agent, why } => refused.push(Refused { cgroup, agent, why }),
            Wanted::Agent(spec) if known.is_some_and(|known| known.spec == *spec) => {}
            Wanted::Agent(spec) => {
                let agent = spec.name.clone();
                if let Err(why) = self.begin(candidate, *spec) {
                    refused.push(Refused { cgroup, agent: Some(agent), why });
                }
            }
        }
    }

    fn begin(&self, candidate: &Candidate, spec: AgentSpec) -> Result<(), String> {
        let cgroup = candidate.cgroup.clone();
        let agent = self.aegis.registry.discover(spec, cgroup, candidate.id).map_err(|error| error.to_string())?;
        if let Err(error) = membership::enter(&self.aegis, &agent) {
            self.end(&agent);
            return Err(error.to_string());
        }
        self.aegis.standing.changed(agent.index, &self.aegis.policy);
        self.aegis.namespaces.wake();
        tracing::info!(agent = agent.agent.name, cgroup = %agent.cgroup.display(), "agent discovered");
        Ok(())
    }

    fn end(&self, agent: &Enrolled) {
        let name = &agent.agent.name;
        if let Err(error) = self.aegis.registry.forget(agent) {
            tracing::error!(agent = name, "{error}; after a restart it is looked for again");
        }
        match membership::leave(&self.aegis, agent) {
            Ok(cut) => tracing::info!(agent = name, cut, cgroup = %agent.cgroup.display(), "discovered agent is gone"),
            Err(error) => tracing::error!(agent = name, "{error}; a discovered agent that is gone keeps its entries"),
        }
    }

    /// Says once of each what is wrong with it.
    fn complain(&mut self, refused: &[Refused]) {
        let key = |refused: &Refused| (refused.cgroup.clone(), refused.why.clone());
        let new: Vec<&Refused> = refused.iter().filter(|refused| !self.told.contains(&key(refused))).collect();
        for Refused { cgroup, agent, why } in new.iter().take(TOLD_AT_ONCE) {
            tracing::error!(cgroup = %cgroup.display(), agent, why, "no agent: its processes stay denied");
        }
        if new.len() > TOLD_AT_ONCE {
            let more = new.len() - TOLD_AT_ONCE;
            tracing::error!(more, "more cgroups are no agents; `aegisctl status` shows them");
        }
        self.told = refused.iter().map(key).collect();
    }
}

impl Wanted {
    /// Whether an agent that lives there stays. While nobody knows, it does.
    fn keeps(&self, agent: &Enrolled) -> bool {
        match self {
            // A runtime that cannot be asked again takes nothing back.
            Self::Unknown | Self::Unsaid(_) => true,
            Self::Agent(spec) => spec.name == agent.agent.name,
            Self::Refused { .. } | Self::Nobody => false,
        }
    }
}

/// The agent that a pattern makes of a unit or container.
fn becomes(becomes: &Becomes, facts: Facts<'_>) -> Wanted {
    let filled = || -> Result<AgentSpec, (Option<String>, String)> {
        let name = becomes.name.fill(facts).map_err(|why| (None, why))?;
        let named = |why: String| (Some(name.clone()), why);
        let tenant = becomes.tenant.fill(facts).map_err(named)?;
        let label = |(key, text): (&String, &crate::discovery::Template)| Ok((key.clone(), text.fill(facts)?));
        let labels = becomes.labels.iter().map(label).collect::<Result<_, String>>().map_err(named)?;
        Ok(AgentSpec { name: name.clone(), tenant, labels, ..becomes.spec.clone() })
    };
    match filled() {
        Ok(spec) => Wanted::Agent(Box::new(spec)),
        Err((agent, why)) => Wanted::Refused { agent, why },
    }
}
