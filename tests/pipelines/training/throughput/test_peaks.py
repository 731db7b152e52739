"""Peaks of GPUs by the names that their drivers give them."""

import pytest

from pipelines.training.throughput.peaks import PEAKS, device_name, peak_of

NAMES = {
    "NVIDIA H200": (989.4, 494.7),
    "NVIDIA H100 80GB HBM3": (989.4, 494.7),
    "NVIDIA H100 PCIe": (756.0, 378.0),
    "NVIDIA H100 NVL": (835.5, 417.5),
    "NVIDIA A100-SXM4-80GB": (312.0, 156.0),
    "NVIDIA A10": (125.0, 62.5),
    "NVIDIA L4": (121.0, 60.0),
    "NVIDIA L40S": (362.0, 183.0),
    "NVIDIA RTX 6000 Ada Generation": (364.2, 182.1),
    "NVIDIA GeForce RTX 4090": (165.2, 82.6),
    "Tesla V100-SXM2-16GB": (None, 15.7),
    "Tesla T4": (None, 8.1),
}
UNKNOWN = ["NVIDIA A100-SXM4-40GB MIG 1g.5gb", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA H20"]


@pytest.mark.parametrize("name", NAMES)
def test_the_peak_is_that_of_the_data_sheet(name):
    half, single = NAMES[name]
    assert peak_of(name, "float32") == single * 1e12
    assert peak_of(name, "bfloat16") == (half and half * 1e12)
    assert peak_of(name, "float16") > single * 1e12


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_part_or_a_kin_of_a_card_is_not_taken_for_it(name):
    assert peak_of(name, "bfloat16") is None


def test_every_row_of_the_table_can_be_reached_and_a_cpu_has_none():
    for name, half, _ in PEAKS:
        assert peak_of(f"NVIDIA {name}", "float16") == half * 1e12
    assert device_name() is None
