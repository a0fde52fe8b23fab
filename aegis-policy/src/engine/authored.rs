//! Modules with authors' Rego in them, by the interpreter.
//!
//! The virtual machine takes a mistake that a rule makes with its values (`count(5)`) for "undefined", which a `not` or a
//! default behind it turns into anything. The interpreter ends the evaluation, and an evaluation that fails is a denial. It
//! is slower, which only rules with raw Rego and those that share a host with them pay for.

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use super::{CLOCK_EVERY, Chain, EngineError, TIME_LIMIT, failed};

/// What a module needs besides its own text: authors' Rego.
#[derive(Debug, Default)]
pub(crate) struct Authored {
    /// File name and text.
    pub(crate) texts: Vec<(String, String)>,
}

impl Authored {
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    pub(super) fn load(&self, engine: &mut Engine) -> Result<(), EngineError> {
        for (file, text) in &self.texts {
            engine.add_policy(file.clone(), text.clone()).map_err(failed)?;
        }
        Ok(())
    }

    /// Whether the engine takes all of it, and the rule `entry` in it.
    pub(crate) fn check(&self, entry: &str) -> Result<(), EngineError> {
        let mut engine = Engine::new();
        self.load(&mut engine)?;
        engine.compile_with_entrypoint(&entry.into()).map_err(failed).map(drop)
    }
}

/// A module with authors' Rego, ready to be evaluated.
pub(crate) struct Interpreted {
    /// Never evaluated itself: what a copy has seen goes with the copy.
    pristine: Engine,
    decision: String,
    enforced: Option<String>,
}

impl std::fmt::Debug for Interpreted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interpreted").field("decision", &self.decision).finish_non_exhaustive()
    }
}

impl Interpreted {
    /// From an engine that has everything.
    pub(super) fn new(
        mut engine: Engine,
        decision: String,
        enforced: Option<String>,
    ) -> Result<Interpreted, EngineError> {
        engine.set_strict_builtin_errors(true);
        engine.set_execution_timer_config(ExecutionTimerConfig { limit: TIME_LIMIT, check_interval: CLOCK_EVERY });
        engine.compile_with_entrypoint(&decision.as_str().into()).map_err(failed)?;
        Ok(Interpreted { pristine: engine, decision, enforced })
    }

    /// What the chain gives.
    pub(super) fn evaluate(&self, chain: Chain, input: Value) -> Result<Value, EngineError> {
        let rule = match chain {
            Chain::Decision => &self.decision,
            Chain::Enforced => match &self.enforced {
                Some(rule) => rule,
                None => return Ok(Value::Undefined),
            },
        };
        let mut engine = self.pristine.clone();
        engine.set_input(input);
        engine.eval_rule(rule.clone()).map_err(failed)
    }
}
