//! The stages that a row passes: how much of each there is in this run, and how far it has come.

use super::Snapshot;
use super::ink::Tone;
use crate::view::collected::size;
use crate::view::wording::grouped;

/// One stage of a run.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// Its name, and a shorter one for narrow terminals.
    pub names: [&'static str; 2],
    /// How much there is.
    pub total: u64,
    /// How much has come to a good end.
    pub good: u64,
    /// How much has come to a bad one.
    pub bad: u64,
    /// How much is under way.
    pub under_way: u64,
    /// What else there is to say: first what went wrong, then the rest.
    pub troubles: Vec<String>,
    /// See `troubles`.
    pub remarks: Vec<String>,
}

impl Stage {
    pub(super) fn done(&self) -> u64 {
        self.good + self.bad
    }

    /// How much is done, in percent; rounded down, so that only the last makes it 100.
    pub(super) fn percent(&self) -> u64 {
        percent(self.done(), self.total)
    }

    /// `room` cells, shared out among what is good, bad, under way and not begun. What there is of the bad shows.
    pub(super) fn cells(&self, room: usize) -> [usize; 4] {
        let share = |count: u64| {
            let cells = u128::from(count.min(self.total)) * room as u128;
            usize::try_from(cells.checked_div(u128::from(self.total)).unwrap_or(0)).unwrap_or(room)
        };
        let some = |count: u64| usize::from(count > 0);
        let done = share(self.done()).max(some(self.bad)).min(room);
        let bad = (done - share(self.good).min(done)).max(some(self.bad)).min(done);
        let begun = share(self.done() + self.under_way)
            .max(done + some(self.under_way))
            .min(room);
        [done - bad, bad, begun - done, room - begun]
    }

    /// The colour of a share that [`cells`](Stage::cells) gives.
    pub(super) const TONES: [Tone; 4] = [Tone::Good, Tone::Bad, Tone::Good, Tone::Faint];
}

/// How much is done, in percent; rounded down, so that only the last makes it 100.
pub(super) fn percent(done: u64, total: u64) -> u64 {
    let percent = (u128::from(done.min(total)) * 100).checked_div(u128::from(total));
    percent.and_then(|percent| u64::try_from(percent).ok()).unwrap_or(100)
}

/// The stages that this run has, in the order a row passes them.
pub(super) fn stages(snapshot: &Snapshot) -> Vec<Stage> {
    let stages = if snapshot.images.is_some() {
        vec![looked_at(snapshot)]
    } else {
        [Some(submitted(snapshot)), generating(snapshot), saved(snapshot)]
            .into_iter()
            .flatten()
            .collect()
    };
    stages.into_iter().filter(|stage| stage.total > 0).collect()
}

fn looked_at(snapshot: &Snapshot) -> Stage {
    let images = snapshot.images.unwrap_or_default();
    let bad = images.bad + images.not_reached;
    Stage {
        names: ["looked at", "looked"],
        total: snapshot.total,
        good: snapshot.done.saturating_sub(bad),
        bad,
        under_way: 0,
        troubles: some([(images.bad, "bad"), (images.not_reached, "not reached")]),
        remarks: Vec::new(),
    }
}

fn submitted(snapshot: &Snapshot) -> Stage {
    let bad = snapshot.rejected + snapshot.unknown;
    Stage {
        names: ["submitted", "sent"],
        total: snapshot.total,
        good: snapshot.done.saturating_sub(bad),
        bad,
        under_way: snapshot.in_flight,
        troubles: some([(snapshot.rejected, "rejected"), (snapshot.unknown, "unknown")]),
        remarks: Vec::new(),
    }
}

fn generating(snapshot: &Snapshot) -> Option<Stage> {
    let tasks = snapshot.tasks?;
    Some(Stage {
        names: ["generating", "made"],
        total: tasks.at_work + tasks.succeeded + tasks.failed + snapshot.to_come(),
        good: tasks.succeeded,
        bad: tasks.failed,
        under_way: tasks.at_work,
        troubles: some([(tasks.failed, "failed")]),
        remarks: some([(tasks.at_work, "at work")]),
    })
}

fn saved(snapshot: &Snapshot) -> Option<Stage> {
    let tasks = snapshot.tasks.filter(|tasks| tasks.saves)?;
    let bytes = (tasks.saved > 0).then(|| size(tasks.bytes));
    Some(Stage {
        names: ["saved", "saved"],
        total: tasks.saved + tasks.to_save + tasks.not_saved + tasks.at_work + snapshot.to_come(),
        good: tasks.saved,
        bad: tasks.not_saved,
        under_way: tasks.saving,
        troubles: some([(tasks.not_saved, "not saved")]),
        remarks: bytes.into_iter().collect(),
    })
}

fn some<const N: usize>(counts: [(u64, &str); N]) -> Vec<String> {
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, word)| format!("{} {word}", grouped(count))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_last_row_makes_a_hundred_percent() {
        let percents = [(0, 0), (999, 1_000), (7, 7), (9, 7), (u64::MAX - 1, u64::MAX)];
        assert_eq!(
            percents.map(|(done, total)| percent(done, total)),
            [100, 99, 100, 100, 99]
        );
    }

    fn stage(total: u64, good: u64, bad: u64, under_way: u64) -> Stage {
        Stage {
            names: ["", ""],
            total,
            good,
            bad,
            under_way,
            troubles: Vec::new(),
            remarks: Vec::new(),
        }
    }

    #[test]
    fn one_bad_row_in_thousands_shows() {
        assert_eq!(stage(5_000, 2_500, 1, 1).cells(20), [9, 1, 1, 9]);
        assert_eq!(stage(5_000, 4_999, 1, 0).cells(20), [19, 1, 0, 0]);
        assert_eq!(stage(5_000, 4_999, 0, 1).cells(20), [19, 0, 1, 0]);
        assert_eq!(stage(100, 95, 5, 0).cells(29), [27, 2, 0, 0]);
    }

    proptest! {
        #[test]
        fn every_cell_is_given_to_somebody(total: u32, parts: [u32; 3], room in 0_usize..200) {
            let [good, bad, under_way] = parts.map(u64::from);
            let cells = stage(total.into(), good, bad, under_way).cells(room);
            prop_assert_eq!(cells.iter().sum::<usize>(), room);
            let [good_cells, bad_cells, _, not_begun] = cells;
            prop_assert!(good + bad < u64::from(total) || total == 0 || good_cells + bad_cells == room, "{:?}", cells);
            prop_assert!(bad == 0 || room == 0 || bad_cells > 0, "{:?}", cells);
            prop_assert!(total == 0 || good + bad + under_way < u64::from(total) || not_begun == 0, "{:?}", cells);
        }
    }
}
