//! Whether anything may be sent at all: pauses, the breaker, and the one probe that ends them.
//!
//! After a pause one request goes alone. Pouring on instead is the worst thing to do: against a counter that counts
//! refused calls too, a 2 s pause lost 31 of the next 31 calls, a 12 s pause and a probe lost one.

use std::time::Duration;

use tokio::time::Instant;

use crate::kie::Effect;

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// 429.
    RateLimited,
    /// 455, or a 500 that speaks of maintenance.
    Maintenance,
    /// Several failures in a row: connecting, unknown, 5xx.
    Outage,
    /// An earlier run was told to wait until then.
    Earlier,
}

/// The lengths of the pauses.
#[derive(Debug, Clone, Copy)]
pub(super) struct GateConfig {
    /// After a 429.
    pub rate_limited: Duration,
    /// After a 455.
    pub maintenance: Duration,
}

/// After a 429, in windows: a pause longer than the window, and a probe, is the cure (measured with HAProxy).
pub(super) const WINDOWS_AFTER_429: f64 = 1.2;

/// Pauses after a 429 double up to this.
const LONGEST_RATE_LIMITED: Duration = Duration::from_secs(60);

/// Pauses after a 455 double up to this.
const LONGEST_MAINTENANCE: Duration = Duration::from_secs(600);

/// Failures in a row that open the breaker. With the requests in flight it bounds the unknown rows of an outage.
const BREAKER: u32 = 5;

/// The breaker's first pause, and the longest it doubles to.
const OUTAGE: Duration = Duration::from_secs(30);
const LONGEST_OUTAGE: Duration = Duration::from_secs(300);

/// A 429 this soon after a pause is a second one: our spacing is too narrow for what else uses the account.
const SOON: Duration = Duration::from_secs(60);

/// A pause, a probe, or neither.
#[derive(Debug)]
pub struct Gate {
    config: GateConfig,
    state: State,
    /// Failures in a row.
    failures: u32,
    resumed: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Paused {
        reason: PauseReason,
        until: Instant,
        round: u32,
    },
    Probing {
        reason: PauseReason,
        round: u32,
        /// Another request was refused meanwhile: even if the probe comes back fine, nothing leaves before this.
        refused_until: Option<(PauseReason, Instant)>,
    },
}

/// What the gate says to a request that would like to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// Go.
    Open,
    /// Go, alone.
    Probe,
    /// Not before this moment.
    Closed(Instant),
    /// The probe is on its way.
    AwaitingProbe,
}

/// What an answer did to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Everyone waits until then.
    Paused {
        reason: PauseReason,
        until: Instant,
        second_429: bool,
    },
    /// The probe came back fine.
    Resumed { reason: PauseReason },
}

impl Gate {
    pub(super) fn new(config: GateConfig) -> Gate {
        Gate {
            config,
            state: State::Open,
            failures: 0,
            resumed: None,
        }
    }

    /// Goes on with a pause of an earlier run.
    pub(super) fn pause_until(&mut self, until: Instant) {
        self.state = State::Paused {
            reason: PauseReason::Earlier,
            until,
            round: 0,
        };
    }

    /// Whether a request may leave now.
    pub(super) fn look(&self, now: Instant) -> Passage {
        match self.state {
            State::Open => Passage::Open,
            State::Paused { until, .. } if now < until => Passage::Closed(until),
            State::Paused { .. } => Passage::Probe,
            State::Probing { .. } => Passage::AwaitingProbe,
        }
    }

    /// The reason and end of the pause under way.
    pub(super) fn pause(&self) -> Option<(PauseReason, Option<Instant>)> {
        match self.state {
            State::Open => None,
            State::Paused { reason, until, .. } => Some((reason, Some(until))),
            State::Probing { reason, .. } => Some((reason, None)),
        }
    }

    /// A request leaves; says whether it is the probe.
    pub(super) fn pass(&mut self) -> bool {
        match self.state {
            State::Paused { reason, round, .. } => {
                self.state = State::Probing {
                    reason,
                    round,
                    refused_until: None,
                };
                true
            }
            State::Open | State::Probing { .. } => false,
        }
    }

    /// A request that had passed was not sent after all. If it was to be the probe, the next one is.
    pub(super) fn not_sent(&mut self, probe: bool, now: Instant) {
        if let State::Probing {
            reason,
            round,
            refused_until,
        } = self.state
            && probe
        {
            let (reason, until) = refused_until.unwrap_or((reason, now));
            self.state = State::Paused { reason, until, round };
        }
    }

