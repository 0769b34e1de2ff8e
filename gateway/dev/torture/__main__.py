"""`./run torture`: the whole gateway under load and faults, Stripe's news in every order, or
whether planted bugs are caught.

Reads the command line only. No mode may be pointed at servers that anybody uses: each makes
its own and removes them.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterable

from gateway.dev.torture.schedule import WEIGHTS
from gateway.dev.torture.stories import NAMES

ABOUT = """\
The whole gateway runs under load while processes are killed, the network fails and Stripe loses
answers, on a schedule that the seed decides. Then all is left in peace until nothing is owed, and
what every party remembers is compared from outside. The same --seed, --payments and --faults make
the same schedule and the same shoppers.

With --permutations instead: every scenario's events are told to the gateway in every order, some
twice and some never, with work done in between or left undone; then polls and one reconciliation
repair what was lost. Each order has to lead to one state, one set of events and one set of effects
at Stripe. A scenario with more than six events is played in all orders of its six most telling
ones (what ends a session, a refund or a dispute, then intents, then charges), while the others
keep their natural places. What comes by chance depends on the seed and the order alone.

With --mutants instead: classic bugs are planted one at a time in a copy of the source, and each
copy is tortured with the load and the faults that suit its bug. Every one must be caught.

Exit status: 0 without violations, 1 with one or more, 2 for wrong usage. With --mutants: 0 if every
bug is caught, 1 if one is not.
"""


def main() -> int:
    options = _options()
    if options.permutations:
        from gateway.dev.torture.playing import play

        return play(options)
    if options.mutants:
        from gateway.dev.torture.hunt import hunt

        return hunt(options)
    from gateway.dev.torture.chaos import torture  # what it needs, the other mode does not

    return torture(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run torture",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--payments", type=_count, metavar="N", help="how many to begin (300)")
    parser.add_argument("--faults", type=_count, metavar="N", help="how many to bring about (60)")
    kinds, stories = _some_of(WEIGHTS), _some_of(NAMES)
    parser.add_argument(
        "--kinds", type=kinds, default=(), metavar="KIND,...", help="faults of these kinds only"
    )
    parser.add_argument(
        "--stories", type=stories, default=(), metavar="STORY,...", help="these shoppers only"
    )
    parser.add_argument("--seed", type=int, help="the same number repeats what came by chance")
    parser.add_argument("--json", action="store_true", help="one line of JSON at the end")
    parser.add_argument("--keep", action="store_true", help="keep the logs though all went well")
    parser.add_argument("--permutations", action="store_true", help="every order of Stripe's news")
    parser.add_argument("--scenario", metavar="NAME", help="with --permutations: only this one")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="with --permutations: at most N orders per scenario"
    )
    parser.add_argument("--mutants", action="store_true", help="is every planted bug caught?")
    parser.add_argument("--only", metavar="NAME", help="with --mutants: only this one")
    options = parser.parse_args()
    _refuse_mixtures(parser, options)
    options.payments = 300 if options.payments is None else options.payments
    options.faults = 60 if options.faults is None else options.faults
    if options.seed is None:
        options.seed = random.randrange(10**6)
    return options


def _refuse_mixtures(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    numbers = (options.payments, options.faults)
    if options.mutants and (options.permutations or (*numbers, options.seed) != (None,) * 3):
        parser.error("--mutants has its own --payments, --faults and --seed, and no --permutations")
    if not options.mutants and options.only is not None:
        parser.error("--only goes with --mutants")
    if (options.kinds or options.stories) and (options.mutants or options.permutations):
        parser.error("--kinds and --stories have no meaning with --mutants or --permutations")
    if options.permutations and (options.payments, options.faults) != (None, None):
        parser.error("--payments and --faults have no meaning with --permutations")
    if not options.permutations and (options.scenario, options.limit) != (None, None):
        parser.error("--scenario and --limit go with --permutations")


def _some_of(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    def some(text: str) -> tuple[str, ...]:
        named = tuple(text.split(","))
        if strange := {*named} - {*known}:
            words = f"no {', '.join(sorted(strange))}; there are {', '.join(known)}"
            raise argparse.ArgumentTypeError(words)
        return named

    return some


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 1_000_000:
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
