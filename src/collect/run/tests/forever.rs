//! A collector that stays until it is told to stop: nothing that went wrong once is wrong for good.

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn trouble(code: &'static str, then: Then) -> Trouble {
    Trouble {
        code,
        message: format!("trouble with {code}"),
        then,
    }
}

/// A trial that stays, and is told to stop after `time`.
fn staying(rows: u32, time: Duration) -> Trial {
    let mut trial = Trial::new(rows);
    trial.config.forever = true;
    let stop = trial.stop.clone();
    tokio::spawn(async move {
        sleep(time).await;
        stop.send_replace(true);
    });
    trial
}

#[tokio::test(start_paused = true)]
async fn a_video_that_was_given_up_is_tried_again_every_hour_and_told_of_once() {
    let trial = staying(1, 5 * HOUR);
    let api = Api::new(|task, _| record(task, TaskState::Success));
    let disk = Arc::new(Disk::default());
    let cut = trouble("download", Then::Again(Duration::from_secs(10)));
    let gone = trouble("download", Then::GiveUp);
    let troubles = [vec![cut; 5], vec![gone; 2]].concat();
    disk.troubles.lock().unwrap().insert(1, troubles);
    let report = trial.collect(&api, Some(&disk)).await;
    assert_eq!((report.standing.saved, report.standing.not_saved), (1, 0));
    assert_eq!(
        disk.order.lock().unwrap().len(),
        8,
        "five tries, and three an hour apart"
    );
    assert_eq!(trial.ledger.row(1), (RowState::Saved, None));
    let notice = Notice::NotSaved {
        row: 1,
        message: "trouble with download".into(),
        every: Some(HOUR),
    };
    assert_eq!(*trial.notices.lock().unwrap(), [notice]);
}

#[tokio::test(start_paused = true)]
async fn a_video_is_given_up_for_good_once_its_file_has_expired() {
    let trial = staying(1, 24 * HOUR * 20);
    let api = Api::new(|task, _| record(task, TaskState::Success));
    let disk = Arc::new(Disk::default());
    let gone = trouble("download", Then::GiveUp);
    disk.troubles.lock().unwrap().insert(1, vec![gone; 1_000]);
    let report = trial.collect(&api, Some(&disk)).await;
    assert_eq!((report.standing.saved, report.standing.not_saved), (0, 1));
    let tries = disk.order.lock().unwrap().len();
    assert!((14 * 24..=14 * 24 + 2).contains(&tries), "{tries}");
    let told = trial.notices.lock().unwrap().len();
    assert_eq!(told, 2, "at first, and that it is for good");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_tried_with_one_video_until_there_is_room_again() {
    let trial = staying(8, HOUR);
    let api = Api::new(|task, _| record(task, TaskState::Success));
    let disk = Arc::new(Disk::default());
    // Two are in flight when it fills up, and the third finds it full ten minutes later.
    let full = trouble("disk_full", Then::StopSaving);
    let troubles = (1..=3).map(|row| (row, vec![full.clone()]));
    disk.troubles.lock().unwrap().extend(troubles);
    let report = trial.collect(&api, Some(&disk)).await;
    assert_eq!(report.saving_stopped, None);
    assert_eq!((report.standing.saved, report.standing.not_saved), (8, 0));
    assert_eq!(disk.order.lock().unwrap()[..4], [1, 2, 3, 4]);
    assert_eq!(disk.order.lock().unwrap().len(), 11);
    let stopped = Notice::SavingStopped {
        message: "trouble with disk_full".into(),
        every: Some(HOUR / 6),
    };
    assert_eq!(*trial.notices.lock().unwrap(), [stopped, Notice::SavingGoesOn]);
}
