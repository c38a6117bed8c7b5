"""What the scheduler promises, for all hosts and requests: it never overcommits, and only seed and hosts decide."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from compute_core.model.hosts import ComputeNode, HostReport
from compute_core.scheduler.capacity import Ask, Ratios, free
from compute_core.scheduler.filters import removed_by
from compute_core.scheduler.placement import place
from compute_core.scheduler.ranking import Ranking
from compute_core.scheduler.requests import Placement, PlacementRequest, Refusal
from compute_core.scheduler.weighers import Weights


def node(name: str, memory_mb: int = 8192, **changes: object) -> ComputeNode:
    report = HostReport(name, f"{name}.example", f"uuid-{name}", "6.1", "10.0.0.1", 4, memory_mb, memory_mb, 200, 200, 0)
    return replace(ComputeNode(report, f"service-{name}"), **changes)  # type: ignore[arg-type]


def request(uuid: str = "i", memory_mb: int = 1024, **changes: object) -> PlacementRequest:
    return replace(PlacementRequest(uuid, Ask(1, memory_mb, 10)), **changes)  # type: ignore[arg-type]


@st.composite
def clusters(draw: st.DrawFn) -> list[ComputeNode]:
    """Hosts of few sizes, so that there are ties, some of them in use, down or disabled."""
    return [
        node(
            f"host{number}",
            draw(st.sampled_from([2048, 4096, 8192])),
            claimed_memory_mb=draw(st.sampled_from([0, 0, 1024, 9000])),
            is_enabled=draw(st.integers(0, 5)) > 0,
            is_up=draw(st.integers(0, 5)) > 0,
            availability_zone=draw(st.sampled_from(["nova", "other"])),
        )
        for number in range(draw(st.integers(0, 8)))
    ]


@st.composite
def batches(draw: st.DrawFn) -> list[PlacementRequest]:
    count = draw(st.integers(1, 15))
    return [
        request(
            f"i{number}",
            draw(st.sampled_from([512, 1024, 3000])),
            availability_zone=draw(st.sampled_from([None, None, "nova", "other"])),
            tried_hosts=draw(st.frozensets(st.sampled_from(["host0", "host1", "host2"]), max_size=2)),
        )
        for number in range(count)
    ]


@given(clusters(), batches(), st.integers(0, 9))
def test_no_host_is_promised_more_than_it_has(hosts: list[ComputeNode], batch: list[PlacementRequest], seed: int) -> None:
    promised: dict[str, Ask] = defaultdict(lambda: Ask(0, 0, 0))
    for answer in place(hosts, batch, Random(seed)):
        if isinstance(answer, Placement):
            promised[answer.host] += answer.ask
    for host in hosts:
        left, taken = free(host, Ratios()), promised[host.report.host]
        if taken != Ask(0, 0, 0):
            assert taken.vcpus <= left.vcpus
            assert taken.memory_mb <= left.memory_mb
            assert taken.disk_gb <= left.disk_gb


@given(clusters(), batches(), st.integers(0, 9), st.randoms(use_true_random=False))
def test_the_order_of_the_hosts_makes_no_difference(
    hosts: list[ComputeNode], batch: list[PlacementRequest], seed: int, mixer: Random
) -> None:
    shuffled = list(hosts)
    mixer.shuffle(shuffled)
    assert place(shuffled, batch, Random(seed)) == place(hosts, batch, Random(seed))


@given(clusters(), batches(), st.integers(0, 9))
def test_placing_changes_neither_the_ranking_nor_its_answers(hosts: list[ComputeNode], batch: list[PlacementRequest], seed: int) -> None:
    ranking = Ranking(hosts)
    first = place(ranking, batch, Random(seed))
    assert list(ranking.nodes()) == sorted(hosts, key=lambda host: host.report.host)
    assert place(ranking, batch, Random(seed)) == first


@given(clusters(), st.integers(0, 9))
def test_the_chosen_host_is_the_one_with_most_memory_among_those_that_pass(hosts: list[ComputeNode], seed: int) -> None:
    wanted = request(availability_zone="nova")
    passing = [host for host in hosts if removed_by(host, free(host, Ratios()), wanted) is None]
    (answer,) = place(hosts, [wanted], Random(seed))
    if isinstance(answer, Refusal):
        assert passing == []
        assert sum(count for _, count in answer.removed) == len(hosts) == answer.hosts
    else:
        most = max(free(host, Ratios()).memory_mb for host in passing)
        assert answer.host in {host.report.host for host in passing if free(host, Ratios()).memory_mb == most}


@given(clusters(), st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9000)), max_size=20))
def test_a_ranking_that_followed_every_change_equals_a_fresh_one(hosts: list[ComputeNode], changes: list[tuple[int, int]]) -> None:
    ranking, now = Ranking(hosts), {host.report.host: host for host in hosts}
    for number, claimed in changes:
        changed = node(f"host{number}", claimed_memory_mb=claimed)
        ranking.put(changed)
        now[changed.report.host] = changed
    fresh = Ranking(now.values())
    assert [each.entry for each in ranking.best_first(Random(0))] == [each.entry for each in fresh.best_first(Random(0))]


def test_ties_are_drawn_by_lot_and_every_host_has_its_turn() -> None:
    hosts = [node(f"host{number}") for number in range(5)]
    answers = [place(hosts, [request()], Random(seed))[0] for seed in range(60)]
    assert {answer.host for answer in answers if isinstance(answer, Placement)} == {host.report.host for host in hosts}


def test_negative_weights_pack_servers_together() -> None:
    hosts = [node("busy", claimed_memory_mb=4096), node("empty")]
    packed = Ranking(hosts, weights=Weights({"memory_mb": -1.0}))
    assert place(packed, [request()], Random(0)) == (Placement("i", "busy", Ask(1, 1024, 10)),)


def test_a_host_that_fails_builds_comes_last_but_is_not_left_out() -> None:
    hosts = [node("emptiest", failed_builds=1), node("worse", failed_builds=2), node("full", claimed_memory_mb=6000)]
    batch = [request(f"i{number}") for number in range(12)]
    places = [answer.host for answer in place(hosts, batch, Random(0)) if isinstance(answer, Placement)]
    assert places == ["full"] * 2 + ["emptiest"] * 8 + ["worse"] * 2


def test_a_refusal_counts_the_hosts_by_reason() -> None:
    hosts = [
        node("disabled", is_enabled=False),
        node("down", is_up=False),
        node("forced", is_forced_down=True),
        node("elsewhere", availability_zone="other"),
        node("tried"),
        node("full", claimed_memory_mb=8000),
    ]
    (answer,) = place(hosts, [request(availability_zone="nova", tried_hosts=frozenset({"tried"}))], Random(0))
    assert str(answer) == (
        "No valid host was found: of 6 hosts 1 are disabled; 2 are down; 1 are in another availability zone; "
        "1 have been tried before; 1 lack memory."
    )


def test_without_hosts_the_refusal_says_so() -> None:
    (answer,) = place([], [request()], Random(0))
    assert str(answer) == "No valid host was found: the cell has no hosts."


def test_a_server_that_names_its_host_gets_it_or_the_count_of_all_that_are_not_it() -> None:
    hosts = [node(f"host{number}") for number in range(3)] + [node("full", claimed_memory_mb=99_999)]

    assert place(hosts, [request(target_host="host2")], Random(0)) == (Placement("i", "host2", request().ask),)
    assert place(hosts, [request(target_host="host2.example")], Random(0)) == (Placement("i", "host2", request().ask),)
    assert place(hosts, [request(target_host="full")], Random(0)) == (
        Refusal("i", 4, (("are not the target host", 3), ("lack memory", 1))),
    )
