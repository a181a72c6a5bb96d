"""The harness from files to figures: what the test part may touch, and figures against ir-measures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, R, Success, nDCG

from app.training.build import plan
from app.training.presets import presets
from benchmarks.quality import __main__ as command
from benchmarks.quality import result, worker
from benchmarks.quality.asking import ask
from benchmarks.quality.errors import RefusedError
from benchmarks.quality.fitting import fit_one, newest, plan_of
from benchmarks.quality.learning import Files, Learning, learn
from benchmarks.quality.measuring import figures, rank
from benchmarks.quality.worker import Job
from tests.integration.quality_files import session_files, split_files, user_file, walks

TABLES = ("popularity", "markov")


def quiet(_: dict[str, Any]) -> None:
    return None


def files_of(protocol: str, folder: Path) -> Files:
    if protocol == "leave-one-out":
        return Files(protocol, user_file(folder / "users.txt", walks(200)))
    data, test = session_files(folder) if protocol == "sessions" else split_files(folder)
    return Files(protocol, data, test)


def fitted_scores(learning: Learning) -> np.ndarray:
    """All that fits and choices come to: validation figures and the scores of every validation person."""
    found = []
    for name in TABLES:
        outcome = fit_one(name, learning, seed=1, budget_s=9.0, tell=quiet)
        chosen = figures(rank(outcome.choice, learning.task.validation, learning.protocol), learning.protocol)
        found.append(np.array(list(chosen.values())))
        item = np.arange(1, len(learning.item_ids) + 1, dtype=np.int32)[:, None]
        found.append(outcome.final(item, np.ones_like(item, np.float32)).ravel())
    return np.concatenate(found)


@pytest.mark.parametrize("protocol", ["sessions", "split"])
def test_fits_and_choices_never_open_the_test_file(protocol: str, tmp_path: Path) -> None:
    files = files_of(protocol, tmp_path)
    assert files.test is not None
    before = fitted_scores(learn(files))
    files.test.unlink()
    np.testing.assert_array_equal(fitted_scores(learn(files)), before)
    with pytest.raises(RefusedError, match="does not exist"):
        ask(files, ["item-1"])


def test_fits_and_choices_are_the_same_whatever_the_last_items_are(tmp_path: Path) -> None:
    histories = walks(200)
    poisoned = [[*walk[:-1], f"poison-{number}"] for number, walk in enumerate(histories)]
    clean = learn(Files("leave-one-out", user_file(tmp_path / "a.txt", histories)))
    other = learn(Files("leave-one-out", user_file(tmp_path / "b.txt", poisoned)))
    assert clean.item_ids == other.item_ids
    np.testing.assert_array_equal(fitted_scores(clean), fitted_scores(other))


@pytest.mark.parametrize("protocol", ["leave-one-out", "sessions", "split"])
def test_a_job_reads_the_test_part_once_and_last(protocol: str, tmp_path: Path) -> None:
    files, said = files_of(protocol, tmp_path), list[str]()

    def read(*given: Any) -> Any:
        said.append("test part")
        return ask(*given)

    worker.run(
        Job(files, "markov", 1, 9.0),
        lambda message: said.append(message.get("stage", "")),
        read_test=read,
    )
    assert said == ["read", "count", "validate", "test", "test part"]


def test_leave_one_out_holds_back_the_last_two_and_numbers_none_of_the_last(tmp_path: Path) -> None:
    path = user_file(tmp_path / "f.txt", [["a", "b", "c", "d"], ["x", "y"], ["a"]])
    learning = learn(Files("leave-one-out", path))
    lines = learning.task.interactions
    assert [
        [learning.item_ids[item - 1] for item in lines.item[lines.user == user]] for user in range(3)
    ] == [
        ["a", "b"],
        ["x", "y"],
        ["a"],
    ]
    assert "d" not in learning.item_ids
    people = learning.task.validation
    assert [learning.item_ids[item - 1] for item in people.item_idx.row(0)] == ["a", "b"]
    assert [learning.item_ids[item - 1] for item in people.targets.values] == ["c"]
    assert learning.facts["trains_only"] == 2
    asked = ask(Files("leave-one-out", path), learning.item_ids)
    assert [learning.item_ids[item - 1] for item in asked.cases.item_idx.row(0)] == ["a", "b", "c"]
    assert asked.facts["unknown_targets"] == 1


def test_items_of_the_attributes_file_are_known_although_nobody_had_them(tmp_path: Path) -> None:
    path = user_file(tmp_path / "f.txt", [["a", "b", "c", "d"]])
    items = tmp_path / "items.tsv"
    items.write_text("item\tattributes\na\tred\nd\tred|new\nz\t\n", encoding="utf-8")
    learning = learn(Files("leave-one-out", path, None, items))
    assert list(learning.item_ids) == ["a", "b", "c", "d", "z"]
    attributes = learning.task.interactions.attributes
    assert attributes is not None
    assert attributes.indptr.tolist() == [0, 0, 1, 1, 1, 3, 3]
    assert ask(Files("leave-one-out", path, None, items), learning.item_ids).facts["unknown_targets"] == 0


def test_sessions_are_chosen_by_the_last_part_of_the_training_file(tmp_path: Path) -> None:
    data = tmp_path / "s.txt"
    data.write_text("".join(f"a b c{number}\n" for number in range(20)), encoding="utf-8")
    learning = learn(Files("sessions", data, data))
    assert learning.task.interactions.n_users == 18
    assert learning.final is not None
    assert learning.final.n_users == 20
    assert len(learning.task.validation) == 4
    assert learning.task.validation.item_idx.lengths.tolist() == [1, 2, 1, 2]
    assert learning.task.interactions.time.max() < learning.final.time[learning.final.user >= 18].min()


def test_neighbouring_places_have_clearly_different_weights(tmp_path: Path) -> None:
    for protocol in ("leave-one-out", "sessions", "split"):
        weight = learn(files_of(protocol, tmp_path)).task.validation.weight.row(0)
        if len(weight) > 1:
            assert (np.diff(weight) > 5e-6 * weight[1:]).all()


def test_split_holds_back_part_of_each_users_items_and_learns_all_at_the_end(tmp_path: Path) -> None:
    learning = learn(files_of("split", tmp_path))
    assert learning.final is not None
    people = learning.task.validation
    assert (people.targets.lengths >= 1).all()
    held = len(learning.final) - len(learning.task.interactions)
    assert held == len(people.targets.values)
    assert not any(np.isin(people.targets.row(row), people.seen.row(row)).any() for row in range(len(people)))


def test_split_reports_users_without_a_training_line_apart(tmp_path: Path) -> None:
    files = files_of("split", tmp_path)
    found = worker.run(Job(files, "popularity", 1, 9.0), quiet)
    assert found["newcomers"]["people"] == 1
    assert found["asked"]["tested"] == 80


def test_a_target_that_the_mask_hides_is_a_miss_and_counted(tmp_path: Path) -> None:
    path = user_file(tmp_path / "f.txt", [["a", "b", "c", "a"], ["a", "b", "c", "d"], ["d", "c", "b", "a"]])
    found = worker.run(Job(Files("leave-one-out", path), "popularity", 1, 9.0), quiet)
    assert found["asked"]["repeated_targets"] == 1
    assert found["test"]["hr@20"] == pytest.approx(2 / 3)


def test_newest_cuts_queries_and_nothing_else(tmp_path: Path) -> None:
    people = learn(files_of("split", tmp_path)).task.validation
    cut = newest(people, 3)
    assert cut.item_idx.lengths.max() == 3
    for row in (0, 5, len(people) - 1):
        np.testing.assert_array_equal(cut.item_idx.row(row), people.item_idx.row(row)[-3:])
    np.testing.assert_array_equal(cut.seen.values, people.seen.values)


@pytest.mark.parametrize(
    ("protocol", "measures"),
    [
        (
            "leave-one-out",
            {"hr@10": Success @ 10, "ndcg@10": nDCG @ 10, "ndcg@5": nDCG @ 5, "mrr@20": RR @ 20},
        ),
        ("sessions", {"hr@20": Success @ 20, "mrr@20": RR @ 20, "ndcg@10": nDCG @ 10}),
        ("split", {"recall@20": R @ 20, "ndcg@20": nDCG @ 20, "recall@50": R @ 50, "ndcg@50": nDCG @ 50}),
    ],
)
def test_figures_agree_with_ir_measures_on_the_written_lists(
    protocol: str, measures: dict[str, Any], tmp_path: Path
) -> None:
    files = files_of(protocol, tmp_path)
    learning = learn(files)
    outcome = fit_one("markov", learning, seed=1, budget_s=9.0, tell=quiet)
    asked = ask(files, learning.item_ids)
    ranked = rank(outcome.final, asked.cases, protocol)
    run, qrels = {}, {}
    for row in range(len(asked.cases)):
        shown = ranked.lists[row][ranked.lists[row] > 0]
        run[str(row)] = {str(item): 1.0 - place / 100 for place, item in enumerate(shown)}
        qrels[str(row)] = {str(item): 1 for item in asked.cases.targets.row(row)}
    wanted = ir_measures.calc_aggregate(measures.values(), qrels, run)
    found = figures(ranked, protocol)
    assert {key: found[key] for key in measures} == pytest.approx(
        {key: wanted[measure] for key, measure in measures.items()}, abs=1e-9
    )


def result_of(arguments: list[str], out: Path) -> dict[str, Any]:
    assert command.main([*arguments, "--out", str(out)]) == 0
    body: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return body


def test_command_writes_the_agreed_form_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = user_file(tmp_path / "users.txt", walks(60))
    out = tmp_path / "new" / "result.json"
    body = result_of(
        ["--protocol", "leave-one-out", "--data", str(data), "--models", "transitions", "--seeds", "2"], out
    )
    assert set(body) >= {"dataset", "protocol", "machine", "commit", "models"}
    assert set(body["models"]) == {"popularity", "markov", "itemknn", "ease", "transitions"}
    model = body["models"]["transitions"]
    assert [seed["seed"] for seed in model["seeds"]] == [1, 2]
    for seed in model["seeds"]:
        assert set(seed) >= {"seed", "validation", "test", "fit_s", "peak_memory_mb", "query_ms", "beyond"}
        assert {"hr@10", "ndcg@10"} <= set(seed["validation"]) & set(seed["test"])
    assert model["test_mean"]["hr@10"] == pytest.approx(model["seeds"][0]["test"]["hr@10"])
    assert model["test_spread"]["hr@10"] == 0.0
    assert 0.5 < model["test_mean"]["hr@10"] <= 1.0
    assert (tmp_path / "new" / "result.pareto.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "NDCG@10" in printed
    assert "Test queries: 60; targets: 60." in printed


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--protocol", "sessions"], "needs --test"),
        (["--protocol", "split"], "needs --test"),
        (["--protocol", "leave-one-out", "--test", "users.txt"], "takes no --test"),
        (["--protocol", "leave-one-out", "--models", "sasreck"], "no model 'sasreck'; there are auto, "),
        (["--protocol", "leave-one-out", "--models", ","], "--models names none"),
        (["--protocol", "leave-one-out", "--items", "nothing.tsv"], "nothing.tsv does not exist"),
        (["--protocol", "leave-one-out", "--items", "users.txt"], "header must name"),
    ],
)
def test_command_says_in_a_line_what_is_wrong(
    arguments: list[str],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    user_file(tmp_path / "users.txt", walks(5))
    assert command.main([*arguments, "--data", "users.txt", "--out", "out.json"]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert "Traceback" not in said
    assert not (tmp_path / "out.json").exists()


def test_a_test_file_of_another_form_stops_the_run_at_the_first_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, _ = session_files(tmp_path)
    other, out = user_file(tmp_path / "users.txt", walks(5)), tmp_path / "out.json"
    given = ["--protocol", "sessions", "--data", str(data), "--test", str(other), "--models", "markov"]
    assert command.main([*given, "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "no line of its 5 is of the form 'item item …<TAB>item' (line 1: 0 tabs" in said
    assert "[2/" not in said


@pytest.mark.parametrize(
    ("protocol", "lines", "why"),
    [
        ("leave-one-out", "a x y\nb x y\n", "a user must have 3 items or more"),
        ("sessions", "x\ny\nz\n", "one of the last sessions must have 2 items or more"),
        ("sessions", "x y\n", "one session is too little"),
        ("split", "a x y\n", "a user must have 3 items or more"),
    ],
)
def test_a_file_without_anybody_to_choose_by_is_refused(
    protocol: str, lines: str, why: str, tmp_path: Path
) -> None:
    data = tmp_path / "data.txt"
    data.write_text(lines, encoding="utf-8")
    with pytest.raises(RefusedError, match=why):
        learn(Files(protocol, data, data))


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_no_process_outlives_the_command_that_started_it(
    sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    data = user_file(tmp_path / "users.txt", walks(60))
    given = ["--protocol", "leave-one-out", "--data", str(data), "--models", "gru4rec", "--out", "out.json"]
    words = [sys.executable, "-m", "benchmarks.quality", *given]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stderr is not None
        assert any("gru4rec, seed 1: fitting" in line for line in run.stderr)
        run.send_signal(sent)
        # The end of stderr comes when the last process that holds it has ended.
        _, rest = run.communicate(timeout=60)
        assert run.returncode == code
    assert "Traceback" not in rest
    assert "ease" in json.loads((tmp_path / "out.json").read_text())["models"]


def test_a_model_that_fails_is_recorded_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve_all(_work: Any, jobs: list[Job], on_message: Any, on_result: Any) -> None:
        for job in jobs:
            if job.model == "ease":
                on_result(job, {"error": "it burnt"})
            else:
                on_result(job, worker.run(job, partial(on_message, job)))

    monkeypatch.setattr(command, "run_all", serve_all)
    data, out = user_file(tmp_path / "users.txt", walks(30)), tmp_path / "r.json"
    asked = ["--protocol", "leave-one-out", "--data", str(data), "--models", "markov", "--out", str(out)]
    assert command.main(asked) == 1
    models = json.loads(out.read_text(encoding="utf-8"))["models"]
    assert models["ease"] == {"error": "it burnt"}
    assert "seeds" in models["markov"]
    assert "it burnt" in capsys.readouterr().out


@pytest.mark.parametrize("protocol", ["leave-one-out", "sessions", "split"])
def test_a_protocols_configuration_names_models_and_hyper_parameters_that_exist(protocol: str) -> None:
    given = presets(protocol)
    assert given
    for name, values in given.items():
        assert plan_of(name, protocol) == plan(name, values)


def test_a_resumed_run_keeps_what_is_there_and_adds_the_rest(tmp_path: Path) -> None:
    data, out = user_file(tmp_path / "users.txt", walks(60)), tmp_path / "result.json"
    asked = ["--protocol", "leave-one-out", "--data", str(data), "--resume", "--models"]
    first = result_of([*asked, "transitions"], out)
    first["models"]["ease"] = {"error": "it burnt"}
    first["models"]["transitions"]["seeds"][0]["fit_s"] = 123.0
    out.write_text(json.dumps(first), encoding="utf-8")
    body = result_of([*asked, "transitions,gfcf", "--seeds", "2"], out)
    assert [seed["seed"] for seed in body["models"]["transitions"]["seeds"]] == [1, 2]
    assert body["models"]["transitions"]["seeds"][0]["fit_s"] == 123.0
    assert body["models"]["ease"]["baseline"], "what failed before is tried again"
    assert len(body["models"]["gfcf"]["seeds"]) == 2


@pytest.mark.parametrize(("text", "why"), [("{}", "no result of this command"), ("nothing", "no result of")])
def test_only_a_result_of_the_same_measurement_is_resumed(text: str, why: str, tmp_path: Path) -> None:
    body = {"dataset": "a", "protocol": "split", "facts": {"rows": 1}, "models": {}}
    path = tmp_path / "result.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RefusedError, match=why):
        result.resumed(body, path)
    path.write_text(json.dumps(body | {"facts": {"rows": 2}}), encoding="utf-8")
    with pytest.raises(RefusedError, match="figures of other data"):
        result.resumed(body, path)


def test_targets_of_the_same_day_are_reported_apart(tmp_path: Path) -> None:
    data = user_file(tmp_path / "f.txt", [["a", "b", "c"], ["a", "c", "b"], ["b", "a", "c"], ["c", "b", "a"]])
    timed = tmp_path / "timed.txt"
    timed.write_text(
        "user0 a b c\t0 9 86399\nuser1 a c b\t0 0 86400\nuser2 b a c\t0 1\nuser3 c b a\t0 0 soon\n",
        encoding="utf-8",
    )
    found = worker.run(Job(Files("leave-one-out", data, timed=timed), "popularity", 1, 9.0), quiet)
    assert (found["same_day"]["people"], found["later_day"]["people"]) == (1, 1)
    assert found["notes"][0]["first_bad"] == [
        "line 3: 2 gaps for 3 items",
        "line 4: 'soon' is no number of seconds",
    ]
