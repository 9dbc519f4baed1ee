//! Tests of the tests: each guard is removed in turn, and the test that is named for it must fail.

mod patch;
mod scratch;

use crate::{git, workspace::Workspace};
use anyhow::Context as _;
use patch::Patch;
use scratch::{Built, Ran, Scratch};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    process::ExitCode,
    time::Instant,
};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Only whether every patch applies to the work tree and names a test that exists.
    Check,
    /// These numbers; none: all of them.
    Run(BTreeSet<String>),
}

/// Reads `[--check | NN…]`.
pub(crate) fn asked(arguments: &[&str]) -> anyhow::Result<Asked> {
    if arguments == ["--check"] {
        return Ok(Asked::Check);
    }
    for argument in arguments {
        anyhow::ensure!(
            patch::is_number(argument),
            "`mutants` takes `--check`, or numbers of two to four digits: `{argument}` is neither"
        );
    }
    Ok(Asked::Run(arguments.iter().map(|number| (*number).to_owned()).collect()))
}

pub(crate) fn run(workspace: &Workspace, asked: Asked) -> anyhow::Result<ExitCode> {
    match asked {
        Asked::Check => check(workspace).map(|()| ExitCode::SUCCESS),
        Asked::Run(numbers) => kill(workspace, &chosen(patches(workspace)?, &numbers)?),
    }
}

/// Whether the patches would work, without building anything: a step of `cargo xtask check`.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let patches = patches(workspace)?;
    let wrong: Vec<String> = patches
        .iter()
        .filter_map(|patch| {
            let found = patch.check(&workspace.root);
            found.err().map(|why| format!("{}: {why:#}", patch.name))
        })
        .collect();
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} patches apply, and their tests exist", patches.len());
    Ok(())
}

fn patches(workspace: &Workspace) -> anyhow::Result<Vec<Patch>> {
    patch::all(&workspace.root.join("tests/mutants"))
}

fn chosen(patches: Vec<Patch>, numbers: &BTreeSet<String>) -> anyhow::Result<Vec<Patch>> {
    if numbers.is_empty() {
        return Ok(patches);
    }
    for number in numbers {
        let known = patches.iter().any(|patch| patch.number() == number);
        anyhow::ensure!(known, "there is no patch {number} in tests/mutants");
    }
    Ok(patches.into_iter().filter(|patch| numbers.contains(patch.number())).collect())
}

/// What became of a patch. Only [`Verdict::Killed`] is good.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Killed,
    Survived,
    /// The test did not end: it would stop a whole run, and says nothing of the guard.
    Hung,
    DoesNotApply(String),
    DoesNotCompile(String),
    /// The arguments select no test, or several.
    WrongSelection(String),
    /// The test fails without the patch.
    FailsAnyway(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Killed => "killed",
            Self::Survived => "SURVIVED",
            Self::Hung => "HUNG",
            Self::DoesNotApply(_) => "does not apply",
            Self::DoesNotCompile(_) => "does not compile",
            Self::WrongSelection(_) => "wrong selection",
            Self::FailsAnyway(_) => "fails without the patch",
        })
    }
}

impl Verdict {
    fn details(&self) -> &str {
        match self {
            Self::Killed | Self::Survived | Self::Hung => "",
            Self::DoesNotApply(why)
            | Self::DoesNotCompile(why)
            | Self::WrongSelection(why)
            | Self::FailsAnyway(why) => why,
        }
    }
}