    /// Takes an answer. `asked` is the server's `Retry-After`, bounded by the caller.
    pub(super) fn answered(&mut self, effect: Effect, asked: Option<Duration>, probe: bool, now: Instant) -> Change {
        match effect {
            Effect::Trouble => self.failures += 1,
            Effect::None | Effect::RateLimited | Effect::Maintenance | Effect::Halt(_) => self.failures = 0,
        }
        let reason = match effect {
            Effect::RateLimited => PauseReason::RateLimited,
            Effect::Maintenance => PauseReason::Maintenance,
            Effect::Trouble if self.failures >= BREAKER || probe => PauseReason::Outage,
            Effect::Trouble => return Change::None,
            Effect::None | Effect::Halt(_) => return if probe { self.resume(now) } else { Change::None },
        };
        // A failed probe of any kind keeps the gate closed, longer than before; another request's refusal, sent before
        // the pause, at most prolongs it.
        let round = match self.state {
            State::Probing { round, .. } if probe => round + 1,
            State::Probing { .. } if effect == Effect::Trouble => return Change::None,
            State::Paused { .. } if effect == Effect::Trouble => return Change::None,
            State::Probing { round, .. } | State::Paused { round, .. } => round,
            State::Open => 0,
        };
        let second_429 = reason == PauseReason::RateLimited
            && self.state == State::Open
            && self.resumed.is_some_and(|resumed| now - resumed < SOON);
        let mut until = now + self.length(reason, round).max(asked.unwrap_or_default());
        match &mut self.state {
            State::Paused { until: earlier, .. } => until = until.max(*earlier),
            State::Probing { refused_until, .. } => {
                if let Some((_, earlier)) = refused_until {
                    until = until.max(*earlier);
                }
                if !probe {
                    // The probe is still out. That it comes back fine says nothing about this refusal, which may be
                    // the later of the two: the pause is made then.
                    *refused_until = Some((reason, until));
                    return Change::Paused {
                        reason,
                        until,
                        second_429,
                    };
                }
            }
            State::Open => {}
        }
        self.state = State::Paused { reason, until, round };
        Change::Paused {
            reason,
            until,
            second_429,
        }
    }

    fn resume(&mut self, now: Instant) -> Change {
        match self.state {
            State::Probing {
                round,
                refused_until: Some((reason, until)),
                ..
            } if now < until => {
                self.state = State::Paused { reason, until, round };
                Change::None
            }
            State::Probing { reason, .. } => {
                self.state = State::Open;
                self.resumed = Some(now);
                Change::Resumed { reason }
            }
            State::Open | State::Paused { .. } => Change::None,
        }
    }

