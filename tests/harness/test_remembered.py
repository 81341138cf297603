"""What the cells of one process share."""

from bench.harness.remembered import Memory


def test_cells_of_one_process_share_the_battles_of_their_teams():
    played = []

    def play(team):
        return lambda columns: played.append((team, columns)) or (team, columns)

    memory, none, q, both = Memory(teams=2), frozenset(), frozenset({"values"}), frozenset({"values", "hidden"})
    assert memory.watched("a", none, play("a")) is memory.watched("a", none, play("a"))
    memory.watched("b", q, play("b"))
    memory.watched("b", none, play("b"))
    assert played == [("a", none), ("b", q)], "more columns than needed do no harm"
    assert memory.watched("b", frozenset({"hidden"}), play("b")) == ("b", both)
    memory.watched("c", none, play("c"))
    memory.watched("b", both, play("b"))
    memory.watched("a", none, play("a"))
    assert played[2:] == [("b", both), ("c", none), ("a", none)], "the team not seen for longest is forgotten"


def test_what_is_judged_once_is_remembered():
    memory, judged = Memory(), []
    for _ in range(2):
        assert memory.once("floor", lambda: judged.append("floor") or "judgement") == "judgement"
    memory.once("another", lambda: judged.append("another"))
    assert judged == ["floor", "another"]
