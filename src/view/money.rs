//! What a batch has cost and will cost, and whether the account's balance bears it out.

use std::fmt::{self, Formatter};

use serde::ser::SerializeMap;

use super::wording::{counted, credits, decimal, dollars, grouped};
use super::{Command, Summary};
use crate::escape;
use crate::price::tidy;

/// Amounts that differ by less are the same: the API's own figures have two decimals.
const SAME: f64 = 0.005;

/// What the rows have cost and will cost. Prices are not ours to know: whoever fills this in says where they are from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cost {
    /// Credits for the requests that were taken or may have been, over all runs: the API's own figures where there are
    /// any, else the price. `None`: a price is unknown.
    pub spent_credits: Option<f64>,
    /// What of it is known how well.
    pub bill: Bill,
    /// Credits that the queued rows would cost.
    pub estimated_credits: Option<f64>,
    /// What the account held around the run.
    pub account: Option<Account>,
    /// Price of a credit.
    pub usd_per_credit: Option<f64>,
    /// Where the prices are from, in a few words.
    pub price_source: Option<String>,
}

/// Requests and their credits, over all runs. Failed tasks are free, and so count for nothing in it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bill {
    /// What the tasks consumed that have ended, by the API's word.
    pub consumed: f64,
    /// What the prices say of the same tasks.
    pub consumed_by_price: f64,
    /// Tasks that have ended.
    pub ended: u64,
    /// Those of them of which the API did not say what they consumed; they count with their price.
    pub untold: u64,
    /// The price of tasks that are not known to have ended, and are looked at.
    pub at_work: f64,
    /// How many those are.
    pub working: u64,
    /// The price of tasks whose rows went on without them before they were known to have ended.
    pub unwatched: f64,
    /// How many those are.
    pub unwatched_tasks: u64,
    /// The price of requests without an answer, which may have been taken, and of tasks that no row has.
    pub unknown: f64,
    /// How many requests without an answer those are.
    pub unanswered: u64,
    /// How many tasks that no row has.
    pub extra: u64,
}

impl Bill {
    /// What the unknown credits may have gone to; `None`: there are none.
    pub(super) fn in_doubt(&self) -> Option<String> {
        let requests = || format!("{} without an answer", counted(self.unanswered, "request"));
        let extra = || counted(self.extra, "extra task");
        match (self.unanswered, self.extra) {
            (0, 0) => None,
            (_, 0) => Some(requests()),
            (0, _) => Some(extra()),
            _ => Some(format!("{} and {}", requests(), extra())),
        }
    }
}

/// The account's balance around a run, in credits, and what the run's own rows took from it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Account {
    /// Before its first request, if it was read.
    pub before: Option<f64>,
    /// After its end, if it was read.
    pub after: Option<f64>,
    /// What its accepted rows had cost when the balance was read last; `None` where a price is unknown.
    pub accepted: Option<f64>,
    /// What its requests without an answer and its extra tasks may have cost.
    pub unknown: f64,
}

/// How the fall of a balance compares with what the rows cost. Never a proof: others may use the account, and nobody
/// says when exactly credits are taken and given back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Explained {
    /// The rows cost what is gone.
    Wholly,
    /// It fell further, by so much, and requests without an answer or extra tasks may account for it.
    WithUnknown(f64),
    /// It fell further than all of that, by so much.
    TooMuch(f64),
    /// It fell less, by so much.
    TooLittle(f64),
}

impl Account {
    /// By how much more the balance fell than the accepted rows account for; negative where it fell less. `None` where
    /// one of the figures is missing.
    fn unexplained(&self) -> Option<f64> {
        Some(tidy(self.before? - self.after? - self.accepted?))
    }

    fn explained(&self) -> Option<Explained> {
        let unexplained = self.unexplained()?;
        Some(match unexplained {
            _ if unexplained.abs() < SAME => Explained::Wholly,
            ..0.0 => Explained::TooLittle(-unexplained),
            _ if unexplained < self.unknown + SAME => Explained::WithUnknown(unexplained),
            _ => Explained::TooMuch(unexplained - self.unknown),
        })
    }
}

