"""Energy counters: sums, counters that start again, machines without any."""

from __future__ import annotations

import pytest

from alllib.energy import EnergyMeter, read_counters


def zone(folder, name, joules, largest=1000):
    (folder / name).mkdir()
    (folder / name / "energy_uj").write_text(f"{round(joules * 1e6)}\n")
    (folder / name / "max_energy_range_uj").write_text(f"{largest * 10**6}\n")


def test_packages_are_read_and_their_parts_are_not_counted_twice(tmp_path):
    zone(tmp_path, "intel-rapl:0", 5)
    zone(tmp_path, "intel-rapl:1", 7)
    zone(tmp_path, "intel-rapl:0:1", 3)
    found = read_counters(tmp_path)
    assert {k: v for k, v in found.items() if k.startswith("processor")} == {
        "processor 0": (5.0, 1000.0),
        "processor 1": (7.0, 1000.0),
    }


def test_what_cannot_be_read_is_left_out(tmp_path):
    zone(tmp_path, "intel-rapl:0", 5)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("nonsense")
    (tmp_path / "intel-rapl:1").mkdir()
    assert not [name for name in read_counters(tmp_path) if name.startswith("processor")]


def test_a_counter_that_starts_again_is_added_up():
    values = iter([990.0, 5.0, 20.0])
    meter = EnergyMeter(lambda: {"processor 0": (next(values), 1000.0)}, every=60)
    meter._add()
    found = meter.stop()
    assert found == {"joules": 30.0, "counters": {"processor 0": 30.0}}


def test_several_counters_add_up_and_the_watch_reads_by_itself():
    values = {"processor 0": 0.0, "GPU 0": 100.0}

    def read():
        values["processor 0"] += 1
        values["GPU 0"] += 2
        return {"processor 0": (values["processor 0"], 10.0), "GPU 0": (values["GPU 0"], None)}

    meter = EnergyMeter(read, every=0.01)
    while values["processor 0"] < 5:
        pass
    found = meter.stop()
    assert found["counters"]["GPU 0"] == pytest.approx(2 * found["counters"]["processor 0"])
    assert found["joules"] == pytest.approx(sum(found["counters"].values()))
    assert found["counters"]["processor 0"] >= 4


def test_a_machine_that_counts_nothing_gives_no_figure():
    assert EnergyMeter(dict).stop() is None


def test_stopping_twice_does_no_harm():
    meter = EnergyMeter(lambda: {"GPU 0": (1.0, None)}, every=60)
    assert meter.stop() == meter.stop() == {"joules": 0.0, "counters": {"GPU 0": 0.0}}
