"""People's choices: kept through a kill, shared out, counted, and turned into decisions."""

import subprocess
import sys
import threading
import urllib.error

import psutil
import pytest

from lgvi_core.errors import LGVIError
from support.selection import selection, write_items
from tools.paths import ROOT
from train.build.config import BuildConfig
from train.build.people.agreement import agreement
from train.build.people.choices import NONE, Choice, Choices
from train.build.people.decisions import decide, items
from train.build.people.queue import Queue
from train.build.people.serve import is_loopback, serve


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The YAML file of a state with six items, each for two people."""
    return write_items(tmp_path_factory.mktemp("few"), 6, annotators=2)


def config_of(file):
    return BuildConfig.model_validate_json(file.read_text())


def choice(item, annotator, chosen, expressions=("the thing",)):
    return Choice(item.name, item.revision, annotator, chosen, tuple(expressions))


def test_the_majority_decides_and_a_tie_goes_to_the_better_figures(few):
    config = config_of(few)
    a, b, c, d, e, f = items(config)
    choices = [
        *(choice(a, who, w) for who, w in (("x", "5"), ("y", "5"), ("z", "0"))),
        *(choice(b, who, w) for who, w in (("x", "7"), ("y", "3"))),
        *(choice(c, who, w) for who, w in (("x", NONE), ("y", NONE), ("z", "3"))),
        choice(d, "x", "3", ["remove the cup"]),
        Choice(e.name, "of other candidates", "x", "3", ("the thing",)),
    ]
    decided = decide(config, [a, b, c, d, e, f], choices)
    assert [decision.grow for decision in decided] == [5, 3, None, 3, None, None]
    assert [decision.by for decision in decided] == ["people"] * 4 + [""] * 2
    assert decided[2].reason == "no candidate is good"
    assert decided[3].expressions == ("remove the cup",)
    best = config.model_copy(update={"selection": type(config.selection)(without_people="best")})
    assert [d.grow for d in decide(best, [e], choices)] == [0]


def test_kappa_is_that_of_the_textbook(few):
    found = items(config_of(few))
    # Two people, four items, three alike: po = 0.75, pe = 0.5 * 0.25 + 0.25 * 0.5 + 0.25 * 0.25.
    votes = [("0", "0"), ("0", "3"), ("3", "3"), ("5", "5")]
    pairs = [
        choice(i, who, w)
        for i, two in zip(found, votes, strict=False)
        for who, w in zip("xy", two, strict=True)
    ]
    agreed = agreement(pairs)
    expected = (0.75 - 0.3125) / (1 - 0.3125)
    assert (agreed.kind, agreed.items) == ("Cohen's kappa", 4)
    assert agreed.value == pytest.approx(expected)
    third = [choice(i, "z", two[0]) for i, two in zip(found, votes, strict=False)]
    many = agreement([*pairs, *third])
    assert many.kind == "Fleiss' kappa"
    assert 0 < many.value < 1
    assert agreement(pairs[:1]).items == 0
    assert agreement([choice(found[0], who, "3") for who in "xy"]).value is None


def test_each_item_goes_to_as_many_people_as_asked_for(few):
    found = items(config_of(few))
    queue = Queue(found, [], annotators=2)
    seen = {who: [] for who in "xyz"}
    for _ in range(6):
        for who in "xyz":
            if (item := queue.next(who)) is not None:
                seen[who].append(item.name)
                queue.take(choice(item, who, "0"))
    counts = [sum(item.name in names for names in seen.values()) for item in found]
    assert counts == [2] * 6
    assert queue.progress("x") == {"items": 6, "done": 6, "mine": len(seen["x"])}
    assert all(queue.next(who) is None for who in "xyz")
    queue.give_back("x", seen["x"][-1])
    assert queue.next("x").name == seen["x"][-1]


def test_an_item_on_two_screens_is_not_given_to_a_third(few):
    queue = Queue(items(config_of(few)), [], annotators=2)
    first, second, third = queue.next("x"), queue.next("y"), queue.next("z")
    assert first.name == second.name != third.name
    assert queue.next("x").name == first.name
    assert queue.next("x", after=first.name).name != first.name


def test_choices_of_many_at_once_are_all_kept(tmp_path):
    choices = Choices(tmp_path)

    def work(who):
        for i in range(25):
            choices.add(Choice(f"item {i}", "r", who, "3", ("the thing",)))

    threads = [threading.Thread(target=work, args=(f"person {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(choices.standing())) == 100
    choices.add(Choice("item 3", "r", "person 1", "7", ("the thing",)))
    assert len(list(choices.standing())) == 100
    assert choices.undo("person 1") == "item 3"
    assert len(list(choices.standing())) == 99
    assert choices.undo("nobody") is None


@pytest.mark.training
def test_choices_survive_a_kill_at_any_moment(few):
    kept = []
    for killed in range(2):
        with selection(few) as page:
            for number in range(2):
                item = page.choose("Ada", "3", expressions=[f"the {killed}{number}"])
                kept.append(item["item"])
            page.kill()
    with selection(few) as page:
        assert page.get("/api/next?annotator=Ada")["progress"]["mine"] == 4
        assert len(set(kept)) == 4
        undone = page.post("/api/undo", annotator="Ada")
        assert undone["item"]["item"] == kept[-1]
        with pytest.raises(urllib.error.HTTPError, match="409"):
            page.choose("Ada", "3", revision="older")
        with pytest.raises(urllib.error.HTTPError, match="422"):
            page.choose("Ada", "4")
        with pytest.raises(urllib.error.HTTPError, match="422"):
            page.choose("Ada", "3", expressions=[" "])
        for path in ("/api/picture/x/1/source.jpg", "/page/../server.py", "/page/server.py"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                page.get(path)
        second = [sys.executable, "-m", "train.build", "select", "--config", str(few)]
        refused = subprocess.run(second, cwd=ROOT, capture_output=True, text=True, check=False)
        assert "in use by another `select`" in refused.stderr
        page.choose("Bob", "3")
        assert page.get("/api/agreement")["items"] == 1


@pytest.mark.training
def test_others_need_the_token(few, tmp_path):
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost")
    assert not is_loopback("0.0.0.0") and not is_loopback("studio.example")
    with pytest.raises(LGVIError, match="can be reached by others"):
        serve(config_of(few), "0.0.0.0", 1, None)
    (tmp_path / "token").write_text("short")
    with pytest.raises(LGVIError, match="16 characters"):
        serve(config_of(few), "0.0.0.0", 1, tmp_path / "token")
    (tmp_path / "token").write_text("a secret of many letters\n")
    with selection(few, "--token-file", str(tmp_path / "token")) as page:
        for path in ("/api/next?annotator=Ada", "/", "/page/app.js"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                page.get(path)
        told = page.get("/api/next?annotator=Ada&token=a%20secret%20of%20many%20letters")
        assert told["progress"]["items"] == 6


@pytest.mark.slow
def test_ten_thousand_items_are_as_quick_as_ten(tmp_path):
    file = write_items(tmp_path, 10_000)
    with selection(file) as page:
        process = psutil.Process(page.process.pid)
        before = sum(process.cpu_times()[:2])
        assert page.choose("Ada", "3")["item"] == "mine--c00000/1"
        first = sum(process.cpu_times()[:2]) - before
        memory = process.memory_info().rss
        for _ in range(300):
            page.choose("Ada", "3")
        after = process.memory_info().rss
        print(f"first item {first:.3f} CPU s, memory {memory >> 20} to {after >> 20} MiB")
        assert first < 1
        assert after < memory + (20 << 20)