/// The part of the JSON summary that is about money.
pub(super) fn serialize<M: SerializeMap>(cost: &Cost, map: &mut M) -> Result<(), M::Error> {
    let bill = &cost.bill;
    let account = cost.account.unwrap_or_default();
    map.serialize_entry("spent_credits", &cost.spent_credits.map(tidy))?;
    map.serialize_entry("consumed_credits", &tidy(bill.consumed))?;
    map.serialize_entry("ended_tasks", &bill.ended)?;
    map.serialize_entry("untold_tasks", &bill.untold)?;
    map.serialize_entry("unended_credits", &tidy(bill.at_work + bill.unwatched))?;
    map.serialize_entry("unknown_credits", &tidy(bill.unknown))?;
    map.serialize_entry("estimated_credits", &cost.estimated_credits.map(tidy))?;
    map.serialize_entry("balance_before", &account.before)?;
    map.serialize_entry("balance_after", &account.after)?;
    map.serialize_entry("unexplained_credits", &account.unexplained())?;
    map.serialize_entry("usd_per_credit", &cost.usd_per_credit)?;
    map.serialize_entry("price_source", &cost.price_source)
}

/// The costs so far: what is certain, and what requests without an answer and extra tasks may have cost.
pub(super) fn write_spent(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    let cost = &summary.cost;
    let bill = &cost.bill;
    if summary.counts.taken() > 0 || bill.ended + bill.working + bill.unwatched_tasks > 0 {
        let what = if summary.sandbox {
            "cost, had it been real"
        } else {
            "cost so far"
        };
        let certain = cost.spent_credits.map(|spent| spent - bill.unknown);
        writeln!(formatter, "{what}: {}{}", amount(certain, cost), consumption(bill))?;
    }
    if let Some(in_doubt) = bill.in_doubt() {
        let most = amount(cost.spent_credits.map(|_| bill.unknown), cost);
        writeln!(formatter, "perhaps also: {most} for {in_doubt}")?;
    }
    Ok(())
}

/// The balance, and whether it fell by what the rows cost.
pub(super) fn write_balance(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    balance(summary).map_or(Ok(()), |line| writeln!(formatter, "{line}"))
}

/// The same as a line of its own; `None`: it was not read.
pub(super) fn balance(summary: &Summary) -> Option<String> {
    let account = summary.cost.account?;
    let after = account.after?;
    let (what, rows) = match summary.command {
        Command::Run => ("balance", "this run's rows"),
        Command::Check | Command::Status | Command::Collect => ("balance around the last run that read it", "its rows"),
    };
    let mut line = match account.before {
        Some(before) if (before - after).abs() >= SAME => {
            format!("{what}: from {} to {}", decimal(before), credits(after))
        }
        Some(_) => format!("{what}: {}, as before", credits(after)),
        None => format!("{what}: {}", credits(after)),
    };
    if let (Some(explained), Some(accepted)) = (account.explained(), account.accepted) {
        let cost = format!("{rows} cost {}", decimal(accepted));
        line.push_str(&match explained {
            Explained::Wholly if accepted < SAME => String::new(),
            Explained::Wholly => format!(", by what {rows} cost"),
            Explained::WithUnknown(rest) => {
                let bill = &summary.cost.bill;
                let others = match (bill.unanswered, bill.extra) {
                    (_, 0) => "requests without an answer",
                    (0, _) => "extra tasks",
                    _ => "requests without an answer and extra tasks",
                };
                format!("; {cost}, and {others} perhaps the other {}", decimal(rest))
            }
            Explained::TooMuch(extra) => format!("; {cost}, something else took {}", decimal(extra)),
            Explained::TooLittle(missing) => format!(
                "; {cost}: {} are not taken yet, came back for failed tasks or were added",
                decimal(missing)
            ),
        });
    }
    Some(line)
}

/// Where the prices come from, if the summary shows any, and whether they still hold.
pub(super) fn write_source(summary: &Summary, formatter: &mut Formatter<'_>) -> fmt::Result {
    source(summary).map_or(Ok(()), |line| writeln!(formatter, "{}", escape::for_terminal(&line)))
}

