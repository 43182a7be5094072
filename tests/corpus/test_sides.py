"""On which side of a cut a name falls."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.corpus.sides import bounds, held_out, place

NAMES = st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=30)
SHARES = st.floats(0.05, 0.9)


def drawn(names: set[str], share: float, least: int = 0, settled: dict[str, bool] | None = None) -> frozenset[str]:
    return held_out({name: place(name, 0, "test") for name in names}, share, [(names, least)], settled)


def test_places_are_uniform_and_independent_for_every_seed_and_purpose() -> None:
    count = 4000
    columns = [
        [place(f"speaker{i}", seed, purpose) for i in range(count)]
        for seed, purpose in ((0, "test"), (1, "test"), (0, "valid"))
    ]
    for column in columns:
        # Kolmogorov's bound of the distance from the uniform distribution, at a probability of 1e-6.
        assert max(abs(at - i / count) for i, at in enumerate(sorted(column))) < 2.7 / math.sqrt(count)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        both = sum(a < 0.3 and b < 0.3 for a, b in zip(columns[one], columns[other], strict=True))
        assert abs(both / count - 0.09) < 5 * math.sqrt(0.09 * 0.91 / count)


@given(names=NAMES, more=NAMES, share=SHARES)
def test_a_name_stays_on_its_side_when_others_arrive_or_leave(names: set[str], more: set[str], share: float) -> None:
    """By its name alone, where as many are below the share as may be."""

    def enough(all_names: set[str]) -> bool:
        low, high = bounds(len(all_names), share, 2)
        return low <= sum(place(name, 0, "test") < share for name in all_names) <= high

    if enough(names) and enough(names | more):
        assert drawn(names, share, 2) == drawn(names | more, share, 2) & names


@given(names=NAMES, more=NAMES, share=SHARES, later=SHARES)
def test_a_settled_name_stays_whatever_the_share(names: set[str], more: set[str], share: float, later: float) -> None:
    settled = {name: name in drawn(names, share, 2) for name in names}
    after = drawn(names | more, later, 2, settled)
    assert after & names == {name for name, chosen in settled.items() if chosen}


@given(names=NAMES, share=SHARES, least=st.sampled_from([0, 1, 2]))
def test_shares_are_within_their_bounds(names: set[str], share: float, least: int) -> None:
    low, high = bounds(len(names), share, least)
    assert low <= len(drawn(names, share, least)) <= high
    if least:
        assert high < len(names)
        assert low >= min(least, len(names) // 2)
    assert high <= max(low, 1, 2 * share * len(names))


def test_with_many_names_the_share_is_near() -> None:
    for share in (0.1, 0.3, 0.5):
        count = len(drawn({f"speaker{i}" for i in range(2000)}, share, 2))
        assert abs(count / 2000 - share) < 4 * math.sqrt(share * (1 - share) / 2000)


@settings(max_examples=50)
@given(first=st.integers(14, 40), second=st.integers(14, 40))
def test_every_set_has_its_share_where_they_do_not_overlap(first: int, second: int) -> None:
    sets = [{f"a{i}" for i in range(first)}, {f"b{i}" for i in range(second)}]
    chosen = held_out({n: place(n, 3, "test") for n in sets[0] | sets[1]}, 0.3, [(one, 0) for one in sets])
    for members in sets:
        low, high = bounds(len(members), 0.3, 0)
        assert low <= len(chosen & members) <= high
        assert low >= 1
