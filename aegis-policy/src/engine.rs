//! The only place where Rego is evaluated: compiled modules, a pool of virtual machines each, budgets on every evaluation.

mod authored;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::program::Program as Bytecode;
use regorus::rvm::vm::RegoVM;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{CompiledPolicy, Engine, Rc, Value};

pub(crate) use authored::Authored;
use authored::Interpreted;

/// Far above what the largest bucket takes, far below what an agent would notice as a stall.
const TIME_LIMIT: Duration = Duration::from_millis(50);
/// Instructions between two looks at the clock.
const CLOCK_EVERY: NonZeroU32 = NonZeroU32::new(256).unwrap();
/// Instructions that one rule may take, and those for the frame around all.
const INSTRUCTIONS_A_RULE: usize = 2_000;
const INSTRUCTIONS_AT_LEAST: usize = 10_000;
/// Those of a condition that goes through an array, which is as long as the agent makes it.
const INSTRUCTIONS_A_LIST: usize = 500_000;
/// Idle machines kept for a module.
const POOL: usize = 16;

/// The module could not be compiled or evaluated. Always answered with a denial.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct EngineError(String);

impl EngineError {
    /// The module named a rule that it was not made from.
    pub(crate) fn stray(id: &str) -> EngineError {
        EngineError(format!("the chain gave {id:?}, which is none of its rules"))
    }
}

/// Which chain of the module to evaluate.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Chain {
    Decision,
    Enforced,
}

/// What a module's budget of instructions depends on.
#[derive(Debug, Copy, Clone)]
pub(crate) struct Weight {
    pub(crate) rules: usize,
    /// Conditions that go through an array.
    pub(crate) lists: usize,
}

/// A compiled module.
#[derive(Debug)]
pub(crate) enum Program {
    /// All of it generated.
    Compiled(Compiled),
    /// With authors' Rego in it.
    Interpreted(Box<Interpreted>),
}

/// A module as bytecode.
pub(crate) struct Compiled {
    policy: CompiledPolicy,
    bytecode: Arc<Bytecode>,
    instructions: usize,
    enforced: bool,
    idle: Mutex<Vec<RegoVM>>,
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiled").field("instructions", &self.instructions).finish_non_exhaustive()
    }
}

/// Regular expressions of all snapshots together that stay compiled.
pub(crate) fn configure() {
    regorus::cache::configure(regorus::cache::Config { regex: 16_384, glob: 0 });
}

impl Program {
    /// Compiles `text`, whose chains are `decision` and, where `enforced`, `enforced`.
    pub(crate) fn compile(
        package: &str,
        text: &str,
        authored: &Authored,
        weight: Weight,
        enforced: bool,
    ) -> Result<Program, EngineError> {
        let decision = format!("data.{package}.{}", crate::rego::DECISION);
        let second = enforced.then(|| format!("data.{package}.{}", crate::rego::ENFORCED));
        let mut engine = Engine::new();
        engine.add_policy(format!("{package}.rego"), text.to_owned()).map_err(failed)?;
        if !authored.is_empty() {
            authored.load(&mut engine)?;
            return Interpreted::new(engine, decision, second).map(|one| Program::Interpreted(Box::new(one)));
        }
        let entry: Rc<str> = decision.as_str().into();
        let policy = engine.compile_with_entrypoint(&entry).map_err(failed)?;
        let mut entries = vec![decision.as_str()];
        entries.extend(second.as_deref());
        let bytecode = Compiler::compile_from_policy(&policy, &entries).map_err(failed)?;
        let instructions = INSTRUCTIONS_AT_LEAST
            .saturating_add(weight.rules.saturating_mul(INSTRUCTIONS_A_RULE))
            .saturating_add(weight.lists.saturating_mul(INSTRUCTIONS_A_LIST));
        Ok(Program::Compiled(Compiled { policy, bytecode, instructions, enforced, idle: Mutex::default() }))
    }

    /// The id of the first rule of the chain that holds; `None` where none does.
    pub(crate) fn first(&self, chain: Chain, input: Value) -> Result<Option<Rc<str>>, EngineError> {
        let value = match self {
            Program::Compiled(compiled) => compiled.evaluate(chain, input)?,
            Program::Interpreted(interpreted) => interpreted.evaluate(chain, input)?,
        };
        match value {
            Value::Undefined => Ok(None),
            Value::String(id) => Ok(Some(id)),
            other => Err(EngineError(format!("the chain gave {other} instead of a rule"))),
        }
    }
}