/// The same as a line of its own; `None`: no price is shown.
pub(super) fn source(summary: &Summary) -> Option<String> {
    let Cost { bill, price_source, .. } = &summary.cost;
    let mut line = format!("prices: {}", price_source.as_ref()?);
    if summary.counts.taken() + summary.counts.queued + bill.unanswered + bill.extra == 0 {
        return None;
    }
    if (bill.consumed - bill.consumed_by_price).abs() >= SAME {
        line.push_str(&format!(
            "; by them the ended tasks cost {} instead of {}: `--price` sets what they are now",
            decimal(bill.consumed_by_price),
            decimal(bill.consumed)
        ));
    }
    Some(line)
}

pub(super) fn amount(known: Option<f64>, cost: &Cost) -> String {
    match (known, cost.usd_per_credit) {
        (Some(amount), Some(price)) => format!("{} ({})", credits(amount), dollars(amount * price)),
        (Some(amount), None) => credits(amount),
        (None, _) => "unknown".to_owned(),
    }
}

/// What is behind the sum: `, consumed by 40 ended tasks`, or `: 1,140 consumed by 40 ended tasks, 270 by price for 9 at
/// work, 30 by price for 1 of replaced content`. Nothing where it is all by price, for tasks at work.
fn consumption(bill: &Bill) -> String {
    let by_price = match bill.untold {
        0 => String::new(),
        untold if untold == bill.ended => " (by price)".to_owned(),
        untold => format!(" ({} by price)", grouped(untold)),
    };
    let ended = format!("consumed by {}{by_price}", counted(bill.ended, "ended task"));
    let part = |amount, tasks, what| format!("{} by price for {} {what}", decimal(amount), grouped(tasks));
    let parts = [
        (bill.ended, format!("{} {ended}", decimal(bill.consumed))),
        (bill.working, part(bill.at_work, bill.working, "at work")),
        (
            bill.unwatched_tasks,
            part(bill.unwatched, bill.unwatched_tasks, "of replaced content"),
        ),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter_map(|(tasks, part)| (tasks > 0).then_some(part))
        .collect();
    match (bill.ended, bill.working, bill.unwatched_tasks) {
        (0, _, 0) => String::new(),
        (_, 0, 0) => format!(", {ended}"),
        _ => format!(": {}", parts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::RowState;

    fn account(before: f64, after: f64, accepted: f64, unknown: f64) -> Account {
        Account {
            before: Some(before),
            after: Some(after),
            accepted: Some(accepted),
            unknown,
        }
    }

    /// The lines about money of a run with this bill and account.
    fn lines(bill: Bill, account: Option<Account>) -> String {
        let known = bill.consumed + bill.at_work + bill.unwatched + bill.unknown;
        let summary = Summary {
            counts: [(RowState::Accepted, bill.ended + bill.working)].into_iter().collect(),
            cost: Cost {
                spent_credits: Some(known),
                bill,
                account,
                usd_per_credit: Some(0.005),
                price_source: (bill.ended > 0).then(|| "the price list".to_owned()),
                ..Cost::default()
            },
            ..Summary::default()
        };
        struct Lines(Summary);
        impl fmt::Display for Lines {
            fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
                write_spent(&self.0, formatter)?;
                write_balance(&self.0, formatter)?;
                write_source(&self.0, formatter)
            }
        }
        Lines(summary).to_string()
    }

    #[test]
    fn each_kind_of_certainty_stands_by_itself() {
        let by_price = Bill {
            at_work: 95_400.0,
            working: 3_180,
            ..Bill::default()
        };
        insta::assert_snapshot!(lines(by_price, None), @"cost so far: 95,400 credits (477.00 USD)");
        let ended = Bill {
            consumed: 1_140.0,
            consumed_by_price: 1_140.0,
            ended: 40,
            ..Bill::default()
        };
        insta::assert_snapshot!(lines(ended, None), @"
        cost so far: 1,140 credits (5.70 USD), consumed by 40 ended tasks
        prices: the price list
        ");
        let mixed = Bill {
            consumed: 1_083.3,
            consumed_by_price: 1_140.0,
            ended: 40,
            untold: 2,
            at_work: 270.0,
            working: 9,
            unknown: 60.0,
            unanswered: 2,
            ..Bill::default()
        };
        insta::assert_snapshot!(lines(mixed, None), @"
        cost so far: 1,353.3 credits (6.77 USD): 1,083.3 consumed by 40 ended tasks (2 by price), 270 by price for 9 at work
        perhaps also: 60 credits (0.30 USD) for 2 requests without an answer
        prices: the price list; by them the ended tasks cost 1,140 instead of 1,083.3: `--price` sets what they are now
        ");
        let replaced = Bill {
            unwatched: 30.0,
            unwatched_tasks: 1,
            unknown: 0.0,
            unanswered: 0,
            untold: 0,
            consumed: 1_140.0,
            ..mixed
        };
        insta::assert_snapshot!(lines(replaced, None), @"
        cost so far: 1,440 credits (7.20 USD): 1,140 consumed by 40 ended tasks, 270 by price for 9 at work, 30 by price for 1 of replaced content
        prices: the price list
        ");
        let all_replaced = Bill {
            unwatched: 30.0,
            unwatched_tasks: 1,
            ..Bill::default()
        };
        insta::assert_snapshot!(lines(all_replaced, None), @"cost so far: 30 credits (0.15 USD): 30 by price for 1 of replaced content");
        let lost = Bill {
            unknown: 30.0,
            unanswered: 1,
            ..Bill::default()
        };
        insta::assert_snapshot!(lines(lost, None), @"perhaps also: 30 credits (0.15 USD) for 1 request without an answer");
    }

    #[test]
    fn extra_tasks_may_have_been_charged() {
        let extra = Bill {
            unknown: 60.0,
            extra: 2,
            ..Bill::default()
        };
        let both = Bill { unanswered: 1, ..extra };
        let account = account(5_000.0, 3_500.0, 1_470.0, 60.0);
        let texts = [extra, both].map(|bill| lines(bill, Some(account)));
        insta::assert_snapshot!(texts.concat(), @"
        perhaps also: 60 credits (0.30 USD) for 2 extra tasks
        balance: from 5,000 to 3,500 credits; this run's rows cost 1,470, and extra tasks perhaps the other 30
        perhaps also: 60 credits (0.30 USD) for 1 request without an answer and 2 extra tasks
        balance: from 5,000 to 3,500 credits; this run's rows cost 1,470, and requests without an answer and extra tasks perhaps the other 30
        ");
    }

    #[test]
    fn the_balance_is_held_against_what_the_rows_cost() {
        let bill = Bill::default();
        let said = |account| lines(bill, Some(account));
        let texts = [
            account(5_000.0, 3_530.0, 1_470.0, 0.0),
            account(100.3, 100.0, [0.1; 3].iter().sum(), 0.0),
            account(5_000.0, 3_500.0, 1_470.0, 30.0),
            account(5_000.0, 3_500.0, 1_470.0, 0.0),
            account(5_000.0, 3_400.0, 1_470.0, 30.0),
            account(5_000.0, 3_560.0, 1_470.0, 0.0),
            account(5_000.0, 8_530.0, 1_470.0, 0.0),
            account(5_000.0, 5_000.0, 0.0, 0.0),
            account(30.0, -0.5, 30.5, 0.0),
            Account {
                before: None,
                ..account(0.0, 3_530.0, 1_470.0, 0.0)
            },
            Account {
                accepted: None,
                ..account(5_000.0, 3_530.0, 0.0, 0.0)
            },
        ]
        .map(said);
        insta::assert_snapshot!(texts.concat(), @"
        balance: from 5,000 to 3,530 credits, by what this run's rows cost
        balance: from 100.3 to 100 credits, by what this run's rows cost
        balance: from 5,000 to 3,500 credits; this run's rows cost 1,470, and requests without an answer perhaps the other 30
        balance: from 5,000 to 3,500 credits; this run's rows cost 1,470, something else took 30
        balance: from 5,000 to 3,400 credits; this run's rows cost 1,470, something else took 100
        balance: from 5,000 to 3,560 credits; this run's rows cost 1,470: 30 are not taken yet, came back for failed tasks or were added
        balance: from 5,000 to 8,530 credits; this run's rows cost 1,470: 5,000 are not taken yet, came back for failed tasks or were added
        balance: 5,000 credits, as before
        balance: from 30 to -0.5 credits, by what this run's rows cost
        balance: 3,530 credits
        balance: from 5,000 to 3,530 credits
        ");
        let unread = Account {
            after: None,
            ..account(5_000.0, 0.0, 0.0, 0.0)
        };
        assert_eq!(said(unread), "");
    }
}
