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

#[tokio::test(start_paused = true)]
async fn an_api_that_refuses_every_look_is_probed_ever_more_rarely_and_told_of_once() {
    let trial = staying(50, 6 * HOUR);
    // Probes after 5, 10, 20, 40 and 60 minutes: the last two at 75 and 135 minutes.
    let api = Api::new(|task, at| match at.as_secs() / 60 {
        0..80 => Look::Barred {
            code: "403".into(),
            message: "no access".into(),
            remedy: Remedy::Key,
        },
        _ => record(task, TaskState::Success),
    });
    let disk = Arc::new(Disk::default());
    let report = trial.collect(&api, Some(&disk)).await;
    assert_eq!(report.barred, None);
    assert_eq!((report.standing.succeeded, report.standing.saved), (50, 50));
    let looks: Vec<u64> = api.looks().iter().map(|(at, _)| at.as_secs() / 60).collect();
    let probes: Vec<u64> = looks
        .iter()
        .copied()
        .filter(|minute| (1..135).contains(minute))
        .collect();
    assert_eq!(probes, [5, 15, 35, 75]);
    assert_eq!(looks.iter().filter(|minute| **minute >= 135).count(), 50);
    let notices = trial.notices.lock().unwrap();
    let [Notice::Barred { again_in, .. }, Notice::LookingGoesOn] = &notices[..] else {
        panic!("{notices:?}");
    };
    assert_eq!(*again_in, Some(HOUR / 12));
}

#[tokio::test(start_paused = true)]
async fn videos_are_saved_while_looks_are_refused() {
    let trial = staying(2, 2 * HOUR);
    let api = Api::new(|task, _| match task {
        "t1" => record(task, TaskState::Success),
        _ => Look::Barred {
            code: "403".into(),
            message: String::new(),
            remedy: Remedy::Key,
        },
    });
    let disk = Arc::new(Disk::default());
    let troubles = vec![trouble("download", Then::GiveUp)];
    disk.troubles.lock().unwrap().insert(1, troubles);
    let report = trial.collect(&api, Some(&disk)).await;
    assert_eq!((report.standing.succeeded, report.standing.saved), (1, 1));
    assert_eq!(report.barred.map(|barred| barred.code), Some("403".into()));
    assert!(Instant::now() - api.began >= 2 * HOUR, "it stays");
}
