"""What a run says, also when there was nothing to say."""

import argparse
import json

from gateway.dev.torture.proof import Violation
from gateway.dev.torture.report import Result, summary, told_as_json


def test_a_run_that_never_began_is_told_like_any_other() -> None:
    result = Result(
        argparse.Namespace(
            seed=3, payments=10, faults=2, kinds=("kill", "crash"), stories=("upi",)
        ),
        by_story={},
    )
    result.violations = [Violation("start", "the gateway", "to run", "it did not")]

    told = json.loads(told_as_json(result))

    assert (told["violations"], told["by_check"]) == (1, {"start": 1})
    assert told["messages"] == ["start: the gateway: expected to run, found it did not"]
    assert (told["faults_by_kind"], told["crash_points"]) == ({}, 0)
    assert (
        "Again: ./run torture --payments 10 --faults 2 --seed 3 --kinds kill,crash --stories upi"
        in summary(result)
    )