impl Compiled {
    /// What the chain gives.
    fn evaluate(&self, chain: Chain, input: Value) -> Result<Value, EngineError> {
        let entry = match chain {
            Chain::Decision => 0,
            Chain::Enforced if self.enforced => 1,
            Chain::Enforced => return Ok(Value::Undefined),
        };
        let pooled = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut vm = pooled.unwrap_or_else(|| self.machine());
        vm.set_input(input);
        let result = vm.execute_entry_point_by_index(entry);
        // A machine that waits for its next request holds nothing of the last one.
        vm.set_input(Value::Undefined);
        let value = result.map_err(failed)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < POOL {
            idle.push(vm);
        }
        Ok(value)
    }

    fn machine(&self) -> RegoVM {
        let mut vm = RegoVM::new_with_policy(self.policy.clone());
        vm.load_program(self.bytecode.clone());
        vm.set_max_instructions(self.instructions);
        vm.set_execution_timer_config(Some(ExecutionTimerConfig { limit: TIME_LIMIT, check_interval: CLOCK_EVERY }));
        vm
    }
}

/// A module whose rules are asked for one by one, by the interpreter: for explanations, where speed matters less.
pub(crate) struct Conditions {
    engine: Engine,
    query: String,
}

impl std::fmt::Debug for Conditions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conditions").field("query", &self.query).finish_non_exhaustive()
    }
}

impl Conditions {
    pub(crate) fn compile(package: &str, text: &str, authored: &Authored) -> Result<Conditions, EngineError> {
        let mut engine = Engine::new();
        engine.add_policy(format!("{package}.rego"), text.to_owned()).map_err(failed)?;
        if !authored.is_empty() {
            authored.load(&mut engine)?;
            // A mistake in one condition leaves the others to be told of; the decision itself is never made here.
            engine.set_strict_builtin_errors(false);
            engine.set_execution_timer_config(ExecutionTimerConfig { limit: TIME_LIMIT, check_interval: CLOCK_EVERY });
        }
        Ok(Conditions { engine, query: format!("data.{package}") })
    }

    /// The names of the rules that hold for `input`.
    pub(crate) fn holding(&mut self, input: Value) -> Result<HashSet<String>, EngineError> {
        self.engine.set_input(input);
        let results = self.engine.eval_query(self.query.clone(), false).map_err(failed)?;
        let value = results.result.first().and_then(|row| row.expressions.first()).map(|expression| &expression.value);
        let Some(Value::Object(rules)) = value else {
            return Ok(HashSet::new());
        };
        let held = rules.iter().filter(|(_, holds)| **holds == Value::Bool(true));
        Ok(held.filter_map(|(name, _)| name.as_string().ok().map(|name| name.to_string())).collect())
    }
}

fn failed(error: impl std::fmt::Display) -> EngineError {
    EngineError(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn program(body: &str) -> Program {
        let text = format!("package aegis.t\n\nimport rego.v1\n\ndecision := \"id\" if {{\n{body}\n}}\n");
        Program::compile("aegis.t", &text, &Authored::default(), Weight { rules: 1, lists: 0 }, false).unwrap()
    }

    #[test]
    fn a_chain_gives_a_rule_or_none() {
        let input = || Value::from_json_str(r#"{"n": 1}"#).unwrap();
        assert!(matches!(program("input.n == 1").first(Chain::Decision, input()), Ok(Some(_))));
        assert!(matches!(program("input.n == 2").first(Chain::Decision, input()), Ok(None)));
        assert!(program("input.n == 1").first(Chain::Enforced, input()).unwrap().is_none());
    }

    #[test]
    fn the_budget_of_instructions_holds_and_the_next_evaluation_is_clean() {
        let Program::Compiled(mut small) = program("input.n == 1") else { panic!("not compiled") };
        small.instructions = 1;
        let input = Value::from_json_str(r#"{"n": 1}"#).unwrap();
        assert!(small.evaluate(Chain::Decision, input.clone()).is_err());
        small.instructions = 1_000;
        assert_eq!(small.evaluate(Chain::Decision, input).unwrap(), Value::from("id"));
    }
}
