"""The service's rules in our words, by the numbers of the provider's support specification. `A` in a text marks an
assumption of ours: a value that the specification leaves open, held as data or as a setting.

Where a rule is kept (`here`) names the command, setting or page that shows it; "" = not part of this product yet.
"""

# ruff: noqa: E501 (each text is one cell of a table)

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    number: str
    says: str
    here: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """must: every rule of it has to be cited by a test; `make check` fails otherwise."""

    title: str
    rules: tuple[Rule, ...]
    must: bool = False


SECTIONS: tuple[Section, ...] = (
    Section(
        "Desk",
        (
            Rule("R1.1", "Contact details are shown to contract holders only, after login."),
            Rule(
                "R1.2",
                "Only a contract's registered operators are heard; others are refused with the reason, recorded.",
            ),
            Rule(
                "R1.3",
                "Which topic is taken by which channel, with hours of reception and of handling, in Japan's time. Weekdays "
                "exclude public and company holidays (A: 29 December to 3 January, editable).",
                "`hikitsugi calendar hours`, `hikitsugi calendar holiday`",
            ),
            Rule("R1.4", "Contract topics: the contract and registered details, basic service, options, billing."),
            Rule(
                "R1.5",
                "How-to topics: the service, the adapters, the panel, hardware faults and software defects of adapters.",
                "reports of faults follow the hours of this topic",
            ),
            Rule("R1.6", "Not done for customers: operations, config changes, troubleshooting, design, measurements."),
            Rule(
                "R1.7", "Troubleshooting the network is the operator's; suspected defects are investigated.", "see R2.1"
            ),
            Rule("R1.8", "What needs technical confirmation is answered within 3 business days; alarms before that."),
            Rule("R1.9", "System failures: the service host and its maintenance, mobile data service and its."),
        ),
    ),
    Section(
        "Software-defect investigation",
        (
            Rule("R2.1", "Opened when an operator reports what looks like a defect.", "`hikitsugi investigation open`"),
            Rule(
                "R2.2",
                "Support staff may read results of tasks that the operator ran, named by their execution time.",
                "`hikitsugi investigation point`",
            ),
            Rule(
                "R2.3",
                "During an investigation, and only then, support staff run status collection and some management commands "
                "on the adapters concerned; who, why, when, what and the result are recorded and shown to the operator.",
                "[investigations](operations/investigations.md)",
            ),
            Rule(
                "R2.4",
                "Which management commands is a reviewed list per series; what is not on it never reaches an adapter.",
                "[the lists](reference/commands.md)",
            ),
        ),
    ),
    Section(
        "Maintenance of adapters",
        (
            Rule(
                "R3.1",
                "Adapters rented from the provider are maintained. One bought from a reseller is not: the case is declined "
                "and names the reseller.",
                "a case of such an adapter is recorded as declined",
            ),
            Rule(
                "R3.2",
                "Why the hardware failed is not investigated.",
                "a case has a reported fault and no field for a cause",
            ),
            Rule(
                "R3.3",
                "Send-back: the operator reports a fault to the desk, the desk recognises it, a replacement goes.",
                "`hikitsugi exchange open --kind send-back`, then `hikitsugi exchange advance`",
            ),
            Rule(
                "R3.4",
                "Delivery takes three days in between, weekends and holidays not counted: the 4th working day after the day "
                "of receipt. A report counts for the day only within the hours of reception.",
                "`hikitsugi calendar delivery`",
            ),
            Rule(
                "R3.5",
                "It goes to the address given in the case, else to the contract's.",
                "`hikitsugi contract maintenance`",
            ),
            Rule(
                "R3.6",
                "Between dispatch and arrival the code's registration becomes the replacement's; plugging it in is then the "
                "whole exchange.",
                "setting `change_registration` (A: at midnight before the day of arrival), or "
                "`hikitsugi exchange advance`; at once when the replacement calls home",
            ),
            Rule(
                "R3.7", "From then on the faulty adapter is refused everywhere.", "[exchanges](operations/exchanges.md)"
            ),
            Rule("R3.8", "The change cannot be rolled back.", "no event leads back; a swap is undone by another swap"),
            Rule(
                "R3.9",
                "The faulty adapter comes back within 30 days at the sender's cost; overdue ones are listed and announced "
                "(A: reminders 7 days and 1 day before).",
                "`hikitsugi exchange list --overdue`",
            ),
            Rule("R3.10", "The operator exchanges the adapters of an entry and a standby.", "`hikitsugi swap`"),
            Rule("R3.11", "Neither needs to be connected.", "`hikitsugi swap`"),
            Rule(
                "R3.12",
                "The entry's config stays with the entry; re-plugging is the whole exchange, no desk is needed.",
            ),
            Rule(
                "R3.13",
                "The old adapter sits on the standby code. A faulty one is sent back; after it has arrived, a replacement "
                "goes, and is registered on that standby code.",
                "`hikitsugi swap --fault` opens the return",
            ),
            Rule(
                "R3.14",
                "After an exchange the firmware target is the newest for the hardware; the new adapter updates before it "
                "serves. A: entry and standby are of one series and config language, else the exchange is refused.",
                "shown by every `--dry-run`",
            ),
            Rule(
                "R3.15",
                "On-site: needs the Ultra Send-back option, is reported by phone at any hour, recognised, and a driver goes.",
                "`hikitsugi exchange open --kind on-site`",
            ),
            Rule("R3.16", "After the response has started the registration is changed (R3.6 to R3.8 hold)."),
            Rule(
                "R3.17",
                "The driver re-plugs, sees a normal boot (config pulled, applied, reachable, heartbeat, all since the "
                "change), and only then collects the faulty one. Without one, a reason is recorded.",
                "`hikitsugi exchange show` says what is missing",
            ),
        ),
        must=True,
    ),
    Section(
        "Firmware",
        (
            Rule(
                "R4.1",
                "Available basically on the day of release; release and availability are recorded. A: the day in Japan; "
                "what waits for its signature is not available yet.",
                "`hikitsugi firmware import`, `hikitsugi firmware missed`",
            ),
            Rule(
                "R4.2",
                "Updating is the operator's decision, from the release notes. A: good only when the adapter says that it "
                "runs the version and can be reached as before.",
                "`hikitsugi update order`, `hikitsugi rollout plan`; [firmware](operations/firmware.md)",
            ),
            Rule(
                "R4.3",
                "Free of charge; versions may be withdrawn and can then no longer be chosen or downloaded.",
                "`hikitsugi firmware withdraw`; who runs it goes on: `hikitsugi firmware adapters`",
            ),
        ),
        must=True,
    ),
    Section(
        "Portal and notices",
        (
            Rule("R5.1", "Operators log in with the master ID issued to them."),
            Rule("R5.2", "The inquiry form is answered by e-mail or phone."),
            Rule("R5.3", "Notices have a class, and a time by which they are published."),
            Rule("R5.4", "Planned maintenance with any impact needs its notice two weeks before."),
            Rule("R5.5", "Emergency maintenance is allowed for named reasons, which are recorded."),
            Rule("R5.6", "During maintenance panel and API say so; adapters go on working, nothing they send is lost."),
        ),
    ),
)