fn kill(workspace: &Workspace, patches: &[Patch]) -> anyhow::Result<ExitCode> {
    if git::is_dirty(&workspace.root)? {
        println!(
            "the work tree has changes that are not committed: they are not in what is tested, which is HEAD"
        );
    }
    let scratch = Scratch::make(workspace).context("cannot make the scratch work tree")?;
    if patches.iter().any(Patch::needs_guests) {
        scratch.guests(workspace)?;
    }
    println!("running {} tests without their patches", patches.len());
    let mut broken = baseline(&scratch, patches)?;
    let mut verdicts = Vec::new();
    for patch in patches {
        let began = Instant::now();
        let verdict = match broken.remove(&patch.name) {
            Some(verdict) => verdict,
            None => try_one(&scratch, patch)?,
        };
        println!(
            "{verdict:<24} {:>6.1} s  {}: {}",
            began.elapsed().as_secs_f64(),
            patch.name,
            patch.guard
        );
        if !verdict.details().is_empty() {
            eprintln!("{}", verdict.details());
        }
        verdicts.push((patch.name.as_str(), verdict));
    }
    println!("\n{}", summary(&verdicts));
    let all = verdicts.iter().all(|(_, verdict)| *verdict == Verdict::Killed);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The patches whose test does not pass as things are. Each test binary is built once.
fn baseline(scratch: &Scratch, patches: &[Patch]) -> anyhow::Result<BTreeMap<String, Verdict>> {
    let mut broken = BTreeMap::new();
    let selections: BTreeSet<&[String]> = patches.iter().map(Patch::selection).collect();
    for selection in selections {
        let built = scratch.build(selection)?;
        for patch in patches.iter().filter(|patch| patch.selection() == selection) {
            let verdict = match &built {
                Built::Test(test) => unmutated(scratch.run(test, patch.test())?),
                Built::DoesNotCompile(why) => Some(Verdict::DoesNotCompile(why.clone())),
                Built::NotOne(why) => Some(Verdict::WrongSelection(why.clone())),
            };
            broken.extend(verdict.map(|verdict| (patch.name.clone(), verdict)));
        }
    }
    Ok(broken)
}

/// What keeps a patch from being tried, if anything.
fn unmutated(ran: Ran) -> Option<Verdict> {
    match ran {
        Ran::Passed => None,
        Ran::Failed(output) => Some(Verdict::FailsAnyway(output)),
        Ran::OutOfTime => Some(Verdict::FailsAnyway("it did not end in time".into())),
        Ran::NotOne(why) => Some(Verdict::WrongSelection(why)),
    }
}

fn try_one(scratch: &Scratch, patch: &Patch) -> anyhow::Result<Verdict> {
    let verdict = match scratch.apply(&patch.file) {
        Err(why) => Verdict::DoesNotApply(format!("{why:#}")),
        Ok(()) => match scratch.build(patch.selection())? {
            Built::DoesNotCompile(why) => Verdict::DoesNotCompile(why),
            Built::NotOne(why) => Verdict::WrongSelection(why),
            Built::Test(test) => match scratch.run(&test, patch.test())? {
                Ran::Passed => Verdict::Survived,
                Ran::Failed(_) => Verdict::Killed,
                Ran::OutOfTime => Verdict::Hung,
                Ran::NotOne(why) => Verdict::WrongSelection(why),
            },
        },
    };
    scratch.restore()?;
    Ok(verdict)
}

fn summary(verdicts: &[(&str, Verdict)]) -> String {
    let bad: Vec<String> = verdicts
        .iter()
        .filter(|(_, verdict)| *verdict != Verdict::Killed)
        .map(|(name, verdict)| format!("{name} ({verdict})"))
        .collect();
    let killed = verdicts.len() - bad.len();
    match bad.is_empty() {
        true => format!("xtask mutants: all {killed} killed"),
        false => format!(
            "xtask mutants: {killed} of {} killed; failed: {}",
            verdicts.len(),
            bad.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_asked(arguments: &[&str], expected: Option<Asked>) {
        assert_eq!(asked(arguments).ok(), expected);
    }

    #[test]
    fn all_some_or_only_a_check_may_be_asked_for() {
        check_asked(&[], Some(Asked::Run(BTreeSet::new())));
        check_asked(&["07", "90"], Some(Asked::Run(["07".to_owned(), "90".to_owned()].into())));
        check_asked(&["--check"], Some(Asked::Check));
        check_asked(&["--check", "07"], None);
        check_asked(&["123"], Some(Asked::Run(["123".to_owned()].into())));
        check_asked(&["7"], None);
        check_asked(&["07-name"], None);
    }

    #[test]
    fn a_number_that_no_patch_has_is_a_mistake() {
        let patches = || vec![patch::tests::patch("07-a"), patch::tests::patch("90-b")];
        let names = |numbers: &[&str]| {
            let numbers = numbers.iter().map(|number| (*number).to_owned()).collect();
            chosen(patches(), &numbers)
                .map(|patches| patches.into_iter().map(|patch| patch.name).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        assert_eq!(names(&[]), Ok(vec!["07-a".into(), "90-b".into()]));
        assert_eq!(names(&["90"]), Ok(vec!["90-b".into()]));
        assert_eq!(names(&["08"]), Err("there is no patch 08 in tests/mutants".into()));
    }

    #[test]
    fn a_test_that_does_not_pass_as_things_are_proves_nothing() {
        assert_eq!(unmutated(Ran::Passed), None);
        assert_eq!(unmutated(Ran::Failed("why".into())), Some(Verdict::FailsAnyway("why".into())));
        assert!(unmutated(Ran::OutOfTime).is_some());
        assert!(unmutated(Ran::NotOne("two".into())).is_some());
    }

    #[test]
    fn the_summary_names_what_was_not_killed() {
        assert_eq!(summary(&[("07-a", Verdict::Killed)]), "xtask mutants: all 1 killed");
        assert_eq!(
            summary(&[
                ("07-a", Verdict::Killed),
                ("08-b", Verdict::Survived),
                ("09-c", Verdict::Hung)
            ]),
            "xtask mutants: 1 of 3 killed; failed: 08-b (SURVIVED), 09-c (HUNG)"
        );
    }
}
