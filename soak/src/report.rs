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

/// The part of a report that is about one scenario.
pub(crate) struct Section<'a> {
    report: &'a mut Report,
    scenario: Scenario,
}

impl Section<'_> {
    /// Something to know.
    pub(crate) fn note(&mut self, what: impl Into<String>, measured: impl ToString) {
        self.row(what.into(), measured.to_string(), None, None);
    }

    /// How many were done of those that should be, if the time is enough.
    pub(crate) fn done(&mut self, what: impl Into<String>, done: u64, wanted: u64) {
        let cut = if done < wanted { " (time was up)" } else { "" };
        self.note(what, format!("{done} of {wanted}{cut}"));
    }

    /// Something that must be so.
    pub(crate) fn must(
        &mut self,
        what: &str,
        measured: impl ToString,
        goal: impl ToString,
        reached: bool,
    ) {
        let (measured, goal) = (measured.to_string(), goal.to_string());
        if !reached {
            let wrong = format!("{what}: {measured}, should be {goal}");
            self.violated(&wrong);
        }
        self.row(what.to_owned(), measured, Some(goal), Some(reached));
    }

    /// Something about time: a short run has too few samples, on a machine that does other things, to judge it.
    pub(crate) fn time(&mut self, what: &str, measured: String, goal: &str, reached: bool) {
        match self.report.short {
            true => self.row(what.to_owned(), measured, Some(goal.to_owned()), None),
            false => self.must(what, measured, goal, reached),
        }
    }

    /// Megabytes of memory, where the system says how many there are, and how many there may be.
    pub(crate) fn memory(&mut self, what: &str, megabytes: Option<f64>, limit: f64) {
        match megabytes {
            Some(mb) => self.must(
                what,
                format!("{mb:.0} MB"),
                format!("{limit} MB"),
                mb <= limit,
            ),
            None => self.note(what, "this system does not say"),
        }
    }

    /// What must not happen, and how often it has.
    pub(crate) fn violations(&mut self, found: &Violations) {
        let count = found.count();
        let found = std::mem::take(&mut *found.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (kind, all) in &found {
            for what in all.iter().take(SHOWN) {
                self.violated(&format!("{kind}: {what}"));
            }
            if all.len() > SHOWN {
                self.violated(&format!("{kind}: {} more", all.len() - SHOWN));
            }
        }
        let reached = Some(count == 0);
        self.row(
            "violations".to_owned(),
            count.to_string(),
            Some("0".to_owned()),
            reached,
        );
    }

    fn violated(&mut self, what: &str) {
        let line = format!("{}: {what}", self.scenario.name());
        self.report.violations.push(line);
    }

    fn row(&mut self, what: String, measured: String, goal: Option<String>, reached: Option<bool>) {
        self.report.rows.push(Row {
            scenario: self.scenario.name(),
            what,
            measured,
            goal,
            reached,
        });
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

    /// Where a scenario writes what it finds out.
    pub(crate) fn section(&mut self, scenario: Scenario) -> Section<'_> {
        Section {
            report: self,
            scenario,
        }
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
}