    fn length(&self, reason: PauseReason, round: u32) -> Duration {
        let (first, longest) = match reason {
            PauseReason::RateLimited => (self.config.rate_limited, LONGEST_RATE_LIMITED),
            PauseReason::Maintenance => (self.config.maintenance, LONGEST_MAINTENANCE),
            PauseReason::Outage | PauseReason::Earlier => (OUTAGE, LONGEST_OUTAGE),
        };
        first.saturating_mul(2u32.saturating_pow(round)).min(longest.max(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn gate() -> Gate {
        Gate::new(GateConfig {
            rate_limited: seconds(12),
            maintenance: seconds(60),
        })
    }

    fn paused(change: Change, now: Instant) -> Duration {
        match change {
            Change::Paused { until, .. } => until - now,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn after_a_429_everyone_waits_and_one_probe_goes_first() {
        let (mut gate, now) = (gate(), Instant::now());
        assert_eq!(gate.look(now), Passage::Open);
        assert_eq!(
            paused(gate.answered(Effect::RateLimited, None, false, now), now),
            seconds(12)
        );
        assert_eq!(gate.look(now + seconds(11)), Passage::Closed(now + seconds(12)));
        assert_eq!(gate.look(now + seconds(12)), Passage::Probe);
        assert!(gate.pass());
        assert_eq!(gate.look(now + seconds(12)), Passage::AwaitingProbe);
        let change = gate.answered(Effect::None, None, true, now + seconds(13));
        assert_eq!(
            change,
            Change::Resumed {
                reason: PauseReason::RateLimited
            }
        );
        assert_eq!(gate.look(now + seconds(13)), Passage::Open);
    }

    #[test]
    fn refused_probes_double_the_pause_up_to_its_longest() {
        for (effect, lengths) in [
            (Effect::RateLimited, [12, 24, 48, 60, 60, 60]),
            (Effect::Maintenance, [60, 120, 240, 480, 600, 600]),
        ] {
            let (mut gate, now) = (gate(), Instant::now());
            for (round, length) in lengths.into_iter().enumerate() {
                let probe = round > 0 && gate.pass();
                assert_eq!(
                    paused(gate.answered(effect, None, probe, now), now),
                    seconds(length),
                    "{effect:?} {round}"
                );
            }
        }
    }

    #[test]
    fn the_server_can_ask_for_more_and_never_for_less() {
        let (mut gate, now) = (gate(), Instant::now());
        assert_eq!(
            paused(gate.answered(Effect::RateLimited, Some(seconds(2)), false, now), now),
            seconds(12)
        );
        assert_eq!(
            paused(gate.answered(Effect::RateLimited, Some(seconds(40)), false, now), now),
            seconds(40)
        );
        // One that was sent earlier and is answered now does not shorten it.
        assert_eq!(
            paused(gate.answered(Effect::RateLimited, None, false, now), now),
            seconds(40)
        );
    }

    #[test]
    fn five_failures_in_a_row_open_the_breaker_and_a_success_in_between_does_not() {
        let (mut gate, now) = (gate(), Instant::now());
        for _ in 0..4 {
            assert_eq!(gate.answered(Effect::Trouble, None, false, now), Change::None);
        }
        gate.answered(Effect::None, None, false, now);
        for _ in 0..4 {
            assert_eq!(gate.answered(Effect::Trouble, None, false, now), Change::None);
        }
        assert_eq!(
            paused(gate.answered(Effect::Trouble, None, false, now), now),
            seconds(30)
        );
        for length in [60, 120, 240, 300, 300] {
            assert!(gate.pass());
            assert_eq!(
                paused(gate.answered(Effect::Trouble, None, true, now), now),
                seconds(length)
            );
        }
        assert!(gate.pass());
        assert_eq!(
            gate.answered(Effect::None, None, true, now),
            Change::Resumed {
                reason: PauseReason::Outage
            }
        );
        assert_eq!(
            gate.answered(Effect::Trouble, None, false, now),
            Change::None,
            "the count begins anew"
        );
    }

    #[test]
    fn answers_to_earlier_requests_do_not_speak_for_the_probe() {
        let (mut gate, now) = (gate(), Instant::now());
        gate.answered(Effect::RateLimited, None, false, now);
        assert!(gate.pass());
        assert_eq!(gate.answered(Effect::None, None, false, now), Change::None);
        assert_eq!(gate.answered(Effect::Trouble, None, false, now), Change::None);
        assert_eq!(gate.look(now), Passage::AwaitingProbe);
        assert!(matches!(
            gate.answered(Effect::None, None, true, now),
            Change::Resumed { .. }
        ));
    }

    #[test]
    fn a_refusal_that_comes_while_the_probe_is_out_is_waited_for_though_the_probe_went_well() {
        let (mut gate, now) = (gate(), Instant::now());
        gate.answered(Effect::RateLimited, None, false, now);
        assert!(gate.pass());
        let refused = gate.answered(Effect::Maintenance, None, false, now + seconds(12));
        assert_eq!(paused(refused, now + seconds(12)), seconds(60));
        let refused = gate.answered(Effect::RateLimited, None, false, now + seconds(13));
        assert_eq!(paused(refused, now + seconds(13)), seconds(59), "not shortened");
        assert_eq!(gate.look(now + seconds(13)), Passage::AwaitingProbe, "no second probe");
        assert_eq!(gate.answered(Effect::None, None, true, now + seconds(14)), Change::None);
        assert_eq!(gate.look(now + seconds(14)), Passage::Closed(now + seconds(72)));
        assert_eq!(gate.look(now + seconds(72)), Passage::Probe);
        assert!(gate.pass());
        let change = gate.answered(Effect::None, None, true, now + seconds(73));
        assert!(matches!(change, Change::Resumed { .. }));
    }

    #[test]
    fn a_second_429_within_a_minute_of_resuming_is_noticed() {
        let (mut gate, now) = (gate(), Instant::now());
        let second = |change| matches!(change, Change::Paused { second_429: true, .. });
        assert!(!second(gate.answered(Effect::RateLimited, None, false, now)));
        gate.pass();
        gate.answered(Effect::None, None, true, now);
        assert!(second(gate.answered(
            Effect::RateLimited,
            None,
            false,
            now + seconds(59)
        )));
        gate.pass();
        gate.answered(Effect::None, None, true, now + seconds(60));
        assert!(!second(gate.answered(
            Effect::RateLimited,
            None,
            false,
            now + seconds(121)
        )));
    }
}
