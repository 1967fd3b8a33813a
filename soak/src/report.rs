//! What was measured, what it should be, and what was violated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde::Serialize;

use crate::options::{Run, Scenario};

/// So many violations of one kind are shown; the rest are counted.
const SHOWN: usize = 5;

/// One line of the table.
#[derive(Debug, Serialize)]
struct Row {
    scenario: &'static str,
    what: String,
    measured: String,
    goal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
}

/// Everything that a run found out.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    short: bool,
    rows: Vec<Row>,
    violations: Vec<String>,
}

/// Collects what must not happen, from any task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Violations(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Violations {
    /// Something of this kind has happened.
    pub(crate) fn add(&self, kind: &str, what: impl Into<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(kind.to_owned()).or_default().push(what.into());
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(Vec::len).sum()
    }
}

impl Report {
    /// Empty.
    pub(crate) fn new(options: &Run) -> Self {
        Self {
            short: options.short,
            rows: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Something to know.
    pub(crate) fn note(
        &mut self,
        scenario: Scenario,
        what: impl Into<String>,
        measured: impl Into<String>,
    ) {
        self.row(scenario, what, measured, None, None);
    }

    /// Something that must be so.
    pub(crate) fn must(
        &mut self,
        scenario: Scenario,
        what: &str,
        measured: impl Into<String>,
        goal: &str,
        reached: bool,
    ) {
        let measured = measured.into();
        if !reached {
            let name = scenario.name();
            self.violations
                .push(format!("{name}: {what}: {measured}, should be {goal}"));
        }
        self.row(scenario, what, measured, Some(goal), Some(reached));
    }

    /// Something about time: a short run has too few samples, on a machine that does other things, to judge it.
    pub(crate) fn time(
        &mut self,
        scenario: Scenario,
        what: &str,
        measured: impl Into<String>,
        goal: &str,
        reached: bool,
    ) {
        match self.short {
            true => self.row(scenario, what, measured, Some(goal), None),
            false => self.must(scenario, what, measured, goal, reached),
        }
    }

    /// What must not happen, and how often it has.
    pub(crate) fn violations(&mut self, scenario: Scenario, found: &Violations) {
        let name = scenario.name();
        let count = found.count();
        let found = std::mem::take(&mut *found.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (kind, all) in &found {
            let shown = all.iter().take(SHOWN);
            self.violations
                .extend(shown.map(|what| format!("{name}: {kind}: {what}")));
            if all.len() > SHOWN {
                let rest = all.len() - SHOWN;
                self.violations.push(format!("{name}: {kind}: {rest} more"));
            }
        }
        self.row(
            scenario,
            "violations",
            count.to_string(),
            Some("0"),
            Some(count == 0),
        );
    }

    /// Whether nothing was violated.
    pub(crate) fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// Prints the table, or all of it as JSON.
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        let width = |text: fn(&Row) -> &str| self.rows.iter().map(|row| text(row).len()).max();
        let what = width(|row| &row.what).unwrap_or(0);
        let measured = width(|row| &row.measured).unwrap_or(0);
        println!(
            "{:9}  {:what$}  {:measured$}  goal",
            "scenario", "what", "measured"
        );
        for row in &self.rows {
            let missed = if row.reached == Some(false) {
                "  MISSED"
            } else {
                ""
            };
            let goal = row.goal.as_deref().unwrap_or_default();
            let line = format!(
                "{:9}  {:what$}  {:measured$}  {goal}{missed}",
                row.scenario, row.what, row.measured
            );
            println!("{}", line.trim_end());
        }
        for violation in &self.violations {
            println!("VIOLATED  {violation}");
        }
        Ok(())
    }

    fn row(
        &mut self,
        scenario: Scenario,
        what: impl Into<String>,
        measured: impl Into<String>,
        goal: Option<&str>,
        reached: Option<bool>,
    ) {
        self.rows.push(Row {
            scenario: scenario.name(),
            what: what.into(),
            measured: measured.into(),
            goal: goal.map(str::to_owned),
            reached,
        });
    }
}
