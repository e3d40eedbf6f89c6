"""The command line of fuzzing; see the text of the package."""

import argparse
import json
from collections import Counter
from pathlib import Path

from helpers.fuzz.kinds import KINDS
from helpers.fuzz.run import BAD, run_cases


def main() -> int:
    """Run cases, print failures as they come, and return 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m helpers.fuzz", description="Read damaged files of every kind.")
    parser.add_argument("--cases", type=int, default=20_000, help="number of cases (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the damage (%(default)s)")
    parser.add_argument("--kind", nargs="*", choices=[kind.name for kind in KINDS], help="only cases of these kinds")
    parser.add_argument("--only", type=int, help="run this case alone and print where it failed")
    parser.add_argument("--state", type=Path, default=Path("fuzz.json"), help="file of what is done (%(default)s)")
    arguments = parser.parse_args()
    if arguments.only is not None:
        (answer,) = run_cases(arguments.seed, [arguments.only])
        print(answer.pop("where", ""), json.dumps(answer, indent=1), sep="\n")
        return int(answer["outcome"] in BAD)
    kinds = {i for i, kind in enumerate(KINDS) if not arguments.kind or kind.name in arguments.kind}
    facts = {"seed": arguments.seed, "kinds": [KINDS[i].name for i in sorted(kinds)]}
    state = json.loads(arguments.state.read_text(encoding="utf-8")) if arguments.state.exists() else {}
    if {key: state.get(key) for key in facts} != facts:
        state = {**facts, "done": 0, "outcomes": {}, "failures": []}
    indices = [i for i in range(state["done"], arguments.cases) if i % len(KINDS) in kinds]
    outcomes = Counter(state["outcomes"])
    for answer in run_cases(arguments.seed, indices):
        outcomes[f"{KINDS[answer['index'] % len(KINDS)].name}: {answer['outcome']}"] += 1
        if answer["outcome"] in BAD:
            state["failures"].append(answer)
            name = KINDS[answer["index"] % len(KINDS)].name
            print(f"{answer['index']}: {name}: {answer['outcome']}: {answer['error'][:300]}", flush=True)
        if answer["outcome"] in BAD or answer["index"] % 100 == 0:
            state |= {"done": answer["index"] + 1, "outcomes": dict(outcomes)}
            arguments.state.write_text(json.dumps(state, indent=1), encoding="utf-8")
    state |= {"done": max(state["done"], arguments.cases), "outcomes": dict(outcomes)}
    arguments.state.write_text(json.dumps(state, indent=1), encoding="utf-8")
    for name, count in sorted(outcomes.items()):
        print(f"{count:7} {name}")
    print(f"{len(state['failures'])} of {sum(outcomes.values())} cases failed")
    return int(bool(state["failures"]))


if __name__ == "__main__":
    raise SystemExit(main())
